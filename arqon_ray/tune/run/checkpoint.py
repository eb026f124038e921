"""The searcher's file: everything that a new searcher needs to go on.

It is a pickle, like every other file that Tune keeps beside it: a Tune space and a trial's config may hold any
object; see :mod:`arqon_ray.tune.kept` for our own. The solver's state inside is its JSON export. As with every pickle,
restore only what you trust.

During a run the file is written by a thread (:class:`Writer`): whoever reads its path sees the old file or the whole
new one, never a part of one.
"""

from __future__ import annotations

import atexit
import math
import os
import threading
import uuid
import weakref
from collections.abc import Callable
from typing import Any

from arqon_ray.errors import StateError
from arqon_ray.service.background import Background
from arqon_ray.tune.kept import dumps, load

_FORMAT = "arqon_ray.tune.ArqonSearcher"
_VERSION, _READ = 2, (1, 2)
_SETTLE_WITHIN = 60.0


def write(path: str, state: dict[str, Any], unfinished: str | None = None) -> None:
    """Write a state; whoever reads the path sees the old file or the whole new one.

    Args:
        path: the file.
        state: what :func:`read` returns later.
        unfinished: where it is written first, on the same file system; None for beside ``path``.
    """
    unfinished = f"{path}.writing" if unfinished is None else unfinished
    data = dumps({"format": _FORMAT, "version": _VERSION, **state})
    try:
        with open(unfinished, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        raise


def read(path: str) -> dict[str, Any]:
    """Read a state, when no thread of this process is about to write one any more.

    Raises:
        StateError: when there is no file, it is damaged, something else's, or of a newer version.
    """
    settle()
    try:
        with open(path, "rb") as file:
            state = load(file)
    except Exception as error:  # damaged bytes make pickle raise anything at all
        raise StateError(f"{path} cannot be read as the file of an ArqonSearcher: {error!r}") from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise StateError(f"{path} holds no ArqonSearcher but a {type(state).__name__}: restore with what saved it")
    version = state.get("version")
    if version not in _READ:
        raise StateError(
            f"{path} is of version {version!r}, this arqon_ray reads {_READ}: install the one that saved it"
        )
    return state


class Writer:
    """Writes the newest state of a searcher in a thread; one that was not written yet gives way to a newer one.

    Attributes:
        written: the file that is there, whole, from an earlier checkpoint; None before the first. It is remembered
            since looking would give the interpreter away, and a thread that writes keeps it for 5 ms.
    """

    def __init__(self) -> None:
        self.written: str | None = None
        self._lock = threading.Lock()
        self._next: tuple[str, Callable[[], dict[str, Any]]] | None = None
        self._background = Background("writing a searcher's checkpoint", self._step)
        _WRITERS.add(self)

    def put(self, path: str, state: Callable[[], dict[str, Any]]) -> None:
        """Let a file be replaced by a state, which is completed in the thread.

        What goes wrong is tried again, and logged; :attr:`failing` says so to the next checkpoint.
        """
        with self._lock:
            self._next = path, state
        self._background.wake(hurry=True)

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed."""
        trouble = self._background.trouble
        return trouble is not None and trouble.failures > 0

    def settle(self, timeout: float) -> None:
        """Wait until nothing is to be written, or it failed."""
        self._background.settle(timeout)

    def drop(self) -> None:
        """Forget what is not written yet: something newer takes its place."""
        with self._lock:
            self._next = None
        self._background.settle(_SETTLE_WITHIN)

    def _step(self) -> float:
        with self._lock:
            job = self._next
        if job is None:
            return math.inf
        path, state = job
        folder = os.path.dirname(os.path.abspath(path))
        if os.path.isdir(folder):  # else the run and its folder are gone
            # Beside the folder: Tune may be copying what is in it, and an unfinished file would vanish under its hands.
            beside = os.path.join(os.path.dirname(folder), f".{uuid.uuid4().hex}-{os.path.basename(path)}.writing")
            write(path, state(), beside if os.access(os.path.dirname(folder), os.W_OK) else None)
        with self._lock:
            if self._next is job:
                self._next = None
        return 0.0

    def __reduce__(self) -> tuple[Any, ...]:
        return Writer, ()


_WRITERS: weakref.WeakSet[Writer] = weakref.WeakSet()


@atexit.register
def settle() -> None:
    """Wait until the threads of this process have written what was given to them."""
    for writer in list(_WRITERS):
        writer.settle(_SETTLE_WITHIN)
