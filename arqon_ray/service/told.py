"""What a result may say beside its value: the keywords of ``tell``, and the keys of the dicts in its lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class Told(TypedDict, total=False):
    """What is known of an evaluation, each key optional; see :class:`~arqon_ray.core.record.evaluation.Evaluation`.

    Attributes:
        metrics: everything that the function returned, by name, the objective too: numbers, texts, True, False, None
            and lists of numbers, nested dicts flattened with ``/``. At most 64, lists of 64 numbers, texts of 4 KB.
        values: with several objectives a list of their values, in place of ``value``.
        status: ``complete``; ``stopped``, by a scheduler that saw enough; ``failed``.
        step: how far the evaluation had come when the value was taken; absent for a whole one.
        steps: its intermediate results, ``[step, value, time]`` each, where they were not reported.
        started: when the function was called, in seconds since 1970 (UTC).
        ended: when it returned, likewise.
        seconds: how long the call took.
        node: the address or name of the machine where it ran.
        pid: the process in which it ran.
        error: why it failed: a dict of ``kind``, ``message`` and optionally ``trace``.
        reason: the same, as a text.
        attempt: how often it was started until it ended, from 1.
    """

    metrics: Mapping[str, Any] | None
    values: Sequence[float] | None
    status: Literal["complete", "stopped", "failed"] | None
    step: int | None
    steps: Sequence[Sequence[Any]] | None
    started: float | None
    ended: float | None
    seconds: float | None
    node: str | None
    pid: int | None
    error: Mapping[str, Any] | None
    reason: str | None
    attempt: int | None
