"""The folder of a Tune experiment: what its searcher's file says of the study, read without a class of anybody.

The file is a pickle, since a Tune space and a trial's config may hold any object. Only the study is wanted here, and
that is plain Python: everything else becomes an inert object, so that no code is run and no module imported, not even
Tune, whatever lies there.
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
    """Tell whether a folder is a Tune experiment's."""
    return any(any(folder.glob(mark)) for mark in _MARKS)


def read_experiment(folder: Path) -> Run:
    """Return the run of the searcher of a Tune experiment, as of its last checkpoint.

    Raises:
        StateError: it was no ArqonSearcher's, the file is damaged, or the study lies elsewhere.
    """
    files = sorted(folder.glob(_SEARCHERS), key=lambda file: (file.stat().st_mtime, file.name))
    if not files:
        raise StateError(f"{folder} is a Tune experiment without a searcher's checkpoint: nothing of a study is in it")
    state = _read(files[-1])
    study = state["study"]
    if study is None:
        raise StateError(f"{folder} is a Tune experiment that ended before its first trial: there is no run yet")
    export = study["export"] if "export" in study else (study.get("snapshot") or {}).get("export")
    if export is None:
        raise StateError(f"{folder} is an experiment on the shared study {study['name']!r}: open that one's journal")
    metric = getattr(state.get("objective"), "metric", None)
    named = {"metric": metric} if isinstance(metric, str) else {}
    over = {"state": "finished"} if _has_ended(folder) else {}
    return run_of_export(export, folder.name, objective="tune", **named, **over)


def _has_ended(folder: Path) -> bool:
    """Tell whether all of the experiment's trials have ended, as Tune's own file says."""
    files = sorted(folder.glob(_TRIALS), key=lambda file: (file.stat().st_mtime, file.name))
    try:
        trials = json.loads(files[-1].read_text())["trial_data"] if files else []
        return bool(trials) and all(json.loads(trial[0])["status"] in _ENDED for trial in trials)
    except (OSError, ValueError, LookupError, TypeError):  # another release's form: the study says how it stands
        return False


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            state = _Reader(stream).load()
    except OSError as error:
        raise StateError(f"cannot read {file}: {error.strerror or error}") from None
    except Exception as error:  # damaged bytes make pickle raise anything at all
        raise StateError(f"{file} cannot be read as the file of an ArqonSearcher: {error!r}") from None
    if not isinstance(state, dict) or state.get("format") != _FORMAT or "study" not in state:
        raise StateError(f"{file} is not of an ArqonSearcher: open what saved it")
    return state


class _Inert(type):
    """The class of whatever else is in the file: it can be called, filled and asked, and does nothing."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return _Inert("Nothing", (), {})

    def __setstate__(cls, state: Any) -> None:
        plain = state[0] if isinstance(state, tuple) and state else state
        for name, value in plain.items() if isinstance(plain, dict) else ():
            if isinstance(name, str) and not name.startswith("__"):
                setattr(cls, name, value)

    def _ignore(cls, *args: Any) -> None:
        """Take no entries."""

    append = extend = add = update = __setitem__ = _ignore


class _Object(metaclass=_Inert):
    """What an object of any class is read as: its attributes, and nothing else."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        return _Inert("Nothing", (), {})


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _Object

    def persistent_load(self, pid: Any) -> Any:
        """Return an object of ours, which stands in the file as a name, arguments and attributes."""
        there = _Inert("Nothing", (), {})
        there.__setstate__(pid[2] if isinstance(pid, tuple) and len(pid) == 3 else None)
        return there
