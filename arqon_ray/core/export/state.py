"""The exported state of a solver: one JSON document, also readable as an ArqonHPO run artifact.

An ArqonHPO artifact has ``run_id``, ``seed``, ``budget``, ``config`` and ``history`` (``eval_id``, ``params``,
``value``, ``cost``). Ours adds keys, which its reader passes over: what else is known of an evaluation, failed ones,
which it cannot hold, candidates in flight and what the strategies remember.

Version 2 keeps whole evaluations; of version 1, that of 0.1.0, value, cost, step and the reason of a failure are read.
"""

from __future__ import annotations

import json
import reprlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from arqon_ray.core.config import StudyConfig, identity, load_config
from arqon_ray.core.export.recall import check_memories
from arqon_ray.core.ledger.ledger import Ledger, Report
from arqon_ray.core.ledger.results import Entry, check_report, parse_results, parse_steps
from arqon_ray.core.ledger.view import Candidate
from arqon_ray.core.objectives.base import Objective
from arqon_ray.core.objectives.choose import objective_of
from arqon_ray.core.points import complete_points
from arqon_ray.core.record import metrics
from arqon_ray.core.record.evaluation import Evaluation
from arqon_ray.core.record.running import Running
from arqon_ray.core.space.space import Params, Space
from arqon_ray.core.strategies.memories import Count, Finite, MemoryContext, Strict, check
from arqon_ray.core.versions import versions
from arqon_ray.errors import ArqonError, StateError

FORMAT = "arqon_ray.solver"
VERSION = 2
_READ = (1, 2)

_SLICE = 200
"""Entries of a list that are written in one call."""

_OUTSIDE = 2**32
"""The ``eval_id`` of a point from outside is this plus its index in the history."""


class _Row(Strict):
    """An observation; its other keys are checked like those of a result."""

    eval_id: Count
    place: Count
    params: dict[str, Any]
    origin: str


class _Waiting(Strict):
    number: Count
    params: dict[str, Any]
    origin: str


class _Reported(Strict):
    """What a candidate that has no result yet has reported."""

    number: Count
    steps: list[list[Any]]
    count: Count
    metrics: dict[str, Any]


class _Document(Strict):
    """The part of what :func:`export` writes that is read back."""

    config: dict[str, Any]
    history: list[_Row]
    failed: list[_Row]
    handed_out: Count
    pending: list[_Waiting]
    withdrawn: list[_Waiting]
    memory: dict[str, dict[str, Any]]
    phases: list[Annotated[tuple[str, Count], Field(strict=False)]]
    reports: list[Annotated[tuple[Count, Count, Finite, Count], Field(strict=False)]] = Field(default_factory=list)
    retracted: list[_Waiting] = Field(default_factory=list)
    unsaid: list[Count] = Field(default_factory=list)
    running: list[_Reported] = Field(default_factory=list)
    queue: list[dict[str, Any]] = Field(default_factory=list)
    enqueued: Count = 0
    versions: dict[str, str] = Field(default_factory=dict)


def export(
    config: StudyConfig,
    observations: Sequence[Evaluation],
    handed_out: int,
    waiting: Mapping[str, Iterable[Candidate]],
    reports: Sequence[Report],
    unsaid: Iterable[int],
    running: Mapping[int, Running],
    queue: tuple[Sequence[Params], int],
    memory: Mapping[str, Any],
    phases: Sequence[Sequence[Any]],
) -> str:
    """Return the state as JSON; see the module docstring for its keys.

    Args:
        config: the study's.
        observations: in the order in which they were told.
        handed_out: how many candidates there are.
        waiting: the candidates without a result: ``pending``, ``withdrawn`` and ``retracted``.
        reports: candidate, step and value of the intermediate results that the model sees.
        unsaid: the candidates whose result did not say whether they were stopped.
        running: what candidates that have no result yet have reported.
        queue: the points that are handed out before all others, and how many were ever put into the queue.
        memory: what the strategies remember.
        phases: the phases so far.
    """
    rows = [_exported(observation, index) for index, observation in enumerate(observations)]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "versions": versions(),
        "run_id": f"arqon-{zlib.crc32(json.dumps(identity(config)).encode()):08x}",
        "seed": config.seed,
        "budget": config.budget if config.budget is not None else max(handed_out, len(rows)),
        "config": config.to_dict(),
        "history": [row for row in rows if row["value"] is not None],
        "failed": [row for row in rows if row["value"] is None],
        "handed_out": handed_out,
        **{kind: [_exported_candidate(candidate) for candidate in there] for kind, there in waiting.items()},
        "memory": memory,
        "phases": phases,
        **({"reports": reports} if reports else {}),
        "unsaid": sorted(unsaid),
        "queue": list(queue[0]),
        "enqueued": queue[1],
        "running": [
            {"number": number, "steps": steps, "count": count, "metrics": metrics.to_json(last)}
            for number, (steps, count, last) in ((number, each.to_plain()) for number, each in running.items())
        ],
    }
    return _written(document)


