"""The calls of a study, each signature and docstring in one place; mypy checks actor and clients against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, Unpack, overload

from arqon_ray.service.answers import (
    AskedCandidate,
    BestPoint,
    Explanation,
    HistoryRow,
    PendingRow,
    ResultFields,
    Seeded,
    StudySnapshot,
    StudyStatus,
    Told,
)


class StudyCalls(Protocol):
    """The calls that ``SolverClient`` and the actor (with ``.remote``) offer; ``client.aio`` offers them as coroutines.

    ``key`` is an operation id: however often a call is repeated under the same key, its effect happens once and its
    answer is the same. Clients make a key if none is given.

    Example:
        >>> import arqon_ray
        >>> def work(study: arqon_ray.StudyCalls) -> int:
        ...     while (candidate := study.ask_one()) is not None:
        ...         study.tell(candidate["id"], candidate["params"]["x"])
        ...     return study.status()["counts"]["told"]
        >>> client = arqon_ray.start({"budget": 3, "bounds": {"x": {"min": 0.0, "max": 1.0}}}, "typed")
        >>> work(client)
        3
        >>> client.stop(purge=True)
    """

    def ask_one(
        self,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
        params: Mapping[str, Any] | None = None,
    ) -> AskedCandidate | None:
        """Ask for one candidate.

        Args:
            key: the operation id, such as Tune's trial id; the same key always gets the same candidate.
            owner: who holds the candidate; a ``heartbeat`` of this owner keeps it.
            lease: seconds until the candidate goes back to the pool; by default 60 with an owner, 24 h without.
            timeout: seconds to wait while every candidate is held by somebody; None waits for ever.
            params: a whole point of the caller's own, to be handed out as the candidate; it counts in the budget.

        Returns:
            ``{"id": str, "params": dict}``, or None when the study is finished (with ``params``: when the budget is
            spent).

        Raises:
            AskTimeoutError: no candidate came free in time.
            ResultsError: ``params`` do not fit the space.
        """
        ...

    def ask(
        self,
        n: int,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
    ) -> list[AskedCandidate]:
        """Ask for up to ``n`` candidates (at most 4096), at least one; see :meth:`ask_one`.

        An empty list means that the study is finished.
        """
        ...

    def place(
        self, params: Mapping[str, Any], key: str | None = None, owner: str | None = None, lease: float | None = None
    ) -> AskedCandidate | None:
        """Do as ``ask_one(params=params, ...)``; deprecated since 0.2.0."""
        ...

    def enqueue(
        self, params: Mapping[str, Any] | Sequence[Mapping[str, Any]], key: str | None = None
    ) -> list[dict[str, Any]]:
        """Queue a point, or a list of them, ahead of the solver's own: the next asks get them, each once.

        They count in the budget when they are handed out; ``status()["counts"]["enqueued"]`` is how many wait.

        Args:
            params: native values of some or all parameters, or a list of such dicts; missing ones are filled in.
            key: the operation id.

        Returns:
            The points with all their parameters.

        Raises:
            ResultsError: a point does not fit the space; nothing was enqueued.
        """
        ...

    @overload
    def tell(
        self,
        id: str | Mapping[str, Any],
        value: Any = ...,
        cost: float = 1.0,
        key: str | None = None,
        **rest: Unpack[ResultFields],
    ) -> Told: ...

    @overload
    def tell(
        self,
        id: Sequence[Mapping[str, Any]],
        value: Any = ...,
        cost: float = 1.0,
        key: str | None = None,
        **rest: Unpack[ResultFields],
    ) -> list[Told]: ...

    def tell(
        self, id: Any, value: Any = ..., cost: float = 1.0, key: str | None = None, **rest: Unpack[ResultFields]
    ) -> Any:
        """Tell a candidate's result, or many.

        ::

            study.tell(id, 0.25)
            study.tell(id, 0.25, metrics={"loss": 0.25, "size": 12}, seconds=81.5)
            study.tell(id, metrics={"loss": 0.25, "size": 12})  # if the config has "metric": "loss"
            study.tell([{"id": id, "value": 0.25, "metrics": {...}}, ...])

        Args:
            id: a candidate's id, or a list of dicts with ``id``, ``value`` and the keys of ``rest``.
            value: of one candidate; None, NaN and infinities mean a failed evaluation. With several objectives give
                ``values``, a list, instead; with ``metrics`` and a config that names its metric give neither.
            cost: of one candidate's evaluation, in the user's units.
            key: the operation id.
            **rest: more about one candidate's evaluation, see :class:`.ResultFields`.

        Returns:
            ``{"id", "accepted"}``, or a list of them for a list; with a ``note`` where a result was not accepted
            because somebody had told the candidate before.

        Raises:
            ResultsError: an entry is malformed, or it failed for a reason that says nothing about its point, such as a
                lost node; nothing was taken.
            UnknownCandidateError: an id was never handed out; nothing was taken.
        """
        ...

    @overload
    def report(
        self, id: str | Mapping[str, Any], step: Any = ..., value: Any = ..., metrics: Mapping[str, Any] | None = None
    ) -> Told: ...

    @overload
    def report(
        self,
        id: Sequence[Mapping[str, Any]],
        step: Any = ...,
        value: Any = ...,
        metrics: Mapping[str, Any] | None = None,
    ) -> list[Told]: ...

    def report(self, id: Any, step: Any = ..., value: Any = ..., metrics: Mapping[str, Any] | None = None) -> Any:
        """Report an intermediate result of a candidate's evaluation, or many; answers as :meth:`tell`.

        At most 1000 reports of an evaluation are kept, thinned evenly. A second report of a step replaces the first.

        Args:
            id: the candidate's; or a list of dicts with ``id``, ``step``, ``value`` and optionally ``metrics`` and
                ``time`` (seconds since 1970; by default when the study receives it).
            step: how far the evaluation has come, 0 or more.
            value: the objective at this step; the model ignores one that is not finite.
            metrics: other metrics; the evaluation keeps the last ones.

        Raises:
            ResultsError: a report is malformed; none was taken.
            UnknownCandidateError: an id was never handed out; none was taken.
        """
        ...

    def retract(self, id: str, reason: str | None = None, key: str | None = None) -> Told:
        """Retract a candidate's result because it was wrong: model and history forget it, the log does not.

        The candidate is not handed out again and counts in the budget as before. To correct a result, tell it again
        under another key than that of the wrong one.

        Args:
            id: the candidate's.
            reason: why; the log keeps it.
            key: the operation id.

        Returns:
            ``{"id", "accepted"}``; with a ``note`` if there was no result to retract.

        Raises:
            UnknownCandidateError: the id was never handed out.
        """
        ...

    def fail(self, id: str, reason: str | None = None, key: str | None = None) -> Told:
        """Tell that a candidate's evaluation failed, and why.

        The model learns from it, as from any failed evaluation; answers as :meth:`tell`.
        """
        ...

    @overload
    def release(self, id: str, owner: str | None = None, key: str | None = None) -> Told: ...

    @overload
    def release(
        self, id: list[str] | tuple[str, ...] | None = None, owner: str | None = None, key: str | None = None
    ) -> list[Told]: ...

    def release(self, id: Any = None, owner: str | None = None, key: str | None = None) -> Any:
        """Return candidates to the pool unevaluated; they are handed out again when no fresh ones are left.

        Args:
            id: one id or a list of them; None for all that ``owner`` holds.
            owner: release only what this owner holds.
            key: the operation id.

        Returns:
            ``{"id", "accepted"}``, or a list of them; with a ``note`` if a candidate was not released.
        """
        ...

    def renew(self, owner: str) -> int:
        """Renew the leases of all candidates that an owner holds; returns how many there are."""
        ...

    def seed(
        self,
        observations: Sequence[Mapping[str, Any]] | str,
        key: str | None = None,
        out_of_bounds: Literal["raise", "skip"] = "raise",
    ) -> list[Seeded]:
        """Add results from outside the study: dicts (or their JSON) with ``params``, ``value`` and optionally ``cost``.

        Rows of ``history()``, ``best()`` and ``pareto()`` of this or another study are accepted as they are. Their ids
        only say where they came from; they are never candidates of this study.

        Args:
            observations: the results.
            key: the operation id.
            out_of_bounds: ``skip`` ignores rows whose parameters lie outside the space, such as old results of a range
                that was narrowed; ``raise`` refuses the list.

        Returns:
            One dict per row: ``id``, ``accepted`` and, for a skipped row, a ``note`` that says why.

        Raises:
            OutOfBoundsError: a row lies outside the space; nothing was taken.
            ResultsError: any row is malformed; nothing was taken.
        """
        ...

    def best(self) -> BestPoint | None:
        """Return the recommended point with its value; None before any result.

        If values are noisy, it is the point that the model predicts to be best, with the prediction in ``predicted``.
        """
        ...

    def explain(self) -> Explanation:
        """Return which strategy proposes at present and why, and which ones proposed the candidates so far."""
        ...

    def history(self, since: int | None = None) -> list[HistoryRow]:
        """Return the results in the order in which they were told; or only the new ones.

        ::

            rows = study.history()
            while running:
                rows += study.history(since=rows[-1]["seq"] if rows else 0)

        Args:
            since: return only results told after the log's record of this number: the ``seq`` of the last row or of
                ``status()``. A result that was retracted since then leaves no row, but
                ``status()["counts"]["retracted"]`` has grown.
        """
        ...

    def pareto(self) -> list[HistoryRow]:
        """Return the observations that no other one beats in all objectives.

        Raises:
            ConfigError: the study has a single objective.
        """
        ...

    def pending(self, owner: str | None = None) -> list[PendingRow]:
        """Return the running evaluations, all or those of ``owner``, with their reports so far."""
        ...

    def status(self) -> StudyStatus:
        """Return the state of the study; one that is refused answers too, with the reason."""
        ...

    def export(self) -> str:
        """Return the solver's state as JSON, for ``ArqonSolver.from_state``."""
        ...

    def config(self) -> dict[str, Any]:
        """Return the config as a dict, with the budget in force; equally fast for a study of any length."""
        ...

    def snapshot(self, since: Mapping[str, Any] | None = None) -> StudySnapshot | None:
        """Return a snapshot, from which ``start(snapshot=...)`` continues this study elsewhere.

        Args:
            since: an earlier snapshot, or a dict of its ``uuid`` and ``seq``.

        Returns:
            The snapshot; None if nothing was written to the log since the earlier one, which is still current.
        """
        ...

    def extend_budget(self, budget: int | None) -> int | None:
        """Set a larger budget, None for no limit; returns the budget in force.

        Raises:
            ConfigError: it is smaller than the present budget.
        """
        ...

    def stop(self, purge: bool = False) -> None:
        """End the study's actor, for everybody; the study stays on its storage.

        Args:
            purge: delete the study from its storage; otherwise ``start`` with that ``storage_path`` continues it.
        """
        ...
