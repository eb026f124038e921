"""A command's time with Ray: start or join a cluster, leave it, and end in order on Ctrl-C and SIGTERM."""

from __future__ import annotations

import logging
import os
import signal
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import click

from arqon_ray.core.inputs.values import shown
from arqon_ray.errors import ArqonError, ConfigError, EvaluationsFailedError, NodesLostError
from arqon_ray.fanout.worker.evaluate import one_line

_KNOCK_TIMEOUT = 10.0  # seconds
_QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Ray's future behavior, of which it warns otherwise
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the history is in the study; no CSV and TensorBoard files a trial
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


def check_environment(runtime_env: Mapping[str, Any] | None) -> None:
    """Refuse a runtime environment that Ray does not take, before Ray is there.

    Raises:
        ConfigError: it names what is wrong with it.
    """
    from ray.runtime_env import RuntimeEnv

    try:
        RuntimeEnv(**_with_homes(runtime_env or {}))
    except (TypeError, ValueError, OSError) as error:
        raise broken_environment(runtime_env, error) from None


def broken_environment(runtime_env: Mapping[str, Any] | None, error: Exception) -> ConfigError:
    """Return the refusal of a runtime environment that Ray cannot set up."""
    return ConfigError(f"runtime_env is {shown(runtime_env)}: Ray cannot set it up ({one_line(error)})")


def _with_homes(runtime_env: Mapping[str, Any]) -> dict[str, Any]:
    """Return a runtime environment with every ``~`` in its paths replaced."""
    environment = dict(runtime_env)
    if isinstance(environment.get("working_dir"), str):
        environment["working_dir"] = os.path.expanduser(environment["working_dir"])
    if isinstance(environment.get("py_modules"), list):
        environment["py_modules"] = [os.path.expanduser(each) for each in environment["py_modules"]]
    return environment


@contextmanager
def ray_session(address: str | None, runtime_env: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Join the cluster at ``address``, or start one in this machine that ends with the block.

    Args:
        address: ``auto``, ``host:port`` or ``ray://host:port``; None for an embedded local Ray.
        runtime_env: Ray's runtime environment of the workers.

    Raises:
        ConfigError: when there is no cluster at ``address``, or it asks for a token that is not here.
    """
    for variable, value in _QUIET.items():
        os.environ.setdefault(variable, value)
    import ray
    from ray.exceptions import AuthenticationError

    import arqon_ray

    if address is not None:
        _check_reachable(address)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if runtime_env:
        options["runtime_env"] = _with_homes(runtime_env)
    if address is None:
        options |= {"address": "local", "include_dashboard": False}
    else:
        options["address"] = address
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            arqon_ray.init(**options)
    except ArqonError:
        raise
    except AuthenticationError as error:
        raise ConfigError(f"--address is {address!r}: {one_line(error)}") from None
    except (ConnectionError, ValueError) as error:
        raise _no_cluster(address, error) from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Knock at ``host:port``: Ray itself would wait there for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCK_TIMEOUT).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from None


def _no_cluster(address: str | None, error: Exception) -> ConfigError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ConfigError(f"--address is {address!r}: no Ray cluster answers there ({reason})")


@dataclass(slots=True)
class ExitStatus:
    """How an interrupted command ends.

    Attributes:
        code: the shell's exit code: 128 and the number of the signal.
    """

    code: int = 128 + signal.SIGINT


@contextmanager
def interruptible(ending: ExitStatus) -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does; inside of a Ray session, since ``ray.init`` takes the signal too.

    Args:
        ending: learns which of the two it was.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        ending.code = 128 + number
        ctrl_c = signal.getsignal(signal.SIGINT)
        if callable(ctrl_c):
            ctrl_c(signal.SIGINT, frame)
        else:  # Ctrl-C is ignored, as in the background of a shell
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def give_up(error: EvaluationsFailedError | NodesLostError) -> int:
    """Say why the command gave up, in a line without the traceback, and return the exit code."""
    click.echo(f"given up: {str(error).partition(chr(10))[0]}; --set fail_fast=null goes on whatever fails", err=True)
    return 1
