"""What a worker leaves for the driver if it has to end its process before the task can return.

It is kept in the cluster's own key-value store (the GCS), since an object that a worker puts dies with the worker.
"""

from __future__ import annotations

import pickle
import time
import uuid
from typing import Any, NamedTuple

import ray
from ray.experimental import internal_kv

from arqon_ray.fanout.worker.watchdog import GRACE

_NAMESPACE = b"arqon"


def _store() -> Any:
    """Return Ray's functions of the store, initialized for the cluster that this process is connected to."""
    worker: Any = ray._private.worker.global_worker
    store: Any = internal_kv
    # Shutting down a cluster_utils.Cluster resets it, even if this process is connected to another cluster by then.
    if worker.connected and not store._internal_kv_initialized():
        store._initialize_internal_kv(worker.gcs_client)
    return store


class TaskMailbox(NamedTuple):
    """The mailbox of one task: the worker's side.

    Attributes:
        run: identifies the call of ``optimize`` or ``sweep``.
        key: identifies the task in it.
    """

    run: str
    key: str

    def mark_begin(self) -> None:
        """Record that an evaluation of the task begins now, in one entry per worker process."""
        worker = ray.get_runtime_context().get_worker_id()
        entry = pickle.dumps((self.key, time.time()))
        _store()._internal_kv_put(f"{self.run}/began/{worker}", entry, overwrite=True, namespace=_NAMESPACE)

    def leave(self, result: Any) -> None:
        """Leave what the driver is to take as the result of the task."""
        left = pickle.dumps(result)
        _store()._internal_kv_put(f"{self.run}/left/{self.key}", left, overwrite=True, namespace=_NAMESPACE)


class Mailbox:
    """The mailboxes of all tasks of one call: the driver's side."""

    def __init__(self, limit: float | None) -> None:
        """Choose a name that no other call has.

        Args:
            limit: seconds that one evaluation may take; None for any time.
        """
        self._run, self._limit = uuid.uuid4().hex, limit

    def of_task(self, key: Any) -> TaskMailbox:
        """Return the mailbox of the task with this key."""
        return TaskMailbox(self._run, str(key))

    def take(self, key: Any) -> Any | None:
        """Return and delete what a task has left; None if it has left nothing."""
        store, key_name = _store(), f"{self._run}/left/{key}"
        left: bytes | None = store._internal_kv_get(key_name, namespace=_NAMESPACE)
        if left is None:
            return None
        store._internal_kv_del(key_name, namespace=_NAMESPACE)
        return pickle.loads(left)

    def overran(self, key: Any) -> bool:
        """Return whether the process of a task ended because its last evaluation ran too long."""
        return self._limit is not None and self._ran(str(key)) >= self._limit + GRACE

    def _ran(self, key: str) -> float:
        """Return the seconds since the last evaluation of a task began, or 0, as the clocks of two machines tell."""
        store = _store()
        for entry in store._internal_kv_list(f"{self._run}/began/", namespace=_NAMESPACE):
            name, began = pickle.loads(store._internal_kv_get(entry, namespace=_NAMESPACE))
            if name == key:
                return float(time.time() - began)
        return 0.0

    def clear(self) -> None:
        """Delete everything that the tasks of this call have left."""
        _store()._internal_kv_del(f"{self._run}/", del_by_prefix=True, namespace=_NAMESPACE)
