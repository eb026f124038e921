"""Connecting a command to Ray, and ending it in an orderly way on Ctrl-C and SIGTERM."""

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

_CONNECT_TIMEOUT = 10.0  # seconds
_QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # the future default, without which Ray warns
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the study has the history: no CSV and TensorBoard files for each trial
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


def check_environment(runtime_env: Mapping[str, Any] | None) -> None:
    """Refuse an invalid runtime environment before Ray is started.

    Raises:
        ConfigError: Ray does not accept it; the message says why.
    """
    from ray.runtime_env import RuntimeEnv

    try:
        RuntimeEnv(**_expand_home(runtime_env or {}))
    except (TypeError, ValueError, OSError) as error:
        raise broken_environment(runtime_env, error) from None


def broken_environment(runtime_env: Mapping[str, Any] | None, error: Exception) -> ConfigError:
    """Return the error for a runtime environment that Ray cannot set up."""
    return ConfigError(f"runtime_env is {shown(runtime_env)}: Ray cannot set it up ({one_line(error)})")


def _expand_home(runtime_env: Mapping[str, Any]) -> dict[str, Any]:
    """Return a runtime environment with ``~`` expanded in its paths."""
    environment = dict(runtime_env)
    if isinstance(environment.get("working_dir"), str):
        environment["working_dir"] = os.path.expanduser(environment["working_dir"])
    if isinstance(environment.get("py_modules"), list):
        environment["py_modules"] = [os.path.expanduser(each) for each in environment["py_modules"]]
    return environment


@contextmanager
def ray_session(address: str | None, runtime_env: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Join the cluster at ``address``, or start one on this machine that ends with the block.

    Args:
        address: ``auto``, ``host:port`` or ``ray://host:port``; None to start a local Ray.
        runtime_env: Ray's runtime environment of the workers.

    Raises:
        ConfigError: there is no cluster at ``address``, or it requires a token that this machine does not have.
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
        options["runtime_env"] = _expand_home(runtime_env)
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
    """Try to connect to ``host:port``, since Ray itself would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from None


def _no_cluster(address: str | None, error: Exception) -> ConfigError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ConfigError(f"--address is {address!r}: no Ray cluster answers there ({reason})")


@dataclass(slots=True)
class ExitStatus:
    """The exit code of an interrupted command.

    Attributes:
        code: 128 plus the number of the signal.
    """

    code: int = 128 + signal.SIGINT


@contextmanager
def interruptible(ending: ExitStatus) -> Iterator[None]:
    """Let SIGTERM end the block like Ctrl-C. Use it in a Ray session, since ``ray.init`` sets its own handler.

    Args:
        ending: receives the exit code.
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
    """Print in one line why the command gave up, and return the exit code."""
    advice = "; use --set fail_fast=null to continue regardless" if isinstance(error, EvaluationsFailedError) else ""
    click.echo(f"given up: {str(error).splitlines()[0]}{advice}", err=True)
    return 1
