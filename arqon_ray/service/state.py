"""What a study knows: the solver, the leases and the operations that were done, as its records make them.

A record changes it in one way, whether it was appended a moment ago or years before. Live, the solver has made
its part of the change already; in a replay it is told to. Neither computes a candidate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arqon_ray.core import ArqonSolver
from arqon_ray.core.ledger import Candidate
from arqon_ray.errors import StateError
from arqon_ray.service.leases import Leases

Answer = dict[str, Any]


class StudyState:
    """The memory of one study; not safe for several threads.

    Args:
        solver: a fresh solver of the study's config.
        clock: returns seconds, never going back.

    Attributes:
        solver: every candidate is pending or withdrawn in it, or told.
        leases: every pending candidate has one.
        pool: candidates that were released or ran out; withdrawn in the solver.
        asked: the candidates that the ask of each key was given.
        asker: the key under which a candidate was handed out last.
        done: the answers of the tells and releases of each key.
        reports: the intermediate values by candidate and step.
        hosts: who opened the study, in the order of the epochs.
    """

    def __init__(self, solver: ArqonSolver, clock: Callable[[], float]) -> None:
        self.solver = solver
        self.leases = Leases(clock)
        self.pool: set[int] = set()
        self.asked: dict[str, list[int]] = {}
        self.asker: dict[int, str | None] = {}
        self.done: dict[tuple[str, str], list[Answer]] = {}
        self.reports: dict[int, dict[int, float | None]] = {}
        self.hosts: list[dict[str, Any]] = []
        self._handed_out = 0
        self._told = 0
        self._failed = 0
        self._seeded = 0

    def replay(self, body: dict[str, Any]) -> None:
        """Apply a record of the log, the solver's part included."""
        answers: list[Answer] = body.get("answers", [])
        if body["op"] == "ask":
            for plain in body["fresh"]:
                self.solver.adopt(Candidate(plain["number"], plain["params"], plain["origin"], plain["memory"]))
        elif body["op"] == "tell":
            answers = self.solver.tell(body["results"])
        elif body["op"] == "budget":
            self.solver.extend_budget(body["budget"])
        self.take(body, answers)

    def take(self, body: dict[str, Any], answers: list[Answer]) -> None:
        """Apply a record whose fresh candidates, results or budget the solver has taken already.

        Raises:
            StateError: when the record's operation is not known here.
        """
        takes: dict[str, Callable[[], None]] = {
            "ask": lambda: self._take_ask(body),
            "tell": lambda: self._take_answers(body["results"], answers),
            "release": lambda: self._take_release(body["numbers"]),
            "report": lambda: self.reports.setdefault(body["number"], {}).update({body["step"]: body["value"]}),
            "epoch": lambda: self.hosts.append(body["host"]),
            "budget": lambda: None,
        }
        if body["op"] not in takes:
            raise StateError(f"the operation {body['op']!r} is not known: install the arqon_ray that wrote it")
        takes[body["op"]]()
        if answers and body.get("key") is not None:
            self.done[body["op"], body["key"]] = answers

    def _take_ask(self, body: dict[str, Any]) -> None:
        fresh = [plain["number"] for plain in body["fresh"]]
        self._handed_out += len(fresh)
        for number in body["again"]:
            if number in self.pool:
                self.pool.discard(number)
                self.solver.reissue(number)
        for number in fresh + body["again"]:
            self.leases.grant(number, body["owner"], body["lease"])
            self.asker[number] = body["key"]
        if body["key"] is not None:
            self.asked.setdefault(body["key"], fresh + body["again"])

    def _take_answers(self, results: list[dict[str, Any]], answers: list[Answer]) -> None:
        for entry, answer in zip(results, answers, strict=True):
            if not answer["accepted"]:
                continue
            if answer["id"] is None:
                self._seeded += 1
                continue
            number = int(answer["id"])
            self.leases.drop(number)
            self.pool.discard(number)
            self.asker.pop(number, None)
            self._told += 1
            self._failed += entry["status"] == "failed"

    def _take_release(self, numbers: list[int]) -> None:
        for number in numbers:
            self.leases.drop(number)
            self.solver.withdraw(number)
            self.pool.add(number)

    def item(self, number: int, key: str | None) -> Answer:
        """Return a candidate as an ask under ``key`` answers it, with a note when the asker does not hold it."""
        item: Answer = {"id": str(number), "params": dict(self.solver.candidate(number).params)}
        if number not in self.leases:
            item["note"] = "it was told already"
        elif self.asker.get(number) != key:
            item["note"] = "its lease ran out and somebody else holds it now"
        return item

    def is_open(self, number: int) -> bool:
        """Tell whether a known candidate still waits for its result."""
        return number in self.leases or number in self.pool

    @property
    def finished(self) -> bool:
        """Whether every candidate of the budget has been told."""
        return self.solver.spent and not len(self.leases) and not self.pool

    @property
    def counts(self) -> dict[str, int]:
        """How many candidates were handed out, and what became of them: ``asked = told + pending + released``.

        ``failed`` are among the told; ``seeded`` are points from outside.
        """
        return {
            "asked": self._handed_out,
            "told": self._told,
            "failed": self._failed,
            "pending": len(self.leases),
            "released": len(self.pool),
            "seeded": self._seeded,
        }

    @property
    def restarts(self) -> int:
        """How often the present actor's process began anew."""
        last = self.hosts[-1]
        return len({host.get("pid") for host in self.hosts if host.get("actor") == last.get("actor")}) - 1
