"""The README's Python runs as it stands, each block as a script of its own in a fresh process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
ON_A_CLUSTER = [block for block in BLOCKS if 'init("auto")' in block]
ALONE = [block for block in BLOCKS if block not in ON_A_CLUSTER]


def _title(block: str) -> str:
    return next(
        name
        for name in ("Tuner", "optimize", "sweep", "ConfigError", "ArqonSolver", "start", "connect")
        if name in block
    )


def _run(block: str, folder: Path, **environment: str) -> str:
    script = folder / "block.py"
    script.write_text(block, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    return done.stdout


@pytest.mark.ray
@pytest.mark.parametrize("block", ALONE, ids=_title)
def test_a_block_runs(block: str, tmp_path: Path) -> None:
    # Tune writes to ~/ray_results, and would join the cluster of a test beside this one.
    out = _run(block, tmp_path, HOME=str(tmp_path), RAY_ADDRESS="local")
    if "ConfigError" in block:
        assert "scale Log needs min > 0" in out


def test_two_drivers_share_one_study(cluster: Any, tmp_path: Path) -> None:
    start, connect, _ = ON_A_CLUSTER
    address = cluster.address_info["gcs_address"]
    assert "told" in _run(start, tmp_path, RAY_ADDRESS=address)
    assert "'params'" in _run(connect, tmp_path, RAY_ADDRESS=address)

    import arqon_ray

    study = arqon_ray.connect("arqon")
    counts = study.status()["counts"]
    study.stop(purge=True)
    assert counts["told"] == 11


def test_the_workers_of_a_process_share_a_client(cluster: Any, tmp_path: Path) -> None:
    out = _run(ON_A_CLUSTER[-1], tmp_path, RAY_ADDRESS=cluster.address_info["gcs_address"])
    assert "'asked': 2000, 'told': 2000" in out
    assert "'many'" in out
