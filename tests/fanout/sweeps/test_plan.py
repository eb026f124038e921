"""How a sweep is cut: every missing index once, in aligned powers of two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arqon_ray.fanout.sweeps.plan import ShardPlan, split
from arqon_ray.fanout.sweeps.ranges import Range, gaps


def _all(plan: ShardPlan, slots: int = 2, speed: float | None = None) -> list[Range]:
    ranges = []
    while (shard := plan.next(slots)) is not None:
        ranges.append(shard)
        if speed is not None:
            plan.learn(shard[1] - shard[0], (shard[1] - shard[0]) / speed)
    return ranges


finished_ranges = st.lists(st.integers(0, 3000), unique=True, max_size=12).map(
    lambda ends: list(zip(sorted(ends)[::2], sorted(ends)[1::2], strict=False))
)


@given(
    finished=finished_ranges,
    total=st.integers(3000, 5000),
    size=st.none() | st.integers(1, 700),
    slots=st.integers(1, 64),
    speed=st.none() | st.floats(1e-3, 1e7),
)
def test_every_missing_index_is_handed_out_once(
    finished: list[Range], total: int, size: int | None, slots: int, speed: float | None
) -> None:
    ranges = _all(ShardPlan(finished, total, size), slots, speed)
    covered = sorted(i for start, stop in [*finished, *ranges] for i in range(start, stop))
    assert covered == list(range(total))


@given(total=st.integers(1, 10**5), slots=st.integers(1, 64), speed=st.floats(1e-3, 1e7))
def test_automatic_shards_are_aligned_powers_of_two(total: int, slots: int, speed: float) -> None:
    for start, stop in _all(ShardPlan([], total, None), slots, speed):
        size = stop - start
        assert start % size == 0 or stop == total
        assert size & (size - 1) == 0 or stop == total


def test_a_given_size_is_kept_to() -> None:
    assert _all(ShardPlan([(0, 100), (130, 200)], 450, 100)) == [(100, 130), (200, 300), (300, 400), (400, 450)]


def test_the_size_follows_the_speed() -> None:
    def largest(speed: float) -> int:
        return max(stop - start for start, stop in _all(ShardPlan([], 2**17, None), speed=speed))

    # The floor keeps the number of files in bounds, the ceiling what a crash may cost.
    assert largest(1e-3) == 2**17 // 8192
    assert largest(10.0) == 32
    assert largest(1e7) == 4096


def test_a_million_slow_points_do_not_become_a_million_files() -> None:
    assert len(_all(ShardPlan([], 10**6, None), slots=100, speed=0.01)) < 10_000


@pytest.mark.parametrize(("start", "stop"), [(0, 2), (64, 128), (7, 20), (0, 4096)])
def test_a_split_shard_is_covered_by_its_parts(start: int, stop: int) -> None:
    parts = split(start, stop)
    assert 1 < len(parts) <= 8
    assert list(gaps(parts, stop)) == ([(0, start)] if start else [])
