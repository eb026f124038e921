"""Starts, finds and lists studies: ``init``, ``start``, ``connect``, ``list``."""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError, GetTimeoutError, RayError, RayTaskError
from ray.util import list_named_actors

from arqon_ray.core.config import StudyConfig, load_config
from arqon_ray.core.inputs.spelling import did_you_mean
from arqon_ray.core.points import check_points
from arqon_ray.core.propose.roster import check_strategy, warn_of_unread
from arqon_ray.core.strategies.registry import GROUP, find_strategy, is_installed
from arqon_ray.errors import ConfigError, StudyNotFoundError, StudyRefusedError
from arqon_ray.service.client import authentication
from arqon_ray.service.client.client import SolverClient
from arqon_ray.service.client.older_actors import refused_config
from arqon_ray.service.client.pulse import Pulse, wait_for_answer
from arqon_ray.service.client.reference import NAMESPACE, require_ray, until_gone
from arqon_ray.service.client.retry import raised_by_actor
from arqon_ray.service.server import actor
from arqon_ray.service.server.handover import read_snapshot
from arqon_ray.service.server.idempotency import digest_of
from arqon_ray.service.storage.opening import check_storage_path
from arqon_ray.service.storage.paths import check_name, is_shared

_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_HEAD = {"node:__internal_head__": 0.001}
_PLACEMENT_OPTIONS = ("resources", "scheduling_strategy", "label_selector")
_ATTEMPTS = 20
_PAUSE = 0.5
_PATIENCE = 600.0
"""Seconds to wait for an actor that answers no ping: Ray may have to install its runtime environment first."""


def init(address: str | None = None, **kwargs: Any) -> Any:
    """Call ``ray.init`` in the namespace ``arqon``, so that the bare ``ray.get_actor("arqon")`` finds the study.

    Args:
        address: the cluster, as for ``ray.init``.
        **kwargs: everything else that ``ray.init`` takes.

    Returns:
        What ``ray.init`` returns.

    Raises:
        ConfigError: if the cluster asks for a token that is not here; the message says where it is.

    Example:
        >>> import arqon_ray
        >>> context = arqon_ray.init(ignore_reinit_error=True)  # arqon_ray.init("auto") joins a cluster that runs
    """
    authentication.prepare(address or os.environ.get("RAY_ADDRESS"))
    return ray.init(address, **{"namespace": NAMESPACE, **kwargs})


