"""The answers of a study's calls and the fields of a result: plain dicts, typed so that editors complete the keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict


class AskedCandidate(TypedDict):
    """A candidate that was handed out.

    Attributes:
        id: the candidate's, for ``tell``.
        params: native values of the parameters that exist at this point.
        note: only for a repeated ask, if the candidate has been told or is held by somebody else by now.
    """

    id: str
    params: dict[str, Any]
    note: NotRequired[str]


class Told(TypedDict):
    """The answer to one result, report, retraction or release.

    Attributes:
        id: the candidate's.
        accepted: whether it had an effect.
        note: why it had none.
    """

    id: str
    accepted: bool
    note: NotRequired[str]


class Seeded(TypedDict):
    """The answer to one result from outside the study.

    Attributes:
        id: None, since it is no candidate of this study.
        accepted: whether it was added.
        note: why it was skipped.
    """

    id: str | None
    accepted: bool
    note: NotRequired[str]


class ResultFields(TypedDict, total=False):
    """The fields of a result beside id, value and cost: keywords of ``tell``, and keys of the dicts in a list.

    Attributes:
        metrics: everything that the function returned, by name, including the objective: numbers, texts, True, False,
            None and lists of numbers; nested dicts are flattened with ``/``. At most 64, lists of 64 numbers, texts of
            4 KB.
        values: with several objectives a list of their values, in place of ``value``.
        status: ``complete``; ``stopped``, if a scheduler ended it early; ``failed``.
        step: how far the evaluation had come when the value was measured; absent for a whole one.
        steps: its intermediate results, ``[step, value, time]`` each, if they were not reported.
        started: when the function was called, in seconds since 1970 (UTC).
        ended: when it returned, likewise.
        seconds: how long the call took.
        node: the address or name of the machine where it ran.
        pid: the process in which it ran.
        error: why it failed: a dict of ``kind``, ``message`` and optionally ``trace``.
        reason: why it failed, as a text.
        attempt: how often the evaluation was started until it ended, from 1.
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


class ErrorRow(TypedDict):
    """Why an evaluation failed: its kind, one line, and the last lines of the traceback if there is one."""

    kind: str
    message: str
    trace: str | None


class _Row(TypedDict):
    number: int | None
    params: dict[str, Any]
    status: Literal["running", "complete", "stopped", "failed"]
    value: float | None
    values: list[float] | None
    metrics: dict[str, Any]
    step: int | None
    steps: list[list[Any]]
    cost: float
    started: float | None
    ended: float | None
    seconds: float | None
    node: str | None
    pid: int | None
    error: ErrorRow | None
    origin: str
    attempt: int


class EvaluationRow(_Row):
    """An evaluation as plain Python; see :class:`~arqon_ray.core.record.evaluation.Evaluation` for each key."""

    id: str | None


class HistoryRow(EvaluationRow):
    """An evaluation that was told; ``seq`` is the number of the log's record that holds its result."""

    seq: int


class PendingRow(_Row):
    """A running evaluation; ``owner`` holds its candidate, ``key`` is the operation id of its ask."""

    id: str
    owner: str | None
    key: str | None


class BestPoint(EvaluationRow):
    """The recommended point; ``predicted`` is the model's value for it, None unless values are noisy."""

    predicted: float | None


class PhaseRow(TypedDict):
    """Candidates in a row that one strategy proposed; ``origin`` of an evaluation names it too."""

    strategy: str
    candidates: int


class Explanation(TypedDict):
    """Which strategy proposes at present, and why.

    Attributes:
        phase: ``probe`` or ``refine``.
        landscape: the classifier's verdict on the objective; ``unknown`` while the space is probed.
        strategy: the one that proposes the next candidate.
        reason: why, as a sentence.
        evidence: the findings behind it, by name.
        exhausted: whether every point of a finite space was proposed.
        trouble: ``strategy``, ``candidate`` and ``error`` when a strategy last failed and another one took its place.
        phases: who proposed the candidates so far, the first ones first.
    """

    phase: Literal["probe", "refine"]
    landscape: str
    strategy: str
    reason: str
    evidence: dict[str, Any]
    exhausted: bool
    trouble: dict[str, Any] | None
    phases: list[PhaseRow]


class StudyCounts(TypedDict):
    """The numbers of candidates and results.

    asked = told + pending + released, apart from candidates whose result was retracted and not told again.

    Attributes:
        asked: candidates that were handed out.
        told: candidates with a result.
        failed: candidates whose evaluation failed; part of ``told``.
        pending: candidates that somebody holds.
        released: candidates in the pool, to be handed out again.
        seeded: results from outside.
        retracted: how often a result was retracted.
        enqueued: queued points that wait to be handed out.
    """

    asked: int
    told: int
    failed: int
    pending: int
    released: int
    seeded: int
    retracted: int
    enqueued: int


class TroubleRow(TypedDict):
    """Background work that fails at present: which, why, since when (seconds since 1970), and how often in a row."""

    what: str
    error: str
    since: float
    failures: int


class StudyStatus(TypedDict):
    """The state of a study. If it is refused, what is unknown is None.

    Attributes:
        name: the study's.
        state: ``refused`` if the study cannot be served, with the ``reason``; ``finished`` once the budget is told.
        reason: why it is refused.
        pid: the actor's process.
        node: the id of the node on which it runs.
        actor: the actor's id.
        epoch: how often the study was opened, the first time included.
        restarts: how often it was opened again.
        counts: candidates and results.
        budget: how many candidates are handed out in all; None for no limit.
        phase: ``probe`` or ``refine``.
        landscape: the classifier's verdict on the objective, such as ``smooth`` or ``noisy``.
        strategy: the one that proposes at present.
        best: the recommended point.
        uuid: the study's, unlike its name never used twice.
        version: the release of arqon_ray that the actor runs.
        imported: uuid and log position of the study from whose snapshot this one began.
        seq: the number of the log's last record.
        storage: where the log lies.
        torn: the tail of the log that an interrupted write left, and that was cut off.
        passed_over: snapshots that could not be used.
        trouble: background work that fails at present.
    """

    name: str
    state: Literal["running", "finished", "refused"]
    reason: str | None
    pid: int
    node: str
    actor: str
    epoch: int | None
    restarts: int | None
    counts: StudyCounts
    budget: int | None
    phase: str | None
    landscape: str | None
    strategy: str | None
    best: BestPoint | None
    uuid: NotRequired[str]
    version: str
    imported: NotRequired[dict[str, Any] | None]
    seq: NotRequired[int]
    storage: str
    torn: Any
    passed_over: NotRequired[list[str]]
    trouble: list[TroubleRow]


class StudySnapshot(TypedDict):
    """A study as of one record of its log, from which ``start(snapshot=...)`` continues it elsewhere.

    Attributes:
        uuid: the study's.
        seq: the record of its log at which the snapshot was taken.
        export: the solver's state as JSON.
        storage_path: where its log lies.
    """

    uuid: str
    seq: int
    export: str
    storage_path: str