def _written(document: Mapping[str, Any]) -> str:
    """Return a document as JSON; long lists are written in slices, since one call blocks all other threads."""
    return "{" + ", ".join(f"{json.dumps(key)}: {_value(value)}" for key, value in document.items()) + "}"


def _value(value: Any) -> str:
    if not isinstance(value, list) or len(value) <= _SLICE:
        return json.dumps(value, allow_nan=False)
    slices = (value[start : start + _SLICE] for start in range(0, len(value), _SLICE))
    return f"[{', '.join(json.dumps(each, allow_nan=False)[1:-1] for each in slices)}]"


def parse(exported: str) -> dict[str, Any]:
    """Return the document of an exported state.

    Raises:
        StateError: if it is not JSON, has another format or a later version, or lacks a key.
    """
    if not isinstance(exported, str):
        raise StateError(f"state is a {type(exported).__name__}: it must be the string that export() returned")
    try:
        document = json.loads(exported, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise StateError(f"state is not valid JSON: {error}. Give the whole string that export() returned") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise StateError(f"state has no format {FORMAT!r}: give the string that export() returned")
    version = document.get("version")
    if version not in _READ or isinstance(version, bool):
        raise StateError(f"state has version {reprlib.repr(version)}: this release reads up to version {VERSION}")
    try:
        check(_Document, document)
    except ValueError as error:
        raise StateError(f"state.{error}") from None
    return document


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"it holds {constant}, and every number is finite")


def config_of(document: dict[str, Any]) -> StudyConfig:
    """Return the config in a parsed state.

    Raises:
        StateError: if it breaks a rule.
    """
    try:
        return load_config(document["config"])
    except ArqonError as error:
        raise StateError(f"state.config: {error}") from None


