"""The public surface as text: ``python -m tests.surface`` writes ``tests/assets/surface.txt`` anew.

Each public name of the package and of its rooms with its signature, and the public methods, properties and fields of
classes, as far as they are defined by this package.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATH = Path(__file__).parent / "assets" / "surface.txt"
COMMAND = "python -m tests.surface"
HOMES = ("arqon_ray", *(f"arqon_ray.{room}" for room in ("core", "strategies", "service", "fanout", "tune", "report")))


def surface() -> str:
    """Return the text that the file has to hold; a name that several modules offer stands at the first."""
    lines: list[str] = []
    seen = {"__version__"}
    for home in map(importlib.import_module, HOMES):
        names = sorted(set(home.__all__) - seen)
        seen.update(names)
        lines += [f"# {home.__name__}", "", *(line for name in names for line in _described(name, getattr(home, name)))]
    return "\n".join(lines)


def _described(name: str, value: Any) -> Iterator[str]:
    if inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield f"class {name}({bases})" if bases else f"class {name}"
        yield from (f"    {line}" for line in _class(value))
    elif typing.get_origin(value) is not None:
        yield f"{name} = a type"  # an alias, which numpy and pydantic spell differently from release to release
    else:
        # A remote function wraps the one that has the signature.
        yield f"def {name}{_signature(getattr(value, '_function', value))}"
    yield ""


def _class(value: type) -> list[str]:
    ours = [base for base in value.__mro__ if base.__module__.startswith("arqon_ray")]
    lines = [f"{name}: {text}" for name, text in _fields(value)]
    if any("__init__" in vars(base) for base in ours) and not typing.is_typeddict(value):
        lines.append(f"def __init__{_signature(value.__init__)}")
    members = {name: member for base in reversed(ours) for name, member in vars(base).items()}
    lines += [_member(name, member) for name, member in sorted(members.items()) if _is_listed(name, member)]
    return lines


def _fields(value: type) -> list[tuple[str, str]]:
    """Return the public fields of a dataclass, a TypedDict or a named tuple, with their types as they are written."""
    if dataclasses.is_dataclass(value):
        return [(each.name, _text(each.type)) for each in dataclasses.fields(value) if not each.name.startswith("_")]
    if typing.is_typeddict(value) or hasattr(value, "_fields"):
        return [(name, _text(kind)) for name, kind in value.__annotations__.items()]
    return []


def _is_listed(name: str, member: Any) -> bool:
    if name.startswith("_") and name not in ("__enter__", "__exit__", "__aenter__", "__aexit__"):
        return False
    return isinstance(member, property | classmethod | staticmethod) or inspect.isfunction(member)


def _member(name: str, member: Any) -> str:
    if isinstance(member, property):
        return f"property {name}{_signature(member.fget).partition(')')[2]}" + (" (settable)" if member.fset else "")
    kind = f"@{type(member).__name__} " if isinstance(member, classmethod | staticmethod) else ""
    function = inspect.unwrap(getattr(member, "__func__", member))
    return f"{kind}{'async ' if inspect.iscoroutinefunction(function) else ''}def {name}{_signature(function)}"


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    parameters = [each.replace(annotation=each.empty, default=each.empty) for each in signature.parameters.values()]
    bare = [str(each) for each in parameters]
    shown = []
    for text, each in zip(bare, signature.parameters.values(), strict=True):
        annotated = text if each.annotation is each.empty else f"{text}: {_text(each.annotation)}"
        shown.append(annotated if each.default is each.empty else f"{annotated} = {each.default!r}")
    kinds = [each.kind for each in parameters]
    if (star := inspect.Parameter.KEYWORD_ONLY) in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        shown.insert(kinds.index(star), "*")
    if inspect.Parameter.POSITIONAL_ONLY in kinds:
        shown.insert(kinds.count(inspect.Parameter.POSITIONAL_ONLY), "/")
    returned = signature.return_annotation
    return f"({', '.join(shown)})" + ("" if returned is signature.empty else f" -> {_text(returned)}")


def _text(annotation: Any) -> str:
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


if __name__ == "__main__":
    PATH.write_text(surface(), encoding="utf-8")
