"""Which study a restored searcher goes on with: the one that it was attached to, or what the checkpoint holds of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import arqon_ray
from arqon_ray.errors import ArqonError, StateError
from arqon_ray.tune import ArqonSearcher
from arqon_ray.tune.study.attach import check_same

CONFIG = {"seed": 7, "budget": 6, "bounds": {"x": {"min": -5.0, "max": 5.0}, "n": {"min": 1, "max": 9, "type": "int"}}}
FILE = {"uuid": "mine", "seq": 8, "export": "{}"}


@pytest.mark.parametrize(
    "status",
    [
        {"uuid": "mine", "seq": 8, "imported": None},
        {"uuid": "mine", "seq": 80, "imported": None},
        {"uuid": "child", "seq": 2, "imported": {"uuid": "mine", "seq": 8}},
        {"uuid": "mine", "seq": 9, "imported": {"uuid": "parent", "seq": 1}},
    ],
)
def test_the_same_study_and_one_that_went_on_from_it_are_taken(status: dict[str, Any]) -> None:
    check_same("study", status, FILE)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({"uuid": "other", "seq": 80, "imported": None}, r"\(other\) is not the study .* \(mine\): stop it"),
        ({"uuid": "mine", "seq": 7, "imported": None}, "ends at record 7 .* is of record 8"),
        ({"uuid": "child", "seq": 80, "imported": {"uuid": "mine", "seq": 7}}, "ends at record 7"),
    ],
)
def test_a_foreign_or_older_study_is_refused_with_both_named(status: dict[str, Any], message: str) -> None:
    with pytest.raises(StateError, match=message):
        check_same("study", status, FILE)


@pytest.fixture
def client(cluster: Any, unique_name: str, tmp_path: Path) -> Iterator[arqon_ray.SolverClient]:
    client = arqon_ray.start(CONFIG, unique_name, storage_path=str(tmp_path / "studies"))
    yield client
    arqon_ray.connect(unique_name).stop(purge=True)


def used(client: arqon_ray.SolverClient, path: Path) -> Any:
    """Tell two trials, keep a third in flight, and save; returns the third's config."""
    searcher = ArqonSearcher(actor=client.name)
    configs = [searcher.suggest(f"t{i}") for i in range(3)]
    for i in range(2):
        searcher.on_trial_complete(f"t{i}", {"loss": 1.0 * i})
    searcher.save(str(path))
    assert isinstance(configs[2], dict)
    return configs[2]


def restored(client: arqon_ray.SolverClient, path: Path) -> ArqonSearcher:
    searcher = ArqonSearcher(actor=client.name)
    searcher.restore(str(path))
    return searcher


def ask(searcher: ArqonSearcher) -> dict[str, Any]:
    """Ask as Tune does, until there is an answer."""
    for _ in range(100):
        config = searcher.suggest(uuid.uuid4().hex[:8])
        if isinstance(config, dict):
            return config
        time.sleep(0.1)
    raise AssertionError("no candidate came")


def test_it_goes_on_with_the_journal_or_else_the_checkpoint_and_never_with_a_stranger(
    client: arqon_ray.SolverClient, tmp_path: Path
) -> None:
    flying = used(client, tmp_path / "file")
    later = client.ask_one()  # after the checkpoint
    assert later is not None
    client.tell(later["id"], 0.5)

    client.stop()  # the actor is gone and the journal is there: it is the truth
    searcher = restored(client, tmp_path / "file")
    assert searcher.suggest("t2") == flying
    ask(searcher)
    assert [row["value"] for row in client.history()] == [0.0, 1.0, 0.5]
    assert client.status()["imported"] is None
    searcher.end_run()

    client.stop(purge=True)  # nothing is left of it: the file begins it
    searcher = restored(client, tmp_path / "file")
    ask(searcher)
    assert [row["value"] for row in client.history()] == [0.0, 1.0]
    searcher.on_trial_complete("t2", {"loss": 2.0})
    searcher.save(str(tmp_path / "second"))
    assert [(row["id"], row["value"]) for row in client.history()] == [("0", 0.0), ("1", 1.0), ("2", 2.0)]
    searcher.end_run()
    ask(restored(client, tmp_path / "file"))  # the file of the study that this one went on from

    client.stop(purge=True)  # somebody else's under the name: refused, and left as it is
    arqon_ray.start(CONFIG, client.name, storage_path=str(tmp_path / "studies"))
    searcher = restored(client, tmp_path / "second")
    with pytest.raises(ArqonError, match="is not the study that this run"):
        ask(searcher)
    searcher.on_trial_complete("t2", {"loss": 9.0})
    assert client.history() == []
    assert client.pending() == []
