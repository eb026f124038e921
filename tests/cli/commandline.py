"""Runs the command line as a user's shell does: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "arqon_ray"]
ROOT = Path(__file__).parent.parent.parent


def begin(*words: str | Path, cwd: Path = ROOT) -> subprocess.Popen[str]:
    """Start a command in a process group of its own, as a terminal does."""
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    return subprocess.Popen(
        [*COMMAND, *map(str, words)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], expected: int = 0) -> str:
    """Wait for a command, check its exit code, and return its standard output."""
    try:
        out, err = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
    assert process.returncode == expected, f"exit code {process.returncode}\n{out}\n{err}"
    assert "Traceback" not in err
    return out


def arqon_ray(*words: str | Path, expected: int = 0, cwd: Path = ROOT) -> str:
    """Run a command to its end and return its standard output."""
    return finish(begin(*words, cwd=cwd), expected)
