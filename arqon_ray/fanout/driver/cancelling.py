"""Cancelling tasks safely: ``ray.cancel`` can end the calling process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import ray
from ray.util.client import ray as client

_HANDED = 10.0  # seconds that Ray's thread gets for it


def cancel(references: Iterable[ray.ObjectRef[Any]], *, force: bool) -> None:
    """Cancel tasks of this process.

    ``ray.cancel`` in any other thread can end the whole process ("Check failed: ... Tried to complete task that was not
    pending", Ray 2.60): if the reply of a task arrives at that moment, Ray's thread has removed the task from the
    running ones and not yet marked it as done. It happens with and without ``force``. So it is called in the thread
    that handles replies, between two of them.

    Args:
        references: the tasks, in the order in which they are cancelled.
        force: whether to kill the worker process instead of raising KeyboardInterrupt in it.
    """
    tasks = list(references)
    is_connected: Callable[[], bool] = client.is_connected  # untyped in Ray
    if not tasks:
        return
    if is_connected():  # with Ray Client, a process in the cluster owns the tasks
        _cancel_all(tasks, force)
        return
    done = threading.Event()

    def on_rays_thread(_: Any) -> None:
        try:
            _cancel_all(tasks, force)
        finally:
            done.set()

    ready = ray.put(None)
    ready._on_completed(on_rays_thread)
    done.wait(_HANDED)


def _cancel_all(tasks: list[ray.ObjectRef[Any]], force: bool) -> None:
    for task in tasks:
        ray.cancel(task, force=force)
