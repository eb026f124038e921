"""The shared, durable solver: one named actor for a study, its journal and its client."""

from __future__ import annotations

from arqon_ray.service.answers import (
    AskedCandidate,
    BestPoint,
    EvaluationRow,
    Explanation,
    HistoryRow,
    PendingRow,
    ResultFields,
    Seeded,
    StudyCounts,
    StudySnapshot,
    StudyStatus,
    Told,
)
from arqon_ray.service.calls import StudyCalls
from arqon_ray.service.client.async_client import AsyncSolverClient
from arqon_ray.service.client.batched import BatchedClient
from arqon_ray.service.client.client import SolverClient
from arqon_ray.service.client.heartbeat import Heartbeat
from arqon_ray.service.client.launch import connect, init, start
from arqon_ray.service.client.launch import list_studies as list
from arqon_ray.service.server.verification import Verification, verify

__all__ = [
    "AskedCandidate",
    "AsyncSolverClient",
    "BatchedClient",
    "BestPoint",
    "EvaluationRow",
    "Explanation",
    "Heartbeat",
    "HistoryRow",
    "PendingRow",
    "ResultFields",
    "Seeded",
    "SolverClient",
    "StudyCalls",
    "StudyCounts",
    "StudySnapshot",
    "StudyStatus",
    "Told",
    "Verification",
    "connect",
    "init",
    "list",
    "start",
    "verify",
]
