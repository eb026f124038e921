"""Progress: a bar on a terminal, lines in a pipe, silence when nobody reads."""

from __future__ import annotations

import io

import pytest

from arqon_ray.fanout.driver.progress import PlainProgress, Progress, RichProgress, show_progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class BrokenPipe(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_pipe_gets_plain_lines_at_intervals_and_a_last_one() -> None:
    stream, clock = io.StringIO(), Clock()
    with show_progress("sweep", 100, stream=stream, clock=clock) as shown:
        assert isinstance(shown, PlainProgress)
        shown.update(0)
        for done in range(1, 51):
            clock.now += 1
            shown.update(done, done // 10, 1.0 / done)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "sweep  10/100  best 0.1  1 failed  1/s  1:30 left"
    assert lines[-1] == "sweep  50/100  best 0.02  5 failed  1/s  0:50 left"
    assert len(lines) == 5
    assert "\x1b" not in stream.getvalue()


def test_the_rate_leaves_out_what_a_resumed_run_found() -> None:
    clock = Clock()
    shown = Progress("sweep", 100, clock)
    shown.update(80)
    clock.now += 10
    shown.update(90)
    assert shown.stats() == "90/100  best -  1/s  0:10 left"


def test_without_a_total_there_is_no_time_left() -> None:
    clock = Clock()
    shown = Progress("optimize", None, clock)
    shown.update(0)
    clock.now += 4000
    shown.update(8000, 0, -1e-9)
    assert shown.stats() == "8000  best -1e-09  2/s"


def test_hours_are_written_out() -> None:
    clock = Clock()
    shown = Progress("optimize", 7201, clock)
    shown.update(0)
    clock.now += 1
    shown.update(1)
    assert shown.stats().endswith("2:00:00 left")


def test_a_terminal_gets_a_bar() -> None:
    stream = Terminal()
    with show_progress("optimize", 10, stream=stream) as shown:
        assert isinstance(shown, RichProgress)
        shown.note("[3] is no markup")
        shown.update(4, 1, 0.25)
        shown.total = 20
        shown.update(5, 1, 0.25)
    assert "[3] is no markup" in stream.getvalue()
    assert "5/20  best 0.25  1 failed" in stream.getvalue()


def test_a_reader_that_leaves_does_not_stop_the_run() -> None:
    with show_progress("sweep", 10, stream=BrokenPipe()) as shown:
        shown.note("anybody?")
        shown.update(10)
    closed = io.StringIO()
    closed.close()
    with show_progress("sweep", 10, stream=closed) as shown:
        shown.update(10)


def test_silence(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress("sweep", 10, enabled=False) as shown:
        shown.note("x")
        shown.update(10)
    assert capsys.readouterr() == ("", "")


def test_a_value_that_was_taken_at_a_step_says_so() -> None:
    progress = Progress("run", 4)
    progress.update(1, 0, 0.5, 27)
    assert "best 0.5 (step 27)" in progress.stats()
    progress.update(2, 0, 0.25)
    assert "best 0.25  " in progress.stats() + "  "


def test_stopped_evaluations_are_counted_beside_failed_ones() -> None:
    progress = Progress("run", 9)
    progress.update(6, 1, 0.5, 27, stopped=4)
    assert progress.stats().startswith("6/9  best 0.5 (step 27)  4 stopped  1 failed")
