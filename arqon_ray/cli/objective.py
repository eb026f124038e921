"""Loading the function that a job names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

from arqon_ray.core.inputs.spelling import did_you_mean
from arqon_ray.core.inputs.values import shown
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.worker.evaluate import one_line
from arqon_ray.fanout.worker.shipped_function import check_function
from arqon_ray.fanout.worker.shipping import Shipped, collect


def load_objective(spec: str, folder: Path) -> Callable[..., Any]:
    """Return the function that ``module:function`` or ``path.py:function`` names.

    A file can import the modules beside it, as under ``python path.py``, and a module those in the working directory.
    These modules are sent to the workers with the function. Installed packages must be installed there too.

    Args:
        spec: the job's ``objective``; the function may be a class, or a coroutine function.
        folder: the folder of the job file, to which a path is relative.

    Raises:
        ConfigError: there is no such module, file or function, its import fails, or it cannot be sent to the workers.
    """
    source, _, name = spec.rpartition(":")
    try:
        module, home = (
            _load_file(spec, folder / Path(source).expanduser()) if source.endswith(".py") else _import(source)
        )
    except (ConfigError, KeyboardInterrupt):
        raise
    except BaseException as error:  # including sys.exit() in the imported script
        message = f"objective is {spec!r}: importing it raised {one_line(error)}{_hint(error)}"
        raise ConfigError(message) from error
    try:
        function = attrgetter(name)(module)
    except AttributeError:
        near = did_you_mean(name, (key for key, value in vars(module).items() if callable(value)))
        raise ConfigError(f"objective is {spec!r}: {source} has no function {name}{near}") from None
    if not callable(function):
        raise ConfigError(f"objective is {spec!r}: {name} is {shown(function)}, which is not a function")
    sent = function if home is None else Shipped(function, str(home), collect(home))
    try:
        check_function(sent)
    except TypeError as error:
        raise ConfigError(f"objective is {spec!r}: {error}") from None
    return sent


def _import(name: str) -> tuple[ModuleType, Path | None]:
    """Import a module; also return the working directory if the module is in it."""
    here = Path.cwd()
    _put_first(here)
    module = importlib.import_module(name)
    top = name.partition(".")[0]
    paths = [getattr(sys.modules[top], "__file__", None), *getattr(sys.modules[top], "__path__", ())]
    beside = top != "arqon_ray" and any(path and Path(path).parent in (here, here / top) for path in paths)
    return module, here if beside else None


def _load_file(spec: str, path: Path) -> tuple[ModuleType, Path | None]:
    """Execute a file; also return its folder."""
    from ray import cloudpickle

    if not path.is_file():
        raise ConfigError(f"objective is {spec!r}: there is no file {path}")
    name = f"_arqon_objective_{path.stem}"
    found = importlib.util.spec_from_file_location(name, path.absolute())
    assert found is not None, "a file that ends in .py has a loader"
    assert found.loader is not None, "a file that ends in .py has a loader"
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses look up their module while it is executed
    home = path.resolve().parent
    _put_first(home)
    found.loader.exec_module(module)
    pickle_by_value: Callable[[ModuleType], None] = cloudpickle.register_pickle_by_value  # untyped in Ray
    pickle_by_value(module)
    return module, home


def _put_first(folder: Path) -> None:
    """Put a folder first on ``sys.path``, as Python does with that of a script."""
    if sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))


def _hint(error: BaseException) -> str:
    missing = getattr(error, "name", None)
    if isinstance(error, ModuleNotFoundError) and missing == "sklearn":
        return '; install the examples: pip install "arqon-ray[examples]"'
    return ""
