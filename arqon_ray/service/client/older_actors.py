"""Calls that the actor of a study lacks because an older release created it: detached actors outlive an upgrade."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from ray.exceptions import RayTaskError

from arqon_ray import __version__
from arqon_ray.core.ledger.results import KEYS
from arqon_ray.errors import ArqonError, ConfigError, ResultsError
from arqon_ray.service.calls import StudyCalls
from arqon_ray.service.protocol import from_plain
from arqon_ray.service.server.actor import SolverActor

_SIGNATURE = re.compile(r"got an unexpected keyword argument '(\w+)'|too many positional arguments|missing a required")
"""What ``inspect.Signature.bind`` says, by which Ray checks a call's arguments; other TypeErrors are none of ours."""

_KEY = re.compile(r"results\[\d+\] has '(\w+)'")
_STOPPED = re.compile(r"results\[\d+\]\.status is 'stopped'")
_VALUE = re.compile(r"tell\('\d+'\) has no value")
"""What studies of 0.1.0 say to results that are told in a way that they do not know."""

_CONFIG = re.compile(r"(\w+) is .*: unknown key; ", re.DOTALL)


class MissingCallError(Exception):
    """The actor has no such call, or does not take it so."""


class RemoteStudy:
    """The calls of one actor: each sends a call and returns the reference to its answer.

    :func:`remote_study` types it as the calls themselves, so that mypy checks names and arguments of what is sent.

    Args:
        handle: the actor's.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._method = ""
        self._given: Mapping[str, Any] = {}

    def __getattr__(self, method: str) -> Callable[..., Any]:
        try:
            call = getattr(self._handle, method)  # a handle knows its methods at run time only
        except AttributeError:
            raise MissingCallError(f"{method}()") from None

        def send(*args: Any, **kwargs: Any) -> Any:
            self._method, self._given = method, kwargs
            try:
                return call.remote(*args, **kwargs)
            except TypeError as error:
                raise _refused(method, len(args), error) from None

        return send

    def missing(self, error: Exception) -> MissingCallError | None:
        """Return what the actor lacks if that is why the last call failed.

        Args:
            error: what the call failed with.
        """
        if isinstance(error, MissingCallError):
            return error
        cause = error.cause if isinstance(error, RayTaskError) else None
        said = from_plain(cause) if isinstance(cause, Exception) else None
        if self._method != "tell" or not isinstance(said, ResultsError):
            return None
        key = _KEY.match(str(said))
        if key is not None and key[1] in KEYS:
            return MissingCallError(f"tell({key[1]}=...)")
        if _STOPPED.match(str(said)):
            return MissingCallError("tell(status='stopped')")
        silent = self._given.keys() & {"metrics", "values"} or self._given.get("status") == "failed"
        return MissingCallError("tell() without a value") if silent and _VALUE.match(str(said)) else None


def remote_study(handle: Any) -> tuple[StudyCalls, RemoteStudy]:
    """Return the calls of an actor, and the same object to ask why one failed."""
    study = RemoteStudy(handle)
    return cast("StudyCalls", study), study


def send_report(study: StudyCalls, id: Any, step: Any, value: Any, metrics: Any) -> Any:
    """Send a report without the arguments that were not given, since older actors do not know all of them."""
    if step is ... and value is ... and metrics is None:
        return study.report(id)
    return study.report(id, step, value) if metrics is None else study.report(id, step, value, metrics)


def _refused(method: str, count: int, error: TypeError) -> Exception:
    """Return what the actor's method does not take, from Ray's check of ``count`` arguments; else the error itself."""
    refused = _SIGNATURE.match(str(error))
    if refused is None:
        return error
    if str(error).startswith("missing"):
        return MissingCallError(f"{method}([...])")
    own = list(inspect.signature(getattr(SolverActor, method)).parameters)
    return MissingCallError(f"{method}({refused[1] or own[count]}=...)")


def refused_config(name: str, said: BaseException) -> BaseException:
    """Return the error for whoever began or joined a study with a config that is good here.

    Args:
        name: the study's.
        said: what its actor said.
    """
    key = _CONFIG.match(str(said)) if isinstance(said, ConfigError) else None
    return said if key is None else outdated(name, MissingCallError(f"key {key[1]!r} in its config"), None)


def outdated(name: str, what: MissingCallError, version: str | None) -> ArqonError:
    """Return the error for whoever called an actor that lacks something.

    Args:
        name: the study's.
        what: the call that it lacks.
        version: the release that it runs; None for one that does not tell.
    """
    release = "an older one, which does not tell its version" if version is None else version
    return ArqonError(
        f"the actor of the study {name!r} has no {what}: this is arqon_ray {__version__}, and it runs {release}. An "
        "actor outlives an upgrade: stop() it and start() the study again, and it goes on where it was"
    )
