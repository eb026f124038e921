"""What a worker leaves for the driver when it has to end its process before the task could return.

It lies in the cluster's own key-value store (the GCS), since an object that a worker puts dies with the worker.
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
    """Return Ray's functions of the store, ready for the cluster that this process is connected to."""
    worker: Any = ray._private.worker.global_worker
    store: Any = internal_kv
    # Shutting down a cluster_utils.Cluster in this process forgets it, though another cluster is connected by then.
    if worker.connected and not store._internal_kv_initialized():
        store._initialize_internal_kv(worker.gcs_client)
    return store


class TaskMailbox(NamedTuple):
    """Where one task leaves what it has.

    Attributes:
        run: names the call of ``optimize`` or ``sweep``.
        key: names the task.
    """

    run: str
    key: str

    def mark_begin(self) -> None:
        """Say that an evaluation of the task begins now: one entry a worker process, so that they do not pile up."""
        worker = ray.get_runtime_context().get_worker_id()
        entry = pickle.dumps((self.key, time.time()))
        _store()._internal_kv_put(f"{self.run}/began/{worker}", entry, overwrite=True, namespace=_NAMESPACE)

    def leave(self, result: Any) -> None:
        """Keep what the driver shall take for the result of the task."""
        left = pickle.dumps(result)
        _store()._internal_kv_put(f"{self.run}/left/{self.key}", left, overwrite=True, namespace=_NAMESPACE)


class Mailbox:
    """The driver's side of one call."""

    def __init__(self, limit: float | None) -> None:
        """Take a name that no other call has.

        Args:
            limit: seconds that one evaluation may take; None for any time.
        """
        self._run, self._limit = uuid.uuid4().hex, limit

    def of_task(self, key: Any) -> TaskMailbox:
        """Return where the task with this key leaves what it has."""
        return TaskMailbox(self._run, str(key))

    def take(self, key: Any) -> Any | None:
        """Return what a task left whose process is dead, or None; it is there once."""
        store, key_name = _store(), f"{self._run}/left/{key}"
        left: bytes | None = store._internal_kv_get(key_name, namespace=_NAMESPACE)
        if left is None:
            return None
        store._internal_kv_del(key_name, namespace=_NAMESPACE)
        return pickle.loads(left)

    def overran(self, key: Any) -> bool:
        """Tell whether the last evaluation of a dead task ran so long that it was ended for that."""
        return self._limit is not None and self._ran(str(key)) >= self._limit + GRACE

    def _ran(self, key: str) -> float:
        """Return the seconds since a dead task last said that it begins, or 0; by the clocks of two machines."""
        store = _store()
        for entry in store._internal_kv_list(f"{self._run}/began/", namespace=_NAMESPACE):
            name, began = pickle.loads(store._internal_kv_get(entry, namespace=_NAMESPACE))
            if name == key:
                return float(time.time() - began)
        return 0.0

    def clear(self) -> None:
        """Leave nothing in the cluster."""
        _store()._internal_kv_del(f"{self._run}/", del_by_prefix=True, namespace=_NAMESPACE)
