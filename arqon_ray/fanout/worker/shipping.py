"""The modules beside an objective's file, on their way to the workers together with it.

``python train.py`` puts the folder of ``train.py`` first on ``sys.path``; a worker on another node has no such folder.
So the sources below it travel within the pickled function, and an importer serves them there, in the place where that
folder would stand. Ray's own ``runtime_env`` would change the working directory (``working_dir``), or needs each
folder to be a package (``py_modules``); and the study's actor, which outlives the job, would inherit either.

A worker imports this module: it needs the standard library alone.
"""

from __future__ import annotations

import importlib.abc
import os
import pickle
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import decode_source, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

MOST_FILES = 2000
"""Python files that travel; those nearest to the objective go first."""

MOST_BYTES = 16 * 2**20
"""Bytes of all the files that travel."""

_MOST_FOLDERS = 5000
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


def collect(folder: Path) -> dict[str, bytes]:
    """Return the Python sources that ``import`` could find below a folder, by their path in it, the nearest first.

    Hidden folders, virtual environments and caches are left out. It warns when not all that is there can travel.
    """
    sources: dict[str, bytes] = {}
    size = 0
    for path in _python_files(folder):
        try:
            source = path.read_bytes()
        except OSError:
            continue  # a file that python could not import either
        size += len(source)
        if len(sources) == MOST_FILES or size > MOST_BYTES:
            warnings.warn(
                f"{folder} holds more Python files than travel to the workers ({MOST_FILES} files, "
                f"{MOST_BYTES // 2**20} MiB): only those nearest to the objective do; put it into a folder of its own",
                stacklevel=2,
            )
            break
        sources[path.relative_to(folder).as_posix()] = source
    return sources


def _python_files(folder: Path) -> Iterator[Path]:
    """Yield the files breadth-first; no folder twice, whatever links lead in circles."""
    waiting = deque([folder])
    seen: set[str] = set()
    while waiting and len(seen) < _MOST_FOLDERS:
        place = waiting.popleft()
        if (real := os.path.realpath(place)) in seen:
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(place), key=lambda entry: entry.name)
        except OSError:
            continue  # a folder that may not be read
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            if entry.name.endswith(".py") and entry.is_file():
                yield Path(entry.path)
            elif entry.name.isidentifier() and entry.name not in _SKIPPED and entry.is_dir():
                waiting.append(Path(entry.path))


class Shipped:
    """A function whose pickle carries the modules beside it, however often it is pickled and by whom.

    Attributes:
        function: the function, or the class.
        folder: what stands first on the path of the driver.
    """

    def __init__(self, function: Any, folder: str, sources: Mapping[str, bytes]) -> None:
        self.function = function
        self.folder = folder
        self._sources = sources

    def __call__(self, params: dict[str, Any]) -> Any:
        """Call the function."""
        return self.function(params)

    def __repr__(self) -> str:
        return repr(self.function)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        from ray import cloudpickle

        pickled = cloudpickle.dumps(self.function)  # type: ignore[no-untyped-call]
        return _arrive, (self.folder, self._sources, pickled)


def _arrive(folder: str, sources: Mapping[str, bytes], pickled: bytes) -> Shipped:
    """Make the modules importable in this process, and only then unpickle the function."""
    serve(folder, sources)
    return Shipped(pickle.loads(pickled), folder, sources)


def serve(folder: str, sources: Mapping[str, bytes]) -> None:
    """Let ``import`` find these sources before all that lies on ``sys.path``, and the folder itself where there is one.

    Args:
        folder: where they lie on the driver's machine.
        sources: as :func:`collect` returns them.
    """
    importer = _Importer(folder, sources)
    if importer in sys.meta_path:
        return
    if folder not in sys.path:
        sys.path.insert(0, folder)  # for data and compiled modules, where the file system is shared
    sys.meta_path.insert(sys.meta_path.index(PathFinder), importer)


@dataclass(frozen=True)
class _Importer(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads modules from sources in memory.

    Their ``__file__`` is where they lie on the driver's machine, as it is for the objective's own file.
    """

    folder: str
    sources: Mapping[str, bytes] = field(repr=False, hash=False)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is; None when it did not come along."""
        parent, _, _ = fullname.rpartition(".")
        if parent and self._place(parent) not in (path or ()):
            return None  # inside of somebody else's package
        if (file := self._file(fullname)) is None:
            return self._namespace(fullname, path)
        where = os.path.join(self.folder, file)
        inside = [os.path.dirname(where)] if self.is_package(fullname) else None
        return spec_from_file_location(fullname, where, loader=self, submodule_search_locations=inside)

    def _namespace(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """Return a folder without ``__init__.py`` as a package, unless there is a module of this name elsewhere."""
        inside = fullname.replace(".", "/") + "/"
        if not any(name.startswith(inside) for name in self.sources):
            return None
        elsewhere = PathFinder.find_spec(fullname, path)
        if elsewhere is not None and elsewhere.loader is not None:
            return None
        spec = ModuleSpec(fullname, None, is_package=True)
        others = [] if elsewhere is None else list(elsewhere.submodule_search_locations or ())
        here = self._place(fullname)
        spec.submodule_search_locations = [here, *(place for place in others if place != here)]
        return spec

    def _place(self, fullname: str) -> str:
        return os.path.join(self.folder, *fullname.split("."))

    def _file(self, fullname: str) -> str | None:
        place = fullname.replace(".", "/")
        return next((name for name in (f"{place}/__init__.py", f"{place}.py") if name in self.sources), None)

    def is_package(self, fullname: str) -> bool:
        """Tell whether a module is the ``__init__.py`` of a folder."""
        file = self._file(fullname)
        return file is not None and file.endswith("/__init__.py")

    def get_source(self, fullname: str) -> str:
        """Return the text of a module, which tracebacks show."""
        return decode_source(self._read(fullname))

    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled module."""
        return self.source_to_code(self._read(fullname), os.path.join(self.folder, str(self._file(fullname))))

    def _read(self, fullname: str) -> bytes:
        file = self._file(fullname)
        if file is None:
            raise ImportError(f"no module {fullname!r} came with the objective", name=fullname)
        return self.sources[file]
