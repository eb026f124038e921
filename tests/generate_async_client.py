"""Writes ``service/client/async_client.py`` from ``client.py``: ``python -m tests.generate_async_client``.

Methods that wait become coroutines, and what they wait for is awaited; the rest of the text is the same.
"""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "arqon_ray" / "service" / "client"
SOURCE, TARGET = FOLDER / "client.py", FOLDER / "async_client.py"

_HEAD = '"""AsyncSolverClient: the client for coroutines. Generated from ``client.py``, which is the file to edit."""\n'
_CLASS = '''class AsyncSolverClient(AwaitingReference):
    """A study's actor for async code; ``SolverClient.aio`` returns one.

    The methods are those of ``SolverClient``, as coroutines: they survive the same restarts and raise the same errors.
    A call that waits neither blocks the event loop nor occupies a thread; only looking up the actor, once and after a
    restart, blocks it for some milliseconds. When an ask without a ``key`` is cancelled, candidates that arrive for it
    are released; after one with a key, ask again with that key.

    Args:
        name: the study's name.
        handle: the actor's handle, if it is at hand.
        patience: seconds for which a failed call is repeated, and after which an actor that answers no ping is given
            up; None for ever.

    Example:
        >>> import asyncio, arqon_ray
        >>> study = arqon_ray.start({"budget": 4, "bounds": {"x": {"min": 0.0, "max": 1.0}}}, "awaited")
        >>> async def work(client):
        ...     while (candidate := await client.ask_one()) is not None:
        ...         await client.tell(candidate["id"], candidate["params"]["x"])
        ...     return (await client.status())["state"]
        >>> asyncio.run(work(arqon_ray.AsyncSolverClient("awaited")))
        'finished'
        >>> study.stop(purge=True)
    """
'''
_DROPPED = ("async_client", "batched", "service.calls")
_ONLY_THERE = "    # What the asynchronous client does not have\n"
_WAITS = re.compile(r"\bself\.(_call|_ask|_run_here|_stop|ask_one|export)\(")
_RENAMED = {
    "client.blocking import BlockingReference": "client.awaiting import AwaitingReference",
    "Heartbeat": "AsyncHeartbeat",
    "to be used in a ``with``": "to be used in an ``async with``",
    "            with client.": "            async with client.",
    "= client.ask_one": "= await client.ask_one",
}


def generated() -> str:
    """Return the asynchronous client's text, formatted."""
    text, _, _ = SOURCE.read_text(encoding="utf-8").partition(_ONLY_THERE)
    tree = ast.parse(text)
    lines = text.splitlines(keepends=True)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    kept = [node for node in imports if not any(name in (getattr(node, "module", "") or "") for name in _DROPPED)]
    (body,) = (node.body for node in tree.body if isinstance(node, ast.ClassDef))
    methods = [node for node in body if isinstance(node, ast.FunctionDef)]
    waiting = {node.name for node in methods if _WAITS.search(_text(node, lines))}
    parts = [_HEAD, *(_text(node, lines) for node in kept), _CLASS]
    parts += [_method(node, lines, waiting) for node in methods]
    whole = "\n".join(parts)
    for old, new in _RENAMED.items():
        whole = whole.replace(old, new)
    return _formatted(whole)


def _text(node: ast.stmt, lines: list[str]) -> str:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(each.lineno for each in decorators)])
    return "".join(lines[first - 1 : node.end_lineno])


def _method(node: ast.FunctionDef, lines: list[str], waiting: set[str]) -> str:
    if node.name not in waiting:
        return _text(node, lines)
    lines = list(lines)
    if ast.get_docstring(node) is None and not node.decorator_list:
        lines[_head_ends(node, lines)] += f'        """See :meth:`.StudyCalls.{node.name}`."""\n'
    text = _text(node, lines).replace("    def ", "    async def ", 1)
    return _WAITS.sub(lambda found: f"await {found[0]}", text)


def _head_ends(node: ast.FunctionDef, lines: list[str]) -> int:
    """Return the index of the line that ends with the colon of a method's signature."""
    return next(k for k in range(node.lineno - 1, len(lines)) if lines[k].endswith(":\n"))


def _formatted(text: str) -> str:
    for command in (("check", "--fix-only", "--quiet"), ("format", "--quiet")):
        done = subprocess.run(
            ["ruff", *command, "--stdin-filename", str(TARGET), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=FOLDER,
        )
        text = done.stdout
    return text


if __name__ == "__main__":
    TARGET.write_text(generated(), encoding="utf-8")
