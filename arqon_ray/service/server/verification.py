"""Verifies a study: recomputes every candidate from its log and compares it bit by bit.

Each candidate's record names what it was computed from: the last record that its proposer knew, and the number at
which that proposer began. Nothing is claimed or written, so a running study can be verified too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import load_config
from arqon_ray.core.ledger.view import USER, Candidate
from arqon_ray.core.propose.proposer import Proposer
from arqon_ray.errors import ArqonError, StudyNotFoundError, StudyRefusedError
from arqon_ray.service.log.manifest import read_study
from arqon_ray.service.log.records import Record
from arqon_ray.service.log.segments import accepted_records, read_segments
from arqon_ray.service.server.changes import Ask, candidate_of, replay
from arqon_ray.service.server.state import LoggedState
from arqon_ray.service.storage.base import Store
from arqon_ray.service.storage.opening import check_storage_path, open_store
from arqon_ray.service.storage.paths import check_name


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A candidate that differs from its record when it is recomputed.

    Attributes:
        id: that of the candidate.
        seq: the number of the record that handed it out.
        recorded: params, origin and memory in the record.
        recomputed: the same as recomputed now, or ``{"error": ...}``.
    """

    id: str
    seq: int
    recorded: dict[str, Any]
    recomputed: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of ``verify``.

    Attributes:
        storage: where the study is stored.
        records: how many records its log has.
        candidates: how many candidates were recomputed.
        mismatches: the candidates that differ.

    Example:
        >>> from arqon_ray import Verification
        >>> Verification("/studies/arqon", records=9, candidates=4).ok
        True
    """

    storage: str
    records: int
    candidates: int
    mismatches: list[Mismatch] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every candidate equals its record."""
        return not self.mismatches


def verify(
    storage_path: str, name: str = "arqon", *, progress: Callable[[int, int], None] | None = None
) -> Verification:
    """Recompute every candidate of a stored study from its log.

    They are equal bit by bit on the same platform with the same versions of numpy, scipy and arqon_ray. Only the log
    is read, no snapshot, and the study may be running.

    Args:
        storage_path: as it was given to ``start``: a directory or a URI.
        name: the study's name.
        progress: called after each candidate with how many were recomputed, and how many there are.

    Returns:
        How many candidates were recomputed, and which of them differ.

    Raises:
        ConfigError: the path or the name breaks a rule.
        StudyNotFoundError: there is no such study.
        StudyRefusedError: its log is damaged.
        OSError: the storage failed.

    Example:
        >>> import arqon_ray
        >>> config = {"budget": 4, "bounds": {"x": {"min": 0.0, "max": 1.0}}}
        >>> study = arqon_ray.start(config, "verified", storage_path="studies")
        >>> len(study.ask(4))
        4
        >>> study.stop()
        >>> arqon_ray.verify("studies", "verified").candidates
        4
    """
    store = open_store(check_storage_path(storage_path), check_name(name))
    described = read_study(store)
    if described is None:
        raise StudyNotFoundError(f"no study in {store}: give the storage_path and the name that start() was given")
    segments, _ = read_segments(store)
    records = list(accepted_records(segments))
    total = sum(len(_fresh(record)) for record in records)
    mismatches = []
    done = 0
    for done, mismatch in enumerate(_Replay(described["config"], records, store).compare(), 1):
        if mismatch is not None:
            mismatches.append(mismatch)
        if progress is not None:
            progress(done, total)
    return Verification(str(store), len(records), done, mismatches)


def _fresh(record: Record) -> Sequence[dict[str, Any]]:
    """Return the candidates that a record hands out for the first time."""
    return Ask.of(record.body).plain if record.body["op"] == Ask.OP else ()


class _Replay:
    """A replay of a study, always as far as the next candidate's proposer knew it."""

    def __init__(self, config: dict[str, Any], records: list[Record], store: Store) -> None:
        self._state = LoggedState(ArqonSolver(load_config(config)), lambda: 0.0)
        self._records = records
        self._store = store
        self._applied = 0
        self._candidates: list[Candidate] = []
        self._proposer: Proposer | None = None
        self._view = (-1, -1)

    def compare(self) -> Iterator[Mismatch | None]:
        """Yield a mismatch for each candidate that differs, and None for each other one."""
        for record in self._records:
            if record.body["op"] == "import":
                self._apply(record.seq)
                solver = self._state.solver
                self._candidates = [solver.candidate(number) for number in range(solver.handed_out)]
            for plain in _fresh(record):
                yield None if plain["origin"] == USER else self._compare(record, plain)
                self._candidates.append(candidate_of(plain))

    def _compare(self, record: Record, plain: dict[str, Any]) -> Mismatch | None:
        number = plain["number"]
        # Format 1 names the evidence once for a whole record, and had a proposer for each candidate.
        view = int(plain.get("evidence", record.body.get("evidence", 0))), int(plain.get("first", number))
        recorded = {key: plain[key] for key in ("params", "origin", "memory")}
        try:
            again = self._propose(number, view, plain.get("forced", False))
        except (ArqonError, ArithmeticError, ValueError) as error:
            self._view = (-1, -1)
            return Mismatch(str(number), record.seq, recorded, {"error": repr(error)})
        found = {} if again is None else {"params": again.params, "origin": again.origin, "memory": again.memory}
        if found == recorded:
            return None
        self._view = (-1, -1)
        return Mismatch(str(number), record.seq, recorded, found)

    def _propose(self, number: int, view: tuple[int, int], forced: bool) -> Candidate | None:
        """Return the candidate of this number as its proposer computes it."""
        if view != self._view or self._proposer is None or self._proposer.number != number:
            self._apply(view[0])
            self._proposer, self._view = self._state.solver.proposer(), view
            for candidate in self._candidates[self._proposer.number : view[1]]:
                self._proposer.add_pending(candidate)
        # After a mismatch the proposer is made anew, and must propose those before this one again.
        while self._proposer.number < number:
            self._proposer.propose()
        return self._proposer.propose(probe=forced)

    def _apply(self, seq: int) -> None:
        """Apply the records up to one of this number."""
        if self._applied and self._records[self._applied - 1].seq > seq:
            raise StudyRefusedError(
                f"a candidate of the study in {self._store} was computed from less of the log than the one before it"
            )
        while self._applied < len(self._records) and self._records[self._applied].seq <= seq:
            replay(self._state, self._records[self._applied])
            self._applied += 1
