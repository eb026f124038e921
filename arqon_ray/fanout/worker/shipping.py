"""Sending the modules beside an objective's file to the workers, together with the function.

``python train.py`` puts the folder of ``train.py`` first on ``sys.path``; a worker on another node has no such folder.
So the sources in it are part of the pickled function, and in the worker an importer finds them where that folder would
be searched. Ray's ``runtime_env`` would change the working directory (``working_dir``) or requires every folder to be
a package (``py_modules``), and the study's actor, which outlives the job, would inherit it.
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
"""The most Python files that are sent; those nearest to the objective come first."""

MOST_BYTES = 16 * 2**20
"""The most bytes that are sent."""

_MOST_FOLDERS = 5000
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


def collect(folder: Path) -> dict[str, bytes]:
    """Return the Python sources that ``import`` could find in a folder, by their relative path, the nearest first.

    Hidden folders, virtual environments and caches are left out. Warns if there are too many to send.
    """
    sources: dict[str, bytes] = {}
    size = 0
    for path in _python_files(folder):
        try:
            source = path.read_bytes()
        except OSError:
            continue  # unreadable: Python could not import it either
        size += len(source)
        if len(sources) == MOST_FILES or size > MOST_BYTES:
            warnings.warn(
                f"{folder} has more Python files than are sent to the workers ({MOST_FILES} files, "
                f"{MOST_BYTES // 2**20} MiB): only those nearest to the objective are; move it to a folder of its own",
                stacklevel=2,
            )
            break
        sources[path.relative_to(folder).as_posix()] = source
    return sources


def _python_files(folder: Path) -> Iterator[Path]:
    """Yield the files breadth-first, each folder once even if links form a circle."""
    waiting = deque([folder])
    seen: set[str] = set()
    while waiting and len(seen) < _MOST_FOLDERS:
        current = waiting.popleft()
        if (real := os.path.realpath(current)) in seen:
            continue
        seen.add(real)
        try:
            entries = sorted(os.scandir(current), key=lambda entry: entry.name)
        except OSError:
            continue  # an unreadable folder
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            if entry.name.endswith(".py") and entry.is_file():
                yield Path(entry.path)
            elif entry.name.isidentifier() and entry.name not in _SKIPPED and entry.is_dir():
                waiting.append(Path(entry.path))


class Shipped:
    """A function that is pickled together with the modules beside its file.

    Attributes:
        function: the function, or the class.
        folder: the folder that is first on the driver's ``sys.path``.
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

        dumps: Callable[[Any], bytes] = cloudpickle.dumps  # untyped in Ray
        pickled = dumps(self.function)
        return _unpickle, (self.folder, self._sources, pickled)


def _unpickle(folder: str, sources: Mapping[str, bytes], pickled: bytes) -> Shipped:
    """Make the modules importable in this process, then unpickle the function, which needs them."""
    serve(folder, sources)
    return Shipped(pickle.loads(pickled), folder, sources)


def serve(folder: str, sources: Mapping[str, bytes]) -> None:
    """Let ``import`` find these sources before anything on ``sys.path``, and files in the folder itself if it exists.

    Args:
        folder: where the sources are on the driver's machine.
        sources: what :func:`collect` returns.
    """
    importer = _Importer(folder, sources)
    if importer in sys.meta_path:
        return
    if folder not in sys.path:
        sys.path.insert(0, folder)  # for data files and compiled modules, if the file system is shared
    sys.meta_path.insert(sys.meta_path.index(PathFinder), importer)


@dataclass(frozen=True)
class _Importer(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads modules from sources in memory.

    Their ``__file__`` is the path on the driver's machine, as it is for the objective's own file.
    """

    folder: str
    sources: Mapping[str, bytes] = field(repr=False, hash=False)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module; None if its source was not sent."""
        parent, _, _ = fullname.rpartition(".")
        if parent and self._path_of(parent) not in (path or ()):
            return None  # in another package
        if (file := self._file(fullname)) is None:
            return self._namespace(fullname, path)
        where = os.path.join(self.folder, file)
        inside = [os.path.dirname(where)] if self.is_package(fullname) else None
        return spec_from_file_location(fullname, where, loader=self, submodule_search_locations=inside)

    def _namespace(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """Return a folder without ``__init__.py`` as a namespace package, unless another module has this name."""
        inside = fullname.replace(".", "/") + "/"
        if not any(name.startswith(inside) for name in self.sources):
            return None
        elsewhere = PathFinder.find_spec(fullname, path)
        if elsewhere is not None and elsewhere.loader is not None:
            return None
        spec = ModuleSpec(fullname, None, is_package=True)
        others = [] if elsewhere is None else list(elsewhere.submodule_search_locations or ())
        here = self._path_of(fullname)
        spec.submodule_search_locations = [here, *(path for path in others if path != here)]
        return spec

    def _path_of(self, fullname: str) -> str:
        return os.path.join(self.folder, *fullname.split("."))

    def _file(self, fullname: str) -> str | None:
        path = fullname.replace(".", "/")
        return next((name for name in (f"{path}/__init__.py", f"{path}.py") if name in self.sources), None)

    def is_package(self, fullname: str) -> bool:
        """Return whether a module is the ``__init__.py`` of a folder."""
        file = self._file(fullname)
        return file is not None and file.endswith("/__init__.py")

    def get_source(self, fullname: str) -> str:
        """Return the source of a module, for tracebacks."""
        return decode_source(self._read(fullname))

    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled module."""
        return self.source_to_code(self._read(fullname), os.path.join(self.folder, str(self._file(fullname))))

    def _read(self, fullname: str) -> bytes:
        file = self._file(fullname)
        if file is None:
            raise ImportError(f"module {fullname!r} was not sent with the objective", name=fullname)
        return self.sources[file]
