"""Cancelling tasks without a danger for this process."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import ray
from ray.util.client import ray as client

_HANDED = 10.0  # seconds until Ray's thread has certainly come to it


def cancel(references: Iterable[ray.ObjectRef[Any]], *, force: bool) -> None:
    """Cancel tasks of this process.

    ``ray.cancel`` in the calling thread may end the whole process ("Check failed: ... Tried to complete task that was
    not pending", Ray 2.60): where a task's reply arrives at that moment, Ray's own thread has taken the task off the
    list of those that run and not yet marked it as done, and cancelling finds neither. It happens softly and with
    ``force`` alike. So the call is made in the thread in which replies are handled, between two of them.

    Args:
        references: what to cancel, in this order.
        force: whether to kill the worker's process, instead of raising KeyboardInterrupt in it.
    """
    tasks, connected = list(references), client.is_connected()  # type: ignore[no-untyped-call]
    if not tasks:
        return
    if connected:  # the cluster's side of the connection owns the tasks
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
