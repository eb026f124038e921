"""What the actor of a study does not have because an older release created it: detached actors outlive an upgrade."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

from ray.exceptions import RayTaskError

from arqon_ray import __version__
from arqon_ray.core.ledger.results import KEYS
from arqon_ray.errors import ArqonError, ConfigError, ResultsError
from arqon_ray.service.protocol import from_plain
from arqon_ray.service.server.actor import SolverActor

_SIGNATURE = re.compile(r"got an unexpected keyword argument '(\w+)'|too many positional arguments|missing a required")
"""What ``inspect.Signature.bind`` says, by which Ray checks a call's arguments; other TypeErrors are none of ours."""

_KEY = re.compile(r"results\[\d+\] has '(\w+)'")
_STOPPED = re.compile(r"results\[\d+\]\.status is 'stopped'")
_VALUE = re.compile(r"tell\('\d+'\) has no value")
"""What studies of 0.1.0 say to results that are told in a way that they do not know."""

_CONFIG = re.compile(r"(\w+) is .*: unknown key; ", re.DOTALL)


class LackingError(Exception):
    """The actor has no such call, or does not take it so."""


def submit(handle: Any, method: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Call a method of an actor; returns the reference to its answer.

    Raises:
        LackingError: the actor has no such method, or its method does not take such arguments; it names them.
    """
    try:
        call = getattr(handle, method)
    except AttributeError:
        raise LackingError(f"{method}()") from None
    try:
        return call.remote(*args, **kwargs)
    except TypeError as error:
        refused = _SIGNATURE.match(str(error))
        if refused is None:
            raise
        if str(error).startswith("missing"):
            raise LackingError(f"{method}([...])") from None
        own = list(inspect.signature(getattr(SolverActor, method)).parameters)
        raise LackingError(f"{method}({refused[1] or own[len(args)]}=...)") from None


def lacked(error: Exception, method: str, given: Mapping[str, Any]) -> LackingError | None:
    """Return what the actor lacks, where a call of it failed of that.

    Args:
        error: what the call failed with.
        method: the actor's.
        given: the keywords of the call.
    """
    if isinstance(error, LackingError):
        return error
    said = from_plain(error.cause) if isinstance(error, RayTaskError) and isinstance(error.cause, Exception) else None
    if method != "tell" or not isinstance(said, ResultsError):
        return None
    key = _KEY.match(str(said))
    if key is not None and key[1] in KEYS:
        return LackingError(f"tell({key[1]}=...)")
    if _STOPPED.match(str(said)):
        return LackingError("tell(status='stopped')")
    silent = given.keys() & {"metrics", "values"} or given.get("status") == "failed"
    return LackingError("tell() without a value") if silent and _VALUE.match(str(said)) else None


def refused_config(name: str, said: BaseException) -> BaseException:
    """Return the error for whoever began or joined a study with a config that is good here.

    Args:
        name: the study's.
        said: what its actor said.
    """
    key = _CONFIG.match(str(said)) if isinstance(said, ConfigError) else None
    return said if key is None else outdated(name, LackingError(f"key {key[1]!r} in its config"), {})


def outdated(name: str, what: LackingError, status: Mapping[str, Any]) -> ArqonError:
    """Return the error for whoever called an actor that lacks something.

    Args:
        name: the study's.
        what: the call that it lacks.
        status: the study's; that of older releases has no version.
    """
    version = status.get("version")
    release = "an older one, which does not tell its version" if version is None else str(version)
    return ArqonError(
        f"the actor of the study {name!r} has no {what}: this is arqon_ray {__version__}, and it runs {release}. An "
        "actor outlives an upgrade: stop() it and start() the study again, and it goes on where it was"
    )