def start(
    config: Mapping[str, Any] | str | StudyConfig,
    name: str = "arqon",
    *,
    storage_path: str | None = None,
    resume: bool = True,
    budget: int | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    snapshot: Mapping[str, Any] | None = None,
    points_to_evaluate: Sequence[Mapping[str, Any]] | None = None,
    **options: Any,
) -> SolverClient:
    """Get the study's actor or create it; it outlives this driver.

    Args:
        config: dict, JSON string or checked config. A study that runs or is stored is joined if its identity
            (seed, mode, bounds, strategy and its parameters) is the same; a larger budget extends it.
        name: the study's name: the actor's in the namespace ``arqon``, and a folder's under ``storage_path``.
        storage_path: the directory, or the URI as for Ray Tune (``s3://``, ``gs://``, ``file://``), that holds the
            journal. The default is ``arqon`` in the head node's Ray session, which a new cluster does not see; give a
            path to continue a study on a new cluster. A running study is joined without one, or with its own.
        resume: False to set a stored study aside (renamed, never deleted) and start a new one. A running actor is
            joined nevertheless: ``stop()`` it first.
        budget: evaluations to be handed out in all, instead of the config's.
        runtime_env: the actor's, as Ray takes it.
        snapshot: what another study's ``snapshot()`` returned. If there is neither an actor nor a journal, the study
            continues from it, with a uuid of its own. An existing study is joined and left as it is.
        points_to_evaluate: points that are handed out before the solver's own, see ``SolverClient.enqueue``; once per
            study, however often it is started with them.
        **options: further options of the Ray actor, such as ``scheduling_strategy``, ``resources``, ``memory``. Unless
            they say where it runs, the actor stays on the head node, where its journal is; with a bucket as
            ``storage_path`` it runs on any node. For a directory that all nodes mount use ``resources={}``: any node.

    Returns:
        The client, once the actor has answered.

    Raises:
        ConfigError: the config, the name, the storage_path or a point breaks a rule.
        IdentityError: a study of this name has another identity (the message names the keys and both values), or it
            is running and stored somewhere else than ``storage_path``.
        StateError: the snapshot is malformed; nothing was started.
        StudyRefusedError: the study's journal cannot be served.
        StudyUnreachableError: the actor has not answered for ten minutes.

    Example:
        >>> import arqon_ray
        >>> config = {"seed": 1, "budget": 10, "bounds": {"x": {"min": 0.0, "max": 1.0}}}
        >>> study = arqon_ray.start(config, "begun")
        >>> arqon_ray.start({**config, "budget": 12}, "begun").status()["budget"]  # it runs: joined, and extended
        12
        >>> study.stop(purge=True)
    """
    require_ray()
    checked = load_config(config)
    if budget is not None:
        checked = load_config({**checked.to_dict(), "budget": budget})
    plain, path = checked.to_dict(), None if storage_path is None else check_storage_path(storage_path)
    check_name(name)
    check_strategy(checked, elsewhere=True)
    warn_of_unread(checked)
    points = check_points(points_to_evaluate, checked)
    checked_snapshot = None if snapshot is None else read_snapshot(snapshot)
    problem: Exception | None = None
    token = uuid.uuid4().hex
    spec = {"name": name, "token": token, "resume": resume, "awaited": snapshot is not None}
    for _ in range(_ATTEMPTS):
        handle = _actor_class(name, runtime_env, options, anywhere=is_shared(path)).remote(spec, path)
        if not _is_study(handle):
            raise StudyRefusedError(f"the actor {name!r} in the namespace {NAMESPACE!r} is no study: use another name")
        try:
            # Wait for the first reply: an actor that is still starting may die with its creator (ray#40864).
            begun = handle.begin.remote(plain, token, checked_snapshot, path)
            if wait_for_answer(begun, Pulse(name, handle, _PATIENCE)) is not None:
                client = SolverClient(name, handle)
                enqueue_once(client, points)
                return client
        except RayTaskError as error:
            if actor.LEAVING in getattr(error.cause, "__notes__", ()):
                for pause in until_gone(name, handle):
                    time.sleep(pause)
            raise _refused(name, checked, raised_by_actor(error)) from None
        except (ActorDiedError, ActorUnavailableError) as error:
            problem = error
        # An actor that is being stopped still has the name; one that is restarting will answer.
        time.sleep(_PAUSE)
    raise StudyRefusedError(
        f"the actor {name!r} dies again and again, see its log in Ray's session directory: {problem}"
    )


def _refused(name: str, config: StudyConfig, said: BaseException) -> BaseException:
    """Return why the study was not begun or joined, with a hint if only this process knows the strategy."""
    if not isinstance(said, ConfigError) or find_strategy(config.strategy) is None or is_installed(config.strategy):
        return refused_config(name, said)
    return ConfigError(
        f"strategy is {config.strategy!r}: register_strategy made it known to this process, not to the study's actor. "
        f"Install a package that names it in the entry-point group {GROUP!r} on the cluster's nodes, or by "
        f"start(runtime_env=...). The actor says: {said}"
    )


def enqueue_once(study: SolverClient, points: Sequence[Mapping[str, Any]]) -> None:
    """Enqueue points that this call has not enqueued in this study before; equal points as often as they are given."""
    seen: Counter[str] = Counter()
    for point in points:
        digest = digest_of(sorted(point.items())).hex()
        seen[digest] += 1
        study.enqueue(point, key=f"points_to_evaluate:{digest}:{seen[digest]}")


