"""Reading the study from the checkpoint of a searcher in the folder of a Tune experiment.

The checkpoint is a pickle, since a Tune space and the config of a trial may hold any object. The study in it is plain
Python. Everything else is read as an inert object, so that no code is run and no module imported, not even Tune.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

from arqon_ray.core.export.exported import run_of_export
from arqon_ray.core.record.run import Run
from arqon_ray.errors import StateError

_SEARCHERS = "searcher-state-*.pkl"
_TRIALS = "experiment_state-*.json"
_MARKS = (_TRIALS, "tuner.pkl", _SEARCHERS)
_ENDED = ("TERMINATED", "ERROR")
_FORMAT = "arqon_ray.tune.ArqonSearcher"


def is_experiment(folder: Path) -> bool:
    """Return whether a folder is that of a Tune experiment."""
    return any(any(folder.glob(mark)) for mark in _MARKS)


def read_experiment(folder: Path) -> Run:
    """Return the run of a Tune experiment, as of the last checkpoint of its searcher.

    Raises:
        StateError: the searcher was not an ArqonSearcher, the file is damaged, or the study is stored elsewhere.
    """
    files = sorted(folder.glob(_SEARCHERS), key=lambda file: (file.stat().st_mtime, file.name))
    if not files:
        raise StateError(f"{folder} is a Tune experiment without a checkpoint of a searcher, so it holds no study")
    state = _read(files[-1])
    study = state["study"]
    if study is None:
        raise StateError(f"{folder} is a Tune experiment that ended before its first trial: there is no run")
    export = study["export"] if "export" in study else (study.get("snapshot") or {}).get("export")
    if export is None:
        raise StateError(f"{folder} is an experiment on the shared study {study['name']!r}: open the log of that study")
    metric = getattr(state.get("objective"), "metric", None)
    named = {"metric": metric} if isinstance(metric, str) else {}
    over = {"state": "finished"} if _has_ended(folder) else {}
    return run_of_export(export, folder.name, objective="tune", **named, **over)


def _has_ended(folder: Path) -> bool:
    """Return whether all trials have ended, according to Tune's own file."""
    files = sorted(folder.glob(_TRIALS), key=lambda file: (file.stat().st_mtime, file.name))
    try:
        trials = json.loads(files[-1].read_text())["trial_data"] if files else []
        return bool(trials) and all(json.loads(trial[0])["status"] in _ENDED for trial in trials)
    except (OSError, ValueError, LookupError, TypeError):  # the format of another release: rely on the study
        return False


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            state = _Reader(stream).load()
    except OSError as error:
        raise StateError(f"cannot read {file}: {error.strerror or error}") from None
    except Exception as error:  # pickle raises anything if the bytes are damaged
        raise StateError(f"{file} cannot be read as the checkpoint of an ArqonSearcher: {error!r}") from None
    if not isinstance(state, dict) or state.get("format") != _FORMAT or "study" not in state:
        raise StateError(f"{file} is not the checkpoint of an ArqonSearcher")
    return state


class _Inert(type):
    """The class of inert objects: they can be called and filled, and do nothing."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _Inert("Nothing", (), {})

    def __setstate__(cls, state: Any) -> None:
        plain = state[0] if isinstance(state, tuple) and state else state
        for name, value in plain.items() if isinstance(plain, dict) else ():
            if isinstance(name, str) and not name.startswith("__"):
                setattr(cls, name, value)

    def _ignore(cls, *args: Any) -> None:
        """Ignore entries."""

    append = extend = add = update = __setitem__ = _ignore


class _Object(metaclass=_Inert):
    """Stands for any class in the pickle. Its objects have their attributes only."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return _Inert("Nothing", (), {})


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _Object

    def persistent_load(self, pid: Any) -> Any:
        """Return an object of arqon_ray, of which the file has a name, arguments and attributes."""
        there = _Inert("Nothing", (), {})
        there.__setstate__(pid[2] if isinstance(pid, tuple) and len(pid) == 3 else None)
        return there
