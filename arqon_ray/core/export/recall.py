"""The memories of strategies and phases, checked when a state is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from arqon_ray.core.propose import classify
from arqon_ray.core.strategies.memories import Closed, Count, MemoryContext, check
from arqon_ray.core.strategies.registry import find_strategy
from arqon_ray.errors import ConfigError, StateError


class _Probe(Closed):
    index: Count = 0
    cell: Count = 0


class _Trouble(Closed):
    strategy: str
    candidate: Count
    error: str


def _by_type(schema: type[Closed]) -> Callable[[Mapping[str, Any], MemoryContext], None]:
    return lambda memory, context: check(schema, memory)


_CHECKS: dict[str, Callable[[Mapping[str, Any], MemoryContext], None]] = {
    "probe": _by_type(_Probe),
    "trouble": _by_type(_Trouble),
    "classify": classify.check_memory,
}


def check_memories(memories: Mapping[str, Any], context: MemoryContext) -> None:
    """Refuse memories with which the solver could not continue.

    Args:
        memories: by the name of whoever wrote them; that of a strategy which is not installed here is left alone.
        context: the study's.

    Raises:
        StateError: naming the memory, the key and what is wrong.
    """
    for name, memory in memories.items():
        try:
            if name in _CHECKS:
                _CHECKS[name](memory, context)
            elif (strategy := find_strategy(name)) is not None:
                strategy().check_memory(memory, context)
        except ConfigError:
            continue  # A package's strategy that cannot be loaded, which the log says; auto goes on without it.
        except ValueError as error:
            raise StateError(f"state.memory.{name}.{error}") from None
