"""The record of one evaluation, of a candidate or of a point from outside.

Everything that stores, shows or exports evaluations uses it. :meth:`Evaluation.to_dict` is its form in plain Python,
for the answers of a study's actor and for files; :mod:`.columns` is the form of many of them in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Status = Literal["running", "complete", "stopped", "failed"]
Metric = float | int | str | bool | list[float] | None
"""What a metric may be, see :mod:`.metrics`."""


_TOLD = ("values", "metrics", "step", "steps", "started", "ended", "seconds", "node", "pid", "error", "cost", "attempt")


class Step(NamedTuple):
    """One intermediate report.

    Attributes:
        step: the step that was reached, 0 or more.
        value: the objective at this step; None when it was not finite.
        time: when it was reported, in seconds since 1970 (UTC); None when unknown.
    """

    step: int
    value: float | None
    time: float | None = None


class Error(NamedTuple):
    """Why an evaluation failed.

    Attributes:
        kind: one of :data:`.kinds.KINDS`.
        message: one line.
        trace: the last lines of the traceback; None when there is none.
    """

    kind: str
    message: str
    trace: str | None = None


# Treated as immutable. A frozen dataclass takes five times as long to make, and every result makes two.
@dataclass(slots=True)
class Evaluation:
    """The evaluation of a candidate, or of a point from outside. What was not measured is None.

    Attributes:
        id: the candidate's id in its study; None for a point from outside.
        params: native values; parameters that are inactive at this point are left out.
        value: the objective, native; None while it runs and when it failed. Of several objectives the first.
        status: ``running``, ``complete``, ``stopped`` (early, by a scheduler, at ``step``) or ``failed``.
        number: the candidate's number, from 0 in the order of the asks; None for a point from outside.
        values: those of all objectives, native; None when there is only one.
        metrics: what the function returned, by name, the objective included.
        step: the step at which the value was taken; None for a whole evaluation.
        steps: the intermediate reports in the order of arrival, at most :data:`.metrics.MAX_STEPS`.
        cost: what it cost, in any unit of the user's.
        started: when the function was called, in seconds since 1970 (UTC).
        ended: when the function returned, likewise.
        seconds: the duration of the call.
        node: the address or name of the machine where it ran.
        pid: the process in which it ran.
        error: why it failed; None when it did not.
        origin: what made the point: ``probe``, ``repeat``, the name of a strategy, ``user``, ``outside``.
        attempt: how many times it was started, 1 or more.
    """

    id: str | None
    params: Mapping[str, Any]
    value: float | None = None
    status: Status = "complete"
    number: int | None = None
    values: tuple[float, ...] | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    step: int | None = None
    steps: tuple[Step, ...] = ()
    cost: float = 1.0
    started: float | None = None
    ended: float | None = None
    seconds: float | None = None
    node: str | None = None
    pid: int | None = None
    error: Error | None = None
    origin: str = ""
    attempt: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return a dict of plain Python with all fields; the inverse of :meth:`from_dict`."""
        error = self.error
        return {
            "id": self.id,
            "number": self.number,
            "params": dict(self.params),
            "status": self.status,
            "value": self.value,
            "values": None if self.values is None else list(self.values),
            "metrics": dict(self.metrics),
            "step": self.step,
            "steps": [list(step) for step in self.steps],
            "cost": self.cost,
            "started": self.started,
            "ended": self.ended,
            "seconds": self.seconds,
            "node": self.node,
            "pid": self.pid,
            "error": None if error is None else {"kind": error.kind, "message": error.message, "trace": error.trace},
            "origin": self.origin,
            "attempt": self.attempt,
        }

    def told(self) -> dict[str, Any]:
        """Return the keywords of ``tell`` for this evaluation, without id and params, and without what is unknown."""
        plain = self.to_dict()
        kept = {name: plain[name] for name in _TOLD if plain[name] not in (None, [], {})}
        return {"value": self.value, "status": self.status, **kept}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Evaluation:
        """Return the evaluation that :meth:`to_dict` wrote; missing keys have their defaults.

        Raises:
            TypeError: a key is unknown, or a value has the wrong form.
        """
        given = dict(plain)
        if given.get("values") is not None:
            given["values"] = tuple(given["values"])
        given["steps"] = tuple(Step(*step) for step in given.get("steps", ()))
        if given.get("error") is not None:
            given["error"] = Error(**given["error"])
        return cls(**given)
