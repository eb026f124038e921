"""The limit to one BLAS thread belongs to the process: it ends when the last who computes has left, and only then."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from arqon_ray.core import ArqonSolver
from arqon_ray.core.threads import one_thread

MANY = 3


def pools() -> dict[str, int]:
    import scipy.linalg  # noqa: F401

    return {pool["filepath"]: pool["num_threads"] for pool in ThreadpoolController().select(user_api="blas").info()}


@pytest.fixture(autouse=True)
def _three_threads() -> Iterator[None]:
    with threadpool_limits(MANY, user_api="blas"):
        assert set(pools().values()) == {MANY}
        yield


def test_it_lasts_from_the_first_who_enters_to_the_last_who_leaves() -> None:
    first_is_in, second_is_in, first_is_out = threading.Event(), threading.Event(), threading.Event()
    seen: dict[str, set[int]] = {}

    def first() -> None:
        with one_thread():
            first_is_in.set()
            assert second_is_in.wait(30)
        seen["the first left"] = set(pools().values())
        first_is_out.set()

    def second() -> None:
        assert first_is_in.wait(30)
        with one_thread():
            second_is_in.set()
            assert first_is_out.wait(30)
            seen["the second computes"] = set(pools().values())

    threads = [threading.Thread(target=target) for target in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == {"the first left": {1}, "the second computes": {1}}
    assert set(pools().values()) == {MANY}


def test_three_solvers_in_three_threads_leave_the_pools_as_they_were() -> None:
    start = threading.Barrier(3)
    finished: list[int] = []

    def search(seed: int) -> None:
        solver = ArqonSolver({"seed": seed, "budget": 14, "bounds": {f"x{j}": {"min": 0, "max": 1} for j in range(2)}})
        start.wait(30)
        while (params := solver.ask_one()) is not None:
            solver.tell([{"params": params, "value": sum((v - 0.3) ** 2 for v in params.values())}])
        finished.append(solver.get_history_len())

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert finished == [14, 14, 14]
    assert set(pools().values()) == {MANY}


def test_it_nests_and_ends_with_an_exception() -> None:
    def broken() -> None:
        with one_thread(), one_thread():
            assert set(pools().values()) == {1}
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        broken()
    assert set(pools().values()) == {MANY}


def test_others_can_set_their_limits_afterwards() -> None:
    def compute() -> None:
        with one_thread():
            pass

    thread = threading.Thread(target=compute)
    thread.start()
    thread.join(30)
    with threadpool_limits(2, user_api="blas"):
        assert set(pools().values()) == {2}
    assert set(pools().values()) == {MANY}


def test_what_others_set_meanwhile_stays() -> None:
    with one_thread():
        other = threadpool_limits(2, user_api="blas").__enter__()
    assert set(pools().values()) == {2}
    other.__exit__(None, None, None)


def test_the_threads_of_openmp_are_left_alone() -> None:
    pytest.importorskip("sklearn.utils._openmp_helpers")  # it loads an OpenMP of its own
    openmp = ThreadpoolController().select(user_api="openmp").lib_controllers
    assert openmp
    before = [pool.get_num_threads() for pool in openmp]
    for pool in openmp:
        pool.set_num_threads(5)
    try:
        with one_thread():
            assert [pool.get_num_threads() for pool in openmp] == [5] * len(openmp)
    finally:
        for pool, count in zip(openmp, before, strict=True):
            pool.set_num_threads(count)
