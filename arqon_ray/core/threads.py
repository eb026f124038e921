"""One BLAS thread while the solver computes: small matrices run faster so, and sums have one order.

Most thread pools belong to the process. They are limited when the first computation starts and restored when the last
one ends, so computations are counted. A BLAS that runs on OpenMP has a limit for each thread, which only that thread
can restore: there every computation limits its own. OpenMP itself is left alone, as nothing here runs on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock

from threadpoolctl import LibController, ThreadpoolController

Lowered = list[tuple[LibController, int]]
"""Thread pools, with the limit that each had before."""


@cache
def _pools(of_each_thread: bool) -> tuple[LibController, ...]:
    # Looking for the loaded libraries takes milliseconds, so it is done once, when scipy's are loaded.
    import scipy.linalg  # noqa: F401

    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return tuple(pool for pool in found if (getattr(pool, "threading_layer", "") == "openmp") is of_each_thread)


def _set(pool: LibController, count: int) -> None:
    """Limit a pool from any thread; since threadpoolctl 3.7 only the first thread may, unless that is cleared."""
    release = getattr(pool, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)
    pool.set_num_threads(count)
    if release is not None:
        release(force=True)


def _lower(pools: tuple[LibController, ...]) -> Lowered:
    before = [(pool, pool.get_num_threads()) for pool in pools]
    for pool in pools:
        _set(pool, 1)
    return before


def _raise(before: Lowered) -> None:
    """Restore the limits, except of pools that somebody else has set meanwhile."""
    for pool, count in before:
        if pool.get_num_threads() == 1:
            _set(pool, count)


class _Count:
    """The number of computations in all threads, and the limits before the first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._before: Lowered = []

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = _lower(_pools(False))
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _raise(self._before)


_COUNT = _Count()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one BLAS thread inside the block; blocks may nest, and overlap in different threads."""
    _COUNT.enter()
    try:
        mine = _lower(_pools(True))
        try:
            yield
        finally:
            _raise(mine)
    finally:
        _COUNT.leave()
