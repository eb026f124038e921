"""Our own strategies pass the conformance tests, and broken ones do not."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from arqon_ray.core.refine.cma_es import CMAES
from arqon_ray.core.refine.gaussian_process import GaussianProcess, NoisyGaussianProcess
from arqon_ray.core.refine.tpe import TreeParzen
from arqon_ray.core.refine.trust_region import TrustRegion, TrustRegionParams
from arqon_ray.core.strategies.registry import is_built_in, registered_strategies
from arqon_ray.strategies import Evidence, Memory, Proposal, Strategy
from arqon_ray.testing.strategies import StrategyTestCase, space_of


class TestGaussianProcess(StrategyTestCase):
    def make(self) -> Strategy:
        return GaussianProcess()


class TestNoisyGaussianProcess(StrategyTestCase):
    def make(self) -> Strategy:
        return NoisyGaussianProcess()


class TestTrustRegion(StrategyTestCase):
    def make(self) -> Strategy:
        return TrustRegion(TrustRegionParams(radius=0.1))


class TestTreeParzen(StrategyTestCase):
    def make(self) -> Strategy:
        return TreeParzen()


class TestCMAES(StrategyTestCase):
    def make(self) -> Strategy:
        return CMAES()


def test_all_of_ours_are_tested() -> None:
    cases = (TestGaussianProcess, TestNoisyGaussianProcess, TestTrustRegion, TestTreeParzen, TestCMAES)
    tested = {case().make().name for case in cases}
    assert tested == {cls.name for cls in registered_strategies() if is_built_in(cls)}


class _Faulty(Strategy):
    """Does everything right but what a subclass does wrong."""

    name = "faulty"

    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        return Proposal(evidence.space.snap(rng.random((1, evidence.space.d)))[0], {"asked": 1})


class _Case(StrategyTestCase):
    """The conformance tests of a strategy that is made elsewhere; pytest does not collect it."""

    def __init__(self, strategy: type[Strategy]) -> None:
        self._strategy = strategy

    def make(self) -> Strategy:
        return self._strategy()


SPACE = space_of({"x": {"min": -1.0, "max": 1.0}})


def test_a_simple_strategy_passes() -> None:
    case = _Case(_Faulty)
    case.test_it_declares_what_a_strategy_declares()
    case.test_equal_arguments_give_the_same_proposal_bit_for_bit(SPACE)
    case.test_points_in_flight_are_not_proposed_again(SPACE)
    case.test_a_restored_study_goes_on_bit_for_bit(SPACE)


class _Random(_Faulty):
    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        return Proposal(np.array([random.random()]), {})


class _Outside(_Faulty):
    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        return Proposal(np.array([1.5]), {})


class _Arrays(_Faulty):
    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        return Proposal(np.array([rng.random()]), {"best": np.zeros(2)})


class _Forgetful(_Faulty):
    """Keeps its count in the process, which a restored study does not have."""

    count = 0

    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        self.count += 1
        return Proposal(np.array([(0.37 * self.count) % 1.0]), {})


class _Changing(_Faulty):
    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        evidence.y[0] = 0.0
        return None


class _Insistent(_Faulty):
    def propose(self, evidence: Evidence, memory: Memory, rng: np.random.Generator) -> Proposal | None:
        return Proposal(np.array([0.5]), {})


@pytest.mark.parametrize(
    ("strategy", "test", "error"),
    [
        (_Random, "test_equal_arguments_give_the_same_proposal_bit_for_bit", AssertionError),
        (_Outside, "test_the_first_ask_after_the_startup", AssertionError),
        (_Arrays, "test_the_first_ask_after_the_startup", TypeError),
        (_Forgetful, "test_a_restored_study_goes_on_bit_for_bit", AssertionError),
        (_Changing, "test_the_first_ask_after_the_startup", ValueError),
        (_Insistent, "test_points_in_flight_are_not_proposed_again", AssertionError),
        (_Outside, "test_a_study_runs_to_its_end", AssertionError),
    ],
)
def test_what_breaks_a_rule_fails(strategy: type[Strategy], test: str, error: type[Exception]) -> None:
    case: Any = _Case(strategy)
    with pytest.raises(error):
        getattr(case, test)(SPACE)
