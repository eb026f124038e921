"""What is installed, what may be imported from where, and what an import costs in modules."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import pytest

import arqon_ray

ROOT = Path(__file__).parent.parent
PACKAGE = Path(arqon_ray.__file__).parent


def _modules_after(code: str) -> set[str]:
    """Return the modules that a fresh process has loaded after running ``code``."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    return set(json.loads(done.stdout.splitlines()[-1]))


def _modules_of(*folders: str) -> list[str]:
    files = [file for folder in folders for file in (PACKAGE / folder).rglob("*.py")]
    assert files
    names = (".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts) for file in files)
    return sorted(name.removesuffix(".__init__") for name in names)


def test_every_public_name_is_listed_loads_and_is_documented() -> None:
    assert set(arqon_ray.__all__) <= set(dir(arqon_ray))
    for name in set(arqon_ray.__all__) - {"__version__"}:
        value = getattr(arqon_ray, name)
        documented = getattr(value, "_function", value)  # a remote function wraps the one that has the docstring
        assert documented.__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        arqon_ray.nothing  # noqa: B018 - looking it up is the test


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = _modules_after("import arqon_ray")
    heavy = {"ray", "scipy", "pydantic", "pyarrow", "pandas", "plotly", "rich", "sklearn", "yaml", "click"}
    assert loaded & heavy == set()


def test_the_command_line_answers_without_ray() -> None:
    loaded = _modules_after(
        "from click.testing import CliRunner\nfrom arqon_ray.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0"
    )
    assert {"ray", "scipy.stats", "plotly"} & loaded == set()


def test_core_loads_without_ray() -> None:
    names = _modules_of("core")
    loaded = _modules_after(f"import importlib\nfor name in {names!r}: importlib.import_module(name)")
    assert set(names) <= loaded
    assert {"ray", "click", "pyarrow", "pandas", "scipy.stats"} & loaded == set()


def test_service_and_fanout_load_without_tune() -> None:
    names = _modules_of("service", "fanout")
    loaded = _modules_after(f"import importlib\nfor name in {names!r}: importlib.import_module(name)")
    assert {"ray", *names} <= loaded
    assert {"ray.tune", "scipy.stats"} & loaded == set()


def test_a_worker_of_fanout_loads_little() -> None:
    """A process that evaluates needs nothing of the driver's side: each module costs every worker its time."""
    names = _modules_of("fanout/worker")
    pack = (
        "from arqon_ray.fanout.worker import evaluate, shard, shard_table\n"
        'probe, bounds = shard.open_probe(\'{"bounds": {"x": {"min": 0, "max": 1}}}\', 0, \'sobol\')\n'
        "points = probe.sample_range(0, 2)\n"
        "rows = [evaluate.evaluate_point(lambda p: p['x'], point) for point in points]\n"
        "assert shard_table.pack_rows(bounds, 0, points, rows)"
    )
    loaded = _modules_after(f"import importlib\nfor name in {names!r}: importlib.import_module(name)\n{pack}")
    mine = {name for name in loaded if name.startswith("arqon_ray.")}
    others = {"arqon_ray.service", "arqon_ray.report", "arqon_ray.tune", "arqon_ray.cli"}
    others |= {"arqon_ray.fanout.driver", "arqon_ray.fanout.sweeps", "arqon_ray.fanout.optimization"}
    assert {"pyarrow.parquet", *names} <= loaded
    assert {name for name in mine for other in others if name == other or name.startswith(f"{other}.")} == set()
    assert {"scipy.stats", "ray.tune"} & loaded == set()


def test_only_the_tune_folder_and_what_it_serves_names_tune() -> None:
    """Also inside of functions, where no import of a module would show it."""
    allowed = {"tune", "cli", "examples"}
    users = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            if any(name == "ray.tune" or name.startswith("ray.tune.") for name in names):
                users.add(file.relative_to(PACKAGE).parts[0])
    assert "tune" in users
    assert users <= allowed


def test_imports_point_one_way() -> None:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def test_the_distribution_is_described() -> None:
    about = metadata.metadata("arqon-ray")
    assert about["Version"] == arqon_ray.__version__
    assert about["License-Expression"] == "Apache-2.0"
    assert about["Requires-Python"] == ">=3.11"
    assert {"cli", "plot", "optuna", "examples", "test", "bench"} <= set(about.get_all("Provides-Extra") or [])


def test_the_command_is_installed() -> None:
    (script,) = metadata.entry_points(group="console_scripts", name="arqon-ray")
    done = subprocess.run([sys.executable, "-m", "arqon_ray", "--version"], capture_output=True, text=True, check=True)
    assert script.value == "arqon_ray.cli:main"
    assert done.stdout.strip() == f"arqon-ray, version {arqon_ray.__version__}"


def test_typing_marker_and_data_are_beside_the_code() -> None:
    folder = resources.files("arqon_ray")
    assert (folder / "py.typed").is_file()
    assert [entry.name for entry in (folder / "core" / "data").iterdir() if entry.name.endswith(".npz")]


def test_the_gate_runs_what_the_readme_says() -> None:
    """``.ci/run`` takes both commands out of the README by how they begin; each must be there once."""
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    gate = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = {
        'pip install ".[cli,': 'pip install ".[cli,examples]" && arqon-ray run configs/digits.yaml',
        'pip install -e ".[test]"': 'pip install -e ".[test]" && pytest -n auto',
    }
    for beginning, command in commands.items():
        assert [line for line in lines if beginning in line] == [command]
        assert f"readme_command '{beginning}'" in gate


def test_what_contributors_are_pointed_at_is_there() -> None:
    text = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.(?:py|txt))?)`", text))
    assert len(paths) > 15
    assert [path for path in sorted(paths) if not (ROOT / path).exists() and not (PACKAGE / path).exists()] == []
    modules = set(re.findall(r"python -m (tests[a-z_.]+)", text))
    assert [each for each in modules if not (ROOT / f"{each.replace('.', '/')}.py").exists()] == []
