"""Ctrl-C at any moment: the driver lives, what was finished is kept, and what was not goes back."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray

from arqon_ray import ArqonProbe, OptimizeInterrupted, SweepInterrupted, optimize, start, sweep
from arqon_ray.fanout.driver.interrupts import Interrupts

CONFIG: dict[str, Any] = {"seed": 3, "bounds": {"x": {"min": 0.0, "max": 1.0}, "y": {"min": 0.0, "max": 1.0}}}
ROUNDS = 12

_DRIVER = """
import os, random, signal, sys, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
import ray, arqon_ray
arqon_ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
config, kind, rounds = eval(sys.argv[1]), sys.argv[2], int(sys.argv[3])
sent = []

def strike(after):
    def send():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    threading.Timer(after, send).start()

def evaluate(params):
    time.sleep(0.004)
    return params["x"]

study = arqon_ray.start(config, "endless")
arqon_ray.sweep(evaluate, config, 64, progress=False)
for k in range(rounds):
    strike(0.2 + random.Random(k).random())
    try:
        if kind == "sweep":
            arqon_ray.sweep(evaluate, config, 10**7, shard_size=8, progress=False)
        else:
            arqon_ray.optimize(evaluate, study=study, progress=False)
    except arqon_ray.SweepInterrupted as interrupt:
        table = interrupt.result.to_table()
        assert len(table) == interrupt.result.num_done == len(set(table["index"].to_pylist())) > 0
        assert table["value"].to_pylist() == table["x"].to_pylist(), interrupt.result
    except arqon_ray.OptimizeInterrupted as interrupt:
        assert interrupt.result.failures == []
        counts = study.status()["counts"]
        assert (counts["pending"], counts["failed"]) == (0, 0), counts
        assert interrupt.result.evaluations > 0
    print("interrupted", len(sent), flush=True)
print("the end", flush=True)
"""


@pytest.mark.ray
@pytest.mark.parametrize("kind", ["sweep", "optimize"])
def test_a_driver_survives_ctrl_c_at_any_moment(kind: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    driver = subprocess.run(
        [sys.executable, "-c", _DRIVER, repr(CONFIG), kind, str(ROUNDS)],
        cwd=Path(__file__).parents[3],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert driver.returncode == 0, driver.stderr[-3000:]
    assert driver.stdout.split("\n")[:-1] == [*(f"interrupted {k + 1}" for k in range(ROUNDS)), "the end"]


def _interrupt_after(*seconds: float) -> None:
    for after in seconds:
        threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT)).start()


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("stubborn", [False, True])
def test_finished_rows_before_one_that_hangs_are_on_disk(tmp_path: Path, stubborn: bool) -> None:
    points = ArqonProbe(CONFIG, seed=3).sample_range(0, 64)
    flag = tmp_path / "hangs"

    def evaluate(params: dict[str, Any]) -> float:
        if params["x"] == points[40]["x"]:
            flag.touch()
            while stubborn:
                with contextlib.suppress(BaseException):
                    time.sleep(600)
            time.sleep(600)
        return float(params["x"])

    def interrupt_when_it_hangs() -> None:
        while not flag.exists():
            time.sleep(0.05)
        time.sleep(2.0)  # the other shard is done by then
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt_when_it_hangs).start()
    with pytest.raises(SweepInterrupted) as caught:
        sweep(evaluate, CONFIG, 64, shard_size=32, output=tmp_path / "out", progress=False)
    assert caught.value.result.num_done == 40  # of the second shard the rows before the one that hangs
    assert "40 of 64 points are finished" in str(caught.value)
    result = sweep(lambda params: params["x"], CONFIG, 64, output=tmp_path / "out", progress=False)
    assert result.to_table()["index"].to_pylist() == list(range(64))


@pytest.mark.usefixtures("cluster")
def test_what_is_cancelled_is_never_told_as_failed_whatever_it_raises(unique_name: str) -> None:
    def objective(params: dict[str, Any]) -> float:
        try:
            while True:
                time.sleep(0.01)
        except BaseException:
            raise ValueError("cut short") from None

    study = start(CONFIG, unique_name)
    _interrupt_after(4.0)
    with pytest.raises(OptimizeInterrupted) as caught:
        optimize(objective, study=study, progress=False)
    assert caught.value.result.failures == []
    assert caught.value.result.run().state == "interrupted"
    counts = study.status()["counts"]
    assert (counts["told"], counts["failed"], counts["pending"]) == (0, 0, 0)
    study.stop()


@pytest.mark.usefixtures("cluster")
def test_work_that_somebody_cancels_is_done_again(tmp_path: Path) -> None:
    def evaluate(params: dict[str, Any]) -> float:
        first = tmp_path / repr(params["x"])
        if not first.exists():
            first.touch()
            raise ray.exceptions.TaskCancelledError() if params["x"] < 0.3 else KeyboardInterrupt
        return float(params["x"])

    # What is raised without a cancellation is the function's own doing.
    result = sweep(evaluate, CONFIG, 8, fail_fast=None, progress=False)
    assert result.num_failed == 8
    assert {failure["kind"] for failure in result.failures} == {"raised"}


@pytest.mark.usefixtures("cluster")
def test_a_second_ctrl_c_does_not_wait(
    unique_name: str, tmp_path: Path, assert_died: Callable[[list[int]], None]
) -> None:
    def objective(params: dict[str, Any]) -> float:
        (tmp_path / str(os.getpid())).touch()
        while True:
            try:
                time.sleep(600)
            except BaseException:
                continue

    study = start(CONFIG, unique_name)
    _interrupt_after(4.0, 4.2)
    with pytest.raises(OptimizeInterrupted):
        optimize(objective, study=study, max_concurrency=2, progress=False)
    assert study.status()["counts"]["pending"] == 0
    pids = [int(file.name) for file in tmp_path.iterdir()]
    assert len(pids) == 2
    assert_died(pids)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    study.stop()


@pytest.mark.usefixtures("cluster")
def test_the_exceptions_say_how_to_go_on_and_can_be_pickled(unique_name: str, tmp_path: Path) -> None:
    def strike(row: dict[str, Any]) -> None:
        signal.raise_signal(signal.SIGINT)

    where: dict[str, Any] = {"name": unique_name, "storage_path": str(tmp_path)}
    with pytest.raises(OptimizeInterrupted, match="repeat the call with name=") as caught:
        optimize(lambda params: params["x"], CONFIG, callbacks=[strike], progress=False, **where)
    assert f"storage_path={str(tmp_path)!r} to continue" in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.result.evaluations) == (str(caught.value), caught.value.result.evaluations)


def test_a_signal_between_two_waits_is_raised_at_the_next() -> None:
    reached = []

    def work() -> None:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
            reached.append("between")
            with interrupts.waiting():
                reached.append("waited")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert reached == ["between"]


def test_a_signal_in_a_wait_is_raised_there_and_a_second_anywhere() -> None:
    def wait(interrupts: Interrupts) -> None:
        with interrupts.waiting():
            signal.raise_signal(signal.SIGINT)

    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            wait(interrupts)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)


def test_a_signal_after_the_last_wait_is_not_lost() -> None:
    def work() -> None:
        with Interrupts() as interrupts:
            with interrupts.waiting():
                pass
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        work()


def test_a_signal_that_something_swallowed_is_raised_after_the_wait() -> None:
    def work(interrupts: Interrupts) -> None:
        with interrupts.waiting(), contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        work(interrupts)


def test_a_programs_own_handler_stays() -> None:
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGINT)
            with interrupts.waiting():
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT] * 2
