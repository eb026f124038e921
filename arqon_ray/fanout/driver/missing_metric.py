"""A metric that no result has is a mistake in the call, to be reported instead of a hundred failed evaluations."""

from __future__ import annotations

from typing import Generic, TypeVar

from arqon_ray.errors import ConfigError

ENOUGH = 3
"""A call ends after so many results without the metric if none has it."""

T = TypeVar("T")


class MetricCheck(Generic[T]):
    """Holds back results without the metric until another has it: then they are ordinary failed evaluations.

    If none has it, nothing has been recorded, and the same call with the right name still has the whole budget.
    """

    def __init__(self, known: bool = False) -> None:
        """Start without results.

        Args:
            known: whether an earlier result had the metric.
        """
        self._waiting: list[T] = []
        self._count = 0
        self._known, self._over = known, False
        self._error = ""

    def admit(self, item: T, has_value: bool, missing: int, error: str) -> list[T]:
        """Return the results that can be recorded now: this one, earlier ones that were held back, or none.

        Args:
            item: one result, or several together.
            has_value: whether one of them has a value, so that the metric exists.
            missing: how many of them lack the metric.
            error: the error of the first that lacks it.

        Raises:
            ConfigError: enough results lack the metric, and none has it.
        """
        if self._known or has_value:
            self._known = True
            kept, self._waiting = [*self._waiting, item], []
            return kept
        if not missing:
            return [item]
        self._waiting.append(item)
        self._count += missing
        self._error = self._error or error
        if self._count >= ENOUGH and not self._over:
            self.conclude()
        return []

    def conclude(self) -> None:
        """Check for results that are held back, once no more will come.

        Raises:
            ConfigError: there are some; it names the metrics that they have.
        """
        if self._waiting:
            self._over = True
            results = "only result" if self._count == 1 else f"first {self._count} results"
            raise ConfigError(
                f"{self._error}. That holds for the {results}, and none was recorded: set metric to one of these"
            )
