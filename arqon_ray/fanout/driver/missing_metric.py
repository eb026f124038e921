"""A metric that no result has: a mistake in the call, and no hundred failed evaluations."""

from __future__ import annotations

from typing import Generic, TypeVar

from arqon_ray.errors import ConfigError

ENOUGH = 3
"""Results without the metric, and none with it, after which a call ends."""

T = TypeVar("T")


class MetricCheck(Generic[T]):
    """Holds back results without the metric until one has it: then they are failed evaluations like others.

    Where none has it, nothing of them was kept, and the same call with the right name has the whole budget.
    """

    def __init__(self, known: bool = False) -> None:
        """Begin.

        Args:
            known: whether a result had the metric before.
        """
        self._waiting: list[T] = []
        self._count = 0
        self._known, self._over = known, False
        self._error = ""

    def admit(self, item: T, has_value: bool, missing: int, error: str) -> list[T]:
        """Return what may be kept now.

        Args:
            item: one result, or several together.
            has_value: whether one of them has a value: then there is such a metric.
            missing: how many of them lack the metric.
            error: what is said of the first that lacks it.

        Raises:
            ConfigError: when it is the last that was needed to know that there is no such metric.
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
        """Look at what is held back, since nothing more comes.

        Raises:
            ConfigError: when there is something; it names the metrics that are there.
        """
        if self._waiting:
            self._over = True
            results = "only result" if self._count == 1 else f"first {self._count} results"
            raise ConfigError(
                f"{self._error}: so it is in the {results}, and none was kept; name one of these as metric"
            )
