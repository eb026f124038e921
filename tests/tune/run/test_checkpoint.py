"""A session's file, written by a thread while the run goes on; and trials that end before their candidate is known."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ray import tune

from arqon_ray.core.config import load_config
from arqon_ray.core.export.frozen import Frozen
from arqon_ray.tune import ArqonSearcher, plan, tune_call
from arqon_ray.tune.run import checkpoint
from arqon_ray.tune.run.reconcile import Seen
from arqon_ray.tune.run.trials import Trials
from arqon_ray.tune.study import shared, study

CONFIG = {"seed": 7, "bounds": {"x": {"min": -5.0, "max": 5.0}}}


class Export:
    """Holds exports back until it is opened, and notes the threads that make them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.threads: list[threading.Thread] = []
        self.errors: list[Exception] = []
        whole = Frozen.export

        def held(frozen: Frozen) -> str:
            self.threads.append(threading.current_thread())
            assert self.open.wait(60)
            if self.errors:
                raise self.errors.pop()
            return whole(frozen)

        monkeypatch.setattr(Frozen, "export", held)
        monkeypatch.setattr(study, "_SMALL", 0)


@pytest.fixture
def export(monkeypatch: pytest.MonkeyPatch) -> Export:
    return Export(monkeypatch)


def told(searcher: ArqonSearcher, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        config = searcher.suggest(f"t{number}")
        assert isinstance(config, dict)
        searcher.on_trial_complete(f"t{number}", {"loss": config["x"] ** 2})


def values(folder: Path) -> list[float]:
    searcher = ArqonSearcher(CONFIG)
    searcher.restore_from_dir(str(folder))
    return [row["value"] for row in searcher.solver.history()]


def saved_once(folder: Path, export: Export) -> ArqonSearcher:
    searcher = ArqonSearcher(CONFIG)
    told(searcher, 1)
    export.open.set()
    searcher.save_to_dir(str(folder), "session")
    export.open.clear()
    return searcher


def test_the_first_file_is_there_at_once_and_the_next_ones_are_exported_elsewhere(
    tmp_path: Path, export: Export
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    searcher = saved_once(folder, export)
    (file,) = folder.iterdir()
    before = file.read_bytes()
    told(searcher, 1, first=1)
    searcher.save_to_dir(str(folder), "session")  # returns although nothing can be exported
    told(searcher, 1, first=2)
    assert file.read_bytes() == before
    assert list(folder.iterdir()) == [file]
    export.open.set()
    assert len(values(folder)) == 2  # as of the call, not of the moment of writing
    assert export.threads[0] is threading.main_thread()
    assert threading.main_thread() not in export.threads[1:]
    assert list(tmp_path.iterdir()) == [folder]


def test_every_file_of_a_small_study_is_there_at_once(
    tmp_path: Path, export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "_SMALL", 100)
    searcher = saved_once(tmp_path, export)
    export.open.set()
    for number in range(1, 20):
        told(searcher, 1, first=number)
        searcher.save_to_dir(str(tmp_path), "session")
    threads = [thread is threading.main_thread() for thread in export.threads]
    assert threads[:5] == [True] * 5
    assert not threads[-1]
    assert len(values(tmp_path)) == 20


def test_a_newer_state_takes_the_place_of_one_that_waits(tmp_path: Path, export: Export) -> None:
    searcher = saved_once(tmp_path, export)
    for number in range(1, 5):
        told(searcher, 1, first=number)
        searcher.save_to_dir(str(tmp_path), "session")
    export.open.set()
    assert len(values(tmp_path)) == 5
    assert len(export.threads) <= 3


def test_the_last_file_of_a_run_is_waited_for(tmp_path: Path, export: Export, monkeypatch: pytest.MonkeyPatch) -> None:
    searcher = saved_once(tmp_path, export)
    told(searcher, 1, first=1)
    export.open.set()
    monkeypatch.setattr(tune_call, "waits_for_checkpoint", lambda: True)
    searcher.save_to_dir(str(tmp_path), "session")
    assert set(export.threads) == {threading.main_thread()}
    assert len(values(tmp_path)) == 2


def test_what_the_thread_cannot_write_is_tried_again(tmp_path: Path, export: Export) -> None:
    searcher = saved_once(tmp_path, export)
    told(searcher, 1, first=1)
    export.errors.append(OSError("no space left"))
    export.open.set()
    searcher.save_to_dir(str(tmp_path), "session")
    checkpoint.settle()
    searcher._writer._background.wake(hurry=True)
    checkpoint.settle()
    assert not export.errors
    assert len(values(tmp_path)) == 2
    assert not searcher._writer.failing


# Trials that end before their candidate is known


class Late:
    """A study whose answer about a trial comes when the test says so."""

    def __init__(self) -> None:
        self.known = False
        self.forgotten: list[str] = []

    def match(self, key: str, params: Any, patience: float) -> Any:
        return shared.Ticket("3", dict(params)) if self.known else None

    def forget(self, key: str) -> None:
        self.forgotten.append(key)


def test_a_trial_that_ends_before_its_candidate_is_known_is_told_then() -> None:
    trials, late, ended = Trials(), Late(), []
    trials.reconcile({"a": Seen({"x": 1.0}, {}, "open"), "b": Seen({"x": 2.0}, {}, "open")}, late, None)  # type: ignore[arg-type]

    def match() -> bool:
        point = plan.Point({"x": 1.0}, {"x": 1.0})
        return trials.match_missed(
            late,
            0.0,
            lambda trial, params: point,
            lambda point: {},
            lambda *end: ended.append(end),  # type: ignore[arg-type]
        )

    assert not match()
    trials.note_missed("a", {"loss": 1.5}, False)
    trials.note_missed("b", None, False)
    assert not match()
    late.known = True
    assert match()
    assert ended == [("a", {"loss": 1.5}, False)]
    assert late.forgotten == ["b"]


class Placing:
    """A client whose answer to an ask is the test's."""

    name = "placing"

    def __init__(self) -> None:
        self.place_now = threading.Event()
        self.released: list[Any] = []

    def snapshot(self) -> None:
        return None

    def ask_one(self, key: str, owner: str, lease: Any, params: Any) -> dict[str, Any]:
        assert self.place_now.wait(60)
        return {"id": "0", "params": dict(params)}

    def release(self, id: Any = None, owner: Any = None, key: Any = None) -> list[Any]:
        self.released.append(id)
        return []

    def renew(self, owner: str) -> int:
        return 0


def test_a_candidate_that_comes_for_a_trial_that_is_gone_goes_back() -> None:
    client = Placing()
    share = shared.SharedStudy(client, load_config(CONFIG))  # type: ignore[arg-type]
    assert share.match("a", {"x": 1.0}, 0.5) is None
    share.forget("a")
    client.place_now.set()
    arrived: Future[Any] = share._connection.ask(shared.Call(lambda study: study.renew("anybody")))
    arrived.result(60)
    share._connection.ask(shared.Call(lambda study: study.renew("anybody"))).result(60)
    assert client.released == ["0"]
    share.leave()


# Objects behind Tune's placeholders, and the empty cells of a table


def test_a_point_finds_the_object_behind_tunes_placeholder(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [pd.DataFrame({"a": [number]}) for number in range(3)]
    space = {"d": tune.choice([("__ref_ph", str(number)) for number in range(3)]), "x": tune.uniform(0, 1)}
    monkeypatch.setattr(plan, "placeholder_objects", lambda: {str(n): frame for n, frame in enumerate(frames)})
    searcher = ArqonSearcher(points_to_evaluate=[{"d": frames[2].copy(), "x": 0.5}])
    assert searcher.set_search_properties("loss", "min", space)
    assert searcher.suggest("t") == {"d": ("__ref_ph", "2"), "x": 0.5}


def test_a_run_tells_what_lies_behind_its_placeholders(cluster: Any, tmp_path: Path) -> None:
    arrays = [np.arange(3), np.arange(4)]
    searcher = ArqonSearcher(points_to_evaluate=[{"d": arrays[1]}], budget=1)
    seen: list[Any] = []

    class Stop(Exception):
        pass

    def offered(param_space: Any) -> Any:
        seen.append(tune_call.placeholder_objects())
        raise Stop

    searcher._session.plan.take_param_space = offered  # type: ignore[method-assign]
    with pytest.raises(Stop):
        tune.run(
            lambda config: None, config={"d": tune.choice(arrays)}, search_alg=searcher, storage_path=str(tmp_path)
        )
    assert sorted(len(array) for array in seen[0].values()) == [3, 4]


@pytest.mark.parametrize("empty", [None, float("nan"), np.float64("nan"), pd.NA])
def test_an_empty_cell_of_what_is_not_there_is_passed_over(empty: Any) -> None:
    space = {
        "m": tune.choice([{"kind": "svm", "c": tune.uniform(0, 1)}, {"kind": "tree", "depth": tune.randint(1, 9)}])
    }
    rows = [
        {"m/kind": "svm", "m/c": np.float32(0.5), "m/depth": empty},
        {"m/kind": "tree", "m/c": empty, "m/depth": np.int64(3)},
    ]
    searcher = ArqonSearcher(space, points_to_evaluate=rows)
    assert [searcher.suggest(f"t{number}") for number in range(2)] == [
        {"m": {"kind": "svm", "c": 0.5}},
        {"m": {"kind": "tree", "depth": 3}},
    ]
