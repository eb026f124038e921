"""The intermediate reports of an evaluation that is still running."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from arqon_ray.core.record.evaluation import Metric, Step
from arqon_ray.core.record.metrics import MAX_STEPS, joined, to_json


class Running:
    """The reports of one evaluation, thinned evenly when there are many; the first and the last are always kept.

    A second report of the same step replaces the first, since an evaluation may be restarted.

    Attributes:
        steps: the reports that are kept, by step, in the order of arrival.
        metrics: those of the last report that had any.
    """

    def __init__(
        self, steps: Iterable[Step] = (), count: int | None = None, metrics: Mapping[str, Metric] | None = None
    ) -> None:
        """Start with some reports, the number of different steps ever reported (default: these), and metrics."""
        self.steps = {step.step: step for step in steps}
        self.metrics: Mapping[str, Metric] = metrics or {}
        self.count = len(self.steps) if count is None else count
        self._shared = False  # whether a copy shares the dict
        # Every `_stride`-th report is kept, and the last one until the next arrives.
        self._stride = 1
        while -(-(self.count - 1) // self._stride) >= MAX_STEPS:
            self._stride *= 2

    def add(self, step: Step, metrics: Mapping[str, Metric] | None = None) -> None:
        """Add a report."""
        if self._shared:
            self.steps, self._shared = dict(self.steps), False
        if metrics:
            self.metrics = joined(self.metrics, metrics)
        if step.step not in self.steps:
            if self._last_is_between:
                self.steps.popitem()
            self.count += 1
        self.steps[step.step] = step
        if len(self.steps) > MAX_STEPS:
            self._halve()

    def says(self, step: int, value: float | None, metrics: Mapping[str, Metric] | None = None) -> bool:
        """Tell whether a step was last reported with this value and these metrics."""
        known = self.steps.get(step)
        if known is None or known.value != value:
            return False
        return not metrics or to_json({name: self.metrics.get(name, ...) for name in metrics}) == to_json(metrics)

    @property
    def _last_is_between(self) -> bool:
        return self.count > 0 and (self.count - 1) % self._stride != 0

    def _halve(self) -> None:
        kept = list(self.steps.values())
        regular = kept[:-1:2] if self._last_is_between else kept[::2]
        self._stride *= 2
        self.steps = {step.step: step for step in (*regular, kept[-1])}

    def sorted(self) -> tuple[Step, ...]:
        """Return the reports by step."""
        return tuple(self.steps[step] for step in sorted(self.steps))

    def copy(self) -> Running:
        """Return a snapshot; it shares memory with this object until that is changed."""
        twin = Running((), self.count, self.metrics)
        twin.steps, twin._stride = self.steps, self._stride
        twin._shared = self._shared = True
        return twin

    def to_plain(self) -> list[Any]:
        """Return steps, count and metrics as plain Python."""
        return [[list(step) for step in self.steps.values()], self.count, dict(self.metrics)]

    @classmethod
    def from_plain(cls, plain: Iterable[Any]) -> Running:
        """Read what :meth:`to_plain` wrote."""
        steps, count, metrics = plain
        return cls([Step(*step) for step in steps], count, metrics)


def thinned(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return reports sorted by step, thinned evenly to at most :data:`.metrics.MAX_STEPS`."""
    running = Running()
    for step in sorted(steps, key=lambda step: step.step):  # of one step the later report counts
        running.add(step)
    return running.sorted()
