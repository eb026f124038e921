"""The modules beside an objective: what travels, and how it is found where its folder is not."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle
from ray.cluster_utils import Cluster

from arqon_ray.cli.objective import load_objective
from arqon_ray.errors import ConfigError
from arqon_ray.fanout.worker import shipping
from arqon_ray.fanout.worker.shipping import Shipped, collect

ROOT = Path(__file__).parents[3]
TRAIN = """
import square_beside
from package_beside.inner import add
from loose_folder_beside import third

def objective(params):
    import late_beside
    return add(square_beside.square(params["x"]), late_beside.ONE) + third.NOTHING

def where(params):
    import late_beside
    return square_beside.__file__, late_beside.__file__, late_beside.__spec__.loader.get_source("late_beside")

def lines(params):
    import late_beside
    late_beside.fail()
"""
FILES = {
    "train.py": TRAIN,
    "square_beside.py": "def square(x):\n    return x * x\n",
    "late_beside.py": "ONE = 1\n\ndef fail():\n    raise ValueError('from a helper')\n",
    "package_beside/__init__.py": "",
    "package_beside/inner.py": "from . import deeper\n\ndef add(a, b):\n    return a + b + deeper.ZERO\n",
    "package_beside/deeper.py": "ZERO = 0\n",
    "loose_folder_beside/third.py": "NOTHING = 0\n",
    "json/own.py": "raise RuntimeError('a folder without __init__.py must not hide what is installed')\n",
}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def load(spec: str, folder: Path) -> Any:
    """Load an objective as the command line does, and leave this process as it was."""
    path, modules = list(sys.path), set(sys.modules)
    try:
        return load_objective(spec, folder)
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - modules:
            if "beside" in name:
                del sys.modules[name]


def test_only_what_python_would_import_travels(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "data.csv": "1", ".git/hook.py": "", "venv/pyvenv.cfg": "", "venv/lib/x.py": ""})
    write(tmp_path, {"__pycache__/a.py": "", "not-a-module/a.py": "", "node_modules/a.py": ""})
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert set(collect(tmp_path)) == set(FILES)


def test_what_is_too_much_stays_and_the_nearest_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {"a/b.py": "", "c.py": "", "d.py": ""})
    monkeypatch.setattr(shipping, "MOST_FILES", 2)
    with pytest.warns(UserWarning, match="only those nearest"):
        assert set(collect(tmp_path)) == {"c.py", "d.py"}
    monkeypatch.setattr(shipping, "MOST_FILES", 10)
    monkeypatch.setattr(shipping, "MOST_BYTES", 100)
    write(tmp_path, {"large.py": "#" * 101})
    with pytest.warns(UserWarning, match="only those nearest"):
        assert set(collect(tmp_path)) == {"c.py", "d.py"}


ELSEWHERE = """
import json, pickle, sys, traceback
function = pickle.loads(open(sys.argv[1], "rb").read())
import json.decoder
print(function({"x": 3.0}))
again = pickle.loads(pickle.dumps(function))
again = pickle.loads(open(sys.argv[1], "rb").read())
print(sum(type(each).__name__ == "_Importer" for each in sys.meta_path))
try:
    pickle.loads(open(sys.argv[2], "rb").read())({})
except ValueError:
    print("raise ValueError('from a helper')" in traceback.format_exc())
"""


def test_the_function_runs_in_a_process_that_has_no_such_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "beside", FILES)
    pickles = []
    for name in ("objective", "lines"):
        pickles.append(tmp_path / f"{name}.pickle")
        pickles[-1].write_bytes(cloudpickle.dumps(load(f"train.py:{name}", folder)))
    folder.rename(tmp_path / "gone")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ELSEWHERE, *map(str, pickles)]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["10.0", "1", "True"], done.stderr


def test_a_module_of_the_working_directory_takes_its_neighbors_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, FILES)
    write(tmp_path, {"main_beside.py": TRAIN})
    monkeypatch.chdir(tmp_path)
    found = load("main_beside:objective", Path("/"))
    assert isinstance(found, Shipped)
    assert found.folder == str(tmp_path)
    assert not isinstance(load("math:sqrt", Path("/")), Shipped)
    assert not isinstance(load("arqon_ray.examples.digits:accuracy", Path("/")), Shipped)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys\nsys.exit(3)\n", "importing it raised SystemExit: 3"),
        ("import math\nmath.nothing\n", "importing it raised AttributeError"),
        ("open('missing.csv')\n", "importing it raised FileNotFoundError"),
        ("def objectiv(p):\n    return 1\n", "has no function objective (did you mean 'objectiv'?)"),
        ("import sys\nobjective = lambda p, f=sys._getframe(): 0\n", "cannot be sent to the workers"),
        ("class objective:\n    pass\n", "a class must have __call__"),
    ],
)
def test_a_file_that_gives_no_function_says_why(tmp_path: Path, text: str, said: str) -> None:
    write(tmp_path, {"train.py": text})
    with pytest.raises(ConfigError) as caught:
        load("train.py:objective", tmp_path)
    assert said in str(caught.value)


DRIVER = """
import os, sys
from pathlib import Path
import ray
import arqon_ray
from arqon_ray.cli.objective import load_objective

address, folder = sys.argv[1:]
arqon_ray.init(address, log_to_driver=False)
job = Path(folder)
config = {"seed": 1, "budget": 4, "strategy": "probe", "bounds": {"x": {"min": 0, "max": 1}}}
objective = load_objective("train.py:objective", job)
where = load_objective("train.py:where", job)
job.rename(job.with_name("gone"))
result = arqon_ray.optimize(objective, config, resources={"cpu": 1, "far": 1}, progress=False)
print([row["value"] == row["params"]["x"] ** 2 + 1 for row in result.history])
print(arqon_ray.sweep(objective, config, 8, resources={"cpu": 1, "far": 1}, progress=False).num_failed)

@ray.remote(num_cpus=1, resources={"far": 1})
def look():
    found = where({})
    return ray.get_runtime_context().get_node_id(), folder in sys.path, os.path.exists(found[0]), found[2]

node, there, exists, source = ray.get(look.remote())
print(node != ray.get_runtime_context().get_node_id(), exists, source.startswith("ONE = 1"))
"""


@pytest.mark.ray
def test_helpers_reach_another_node_after_their_folder_is_gone(tmp_path: Path) -> None:
    folder = write(tmp_path / "job", FILES)
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        nodes.add_node(num_cpus=2, resources={"far": 2})
        nodes.wait_for_nodes()
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "disabled"),
        }
        command = [sys.executable, "-c", DRIVER, nodes.address, str(folder)]
        done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=240)
        assert done.stdout.splitlines() == [
            "[True, True, True, True]",
            "0",
            "True False True",
        ], done.stderr
    finally:
        nodes.shutdown()