def _actor_class(name: str, runtime_env: Mapping[str, Any] | None, options: Mapping[str, Any], anywhere: bool) -> Any:
    """Return the remote class with the options of a durable, shared actor."""
    by_value: Callable[[ModuleType], None] = ray.cloudpickle.register_pickle_by_value
    by_value(actor)
    environment = dict(runtime_env or {})
    environment["env_vars"] = {**_ONE_THREAD, **environment.get("env_vars", {})}
    chosen: dict[str, Any] = {
        "num_cpus": 0,
        "max_restarts": -1,
        "max_task_retries": -1,
        **({} if anywhere or any(option in options for option in _PLACEMENT_OPTIONS) else {"resources": _HEAD}),
        **options,
    }
    fixed = {"name": name, "namespace": NAMESPACE, "lifetime": "detached", "get_if_exists": True}
    remote: Any = ray.remote  # its types know no concurrency groups
    return remote(concurrency_groups=actor.GROUPS)(actor.SolverActor).options(
        **chosen, **fixed, runtime_env=environment
    )


def connect(name: str = "arqon") -> SolverClient:
    """Return the client of a study that is running in this cluster.

    Raises:
        StudyNotFoundError: there is none of this name; the message lists the ones that are running.

    Example:
        >>> import arqon_ray
        >>> study = arqon_ray.start({"budget": 2, "bounds": {"x": {"min": 0.0, "max": 1.0}}}, "running")
        >>> arqon_ray.connect("running").status()["budget"]
        2
        >>> study.stop(purge=True)
    """
    require_ray()
    check_name(name)
    try:
        handle = ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        raise StudyNotFoundError(_not_found(name)) from None
    if not _is_study(handle):
        raise StudyNotFoundError(f"the actor {name!r} in the namespace {NAMESPACE!r} is no study: use another name")
    return SolverClient(name, handle)


def _is_study(handle: Any) -> bool:
    return hasattr(handle, "begin") and hasattr(handle, "ask_one")


def _studies() -> dict[str, Any]:
    """Return the handles of the running studies, by name."""
    names = [each["name"] for each in list_named_actors(all_namespaces=True) if each["namespace"] == NAMESPACE]
    found = {}
    for name in sorted(names):
        try:
            handle = ray.get_actor(name, namespace=NAMESPACE)
        except ValueError:
            continue  # It was stopped in between.
        if _is_study(handle):
            found[name] = handle
    return found


def _not_found(name: str) -> str:
    studies = _studies()
    elsewhere = [each["namespace"] for each in list_named_actors(all_namespaces=True) if each["name"] == name]
    there = f"the studies that run are {', '.join(map(repr, studies))}" if studies else "no study runs"
    near = did_you_mean(name, studies)
    message = f"no study {name!r} runs in this cluster{near} ({there}); to begin one: arqon_ray.start(config, {name!r})"
    if elsewhere:
        message += f". An actor of this name is in the namespace {elsewhere[0]!r}; studies live in {NAMESPACE!r}"
    return message


def list_studies(timeout: float = 10.0) -> list[dict[str, Any]]:
    """Return the status of every running study of this cluster, sorted by name.

    Args:
        timeout: seconds to wait for the answers; a study that does not answer is ``{"name", "state": "busy"}``.

    Example:
        >>> import arqon_ray
        >>> study = arqon_ray.start({"bounds": {"x": {"min": 0.0, "max": 1.0}}}, "listed")
        >>> "listed" in [each["name"] for each in arqon_ray.list()]
        True
        >>> study.stop(purge=True)
    """
    require_ray()
    asked: dict[str, Any] = {name: handle.status.remote() for name, handle in _studies().items()}
    ray.wait(list(asked.values()), num_returns=len(asked), timeout=timeout) if asked else None
    return [_answer(name, reference) for name, reference in asked.items()]


def _answer(name: str, reference: Any) -> dict[str, Any]:
    try:
        status: dict[str, Any] = ray.get(reference, timeout=0)
        return status
    except GetTimeoutError:
        return {"name": name, "state": "busy"}
    except RayError as error:
        return {"name": name, "state": "gone", "reason": str(error)}
