"""The remote tasks in flight: submit them by key, take results, retry those whose process died."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import ray
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayError,
    TaskCancelledError,
    WorkerCrashedError,
)

from arqon_ray.core.record.error_kinds import DIED, NODE_LOST, OUT_OF_MEMORY, TIMEOUT
from arqon_ray.fanout.driver.cancelling import cancel
from arqon_ray.fanout.driver.interrupts import Interrupts
from arqon_ray.fanout.worker.mailbox import Mailbox, TaskMailbox
from arqon_ray.fanout.worker.outcome import Outcome, died, timed_out
from arqon_ray.fanout.worker.watchdog import GRACE

K = TypeVar("K")

_log = logging.getLogger(__name__)
_LOST = (NodeDiedError, LocalRayletDiedError, ObjectLostError)
DEATHS = (WorkerCrashedError, OutOfMemoryError, *_LOST)
"""The errors which mean that the process or node died, and not that the function raised."""

_LOSSES = 10  # lost nodes of one task after which it is given up: perhaps the task itself ends them
_NEARLY_DONE = 0.5  # seconds that tasks get to end by themselves
_SOFTLY = 2.0  # seconds that tasks get after Ray has interrupted them
_KILLED = 2.0  # seconds that it may take to kill their processes


@dataclass(frozen=True, slots=True)
class Died:
    """The process that ran the task died on every attempt.

    Attributes:
        reason: the last death, one line.
        attempts: how often the task was started, on nodes that were lost too.
        kind: ``died``, ``out_of_memory``, ``node_lost``, or ``timeout`` if the evaluation could not be interrupted.
        losses: how many of the attempts ended because the node was lost.
    """

    reason: str
    attempts: int
    kind: str = DIED
    losses: int = 0


class Interrupted:
    """The task was cancelled, by the driver or by somebody else. It has no result, and has to be repeated."""


@dataclass(slots=True)
class _Running(Generic[K]):
    key: K
    args: tuple[Any, ...]
    retries: int
    deaths: int = 0  # of its process
    losses: int = 0  # of the node under it

    @property
    def attempts(self) -> int:
        return 1 + self.deaths + self.losses

    def died(self, death: Exception, kind: str) -> Died:
        return Died(describe_death(death), self.attempts, kind, self.losses)


class TaskPool(Generic[K]):
    """Tasks of one remote function, whose last argument is how often the task was started.

    Retries are counted here, since Ray retries without limit if the memory monitor kills a worker, and does not tell
    how often a task was started. If a node is lost its tasks are started again, which does not count as a retry.

    Attributes:
        interrupted: whether Ctrl-C came during :meth:`wind_down`.
    """

    def __init__(
        self, function: Any, options: dict[str, Any], interrupts: Interrupts, mailbox: Mailbox | None = None
    ) -> None:
        """Prepare a pool without tasks.

        Args:
            function: a remote function, made by ``ray.remote``.
            options: Ray's options of each task, such as ``num_cpus``.
            interrupts: decides when Ctrl-C may interrupt.
            mailbox: where tasks leave their results if their process has to end; None if they do not.
        """
        self._function = function.options(**options, max_retries=0)
        self._interrupts, self._mailbox = interrupts, mailbox
        self._running: dict[ray.ObjectRef[Any], _Running[K]] = {}
        self._ending = False
        self.interrupted = False

    def __len__(self) -> int:
        return len(self._running)

    @property
    def keys(self) -> list[K]:
        """The keys of the tasks in flight, oldest first."""
        return [task.key for task in self._running.values()]

    def mailbox(self, key: K) -> TaskMailbox:
        """Return where the task of this key leaves its result if its process has to end."""
        assert self._mailbox is not None, "the pool was made without a mailbox"
        return self._mailbox.of_task(key)

    def submit(self, key: K, *args: Any, retries: int) -> None:
        """Start a task.

        Args:
            key: returned by :meth:`take` with the result.
            args: the arguments of the remote function, except the last.
            retries: how often it is started again if its process dies.
        """
        self._start(_Running(key, args, retries))

    def _start(self, task: _Running[K]) -> None:
        self._running[self._function.remote(*task.args, task.attempts)] = task

    def take(self, timeout: float | None = None) -> list[tuple[K, Any]]:
        """Wait until a task has ended, and return all that have, each as key and result.

        Instead of a result there may be :class:`Died` or :class:`Interrupted`.

        Args:
            timeout: seconds after which an empty list is returned; None for no limit.

        Raises:
            KeyboardInterrupt: on Ctrl-C.
            RayError: the function could not run at all (it cannot be imported there, its environment fails).
        """
        references = list(self._running)
        if not references:
            return []
        with self._interrupts.waiting():
            ready, _ = ray.wait(references, num_returns=1, timeout=timeout)
        if ready and len(references) > 1:
            ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
        finished = (self._finish(reference) for reference in ready)
        return [done for done in finished if done is not None]

    def _finish(self, reference: ray.ObjectRef[Any]) -> tuple[K, Any] | None:
        task = self._running.pop(reference)
        try:
            return task.key, ray.get(reference)
        except TaskCancelledError:
            return task.key, Interrupted()
        except DEATHS as death:
            return self._handle_death(task, death)
        except RayError:
            if not self._ending:
                raise
            return task.key, Interrupted()

    def _handle_death(self, task: _Running[K], death: Exception) -> tuple[K, Any] | None:
        """Return the result of a task that died, or None if it was started again."""
        lost = isinstance(death, _LOST)
        left = self._mailbox.take(task.key) if self._mailbox and not lost else None
        if left is not None:
            return task.key, left
        if self._ending:
            return task.key, Interrupted()
        if lost:
            if task.losses + 1 >= _LOSSES:
                return task.key, replace(task.died(death, NODE_LOST), losses=_LOSSES)
            task.losses += 1
        elif self._mailbox and self._mailbox.overran(task.key):
            return task.key, task.died(death, TIMEOUT)
        elif task.deaths >= task.retries:
            return task.key, task.died(death, OUT_OF_MEMORY if isinstance(death, OutOfMemoryError) else DIED)
        else:
            task.deaths += 1
        self._start(task)
        return None

    def wind_down(self) -> list[tuple[K, Any]]:
        """End all tasks in flight, and return the results that still came.

        Tasks get a moment to end by themselves. Then they are interrupted, and finally their processes are killed.
        Ctrl-C meanwhile kills them at once.
        """
        kept: list[tuple[K, Any]] = []
        self._ending = True
        try:
            self._drain(kept, _NEARLY_DONE)
            cancel(self._newest_first(), force=False)
            self._drain(kept, _SOFTLY)
            cancel(self._newest_first(), force=True)
            self._drain(kept, _KILLED)
        except KeyboardInterrupt:
            self.interrupted = True
            cancel(self._newest_first(), force=True)
        finally:
            self._running.clear()
        self._clear()
        return [(key, result) for key, result in kept if not isinstance(result, Interrupted | Died)]

    def _clear(self) -> None:
        if self._mailbox is None:
            return
        try:
            self._mailbox.clear()
        except Exception as error:  # the cluster is gone, and the mailboxes with it
            _log.warning("the results left by workers were not deleted: %s", error)

    def _newest_first(self) -> list[ray.ObjectRef[Any]]:
        """Return the newest tasks first: waiting ones must be cancelled before a slot becomes free and starts them."""
        return list(self._running)[::-1]

    def _drain(self, kept: list[tuple[K, Any]], patience: float) -> None:
        until = time.monotonic() + patience
        while self._running and (left := until - time.monotonic()) > 0:
            kept += self.take(left)


def outcome_of_death(death: Died, limit: float | None) -> Outcome:
    """Return the outcome of an evaluation whose process died at every attempt."""
    if death.kind == TIMEOUT and limit is not None:
        return timed_out(limit, limit + GRACE, None, attempt=death.attempts)
    return died(death.reason, death.attempts, death.kind)


def describe_death(death: BaseException) -> str:
    """Return Ray's error as one short line."""
    first = next((line.strip() for line in str(death).splitlines() if line.strip()), "")
    return f"{type(death).__name__}: {first}"[:300]
