"""BatchedClient: lets many threads of one process use a study with few calls to its actor."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import Any, Unpack

from arqon_ray.service.answers import AskedCandidate, ResultFields, StudyStatus, Told
from arqon_ray.service.background import troubles
from arqon_ray.service.calls import StudyCalls
from arqon_ray.service.client.candidate_buffer import CandidateBuffer
from arqon_ray.service.client.heartbeat import LEASE, Heartbeat
from arqon_ray.service.client.result_queue import ResultQueue
from arqon_ray.service.server.entries import checked_entries
from arqon_ray.service.validation import check_count, check_id, check_seconds


class BatchedClient:
    """Leases candidates and tells results in blocks; ``SolverClient.batched`` returns one.

    Use it for evaluations of seconds or less in many threads. No other client gets the candidates that this one has
    leased but not yet handed to a thread, so choose ``size`` such that a block lasts for seconds. A heartbeat keeps all
    leases alive. An error in the background is raised by the next call of a method.

    Args:
        client: the study.
        size: candidates leased, and results sent, at once; 1 to 4096.
        delay: seconds for which a result waits for others.
        owner: who holds the candidates; None for a unique name.
        lease: seconds until they go back to the pool after this process dies.

    Example:
        >>> import arqon_ray
        >>> study = arqon_ray.start({"budget": 64, "bounds": {"x": {"min": 0.0, "max": 1.0}}}, "batched")
        >>> with arqon_ray.BatchedClient(study, size=16) as batch:
        ...     while (candidate := batch.ask_one()) is not None:
        ...         batch.tell(candidate["id"], candidate["params"]["x"])
        >>> study.status()["counts"]["told"]
        64
        >>> study.stop(purge=True)
    """

    def __init__(
        self, client: StudyCalls, size: int = 32, delay: float = 0.1, owner: str | None = None, lease: float = LEASE
    ) -> None:
        check_count(size)
        self._client = client
        self._beat = Heartbeat(client, owner, check_seconds("lease", lease) or LEASE)
        self._buffer = CandidateBuffer(client, size, self._beat)
        self._results = ResultQueue(client, size, check_seconds("delay", delay, zero=True) or 0.0)

    @cached_property
    def _metric(self) -> str | None:
        metric: str | None = self._client.config().get("metric")
        return metric

    @property
    def owner(self) -> str:
        """Who holds the candidates."""
        return self._beat.owner

    def __reduce__(self) -> Any:
        raise TypeError("a BatchedClient serves the threads of one process: pass the SolverClient to the others")

    def ask_one(self, timeout: float | None = 30.0) -> AskedCandidate | None:
        """Return one candidate, ``{"id": str, "params": dict}``; None when the study is finished, and only then.

        Threads are served in order. The first one fetches a block, the others wait for it.

        Args:
            timeout: seconds to wait while every candidate is held by somebody; None waits for ever.

        Raises:
            AskTimeoutError: no candidate came free in time.
        """
        self._results.raise_problems()
        return self._buffer.take(check_seconds("timeout", timeout, zero=True))

    def tell(self, id: str, value: Any = ..., cost: float = 1.0, **rest: Unpack[ResultFields]) -> None:
        """Add a candidate's result, to be sent soon.

        It is not durable when this returns, but after :meth:`flush`. An error other than that of a malformed argument
        is about an earlier result; this one was added nevertheless.

        Args:
            id: the candidate's.
            value: a number; None, NaN and infinities mean a failed evaluation. With ``metrics`` it may be left out if
                the study's config names its metric.
            cost: of this evaluation, in the user's units.
            **rest: ``metrics``, ``status``, ``step``, ``seconds`` and the like, as for ``SolverClient.tell``.

        Raises:
            ResultsError: an argument is malformed; nothing was added.
            Exception: an earlier result was refused or could not be sent, see :meth:`flush`.
        """
        check_id(id)
        given = {} if value is ... else {"value": value}
        entry: dict[str, Any] = {"id": id, **given, "cost": cost, **rest}
        (checked,) = checked_entries([entry], self._metric if value is ... else None)
        if "metrics" in entry:
            entry["metrics"] = dict(checked.told.metrics)  # the caller may go on to change its own until this is sent
        if "steps" in entry:
            entry["steps"] = [list(step) for step in checked.told.steps]
        self._results.put(entry)
        self._results.raise_problems()

    def fail(self, id: str, reason: str | None = None) -> None:
        """Tell that a candidate's evaluation failed, and why; see :meth:`tell`."""
        self.tell(id, None, status="failed", reason=reason)

    def report(self, id: str, step: Any = ..., value: Any = ..., metrics: Mapping[str, Any] | None = None) -> Told:
        """Report an intermediate result, see :meth:`.StudyCalls.report`; it is sent at once, not in a block."""
        self._results.raise_problems()
        return self._client.report(id, step, value, metrics)

    def retract(self, id: str, reason: str | None = None) -> Told:
        """Take a result back, see :meth:`.StudyCalls.retract`; results that wait are sent first.

        Raises:
            Exception: an earlier result was refused or could not be sent, see :meth:`flush`; nothing was retracted.
        """
        self._results.flush()
        return self._client.retract(id, reason)

    def flush(self) -> None:
        """Wait until everything that was told before is durable.

        Raises:
            ResultsError, UnknownCandidateError: the study refused a result, which is dropped.
            RayError, StudyRefusedError: the study cannot be reached or served. The results are kept and sent again.
        """
        self._results.flush()

    def close(self) -> None:
        """Flush, release the candidates that no thread took, and stop the heartbeat.

        Join the threads first: candidates that they are still evaluating go back to the pool when their lease runs out.
        If this raises because the study cannot be reached, the results are kept and sent in the background: close it
        again.
        """
        rest = self._buffer.close()
        with contextlib.ExitStack() as last:
            last.callback(self._beat.stop)
            if rest:
                last.callback(self._client.release, rest, self.owner)
            self._results.close()

    def status(self) -> StudyStatus:
        """Return the study's status; its ``trouble`` includes that of this client's background threads."""
        status, own = self._client.status(), troubles(self._results.background, self._beat.background)
        return {**status, "trouble": [*status.get("trouble", []), *own]}

    def __enter__(self) -> BatchedClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.close()
        except Exception as problem:
            if error is None:
                raise
            error.add_note(f"closing the batched client failed too: {problem!r}")
