"""What strategies remember, checked when it is read: a state comes from a file, and files are damaged and edited.

A memory is JSON. Each strategy says in a model of :class:`Closed` what its own looks like, and :func:`check` holds what
was read against it; what no type can say (shapes, rows that must be there) the strategy looks at itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from arqon_ray.core.space.space import Space

Count = Annotated[int, Field(ge=0, lt=2**53)]
"""A whole number of rows, candidates or generations."""

Number = Annotated[int, Field(ge=-1, lt=2**53)]
"""A candidate's number or a row; -1 for none."""

Finite = Annotated[float, Field(allow_inf_nan=False)]

_LONGEST = 300
"""Characters of a message: a memory may hold megabytes."""


class Strict(BaseModel):
    """Values as they are: nothing is converted."""

    model_config = ConfigDict(strict=True)


class Closed(Strict):
    """A memory that has no other keys."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the study is whose memory is checked.

    Attributes:
        space: its space.
        handed_out: how many candidates there are.
    """

    space: Space
    handed_out: int


def remember(memories: dict[str, Any], changed: Mapping[str, Mapping[str, Any]]) -> None:
    """Take what an ask changed into the memories, by the name of whoever remembers; other keys stay as they are."""
    for name, part in changed.items():
        memories[name] = {**memories.get(name, {}), **part}


def check(model: type[Strict], plain: Mapping[str, Any]) -> None:
    """Hold plain values against a model.

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
    """Refuse a memory that breaks a rule.

    Raises:
        ValueError: with the rule.
    """
    if not holds:
        raise ValueError(rule)
