"""The load that runs while something fails, and the audit that follows every fault."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from arqon_ray.service import SolverClient
from arqon_ray.service.server.study import Study
from arqon_ray.service.server.verification import verify
from arqon_ray.service.storage.base import Store
from arqon_ray.service.storage.opening import open_store
from arqon_ray.service.storage.paths import is_shared


def objective(params: dict[str, Any]) -> float:
    """A bowl with a ripple: enough for every phase of the solver."""
    return float((params["x"] - 0.3) ** 2 + 0.01 * abs(params["n"] - 20))


class Answers:
    """What the clients of one study were answered, whatever thread or process they ran in.

    Attributes:
        asked: ids and parameters, each time a candidate was handed out anew.
        told: the values of the tells that were acknowledged.
        freed: ids that were released or whose lease ran out, so that they may be handed out once more.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.told: dict[str, float] = {}
        self.freed: list[str] = []

    def ask(self, client: SolverClient, **hold: Any) -> dict[str, Any] | None:
        """Ask for one candidate and note it."""
        asked = client.ask_one(**hold)
        if asked is not None:
            self.asked.append((asked["id"], asked["params"]))
        return asked

    def tell(self, client: SolverClient, asked: dict[str, Any]) -> None:
        """Tell what was asked, and note that it was taken."""
        value = objective(asked["params"])
        assert client.tell(asked["id"], value) == {"id": asked["id"], "accepted": True}
        self.told[asked["id"]] = value

    def read(self, printed: Path) -> None:
        """Take what a driver printed; its last line may be half a line when the driver was killed."""
        for line in printed.read_text().splitlines(keepends=True):
            if not line.startswith("[") or not line.endswith("\n"):
                continue
            kind, identity, what = json.loads(line)
            if kind == "asked":
                self.asked.append((identity, what))
            else:
                assert identity not in self.told, f"{identity} was acknowledged twice"
                self.told[identity] = what


@contextmanager
def load(
    client: SolverClient, answers: Answers, threads: int = 4, over: threading.Event | None = None
) -> Iterator[Callable[[int], None]]:
    """Ask and tell until the study is finished or it is over; an error that reaches one of the threads fails the test.

    Yields a function that waits until so many results were acknowledged.
    """
    problems: list[Exception] = []

    def work() -> None:
        own = SolverClient(client.name, client.handle)
        try:
            while not (over and over.is_set()) and (asked := answers.ask(own)) is not None:
                answers.tell(own, asked)
        except Exception as problem:
            problems.append(problem)

    def wait(count: int) -> None:
        deadline = time.monotonic() + 60
        while len(answers.told) < count and not problems:
            assert time.monotonic() < deadline, f"{len(answers.told)} of {count} results after a minute"
            time.sleep(0.002)

    running = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for each in running:
        each.start()
    yield wait
    for each in running:
        each.join(120)
    if problems:
        raise problems[0]
    assert not any(each.is_alive() for each in running)


def audit(client: SolverClient, answers: Answers, storage: Path | str) -> dict[str, Any]:
    """Compare a study that rests with what its clients were answered and with its files; returns its status."""
    status, exported = client.status(), client.export()
    _check_answers(client, answers)
    _check_budget(status, answers)
    verified = verify(str(storage), client.name)
    assert verified.ok, verified.mismatches
    assert verified.candidates == status["counts"]["asked"]
    _check_files(client, status, exported, str(storage))
    return status


def _check_answers(client: SolverClient, answers: Answers) -> None:
    rows = [row for row in client.history() if row["id"] is not None]
    values = {row["id"]: row["value"] for row in rows}
    assert len(values) == len(rows), "a candidate has two observations"
    assert answers.told.items() <= values.items()
    params = {row["id"]: row["params"] for row in [*rows, *client.pending()]}
    times, freed = Counter(identity for identity, _ in answers.asked), Counter(answers.freed)
    assert [i for i, n in times.items() if n > 1 + freed[i]] == [], "a candidate was held by two"
    assert [i for i, point in answers.asked if params.get(i, point) != point] == []
    # The search for noise evaluates one point once more, on purpose.
    again = {row["id"] for row in rows if row["origin"] == "repeat"}
    points = {json.dumps(point): identity for identity, point in answers.asked if identity not in again}
    assert len(points) == len(times.keys() - again), "two candidates are the same point"


def _check_budget(status: dict[str, Any], answers: Answers) -> None:
    counts, budget = status["counts"], status["budget"]
    assert len({identity for identity, _ in answers.asked}) <= counts["asked"] <= budget
    assert counts["asked"] == counts["told"] + counts["pending"] + counts["released"]
    assert (status["state"] == "finished") == (counts["told"] == budget)


def _check_files(client: SolverClient, status: dict[str, Any], exported: str, storage: str) -> None:
    """Open the study from its files, with the snapshots and without them."""
    pending = client.pending()
    with _copied(storage, client.name) as store:
        for _ in range(2):
            study = Study.open(store, {"pid": 0, "node": "audit", "actor": "audit"})
            found = study.export(), study.status()["counts"], study.pending()
            study.drain(RuntimeError("the audit is over"))
            assert found == (exported, status["counts"], pending)
            for name in store.names("snapshots"):
                store.remove(f"snapshots/{name}")


@contextmanager
def _copied(storage: str, name: str) -> Iterator[Store]:
    """A copy of a study; one in a bucket is taken as it is, so that its actor is fenced afterwards."""
    if is_shared(storage):
        yield open_store(storage, name)
        return
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(Path(storage, name), Path(folder, name), ignore=shutil.ignore_patterns(".*"))
        yield open_store(folder, name)
