from __future__ import annotations

import pytest

from arqon_ray.service.server.leases import Leases
from tests.service.conftest import Clock


@pytest.fixture
def leases(clock: Clock) -> Leases:
    return Leases(clock)


def test_without_an_owner_a_lease_lasts_a_day(leases: Leases, clock: Clock) -> None:
    assert leases.grant(0) == 24 * 3600
    clock.now += 24 * 3600 - 1
    assert leases.expired() == []
    clock.now += 1
    assert leases.expired() == [0]


def test_one_heartbeat_renews_all_of_one_owner_and_nothing_of_another(leases: Leases, clock: Clock) -> None:
    for number in (3, 1):
        leases.grant(number, "a")
    leases.grant(2, "b")
    clock.now += 50
    assert leases.renew("a") == 2
    clock.now += 50
    assert leases.expired() == [2]
    clock.now += 10
    assert leases.expired() == [1, 2, 3]


def test_an_ask_is_a_sign_of_life_of_its_owner(leases: Leases, clock: Clock) -> None:
    leases.grant(0, "a", 10)
    clock.now += 8
    leases.grant(1, "a")
    clock.now += 8
    assert leases.expired() == []
    assert leases.next_deadline() == clock.now + 2


def test_a_candidate_has_one_holder(leases: Leases, clock: Clock) -> None:
    leases.grant(0, "a")
    leases.grant(0, "b")
    assert leases.held_by("a") == []
    assert leases.held_by("b") == [0]
    assert leases.owner(0) == "b"
    assert len(leases) == 1


def test_an_owner_is_forgotten_with_its_last_candidate(leases: Leases) -> None:
    leases.grant(0, "a", 5)
    leases.drop(0)
    leases.drop(0)
    assert leases.renew("a") == 0
    assert leases.next_deadline() is None
    assert leases.grant(1, "a") == 60


def test_a_restart_gives_every_lease_its_full_length(leases: Leases, clock: Clock) -> None:
    leases.grant(0, "a", 10)
    leases.grant(1, None, 20)
    clock.now += 9
    leases.restart()
    clock.now += 9
    assert leases.expired() == []
    clock.now += 2
    assert leases.expired() == [0]


def test_touch_renews_the_holder_of_one_candidate(leases: Leases, clock: Clock) -> None:
    leases.grant(0, None, 10)
    clock.now += 9
    leases.touch(0)
    leases.touch(99)
    clock.now += 9
    assert leases.expired() == []


def test_leases_that_ended_leave_nothing_behind(leases: Leases, clock: Clock) -> None:
    for number in range(20_000):
        clock.now += 0.01
        leases.grant(number, None if number % 2 else f"driver-{number}")
        leases.drop(number)
        assert leases.expired() == []
    assert len(leases._alarms) <= 66
    assert not leases._holdings
    assert not leases._holder


def test_no_lease_is_forgotten_where_many_others_end(leases: Leases, clock: Clock) -> None:
    kept = list(range(0, 3_000, 30))
    for number in range(3_000):
        leases.grant(number, term=100.0 + number)
    for number in sorted(set(range(3_000)) - set(kept), reverse=True):
        leases.drop(number)
        leases.grant(3_000 + number)
        leases.drop(3_000 + number)
    assert len(leases._alarms) <= 2 * len(kept) + 65
    for number in kept:
        clock.now = 1000.0 + 99.5 + number
        assert leases.expired() == []
        clock.now += 1.0
        assert leases.expired() == [number]
        leases.drop(number)
