"""Finding the function that a job names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from arqon_ray.errors import ConfigError


def load_objective(spec: str, folder: Path) -> Callable[..., Any]:
    """Return the function that ``module:function`` or ``path.py:function`` names.

    A module must be importable on the workers too. A file is sent to them by value, so it need not lie there.

    Args:
        spec: the job's ``objective``.
        folder: what a relative path starts from: the folder of the job file.

    Raises:
        ConfigError: when there is no such module, file or function, or its import fails.
    """
    source, _, name = spec.rpartition(":")
    try:
        module = _load_file(folder / source) if source.endswith(".py") else _import(source)
        function = attrgetter(name)(module)
    except FileNotFoundError as error:
        raise ConfigError(f"objective is {spec!r}: there is no file {error.filename}") from None
    except AttributeError:
        raise ConfigError(f"objective is {spec!r}: {source} has no function {name}") from None
    except Exception as error:
        hint = _hint(error)
        raise ConfigError(
            f"objective is {spec!r}: importing it raised {type(error).__name__}: {error}{hint}"
        ) from error
    if not callable(function):
        raise ConfigError(f"objective is {spec!r}: {name} is {function!r}, which is not a function")
    return function  # type: ignore[no-any-return]


def _import(name: str) -> ModuleType:
    """Import a module, which may lie in the working directory; Ray's workers look there too."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    return importlib.import_module(name)


def _load_file(path: Path) -> ModuleType:
    from ray import cloudpickle

    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    name = f"_arqon_objective_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is executed
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]
    return module


def _hint(error: Exception) -> str:
    missing = getattr(error, "name", None)
    if isinstance(error, ModuleNotFoundError) and missing == "sklearn":
        return '; install the examples: pip install "arqon-ray[examples]"'
    return ""
