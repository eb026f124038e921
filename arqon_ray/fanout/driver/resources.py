"""The resources of one evaluation as Ray's options, and how many evaluations the cluster runs at once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import Any

from arqon_ray.core.inputs.values import broken, number
from arqon_ray.errors import ConfigError

_OPTION = {"cpu": "num_cpus", "num_cpus": "num_cpus", "gpu": "num_gpus", "num_gpus": "num_gpus", "memory": "memory"}
_CLUSTER_NAME = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}


def task_options(resources: Mapping[str, float] | None) -> dict[str, Any]:
    """Translate ``{"cpu": 2, "gpu": 0.5, "my_node": 1}`` into the options of a remote function.

    Args:
        resources: of one evaluation: ``cpu`` (default 1; tasks with 0 are slow, since Ray starts a new worker process
            for each), ``gpu``, ``memory`` in bytes, and custom resources by name.

    Raises:
        ConfigError: an amount is not a number, or negative.
    """
    options: dict[str, Any] = {"num_cpus": 1}
    custom: dict[str, float] = {}
    for name, amount in (resources or {}).items():
        amount = number(f"resources.{name}", amount, ConfigError)
        if amount < 0:
            raise ConfigError(broken(f"resources.{name}", amount, "0 or more"))
        option = _OPTION.get(name.lower())
        if option is not None:
            options[option] = amount
        elif amount:
            custom[name] = amount
    return {**options, "resources": custom} if custom else options


def slots(options: Mapping[str, Any]) -> int:
    """Return how many tasks with these options the cluster, as it is now, runs at once; at least 1.

    Warns if it could run none, since the task then waits for a larger cluster.
    """
    total = _cluster_resources()
    needs = {cluster: options.get(option, 0) for option, cluster in _CLUSTER_NAME.items()}
    needs |= options.get("resources", {})
    short = {name: amount for name, amount in needs.items() if amount > total.get(name, 0.0)}
    if short:
        have = {name: total.get(name, 0.0) for name in short}
        warnings.warn(
            f"an evaluation needs {short}, but the whole cluster has {have}: it waits for more nodes", stacklevel=3
        )
        return 1
    return max(1, min((int(total[name] / amount) for name, amount in needs.items() if amount), default=1))


def _cluster_resources() -> dict[str, float]:
    import ray

    resources: Any = ray.cluster_resources  # untyped in Ray
    return dict(resources())


def ensure_ray() -> str | None:
    """Start Ray if this process is not connected to one; return a remark that says so, or None.

    If ``RAY_ADDRESS`` is set, as in a job, that cluster is joined. Otherwise a local Ray is started, even if another
    one runs on this machine. It lasts until the process ends or calls ``ray.shutdown()``.
    """
    import ray

    from arqon_ray.service import init

    if ray.is_initialized():
        return None
    address = os.environ.get("RAY_ADDRESS")
    if address:
        init(address)
        return f"connected to the Ray cluster at {address} (RAY_ADDRESS)"
    init("local", include_dashboard=False)
    return f"started a local Ray with {_cluster_resources().get('CPU', 0):g} CPUs"
