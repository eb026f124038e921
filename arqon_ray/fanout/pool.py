"""Remote tasks in flight: submit under a key, take what is done, run again what a dead process took along."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    TaskCancelledError,
    WorkerCrashedError,
)

K = TypeVar("K")

DEATHS = (
    WorkerCrashedError,
    NodeDiedError,
    LocalRayletDiedError,
    OutOfMemoryError,
    ObjectLostError,
    TaskCancelledError,
)
"""What says that the process or node died, not that the function raised."""


@dataclass(frozen=True, slots=True)
class Died:
    """The process that ran the task died on every attempt.

    Attributes:
        reason: the last death, one line.
        attempts: how often the task was started.
    """

    reason: str
    attempts: int


@dataclass(slots=True)
class _Running(Generic[K]):
    key: K
    args: tuple[Any, ...]
    retries: int
    attempts: int = 1


class TaskPool(Generic[K]):
    """Tasks of one remote function.

    The retries are counted here and not by Ray, whose own are endless when the memory monitor kills a worker, and
    which would not tell how often a candidate was tried.
    """

    def __init__(self, function: Any, options: dict[str, Any]) -> None:
        """Take the remote function that every task calls.

        Args:
            function: what ``ray.remote`` made.
            options: Ray's options of each task, such as ``num_cpus``.
        """
        self._function = function.options(**options, max_retries=0)
        self._running: dict[ray.ObjectRef[Any], _Running[K]] = {}

    def __len__(self) -> int:
        return len(self._running)

    @property
    def keys(self) -> list[K]:
        """The keys of the tasks in flight, oldest first."""
        return [task.key for task in self._running.values()]

    def submit(self, key: K, *args: Any, retries: int) -> None:
        """Start a task.

        Args:
            key: what :meth:`take` gives back with the result.
            args: the arguments of the remote function.
            retries: how often it is started again when its process dies.
        """
        self._running[self._function.remote(*args)] = _Running(key, args, retries)

    def take(self, timeout: float | None = None) -> list[tuple[K, Any]]:
        """Wait for a task to end, and return all that have: the key with the result, or with :class:`Died`.

        Args:
            timeout: seconds; after it the answer is an empty list. None waits as long as it takes.

        Raises:
            RayError: when the function could not run at all (it cannot be imported there, its environment fails).
        """
        references = list(self._running)
        if not references:
            return []
        ready, _ = ray.wait(references, num_returns=1, timeout=timeout)
        if ready and len(references) > 1:
            ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
        finished = (self._finish(reference) for reference in ready)
        return [done for done in finished if done is not None]

    def _finish(self, reference: ray.ObjectRef[Any]) -> tuple[K, Any] | None:
        task = self._running.pop(reference)
        try:
            return task.key, ray.get(reference)
        except DEATHS as death:
            if task.attempts > task.retries:
                return task.key, Died(describe_death(death), task.attempts)
        task.attempts += 1
        self._running[self._function.remote(*task.args)] = task
        return None

    def cancel(self) -> list[K]:
        """Kill what is in flight and return its keys."""
        keys = self.keys
        for reference in self._running:
            ray.cancel(reference, force=True)
        self._running.clear()
        return keys

    @contextmanager
    def cancelled_on_error(self) -> Iterator[None]:
        """Kill what is in flight when the block is left by an exception, Ctrl-C among them."""
        try:
            yield
        except BaseException:
            self.cancel()
            raise


def describe_death(death: BaseException) -> str:
    """Return Ray's error as one short line."""
    first = next((line.strip() for line in str(death).splitlines() if line.strip()), "")
    return f"{type(death).__name__}: {first}"[:300]
