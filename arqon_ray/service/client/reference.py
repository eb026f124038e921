"""Finding the actor of a study by its name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import ray

from arqon_ray.errors import ArqonError, StudyNotFoundError
from arqon_ray.service.client.pulse import Pulse
from arqon_ray.service.client.retry import PATIENCE
from arqon_ray.service.validation import check_seconds

NAMESPACE = "arqon"
"""The Ray namespace in which studies have their names."""

_GONE = 60.0
"""Seconds for which a stopped actor is waited for; it is killed after the first sixth."""
_PAUSE = 0.05


def require_ray() -> None:
    """Raise ArqonError if Ray is not running in this process: it is never started silently."""
    if not ray.is_initialized():
        raise ArqonError(
            "Ray is not running in this process: call arqon_ray.init() (or ray.init(...)) first, "
            "with address='auto' to join a cluster"
        )


class StudyReference:
    """A study by its name, and the handle of its actor; it pickles by name.

    Args:
        name: the study's name.
        handle: the actor's handle, if it is at hand.
        patience: seconds for which a failed call is repeated, and after which an actor that answers no ping is given
            up; None for ever.
    """

    def __init__(self, name: str = "arqon", handle: Any = None, patience: float | None = PATIENCE) -> None:
        self.name = name
        self.patience = check_seconds("patience", patience, zero=True)
        self._handle = handle

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.name, None, self.patience))

    @property
    def handle(self) -> Any:
        """The actor's handle, for calls with ``.remote``.

        Raises:
            StudyNotFoundError: the study has no actor in this cluster.
        """
        # Also if there is a handle: without Ray, ``.remote`` would start a cluster of its own.
        require_ray()
        handle = self._handle
        if handle is None:
            try:
                handle = self._handle = ray.get_actor(self.name, namespace=NAMESPACE)
            except ValueError:
                raise StudyNotFoundError(
                    f"the study {self.name!r} has no actor in this cluster: continue it with arqon_ray.start(config, "
                    f"{self.name!r}, storage_path=...), the path that it was started with, if any"
                ) from None
        return handle

    def _pulse(self, handle: Any) -> Pulse:
        """Return what shows whether the actor is alive while one of its calls is waited for."""
        return Pulse(self.name, handle, self.patience)

    def _forget(self) -> None:
        """Have the next call look the handle up again."""
        self._handle = None


def until_gone(name: str, handle: Any) -> Iterator[float]:
    """Yield the seconds to sleep, again and again, until a stopped actor has given up its name; kill it if it does not.

    Args:
        name: the study's.
        handle: the actor's.
    """
    began = time.monotonic()
    while time.monotonic() - began < _GONE:
        try:
            if ray.get_actor(name, namespace=NAMESPACE) != handle:
                return
        except ValueError:
            return
        if time.monotonic() - began > _GONE / 6:
            ray.kill(handle, no_restart=True)
        yield _PAUSE
