"""Which strategies are tried for the next candidate, in which order: what suits each kind of landscape.

Two strategies that share the budget share one history, so that each profits from what the other found. The constants
are those that did best on the problems of ``tests/benchmarks``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from arqon_ray.core.strategies.evidence import Evidence

HORIZON = 100
"""Evaluations that an unlimited study is planned for at a time."""

_TRUST_REGION_UNTIL = 0.4
_TRUST_REGION_STEPS = 5
_TRUST_REGION_AGAIN = 0.8
"""Shares of the budget: a local model first, a global one in between, the local one to finish. The first share is at
least so many evaluations a parameter: two go into its design, and a global model of many parameters knows little.

Of the orders compared on shifted test functions (first, last, alternating, win-stay) this one did best.
"""

_TRUST_REGION_IN_FLIGHT = (2, 4)
"""A local model that waits for its last step has little new to say: it gets half of the workers, at least and at most
so many, and the global one fills the others. With 8 in flight 4 left 3/4 of the regret of 2, with 32 less than 8.
"""

_STALLED_DISCRETE, _STALLED = 5, 8
"""Observations without a better value, beyond those in flight, after which the surrogate shares its part.

Learners have losses with steps and ripples. A surrogate that believes its plateau polishes it; density ratios go on
trying what lies among the good points. On 19 tuning tasks the regret after 100 evaluations was .18 with the two in
turns and .26 without; on smooth mixed spaces, where the surrogate seldom stalls, it is the same.
"""

_TREE_PARZEN_FROM = 1000
"""Observations from which a surrogate on discrete parameters costs more than it finds."""

_EVOLVE_FROM = 100
_EVOLVE_AFTER = (25, 5)
_EVOLVE_FOR = 100
"""Observations before evolution may begin; how many without a better value it takes, plus so many a parameter; and what
must be left of the budget. Where local and global model have stalled, a population goes on."""


class Plan(NamedTuple):
    """What is to be tried.

    Attributes:
        strategies: names, in the order in which they are tried.
        reason: why, in one sentence.
        coarse: whether the last digits can wait; see :class:`.evidence.Evidence`.
    """

    strategies: tuple[str, ...]
    reason: str
    coarse: bool = False


def plan(evidence: Evidence, landscape: str, findings: Mapping[str, Any], memory: dict[str, Any]) -> Plan:
    """Return the strategies to try, and why.

    Args:
        evidence: what is known.
        landscape: as in :class:`.classify.Verdict`.
        findings: likewise.
        memory: the classifier's; ``evolving`` is set when evolution begins.
    """
    if landscape in ("mixed", "conditional"):
        return _discrete(evidence, findings)
    if landscape == "noisy":
        return Plan(("noisy_gaussian_process",), "the incumbent's value changed when it was evaluated again")
    if _evolves(evidence, findings, memory):
        return _evolving(findings)
    return _continuous(evidence, landscape, findings)


def plan_on_rungs(number: int) -> Plan:
    """Return the strategies for candidate ``number`` where evaluations went differently far.

    In turns: values that are carried from rung to rung are uncertain, and change; no place for a local model. That
    density ratios take every second ask did best of seven variants under ASHA: three seeds, a hint and not a proof.
    """
    turn = ("tpe", "noisy_gaussian_process") if number % 2 else ("noisy_gaussian_process", "tpe")
    return Plan(turn, "evaluations ended early: their values are carried on")


def budget_share(evidence: Evidence) -> float:
    """Return how much of the budget is handed out; an unlimited one is planned by horizons."""
    if evidence.budget is None:
        return (evidence.number % HORIZON) / HORIZON
    return evidence.number / max(evidence.budget, 1)


def _discrete(evidence: Evidence, findings: Mapping[str, Any]) -> Plan:
    surrogate = "noisy_gaussian_process" if findings["noisy"] else "gaussian_process"
    if len(evidence.y) >= _TREE_PARZEN_FROM:
        return Plan(("tpe", surrogate), "many observations of discrete parameters: density ratios stay cheap")
    if _shares(evidence, findings, _STALLED_DISCRETE):
        return Plan(("tpe", surrogate), "the surrogate has stalled: density ratios take every second ask")
    return Plan((surrogate, "tpe"), "discrete or conditional parameters: a surrogate over all of them")


def _continuous(evidence: Evidence, landscape: str, findings: Mapping[str, Any]) -> Plan:
    share = findings["budget_share"]
    least, most = _TRUST_REGION_IN_FLIGHT
    if evidence.pending_origins.count("trust_region") >= min(max((len(evidence.pending) + 1) // 2, least), most):
        return Plan(("gaussian_process", "trust_region"), "local steps are in flight: the surrogate fills the others")
    steps = _TRUST_REGION_STEPS * evidence.space.d / (evidence.budget or HORIZON)
    coarse = landscape == "rugged" and share < _TRUST_REGION_AGAIN
    if share < max(_TRUST_REGION_UNTIL, steps):
        reason = "early in the budget: descend from what is best so far"
        return Plan(("trust_region", "gaussian_process"), reason, coarse)
    if share >= _TRUST_REGION_AGAIN:
        return Plan(("trust_region", "gaussian_process"), "late in the budget: finish in the best basin")
    if _shares(evidence, findings, _STALLED):
        return Plan(("tpe", "gaussian_process"), "the surrogate has stalled: density ratios take every second ask")
    reason = "in the middle of the budget: look for better basins"
    return Plan(("gaussian_process", "trust_region"), reason, coarse)


def _shares(evidence: Evidence, findings: Mapping[str, Any], patience: int) -> bool:
    """Tell whether the surrogate found nothing better for so long that the next ask is another's."""
    return bool(findings["since_best"] >= patience + findings["in_flight"] and evidence.number % 2)


def _evolves(evidence: Evidence, findings: Mapping[str, Any], memory: dict[str, Any]) -> bool:
    """Tell whether evolution has begun; it never ends but for the last local steps."""
    if "evolving" not in memory:
        fixed, each = _EVOLVE_AFTER
        stalled = findings["since_best"] >= fixed + each * evidence.space.d + findings["in_flight"]
        left = evidence.budget is None or evidence.budget - evidence.number >= _EVOLVE_FOR
        if not (stalled and left and len(evidence.y) >= _EVOLVE_FROM):
            return False
        memory["evolving"] = evidence.number
    return True


def _evolving(findings: Mapping[str, Any]) -> Plan:
    if findings["budget_share"] >= _TRUST_REGION_AGAIN:
        return Plan(("trust_region", "cma_es"), "late in the budget: finish in the best basin")
    return Plan(("cma_es",), "neither the local nor the global model finds better points: a population goes on")
