"""The searcher's file: everything that a new searcher needs to continue.

It is a pickle, like the other files that Tune writes beside it, since a Tune space and a trial's config may contain any
object; see :mod:`arqon_ray.tune.kept` for our own. The solver's state in it is its JSON export. As with any pickle,
restore only files that you trust.

During a run the file is written by a thread (:class:`Writer`) and replaced atomically: a reader sees the old file or
the new one, never a part.
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
    """Write a state atomically.

    Args:
        path: the file.
        state: what :func:`read` returns later.
        unfinished: a temporary file on the same file system; None for one beside ``path``.
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
    """Read a state, after the threads of this process have written theirs.

    Raises:
        StateError: if there is no file, or it is damaged, not a searcher's, or of a newer version.
    """
    settle()
    try:
        with open(path, "rb") as file:
            state = load(file)
    except Exception as error:  # damaged bytes make pickle raise any error
        raise StateError(f"{path} cannot be read as the file of an ArqonSearcher: {error!r}") from error
    if not isinstance(state, dict) or state.get("format") != _FORMAT:
        raise StateError(f"{path} holds no ArqonSearcher but a {type(state).__name__}: restore with what saved it")
    version = state.get("version")
    if version not in _READ:
        raise StateError(
            f"{path} has version {version!r}, this release reads up to {_VERSION}: install the one that saved it"
        )
    return state


class Writer:
    """Writes a searcher's newest state in a thread; a newer state replaces one that was not written yet.

    Attributes:
        written: the file of an earlier checkpoint; None before the first. It is remembered because a look at the file
            system would release the GIL, and a thread that writes keeps it for 5 ms.
    """

    def __init__(self) -> None:
        self.written: str | None = None
        self._lock = threading.Lock()
        self._next: tuple[str, Callable[[], dict[str, Any]]] | None = None
        self._background = Background("writing a searcher's checkpoint", self._step)
        _WRITERS.add(self)

    def put(self, path: str, state: Callable[[], dict[str, Any]]) -> None:
        """Replace a file by a state, which the thread completes and writes.

        An attempt that fails is logged and repeated; meanwhile :attr:`failing` is True.
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
        """Wait until everything is written, or an attempt failed."""
        self._background.settle(timeout)

    def drop(self) -> None:
        """Drop what is not written yet, since something newer replaces it."""
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
            # Not in the folder: Tune may be copying it, and a temporary file would vanish meanwhile.
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
    """Wait until the writers of this process have written everything."""
    for writer in list(_WRITERS):
        writer.settle(_SETTLE_WITHIN)
