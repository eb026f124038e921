"""Sending the user's function to the workers."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from arqon_ray.core.inputs.values import shown
from arqon_ray.fanout.worker.evaluate import Objective, one_line
from arqon_ray.fanout.worker.shipping import Shipped

_LARGE = 8 * 2**20  # bytes; from 10 MiB on Ray warns that a function is too large


class ShippedFunction(NamedTuple):
    """The user's function on its way to the workers.

    Attributes:
        fn: the function, for the remote function to capture; None if it is in the object store.
        stored: the reference to it, in a list that every task is given; empty if it is not in the object store.
    """

    fn: Objective | None
    stored: list[Any]


def pack(fn: Objective) -> ShippedFunction:
    """Prepare ``fn`` for the workers.

    What a remote function captures is unpickled once per worker and not once per task, so what the user's function
    caches in globals persists. A function with much data goes through the object store, which has no limit of size.

    Raises:
        TypeError: it is not callable, or cannot be pickled.
    """
    import ray

    size = check_function(fn)
    return ShippedFunction(fn, []) if size < _LARGE else ShippedFunction(None, [ray.put(fn)])


def check_function(fn: Objective) -> int:
    """Return the size of the pickled function in bytes.

    Raises:
        TypeError: it is not callable, or cannot be pickled.
    """
    from ray import cloudpickle

    dumps: Callable[[Any], bytes] = cloudpickle.dumps  # untyped in Ray
    inner = fn.function if isinstance(fn, Shipped) else fn
    if not callable(inner):
        raise TypeError(f"fn is {shown(fn)}: it must be a function that takes the parameters as one dict")
    if isinstance(inner, type):
        _check_class(inner)
    try:
        return len(dumps(fn))
    except Exception as error:
        raise TypeError(f"fn is {shown(fn)}: it cannot be sent to the workers ({one_line(error)})") from error


def _check_class(kind: type) -> None:
    """Refuse a class that workers could not construct and call."""
    if not any("__call__" in vars(base) for base in kind.__mro__):
        raise TypeError(f"fn is {shown(kind)}: a class must have __call__, which takes the parameters as one dict")
    with contextlib.suppress(ValueError):  # some classes written in C have no signature
        try:
            inspect.signature(kind).bind()
        except TypeError as error:
            raise TypeError(
                f"fn is {shown(kind)}: each worker constructs it without arguments ({error}); give an instance instead"
            ) from None


_unpacked: dict[str, Objective] = {}


def unpack(fn: Objective | None, stored: list[Any]) -> Objective:
    """Return the function, in a worker. One in the object store is fetched and unpickled once per process."""
    if fn is not None:
        return fn
    key = stored[0].hex()
    if key not in _unpacked:
        import ray

        _unpacked.clear()  # only one is kept: it is large
        _unpacked[key] = ray.get(stored[0])
    return _unpacked[key]
