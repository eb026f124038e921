"""Solvers that release 0.1.0 cloudpickled; such a pickle holds code, which one version of Python reads."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pytest

ASSETS = Path(__file__).parent.parent / "assets"
MADE_BY = (3, 11)


@pytest.mark.skipif(sys.version_info[:2] != MADE_BY, reason="its pickle holds bytecode that only this version loads")
def test_a_cloudpickled_solver_goes_on() -> None:
    solver = pickle.loads((ASSETS / "solver-0.1.0.cloudpickle").read_bytes())
    assert solver.handed_out == 2
    assert solver.ask_one() is not None
    again = pickle.loads(pickle.dumps(solver))
    assert again.ask_one() == solver.ask_one()
