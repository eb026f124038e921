"""Plan: which strategies are tried, in which order, and why, for evidence made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from arqon_ray.core.strategies.evidence import Evidence
from arqon_ray.core.strategies.plan import Plan, budget_share, plan
from tests.core.refine.studies import cube, evidence

SPACE = cube(4)
FLYING = ("local",)


def made(
    observed: int, *, number: int | None = None, budget: int | None = 100, origins: tuple[str, ...] = ()
) -> Evidence:
    rng = np.random.default_rng(observed)
    pending = rng.random((len(origins), SPACE.d))
    given = evidence(
        SPACE,
        rng.random((observed, SPACE.d)),
        rng.random(observed),
        pending=pending,
        pending_origins=origins,
        number=observed + len(origins) if number is None else number,
    )
    return replace(given, budget=budget)


def planned(
    given: Evidence, landscape: str = "smooth", *, since_best: int = 0, noisy: bool | None = None, memory: Any = None
) -> Plan:
    findings = {
        "since_best": since_best,
        "in_flight": len(given.pending),
        "noisy": noisy,
        "budget_share": budget_share(given),
    }
    return plan(given, landscape, findings, {} if memory is None else memory, given.pending_origins.count("local"))


@pytest.mark.parametrize("landscape", ["mixed", "conditional"])
@pytest.mark.parametrize(("noisy", "surrogate"), [(None, "global"), (True, "noisy")])
def test_a_surrogate_leads_on_discrete_parameters(landscape: str, noisy: bool | None, surrogate: str) -> None:
    order, reason, _ = planned(made(40), landscape, noisy=noisy)
    assert order == (surrogate, "exploration")
    assert "a surrogate over all of them" in reason


def test_density_ratios_take_every_second_ask_of_a_stalled_discrete_search() -> None:
    firsts = [planned(made(40, number=n), "mixed", since_best=5)[0][0] for n in range(40, 46)]
    assert firsts == ["global", "exploration"] * 3
    assert "stalled" in planned(made(40, number=41), "mixed", since_best=5)[1]
    assert {planned(made(40, number=n), "mixed", since_best=4)[0][0] for n in range(40, 46)} == {"global"}


def test_what_is_in_flight_is_no_sign_of_a_stall() -> None:
    flying = ("global",) * 8
    assert planned(made(40, number=49, origins=flying), "mixed", since_best=12)[0][0] == "global"
    assert planned(made(40, number=49, origins=flying), "mixed", since_best=13)[0][0] == "exploration"


def test_density_ratios_lead_when_there_are_many_discrete_observations() -> None:
    assert planned(made(999, budget=None), "mixed")[0] == ("global", "exploration")
    order, reason, _ = planned(made(1000, budget=None), "mixed")
    assert order == ("exploration", "global")
    assert "many observations" in reason


def test_a_noisy_landscape_is_the_noisy_surrogates() -> None:
    order, reason, _ = planned(made(120, budget=None), "noisy", since_best=110, noisy=True)
    assert order == ("noisy",)
    assert "evaluated again" in reason


@pytest.mark.parametrize("landscape", ["unknown", "smooth", "rugged"])
@pytest.mark.parametrize(
    ("number", "first", "words"),
    [
        (0, "local", "early in the budget"),
        (39, "local", "early in the budget"),
        (40, "global", "in the middle"),
        (79, "global", "in the middle"),
        (80, "local", "late in the budget"),
        (99, "local", "late in the budget"),
    ],
)
def test_the_share_of_the_budget_orders_local_and_global(landscape: str, number: int, first: str, words: str) -> None:
    order, reason, _ = planned(made(number), landscape)
    assert order[0] == first
    assert set(order) == {"local", "global"}
    assert words in reason


def test_density_ratios_share_the_middle_when_the_surrogate_has_stalled() -> None:
    firsts = [planned(made(n), since_best=8).roles[0] for n in range(50, 54)]
    assert firsts == ["global", "exploration"] * 2
    assert "stalled" in planned(made(51), since_best=8).reason
    assert "exploration" not in planned(made(51), since_best=7).roles
    assert planned(made(51, number=61, origins=("exploration",) * 10), since_best=17).roles[0] == "global"
    for number in (21, 81):
        assert "exploration" not in planned(made(number), since_best=20).roles


@pytest.mark.parametrize("landscape", ["unknown", "smooth", "rugged"])
def test_the_last_digits_of_a_rugged_landscape_wait_for_the_end(landscape: str) -> None:
    coarse = [planned(made(number), landscape).coarse for number in (10, 50, 79, 80, 99)]
    assert coarse == ([True, True, True, False, False] if landscape == "rugged" else [False] * 5)


def test_many_parameters_prolong_the_first_descent() -> None:
    wide = cube(20)
    for number, first in ((50, "local"), (79, "local"), (199, "global")):
        given = replace(evidence(wide, number=number), budget=250)
        assert planned(given)[0][0] == first


def test_an_unlimited_study_is_planned_by_horizons() -> None:
    firsts = [planned(made(n, budget=None))[0][0] for n in (20, 60, 90, 120, 160, 190, 220)]
    local, wide = "local", "global"
    assert firsts == [local, wide, local, local, wide, local, local]
    assert budget_share(made(250, budget=None)) == 0.5


@pytest.mark.parametrize(
    ("local", "others", "first"),
    [
        (1, 0, "local"),
        (2, 0, "global"),
        (2, 2, "global"),
        (2, 3, "local"),
        (3, 4, "local"),
        (4, 3, "global"),
        (4, 27, "global"),
        (3, 28, "local"),
    ],
)
@pytest.mark.parametrize("number", [20, 90])
def test_local_steps_in_flight_are_limited(number: int, local: int, others: int, first: str) -> None:
    origins = FLYING * local + ("global",) * others
    order, reason, _ = planned(made(10, number=number, origins=origins))
    assert order[0] == first
    assert ("are in flight" in reason) == (first == "global")


@pytest.mark.parametrize(
    ("observed", "since_best", "budget", "evolves"),
    [
        (100, 45, 200, True),
        (100, 44, 200, False),  # 25 and 5 a parameter
        (99, 98, 200, False),
        (100, 45, 199, False),  # fewer than a hundred are left
        (100, 45, None, True),
        (5000, 45, None, True),
    ],
)
def test_evolution_begins_when_a_long_search_has_stalled(
    observed: int, since_best: int, budget: int | None, evolves: bool
) -> None:
    memory: dict[str, Any] = {}
    order = planned(made(observed, budget=budget), "rugged", since_best=since_best, memory=memory).roles
    assert ("population" in order) == evolves
    assert memory == ({"evolving": observed} if evolves else {})


def test_evolution_goes_on_whatever_comes() -> None:
    memory = {"evolving": 150}
    for given in (made(151, budget=1000), made(500, budget=1000), made(799, budget=1000)):
        order, reason, _ = planned(given, since_best=0, memory=memory)
        assert order == ("population",)
        assert "a population goes on" in reason
    assert memory == {"evolving": 150}


def test_the_last_fifth_of_an_evolution_is_for_local_steps() -> None:
    order, reason, _ = planned(made(800, budget=1000), memory={"evolving": 150})
    assert order == ("local", "population")
    assert "late in the budget" in reason


def test_discrete_and_noisy_searches_do_not_evolve() -> None:
    for landscape in ("mixed", "conditional", "noisy"):
        memory: dict[str, Any] = {}
        assert "population" not in planned(made(300, budget=None), landscape, since_best=299, memory=memory)[0]
        assert memory == {}
