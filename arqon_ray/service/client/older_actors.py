"""Names the calls that an actor lacks because an older release created it: detached actors outlive an upgrade."""

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
"""Messages of ``inspect.Signature.bind``, with which Ray checks arguments; other TypeErrors are the caller's."""

_KEY = re.compile(r"results\[\d+\] has '(\w+)'")
_STOPPED = re.compile(r"results\[\d+\]\.status is 'stopped'")
_VALUE = re.compile(r"tell\('\d+'\) has no value")
"""Messages of studies of 0.1.0 about results with keys or a status that they do not know."""

_CONFIG = re.compile(r"(\w+) is .*: unknown key; ", re.DOTALL)


class MissingCallError(Exception):
    """The actor has no such call, or not with these arguments."""


class RemoteStudy:
    """The calls of one actor; each sends the call and returns the reference to its answer.

    :func:`remote_study` types it as :class:`.StudyCalls`, so that mypy checks the names and arguments of each call.

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
        """Return what the actor lacks, if that is why the last call failed.

        Args:
            error: the failure.
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
    """Return an actor's calls, and the same object once more, to ask it why a call failed."""
    study = RemoteStudy(handle)
    return cast("StudyCalls", study), study


def send_report(study: StudyCalls, id: Any, step: Any, value: Any, metrics: Any) -> Any:
    """Send a report without the arguments that were not given: older actors do not know all of them."""
    if step is ... and value is ... and metrics is None:
        return study.report(id)
    return study.report(id, step, value) if metrics is None else study.report(id, step, value, metrics)


def _refused(method: str, count: int, error: TypeError) -> Exception:
    """Return which argument the actor's method lacks, by Ray's message about ``count`` of them; else the error."""
    refused = _SIGNATURE.match(str(error))
    if refused is None:
        return error
    if str(error).startswith("missing"):
        return MissingCallError(f"{method}([...])")
    own = list(inspect.signature(getattr(SolverActor, method)).parameters)
    return MissingCallError(f"{method}({refused[1] or own[count]}=...)")


def refused_config(name: str, said: BaseException) -> BaseException:
    """Return the error for a config that this release accepts and the actor refused.

    Args:
        name: the study's.
        said: the actor's error.
    """
    key = _CONFIG.match(str(said)) if isinstance(said, ConfigError) else None
    return said if key is None else outdated(name, MissingCallError(f"key {key[1]!r} in its config"), None)


def outdated(name: str, what: MissingCallError, version: str | None) -> ArqonError:
    """Return the error for a call that the actor lacks.

    Args:
        name: the study's.
        what: the call.
        version: the release that the actor runs; None for one that does not tell.
    """
    release = "an older one, which does not tell its version" if version is None else version
    return ArqonError(
        f"the actor of the study {name!r} has no {what}: this is arqon_ray {__version__}, and it runs {release}. An "
        "actor outlives an upgrade: stop() it and start() the study again, and it goes on where it was"
    )
