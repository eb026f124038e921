"""What results mean to a study, decided before any is recorded: whose they are, and whether they are accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arqon_ray.core.ledger.ledger import Ledger
from arqon_ray.core.ledger.results import OUTSIDE, Entry
from arqon_ray.core.ledger.view import Array, Candidate
from arqon_ray.core.record.evaluation import Evaluation, Step
from arqon_ray.core.record.metrics import joined
from arqon_ray.core.record.running import thinned
from arqon_ray.core.space.space import Space
from arqon_ray.errors import ResultsError, UnknownCandidateError

Problem = Callable[[Sequence[float] | None], str | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one result.

    Attributes:
        number: the candidate that it is about; None for a point from outside.
        evaluation: what is to be recorded; None if the candidate already has a result.
        point: ``(d,)`` of a point from outside.
        unsaid: whether the result did not say if it was stopped, see :class:`.results.Entry`.
        answer: the answer to whoever told it: ``id``, ``accepted`` and, if it was not accepted, a ``note``.
    """

    number: int | None
    evaluation: Evaluation | None
    point: Array | None
    answer: dict[str, Any]
    unsaid: bool = False


def resolve(entries: Sequence[Entry], space: Space, ledger: Ledger, problem: Problem) -> list[Verdict]:
    """Decide about results in order, each as if those before it were recorded; nothing is changed.

    Args:
        entries: the results.
        space: the study's.
        ledger: the study's.
        problem: says what is wrong with a result's list of values, see :class:`.objectives.base.Objective`.

    Raises:
        ResultsError: if one has params that do not fit the space, or values that the objective does not take.
        UnknownCandidateError: if one without params has an id that was never handed out.
    """
    points = [_locate(entry, index, space, ledger, problem) for index, entry in enumerate(entries)]
    taken: set[int] = set()
    verdicts = []
    for entry, point in zip(entries, points, strict=True):
        number = _number_of(entry, point, space, ledger, taken)
        if number is not None and (number in ledger.told or number in taken):
            late = {"id": str(number), "accepted": False, "note": "already told: this result was ignored"}
            verdicts.append(Verdict(number, None, None, late))
            continue
        if number is None:
            of = Candidate(-1, space.native(entry.params or {}), "outside")
        else:
            taken.add(number)
            of, point = ledger.candidate(number), None
        answer = {"id": None if number is None else str(number), "accepted": True}
        verdicts.append(Verdict(number, _placed(entry.told, of, ledger), point, answer, entry.unsaid))
    return verdicts


def _placed(told: Evaluation, of: Candidate, ledger: Ledger) -> Evaluation:
    """Return an evaluation as that of its candidate, including what the candidate had reported before."""
    running = ledger.running.get(of.number)
    steps, metrics = told.steps, told.metrics
    if running is not None:
        again = {step.step for step in steps}
        kept = (step for step in running.sorted() if step.step not in again and not _of_an_earlier(step, told))
        steps, metrics = thinned((*kept, *steps)), joined(running.metrics, metrics)
    if told.step is not None and told.value is not None and all(step.step != told.step for step in steps):
        steps = thinned((*steps, Step(told.step, told.value, told.ended)))
    outside = of.number < 0
    # Positional, in the order of the fields: with so many of them, keywords cost time.
    return Evaluation(
        None if outside else str(of.number),
        of.params,
        told.value,
        told.status,
        None if outside else of.number,
        told.values,
        metrics,
        told.step,
        steps,
        told.cost,
        told.started,
        told.ended,
        told.seconds,
        told.node,
        told.pid,
        told.error,
        of.origin,
        told.attempt,
    )


def _of_an_earlier(step: Step, told: Evaluation) -> bool:
    """Tell whether a report comes from an attempt that died before the one that gave the result."""
    return told.attempt > 1 and told.started is not None and step.time is not None and step.time < told.started


def check_number(number: int, ledger: Ledger, where: str = "") -> None:
    """Raise UnknownCandidateError if no candidate of this number was handed out; ``where`` names a list's entry."""
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise UnknownCandidateError(
            f"number is {number!r}: it must be a whole number, such as row['number'] of a history"
        )
    if not 0 <= number < ledger.handed_out:
        prefix = f"{where}." if where else ""
        raise UnknownCandidateError(
            f"{prefix}id {number!r} was never handed out: {ledger.handed_out} candidates were, from '0' on; "
            "give a point from outside to seed(), with its params"
        )


def _locate(entry: Entry, index: int, space: Space, ledger: Ledger, problem: Problem) -> Array | None:
    """Return the point of an entry with params; check the id of one without, and its list of values."""
    wrong = None if entry.told.value is None else problem(entry.told.values)
    if wrong is not None:
        raise ResultsError(f"results[{index}] {wrong}")
    if entry.params is None:
        number = -1 if entry.number is None else entry.number
        if not 0 <= number < ledger.handed_out:
            check_number(number, ledger, f"results[{index}]")
        return None
    try:
        return space.encode(entry.params)
    except ResultsError as error:
        raise type(error)(f"results[{index}].{error}") from None


def _number_of(entry: Entry, point: Array | None, space: Space, ledger: Ledger, taken: set[int]) -> int | None:
    """Return the candidate that an entry is about: by its id if the params agree, else by its params."""
    if entry.number == OUTSIDE:
        return None
    if point is None:
        return entry.number
    if entry.number is None or ledger.state_of(entry.number) == "unknown":
        return ledger.find(point, taken)
    same = np.array_equal(space.encode(ledger.candidate(entry.number).params), point)
    return entry.number if same else ledger.find(point, taken)
