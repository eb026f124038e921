"""Which roles of strategies are asked for the next candidate, in which order, on each kind of landscape.

All strategies see one history, so that each profits from what the others found. The constants are those that did best
on the problems of ``tests/benchmarks``, with one strategy of ours in each role.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from arqon_ray.core.strategies.evidence import Evidence
from arqon_ray.core.strategies.strategy import Role

HORIZON = 100
"""Without a budget, plan in blocks of so many evaluations."""

_TRUST_REGION_UNTIL = 0.4
_TRUST_REGION_STEPS = 5
_TRUST_REGION_AGAIN = 0.8
"""Shares of the budget: a local model first, a global one in between, the local one to finish. The first share has at
least so many evaluations per parameter: two go into its design, and a global model of many parameters knows little.

Of the orders compared on shifted test functions (first, last, alternating, win-stay) this one did best.
"""

_TRUST_REGION_IN_FLIGHT = (2, 4)
"""While its last step is in flight a local model has little new to say. It gets half of the workers, at least and at
most so many, and the global model the others. With 8 in flight a limit of 4 left 3/4 of the regret of 2; with 32 in
flight it left less than a limit of 8.
"""

_STALLED_DISCRETE, _STALLED = 5, 8
"""Observations without a better value, not counting those in flight, after which a global model has stalled and takes
turns with exploration.

Learners have losses with steps and ripples. A model that believes in its plateau keeps polishing it, while density
ratios go on trying what lies among the good points. On 19 tuning tasks the regret after 100 evaluations was .18 with
the two in turns and .26 without; on smooth mixed spaces, where the model seldom stalls, it was the same.
"""

_EXPLORE_FROM = 1000
"""Observations from which a model of discrete parameters costs more than it finds."""

_EVOLVE_FROM = 100
_EVOLVE_AFTER = (25, 5)
_EVOLVE_FOR = 100
"""Observations before a population may take over; how many without a better value it takes, and how many more per
parameter; and what must be left of the budget."""


class Plan(NamedTuple):
    """Whom to ask.

    Attributes:
        roles: in the order in which they are asked.
        reason: why, in one sentence.
        coarse: whether the last digits can wait; see :class:`.evidence.Evidence`.
    """

    roles: tuple[Role, ...]
    reason: str
    coarse: bool = False


def plan(
    evidence: Evidence, landscape: str, findings: Mapping[str, Any], memory: dict[str, Any], local_in_flight: int
) -> Plan:
    """Return the roles to ask, and why.

    Args:
        evidence: what is known.
        landscape: as in :class:`.classify.Classification`.
        findings: likewise.
        memory: the classifier's; ``evolving`` is set when a population takes over.
        local_in_flight: how many of the candidates in flight are of a strategy with the role ``local``.
    """
    if landscape in ("mixed", "conditional"):
        return _discrete(evidence, findings)
    if landscape == "noisy":
        return Plan((Role.NOISY,), "the incumbent's value changed when it was evaluated again")
    if _evolves(evidence, findings, memory):
        return _evolving(findings)
    return _continuous(evidence, landscape, findings, local_in_flight)


def plan_on_rungs(number: int) -> Plan:
    """Return the roles for candidate ``number`` where evaluations went differently far.

    Values that are carried from rung to rung are uncertain and change, so a local model is of no use. That exploration
    takes every second ask did best of seven variants under ASHA: three seeds, a hint and not a proof.
    """
    turn = (Role.EXPLORATION, Role.NOISY) if number % 2 else (Role.NOISY, Role.EXPLORATION)
    return Plan(turn, "evaluations ended early: their values are carried on")


def budget_share(evidence: Evidence) -> float:
    """Return the share of the budget that is handed out; without a budget, that of the present block."""
    if evidence.budget is None:
        return (evidence.number % HORIZON) / HORIZON
    return evidence.number / max(evidence.budget, 1)


def _discrete(evidence: Evidence, findings: Mapping[str, Any]) -> Plan:
    surrogate = Role.NOISY if findings["noisy"] else Role.GLOBAL
    if len(evidence.y) >= _EXPLORE_FROM:
        return Plan(
            (Role.EXPLORATION, surrogate), "many observations of discrete parameters: density ratios stay cheap"
        )
    if _shares(evidence, findings, _STALLED_DISCRETE):
        return Plan((Role.EXPLORATION, surrogate), "the surrogate has stalled: density ratios take every second ask")
    return Plan((surrogate, Role.EXPLORATION), "discrete or conditional parameters: a surrogate over all of them")


def _continuous(evidence: Evidence, landscape: str, findings: Mapping[str, Any], local_in_flight: int) -> Plan:
    share = findings["budget_share"]
    least, most = _TRUST_REGION_IN_FLIGHT
    if local_in_flight >= min(max((len(evidence.pending) + 1) // 2, least), most):
        return Plan((Role.GLOBAL, Role.LOCAL), "local steps are in flight: the surrogate fills the others")
    steps = _TRUST_REGION_STEPS * evidence.space.d / (evidence.budget or HORIZON)
    coarse = landscape == "rugged" and share < _TRUST_REGION_AGAIN
    if share < max(_TRUST_REGION_UNTIL, steps):
        reason = "early in the budget: descend from what is best so far"
        return Plan((Role.LOCAL, Role.GLOBAL), reason, coarse)
    if share >= _TRUST_REGION_AGAIN:
        return Plan((Role.LOCAL, Role.GLOBAL), "late in the budget: finish in the best basin")
    if _shares(evidence, findings, _STALLED):
        return Plan((Role.EXPLORATION, Role.GLOBAL), "the surrogate has stalled: density ratios take every second ask")
    reason = "in the middle of the budget: look for better basins"
    return Plan((Role.GLOBAL, Role.LOCAL), reason, coarse)


def _shares(evidence: Evidence, findings: Mapping[str, Any], patience: int) -> bool:
    """Tell whether the global model has stalled and this ask is for exploration."""
    return bool(findings["since_best"] >= patience + findings["in_flight"] and evidence.number % 2)


def _evolves(evidence: Evidence, findings: Mapping[str, Any], memory: dict[str, Any]) -> bool:
    """Tell whether a population has taken over; it stays until the last, local steps."""
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
        return Plan((Role.LOCAL, Role.POPULATION), "late in the budget: finish in the best basin")
    return Plan((Role.POPULATION,), "neither the local nor the global model finds better points: a population goes on")