def restore(
    document: dict[str, Any], config: StudyConfig, space: Space, ledger: Ledger
) -> tuple[dict[str, Any], list[list[Any]]]:
    """Fill an empty ledger from a parsed state; return the strategies' memory and the phases.

    Raises:
        StateError: if an entry is malformed, or a candidate is there twice or not at all.
    """
    try:
        _refill(document, config, space, ledger)
    except StateError:
        raise
    except (ArqonError, ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise StateError(f"state is malformed: {error}") from None
    check_memories(document["memory"], MemoryContext(space, ledger.handed_out))
    return document["memory"], document["phases"]


def _refill(document: dict[str, Any], config: StudyConfig, space: Space, ledger: Ledger) -> None:
    told = sorted(document["history"] + document["failed"], key=lambda row: int(row["place"]))
    if any(row["place"] != index for index, row in enumerate(told)):
        raise StateError("state.history and state.failed: each place must occur exactly once")
    entries = parse_results([_told(row) for row in told])
    _check_values(entries, objective_of(config))
    observations = [_observation(entry, row["origin"]) for entry, row in zip(entries, told, strict=True)]
    kinds = ("pending", "withdrawn", "retracted")
    waiting = [(_candidate(row), kind) for kind in kinds for row in document.get(kind, ())]
    known = [o.number for o in observations if o.number is not None]
    numbers = known + [candidate.number for candidate, _ in waiting]
    if len(numbers) != document["handed_out"] or sorted(numbers) != list(range(len(numbers))):
        raise StateError(f"state.handed_out is {document['handed_out']}: every candidate must occur exactly once")
    points = space.encode_many([o.params for o in observations])
    ledger.restore(observations, points, range(1, len(observations) + 1))
    ledger.handed_out = document["handed_out"]
    for candidate, kind in waiting:
        if kind == "retracted":
            ledger.keep_retracted(candidate, space.encode(candidate.params))
            continue
        ledger.readmit(candidate, space.encode(candidate.params))
        if kind == "withdrawn":
            ledger.withdraw(candidate.number)
    for report in document.get("reports", ()):
        ledger.weigh(*_checked(report, ledger.handed_out, len(observations)))
    _recall_reports(document, observations, ledger)
    ledger.queue = complete_points(document.get("queue", []), config, space)
    ledger.enqueued = document.get("enqueued", 0)


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an observation in the form in which users give results."""
    told = {key: value for key, value in row.items() if key not in ("place", "origin")}
    return {**told, "metrics": metrics.from_json(row["metrics"])} if "metrics" in row else told


def _recall_reports(document: Mapping[str, Any], observations: Sequence[Evaluation], ledger: Ledger) -> None:
    """Restore the reports of candidates that have no result yet, and which results did not say if they were stopped."""
    if document["version"] == 1:
        ledger.unsaid = {o.number for o in observations if o.number is not None and o.step is not None}
        ledger.recall(tuple(report) for report in document.get("reports", ()))
        return
    ledger.unsaid = set(document["unsaid"])
    for each in document["running"]:
        number = each["number"]
        if number not in ledger.pending and number not in ledger.withdrawn:
            raise StateError(f"state.running names candidate {number}: it is not being evaluated")
        where = f"state.running of candidate {number}"
        steps = parse_steps(where, each["steps"])
        if each["count"] < len(steps):
            raise StateError(f"{where} has count {each['count']}: there are {len(steps)} steps")
        last = metrics.check(f"{where}.metrics", metrics.from_json(each["metrics"]))
        ledger.running[number] = Running(steps, each["count"], last)


def _check_values(entries: Sequence[Entry], objective: Objective) -> None:
    """Refuse results with a list of values that the objective does not take."""
    for index, entry in enumerate(entries):
        problem = None if entry.told.value is None else objective.problem(entry.told.values)
        if problem is not None:
            raise StateError(f"the result with place {index} in state {problem}")


def _checked(report: Any, handed_out: int, observed: int) -> Report:
    number, step, value, known_by_then = report
    step, finite = check_report(step, value)
    known = (
        isinstance(number, int) and number < handed_out and isinstance(known_by_then, int) and known_by_then <= observed
    )
    if finite is None or not known:
        raise StateError(f"state.reports holds {report!r}: it must be a candidate, step, finite value and place")
    return number, step, finite, known_by_then


def check_next(candidate: Candidate, handed_out: int) -> None:
    """Refuse a candidate whose number is not the next.

    Raises:
        StateError: its number is not the next one.
    """
    if candidate.number != handed_out:
        raise StateError(f"candidate {candidate.number} is out of turn: number {handed_out} comes next")


def _exported(observation: Evaluation, index: int) -> dict[str, Any]:
    plain = observation.to_dict()
    del plain["id"], plain["number"]
    eval_id = _OUTSIDE + index if observation.number is None else observation.number
    return {"eval_id": eval_id, "place": index, **plain, "metrics": metrics.to_json(observation.metrics)}


def _exported_candidate(candidate: Candidate) -> dict[str, Any]:
    return {"number": candidate.number, "params": candidate.params, "origin": candidate.origin}


def _observation(entry: Entry, origin: str) -> Evaluation:
    outside = entry.number is None or entry.number >= _OUTSIDE
    number = None if outside else entry.number
    params = dict(entry.params or {})
    return replace(entry.told, id=None if outside else str(number), number=number, params=params, origin=origin)


def _candidate(plain: dict[str, Any]) -> Candidate:
    return Candidate(plain["number"], plain["params"], plain["origin"])
