"""A study's actor: through a client with a restart in between, and through the bare handle."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

import arqon_ray
from arqon_ray import ResultsError
from arqon_ray.service import SolverClient, verify
from tests.record.everything import BOUNDS, METRIC, everything, wanted
from tests.record.outs import check_rows, check_run, check_same, shape
from tests.service.live import Start, kill, studies

CONFIG: dict[str, Any] = {"seed": 5, "budget": 14, "strategy": "probe", "metric": METRIC, "bounds": BOUNDS}
STEPS = [[1, 0.5, 1.7e9], [2, 0.25, 1.7e9 + 1.0]]
WHERE = {"started": 1.7e9, "ended": 1.7e9 + 2.5, "seconds": 2.5, "node": "10.0.0.1", "pid": 42, "attempt": 2}
pytestmark = pytest.mark.usefixtures("cluster")


@pytest.fixture
def start() -> Iterator[Start]:
    with studies() as begin:
        yield begin


def work(study: SolverClient) -> None:
    """Tell results in all ways that the client has; one candidate stays in flight."""
    asked = study.ask(8)
    assert len(asked) == 8
    one, two, three, four, five, six, seven, _ = asked
    study.tell(one["id"], metrics=everything(one["params"]))
    study.tell(two["id"], everything(two["params"])[METRIC], metrics=everything(two["params"]), **WHERE)
    study.tell([{"id": each["id"], "metrics": everything(each["params"])} for each in (three, four)])
    metrics = everything(five["params"])
    reports = [{"id": five["id"], "step": s, "value": v, "time": t, "metrics": metrics} for s, v, t in STEPS]
    assert all(answer["accepted"] for answer in study.report(reports))
    study.tell(five["id"], metrics=everything(five["params"]), status="stopped", step=2)
    study.tell(six["id"], status="failed", value=None, error={"kind": "died", "message": "gone", "trace": "a\nb"})
    study.report(seven["id"], 1, 0.5, everything(seven["params"]))
    with study.batched(size=2) as batched:
        candidate = batched.ask_one()
        assert candidate is not None
        batched.tell(candidate["id"], metrics=everything(candidate["params"]))


def check(study: SolverClient, folder: Path) -> None:
    """Check every way out of a study that did :func:`work`."""
    rows = study.history()
    assert check_rows(rows) == 6
    by_id = {row["id"]: row for row in rows}
    assert {key: by_id["1"][key] for key in WHERE} == WHERE
    assert by_id["4"]["steps"] == STEPS
    assert (by_id["4"]["status"], by_id["4"]["step"]) == ("stopped", 2)
    assert by_id["5"]["error"] == {"kind": "died", "message": "gone", "trace": "a\nb"}
    (running,) = (row for row in study.pending() if row["id"] == "6")
    assert shape(running["metrics"]) == shape(wanted(running["params"]))
    assert [step[:2] for step in running["steps"]] == [[1, 0.5]]
    assert running["steps"][0][2] > 1.7e9  # when the study took it
    assert repr(study.history(since=rows[2]["seq"])) == repr([row for row in rows if row["seq"] > rows[2]["seq"]])
    assert study.history(since=study.status()["seq"]) == []
    best = study.best()
    assert best is not None
    assert shape(best["metrics"]) == shape(wanted(best["params"]))
    assert repr(asyncio.run(study.aio.history())) == repr(rows)
    folder.mkdir()
    check_run(study.run(), folder, least=6)


def test_a_client_has_them_everywhere_also_after_the_actor_died(start: Start, tmp_path: Path) -> None:
    study = start(CONFIG, storage_path=str(tmp_path / "journals"))
    work(study)
    check(study, tmp_path / "before")
    before, waiting = study.history(), study.pending()
    pid = kill(study)
    assert repr(study.history()) == repr(before)
    assert study.status()["pid"] != pid
    assert [_without_lease(row) for row in study.pending()] == [_without_lease(row) for row in waiting]
    check(study, tmp_path / "after")
    run, journal = study.run(), tmp_path / "journals" / study.name
    for what in (study, str(journal), journal.as_uri(), study.export()):
        check_same(arqon_ray.open_run(what), run)
    study.stop()
    check_same(arqon_ray.open_run(journal), run)
    assert verify(str(tmp_path / "journals"), study.name).ok


def _without_lease(row: dict[str, Any]) -> str:
    return repr({key: value for key, value in row.items() if key not in ("owner", "key", "lease")})


def test_a_result_that_was_wrong_is_taken_back_for_good(start: Start, tmp_path: Path) -> None:
    study = start(CONFIG, storage_path=str(tmp_path))
    work(study)
    before = study.history()
    assert study.retract("0", "the wrong data")["accepted"]
    kept = [row for row in before if row["id"] != "0"]
    assert repr(study.history()) == repr(kept)
    pid = kill(study)
    assert repr(study.history()) == repr(kept)
    status = study.status()
    assert status["pid"] != pid
    assert status["counts"]["retracted"] == 1
    study.tell("0", metrics=everything(before[0]["params"]))
    assert [row["id"] for row in study.history()][-1] == "0"
    study.stop()
    assert verify(str(tmp_path), study.name).ok


def test_the_bare_handle_has_them_everywhere(start: Start, tmp_path: Path) -> None:
    study = start(CONFIG)
    handle = ray.get_actor(study.name, namespace="arqon")
    for way in range(3):
        asked = ray.get(handle.ask_one.remote())
        metrics = everything(asked["params"])
        if way == 0:
            ray.get(handle.tell.remote(asked["id"], metrics=metrics))
        elif way == 1:
            ray.get(handle.tell.remote(asked["id"], metrics[METRIC], metrics=metrics))
        else:
            ray.get(handle.tell.remote([{"id": asked["id"], "metrics": metrics}]))
    asked = ray.get(handle.ask_one.remote())
    ray.get(handle.report.remote(asked["id"], 1, 0.5, everything(asked["params"])))
    (running,) = ray.get(handle.pending.remote())
    assert shape(running["metrics"]) == shape(wanted(running["params"]))
    rows = ray.get(handle.history.remote())
    assert check_rows(rows) == 3
    assert repr(ray.get(handle.history.remote(rows[0]["seq"]))) == repr(rows[1:])
    best = ray.get(handle.best.remote())
    assert shape(best["metrics"]) == shape(wanted(best["params"]))
    check_run(study.run(), tmp_path, least=3)


@pytest.mark.parametrize(
    ("metrics", "words"),
    [
        ({"f": object()}, r"metrics\['f'\] is <object object.*it must be a number, a text"),
        ({1: 2.0}, "the name 1 is no text"),
        ({f"m{i}": i for i in range(65)}, "65 entries: an evaluation has at most 64 metrics"),
        ({"f": "ö" * 2049}, "at most 4096 bytes, and this one 4098"),
    ],
)
def test_what_is_no_metric_is_refused_and_nothing_is_taken(start: Start, metrics: Any, words: str) -> None:
    study = start(CONFIG)
    asked = study.ask_one()
    assert asked is not None
    seq = study.status()["seq"]
    for wrong in (
        lambda: study.tell(asked["id"], 1.0, metrics=metrics),
        lambda: study.tell([{"id": asked["id"], "value": 1.0, "metrics": metrics}]),
        lambda: study.seed([{"params": asked["params"], "value": 1.0, "metrics": metrics}]),
        lambda: study.report(asked["id"], 1, 1.0, metrics),
    ):
        with pytest.raises(ResultsError, match=words):
            wrong()
    assert study.history() == []
    assert study.status()["seq"] == seq


def test_steps_come_in_any_order_and_each_once(start: Start) -> None:
    study = start(CONFIG)
    asked = study.ask_one()
    assert asked is not None
    for step, value in ((3, 0.3), (1, 0.1), (2, 0.2), (3, 0.4)):
        study.report(asked["id"], step, value)
    study.tell(asked["id"], metrics=everything(asked["params"]))
    (row,) = study.history()
    assert [step[:2] for step in row["steps"]] == [[1, 0.1], [2, 0.2], [3, 0.4]]
    late = study.report(asked["id"], 4, 0.5)
    assert not late["accepted"]
    assert "told" in late["note"]
    assert study.history()[0]["steps"] == row["steps"]
    with pytest.raises(ResultsError, match="step is -1"):
        study.report(asked["id"], -1, 0.5)
