"""Failures of one cause are noticed, whatever numbers stand in their messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arqon_ray.fanout.driver.failfast import FailFast
from arqon_ray.fanout.optimization.stop import StopRule
from arqon_ray.fanout.worker.fingerprint import common_fingerprint, fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("IndexError: 3 is out of range", "IndexError: 17 is out of range"),
        ("TypeError: <A object at 0x7f01ab>", "TypeError: <A object at 0x7fffcd>"),
        ("ValueError: x=-1.5e-07", "ValueError: x=2"),
        ("TypeError: the function returned True: no", "TypeError: the function returned False: no"),
        ("the value is nan: it must be finite", "the value is inf: it must be finite"),
    ],
)
def test_numbers_and_addresses_make_no_difference(one: str, other: str) -> None:
    assert fingerprint("raised", one) == fingerprint("raised", other)
    assert fingerprint("raised", one) != fingerprint("died", one)


@given(st.floats(), st.floats(), st.text("abc ", max_size=9))
def test_messages_with_other_numbers_are_alike_and_with_other_words_are_not(a: float, b: float, words: str) -> None:
    assert fingerprint("raised", f"ValueError: {words} {a!r} m") == fingerprint(
        "raised", f"ValueError: {words} {b!r} m"
    )
    assert common_fingerprint([("raised", f"{words} {a!r}"), ("raised", f"{words} x {b!r}")]) is None


def _after(*kinds: str | None, most: int | None = 3) -> FailFast:
    failing = FailFast(most)
    for kind in kinds:
        failing.add(kind, None if kind is None else "same", f"trace of {kind}")
    return failing


def test_only_the_first_evaluations_count() -> None:
    assert not _after("raised", "raised").reached
    assert _after("raised", "raised", "raised").reached
    assert not _after(None, *["raised"] * 9).reached
    assert not _after("raised", "raised", None, *["raised"] * 9).reached
    assert not _after("raised", "timeout", *["raised"] * 9).reached
    assert not _after(*["raised"] * 9, most=None).reached


def test_lost_nodes_and_interrupted_work_are_left_out() -> None:
    failing = _after("node_lost", "raised", "interrupted", "node_lost", "raised", "node_lost")
    assert not failing.reached
    failing.add("raised", "same", None)
    assert failing.reached
    assert failing.count == 3
    assert "the first 3 evaluations all failed alike: same" in failing.message()
    assert "trace of raised" in failing.message()


def test_patience_counts_evaluations_since_the_best() -> None:
    rule = StopRule("max", None, float("inf"), None, patience=3)
    for value in (1.0, None, 0.5, 2.0, None, 2.0):
        rule.add(value)
        assert not rule.due()
    rule.add(1.9)
    assert rule.due()
    assert rule.reason == "patience"
    assert rule.best == 2.0


def test_what_another_driver_found_renews_the_patience() -> None:
    rule = StopRule("min", None, float("inf"), None, patience=2)
    rule.add(1.0)
    rule.add(1.0)
    rule.observe(0.5)
    rule.add(0.7)
    assert not rule.due()
    rule.add(0.6)
    assert rule.due()


def test_a_value_of_a_stopped_evaluation_is_best_only_as_long_as_no_other_is_there() -> None:
    rule = StopRule("min", None, float("inf"), None)
    rule.observe(0.5, 3, stopped=True)
    rule.observe(0.7, 9, stopped=True)
    assert (rule.best, rule.best_step) == (0.7, 9), "it went further"
    rule.observe(0.6, 9, stopped=True)
    rule.observe(0.1, 3, stopped=True)
    assert (rule.best, rule.best_step) == (0.6, 9)
    rule.add(2.0)
    rule.observe(0.1, 9, stopped=True)
    assert (rule.best, rule.best_step) == (2.0, None)
    rule.add(1.0)
    rule.add(3.0)
    assert rule.best == 1.0
