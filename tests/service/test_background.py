from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from arqon_ray.service import background
from arqon_ray.service.background import Background, short, within

SHORT = (0.01, 0.05)
NEVER = (3600.0, 3600.0)


class Work:
    """Steps to be done, some of which fail, and what happened to them."""

    def __init__(self, pauses: tuple[float, float] = SHORT, linger: float = 5.0) -> None:
        self.steps: list[BaseException | None] = []
        self.tried = self.done = 0
        self.threads: set[int | None] = set()
        self.told: list[BaseException] = []
        self.let = threading.Event()
        self.let.set()
        self.background = Background("testing", self.step, self.told.append, pauses, linger)

    def step(self) -> float:
        self.threads.add(threading.current_thread().ident)
        assert self.let.wait(60)
        if not self.steps:
            return math.inf
        self.tried += 1
        error = self.steps.pop(0)
        if error is not None:
            raise error
        self.done += 1
        return 0.0

    def settled(self) -> Work:
        assert self.background.settle(60)
        return self


@pytest.fixture
def make() -> Iterator[Callable[..., Work]]:
    made: list[Work] = []

    def make(*args: Any, **kwargs: Any) -> Work:
        made.append(Work(*args, **kwargs))
        return made[-1]

    yield make
    for work in made:
        work.let.set()
        work.background.close()
        assert work.background.join(60)


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_all_there_is_is_done_and_nothing_before_it_is_wanted(make: Callable[..., Work]) -> None:
    work = make()
    work.steps = [None] * 5
    assert work.settled().done == 0
    work.background.wake()
    assert work.settled().done == 5
    work.steps = [None]
    work.background.wake()
    assert work.settled().done == 6
    assert work.background.trouble is None


@pytest.mark.parametrize("error", [ValueError("a"), MemoryError("a"), SystemExit("a"), GeneratorExit("a")])
def test_whatever_is_raised_is_told_named_and_tried_again(make: Callable[..., Work], error: BaseException) -> None:
    work = make()
    before = time.time()
    work.steps = [error, error, None]
    work.background.wake()
    until(lambda: work.done)
    assert work.told == [error, error]
    assert work.settled().background.trouble is None
    work = make(NEVER)
    work.steps = [error]
    work.background.wake()
    trouble = work.settled().background.trouble
    assert trouble is not None
    assert trouble.plain() == {
        "what": "testing", "error": f"{type(error).__name__}: a", "since": trouble.since, "failures": 1,
    }  # fmt: skip
    assert before <= trouble.since <= time.time()


def test_the_pause_grows_and_only_who_is_in_a_hurry_cuts_it_short(make: Callable[..., Work]) -> None:
    work = make(NEVER)
    work.steps = [ValueError("a")] * 9
    work.background.wake()
    assert work.settled().tried == 1
    for _ in range(3):
        work.background.wake()
    assert work.settled().tried == 1
    for tried in (2, 3):
        work.background.wake(hurry=True)
        assert work.settled().tried == tried
    trouble = work.background.trouble
    assert trouble is not None
    assert trouble.failures == 3
    pauses = []
    for _ in range(6):
        work = make((1.0, 20.0))
        with work.background._changed:
            for _ in range(len(pauses) + 1):
                work.background._note(ValueError())
        pauses.append(round(work.background._next - time.monotonic()))
    assert pauses == [1, 2, 4, 8, 16, 20]


def test_a_thread_that_died_or_could_not_be_begun_is_begun_again(
    make: Callable[..., Work], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = make(NEVER)
    work.steps = [None]
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", lambda thread: (_ for _ in ()).throw(RuntimeError("no more threads")))
        assert isinstance(work.background.wake(), RuntimeError)
    trouble = work.background.trouble
    assert trouble is not None
    assert "no more threads" in trouble.error
    assert work.background.wake(hurry=True) is None
    assert work.settled().done == 1
    work.background._thread = dead = threading.Thread()
    dead.start()
    dead.join()
    work.steps = [None]
    work.background.wake()
    assert work.settled().done == 2


def test_an_idle_thread_ends_and_another_takes_over(make: Callable[..., Work]) -> None:
    work = make(linger=0.01)
    for done in (1, 2):
        work.steps = [None]
        work.background.wake()
        until(lambda: work.background._thread is None)
        assert work.done == done


def test_what_runs_for_long_is_named(make: Callable[..., Work], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LONG", 0.0)
    work = make()
    work.let.clear()
    work.background.wake()
    until(lambda: work.threads)
    trouble = work.background.trouble
    assert trouble is not None
    assert "has not ended" in trouble.error
    assert trouble.failures == 0
    assert not work.background.settle(0)
    assert not work.background.join(0)
    work.let.set()
    assert work.settled().background.trouble is None


def test_a_closed_one_begins_nothing(make: Callable[..., Work]) -> None:
    work = make(NEVER)
    work.steps = [ValueError("a"), None]
    work.background.wake()
    work.settled().background.close()
    assert work.background.join(60)
    work.background.wake(hurry=True)
    assert work.settled().tried == 1


def test_who_cannot_be_told_does_not_end_the_work(make: Callable[..., Work]) -> None:
    work = make()
    work.background._failed = lambda error: 1 / 0  # type: ignore[assignment, return-value]
    work.steps = [ValueError("a"), None]
    work.background.wake()
    until(lambda: work.done)


def test_an_error_is_short_text_whatever_it_is() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    assert short(Mute()) == "Mute"
    assert len(short(ValueError("x" * 10**6))) < 1000
    assert short(ValueError("why")) == "ValueError: why"


def test_within_gives_the_answer_the_error_or_up() -> None:
    assert within(60, "adding", lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        within(60, "dividing", lambda: 1 / 0)
    ended = threading.Event()
    with pytest.raises(TimeoutError, match="sleeping has not ended within 0 s"):
        within(0, "sleeping", lambda: ended.wait(60))
    ended.set()


def test_work_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    code = """if True:
        import threading, time
        from arqon_ray.service.background import Background
        begun = threading.Event()
        work = Background("hanging", lambda: begun.set() or time.sleep(10_000))
        work.wake()
        assert begun.wait(60)
        print("leaving")"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "leaving\n"), done.stderr


def test_what_failed_and_is_not_wanted_any_more_is_no_trouble() -> None:
    wanted = threading.Event()
    wanted.set()

    def step() -> float:
        if wanted.is_set():
            raise ValueError("boom")
        return math.inf

    work = Background("some work", step, pauses=(0.01, 0.01))
    work.wake()
    while work.trouble is None:
        time.sleep(0.01)
    assert "boom" in work.trouble.error
    wanted.clear()
    deadline = time.monotonic() + 30.0
    while work.trouble is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    work.close()
