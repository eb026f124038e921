"""What strategies remember, and how it is checked when a state is read: files get damaged and edited.

A memory is JSON. A strategy declares its keys in a subclass of :class:`Closed`, against which :func:`check` validates
them. What types cannot express, such as shapes and rows that must exist, the strategy checks itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from arqon_ray.core.space.space import Space

Count = Annotated[int, Field(ge=0, lt=2**53)]
"""A whole number of rows, candidates or generations."""

Number = Annotated[int, Field(ge=-1, lt=2**53)]
"""A candidate's number or a row; -1 for none."""

Finite = Annotated[float, Field(allow_inf_nan=False)]

_LONGEST = 300
"""Characters of a message: a memory may hold megabytes."""


class Strict(BaseModel):
    """A model that converts nothing."""

    model_config = ConfigDict(strict=True)


class Closed(Strict):
    """A memory with these keys and no others."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class MemoryContext:
    """The study whose memory is checked.

    Attributes:
        space: its space.
        handed_out: how many candidates it has handed out.
    """

    space: Space
    handed_out: int


def remember(memories: dict[str, Any], changed: Mapping[str, Mapping[str, Any]]) -> None:
    """Merge what an ask changed into the memories, by strategy; other keys stay as they are."""
    for name, part in changed.items():
        memories[name] = {**memories.get(name, {}), **part}


def check(model: type[Strict], plain: Mapping[str, Any]) -> None:
    """Validate JSON values against a model.

    Raises:
        ValueError: naming the key and what is wrong with it.
    """
    try:
        model.model_validate(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}, got {first['input']!r}"[:_LONGEST]) from None


def require(holds: bool, rule: str) -> None:
    """Refuse a memory unless a condition holds.

    Raises:
        ValueError: with the rule that it breaks.
    """
    if not holds:
        raise ValueError(rule)
