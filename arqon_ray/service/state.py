"""What a study knows: the solver, the leases and the operations that were done, as its records make them.

A record changes it in one way, whether it was appended a moment ago or years before. Live, the solver has made
its part of the change already; in a replay it is told to. Neither computes a candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from arqon_ray.core import ArqonSolver
from arqon_ray.core.ledger import Candidate
from arqon_ray.core.results import Entry, parse_results
from arqon_ray.errors import StateError
from arqon_ray.service.leases import Leases
from arqon_ray.service.operations import Operations

Answer = dict[str, Any]

_PART = 5000


class StudyState:
    """The memory of one study; not safe for several threads.

    Args:
        solver: a fresh solver of the study's config.
        clock: returns seconds, never going back.

    Attributes:
        solver: every candidate is pending or withdrawn in it, or told.
        leases: every pending candidate has one.
        pool: candidates that were released or ran out; withdrawn in the solver.
        asker: the key under which a candidate was handed out last.
        done: what the asks (their numbers), and the tells and releases (their answers) of each key gave.
        reports: the intermediate values by candidate and step.
        hosts: who opened the study, in the order of the epochs.
        imported: the uuid and the log's position of the study that this one goes on from; None for one of its own.
    """

    def __init__(self, solver: ArqonSolver, clock: Callable[[], float]) -> None:
        self.solver = solver
        self.leases = Leases(clock)
        self.pool: set[int] = set()
        self.asker: dict[int, str | None] = {}
        self.done = Operations()
        self.reports: dict[int, dict[int, float | None]] = {}
        self.hosts: list[dict[str, Any]] = []
        self.imported: dict[str, Any] | None = None
        self._counts = dict.fromkeys(("asked", "told", "failed", "seeded"), 0)

    # Records

    def replay(self, body: dict[str, Any]) -> None:
        """Apply a record of the log, the solver's part included."""
        answers: list[Answer] = body.get("answers", [])
        if body["op"] == "ask":
            for plain in body["fresh"]:
                self.solver.adopt(candidate_of(plain))
        elif body["op"] == "tell":
            answers = self.solver.take(entries_of(body))
        elif body["op"] == "report":
            self.solver.report(body["number"], body["step"], body["value"])
        elif body["op"] == "budget":
            self.solver.extend_budget(body["budget"])
        self.take(body, answers)

    def take(self, body: dict[str, Any], answers: list[Answer]) -> None:
        """Apply a record whose fresh candidates, results or budget the solver has taken already.

        Raises:
            StateError: when the record's operation is not known here.
        """
        op = body["op"]
        if op == "ask":
            self._take_ask(body)
        elif op == "tell":
            self._take_answers(answers, _values_of(body))
        elif op == "release":
            self._take_release(body["numbers"])
        elif op == "report":
            self.reports.setdefault(body["number"], {})[body["step"]] = body["value"]
        elif op == "epoch":
            self.hosts.append(body["host"])
        elif op == "import":
            self._take_import(body)
        elif op != "budget":
            raise StateError(f"the operation {op!r} is not known: install the arqon_ray that wrote it")
        if answers and body.get("key") is not None:
            self.done.put(op, body["key"], answers)

    def _take_import(self, body: dict[str, Any]) -> None:
        """Begin with another study's state: all without a result are in the pool here."""
        self.solver = ArqonSolver.from_state(body["export"])
        for number in self.solver.pending:
            self.solver.withdraw(number)
        self.pool = set(self.solver.withdrawn)
        rows = self.solver.history()
        told = [row for row in rows if row["id"] is not None]
        self._counts = {
            "asked": self.solver.handed_out,
            "told": len(told),
            "failed": sum(row["value"] is None for row in told),
            "seeded": len(rows) - len(told),
        }
        for key, number in body["keys"].items():
            self.done.put("ask", key, [number])
            self.asker[number] = key
        self.imported = {"uuid": body["uuid"], "seq": body["seq"]}

    def _take_ask(self, body: dict[str, Any]) -> None:
        fresh = [plain["number"] for plain in body["fresh"]]
        self._counts["asked"] += len(fresh)
        for number in body["again"]:
            if number in self.pool:
                self.pool.discard(number)
                self.solver.reissue(number)
        for number in fresh + body["again"]:
            self.leases.grant(number, body["owner"], body["lease"])
            self.asker[number] = body["key"]
        if body["key"] is not None:
            self.done.put("ask", body["key"], fresh + body["again"])

    def _take_answers(self, answers: list[Answer], values: list[float | None]) -> None:
        for answer, value in zip(answers, values, strict=True):
            if not answer["accepted"]:
                continue
            if answer["id"] is None:
                self._counts["seeded"] += 1
                continue
            number = int(answer["id"])
            self.leases.drop(number)
            self.pool.discard(number)
            self.asker.pop(number, None)
            self._counts["told"] += 1
            self._counts["failed"] += value is None

    def _take_release(self, numbers: list[int]) -> None:
        for number in numbers:
            self.leases.drop(number)
            self.solver.withdraw(number)
            self.pool.add(number)

    # Looking

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
        here = self._counts
        waiting = {"pending": len(self.leases), "released": len(self.pool)}
        return {**{k: here[k] for k in ("asked", "told", "failed")}, **waiting, "seeded": here["seeded"]}

    @property
    def restarts(self) -> int:
        """How often the present actor's process began anew."""
        last = self.hosts[-1]
        return len({host.get("pid") for host in self.hosts if host.get("actor") == last.get("actor")}) - 1

    # Snapshots

    def freeze(self) -> Iterator[dict[str, Any]]:
        """Return the state in parts for ``thaw``: copied at the call, written down as they are taken."""
        frozen = self.solver.freeze()
        head = {
            "leases": [list(held) for held in self.leases.held()],
            "pool": sorted(self.pool),
            "asker": list(self.asker.items()),
            "reports": [[number, list(steps.items())] for number, steps in self.reports.items()],
            "hosts": list(self.hosts),
            "counts": dict(self._counts),
            **({} if self.imported is None else {"imported": self.imported}),
        }
        done = list(self.done.items())

        def parts() -> Iterator[dict[str, Any]]:
            yield head
            for k in range(0, len(done), _PART):
                yield {"done": done[k : k + _PART]}
            yield from frozen.parts()

        return parts()

    @classmethod
    def thaw(cls, parts: Iterable[dict[str, Any]], clock: Callable[[], float]) -> StudyState:
        """Return the state that ``freeze`` wrote.

        Raises:
            StateError: the parts are malformed.
        """
        rest = list(parts)
        done = [part for part in rest[1:] if "done" in part]
        state = cls(ArqonSolver.thaw(islice(rest, 1 + len(done), None)), clock)
        try:
            state._restore(rest[0], [answer for part in done for answer in part["done"]])
        except (LookupError, TypeError, ValueError) as error:
            raise StateError(f"the parts of a study's state are malformed: {error!r}") from None
        return state

    def _restore(self, head: dict[str, Any], done: list[Any]) -> None:
        for number, owner, term in head["leases"]:
            self.leases.grant(number, owner, term)
        self.pool = set(head["pool"])
        self.asker = dict(head["asker"])
        self.reports = {number: dict(steps) for number, steps in head["reports"]}
        self.hosts = head["hosts"]
        self._counts = head["counts"]
        self.imported = head.get("imported")
        for kind, key, answer in done:
            self.done.put(kind, key, answer)


def entries_of(body: dict[str, Any]) -> list[Entry]:
    """Return the results that the record of a tell holds; format 1 has them as a list of dicts."""
    if "results" in body:
        return parse_results(body["results"])
    return [_entry(row) for row in body["rows"]]


def _entry(row: list[Any]) -> Entry:
    return Entry(*row[:7], *map(tuple, row[7:]))


def _values_of(body: dict[str, Any]) -> list[float | None]:
    if "results" in body:
        return [entry.value for entry in parse_results(body["results"])]
    return [row[2] for row in body["rows"]]


def row_of(entry: Entry) -> list[Any]:
    """Return one result as the record of a tell holds it."""
    params = None if entry.params is None else dict(entry.params)
    values = [] if entry.values is None else [list(entry.values)]
    return [params, entry.number, entry.value, entry.cost, entry.status, entry.step, entry.reason, *values]


def candidate_of(plain: dict[str, Any]) -> Candidate:
    """Return the candidate that the record of an ask holds."""
    return Candidate(plain["number"], plain["params"], plain["origin"], plain["memory"])
