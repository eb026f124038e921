"""The shared, durable solver: one named actor for a study, its journal and its client."""

from __future__ import annotations

from arqon_ray.service.async_client import AsyncSolverClient
from arqon_ray.service.batched import BatchedClient
from arqon_ray.service.client import SolverClient
from arqon_ray.service.heartbeat import Heartbeat
from arqon_ray.service.launch import connect, init, start
from arqon_ray.service.launch import list_studies as list
from arqon_ray.service.verification import Verification, verify

__all__ = [
    "AsyncSolverClient",
    "BatchedClient",
    "Heartbeat",
    "SolverClient",
    "Verification",
    "connect",
    "init",
    "list",
    "start",
    "verify",
]
