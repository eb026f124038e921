"""What a searcher costs Tune: how long ``suggest`` holds its loop, and a hundred trivial trials beside Tune's own.

::

    python -m tests.benchmarks.tune               # everything, some ten minutes
    python -m tests.benchmarks.tune suggest trials
    python -m tests.benchmarks.tune loop          # how long a large run's calls take, some three minutes
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import itertools
import logging
import os
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import ray
from ray import tune
from ray.tune.search import BasicVariantGenerator, Searcher

import arqon_ray
from arqon_ray.core.ledger.view import Candidate
from arqon_ray.tune import ArqonSearcher
from arqon_ray.tune.run import checkpoint
from tests.benchmarks.service import ONE_THREAD, cluster, say

D, TRIALS, ROUNDS = 5, 100, 3
BOUNDS = {f"x{i}": {"min": 0.0, "max": 1.0} for i in range(D)}
SPACE = {f"x{i}": tune.uniform(0.0, 1.0) for i in range(D)}
STEP = 0.1
"""Seconds for which a step of Tune's loop waits for an event."""


def loss(config: dict[str, Any]) -> float:
    return sum((config[name] - 0.3) ** 2 + 0.1 * np.sin(20 * config[name]) for name in BOUNDS)


# Suggestions


class Idle(Searcher):
    """Always the same point: what the machine alone costs."""

    def suggest(self, trial_id: str) -> dict[str, Any]:
        return dict.fromkeys(BOUNDS, 0.5)

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """Do nothing."""


Calls = list[tuple[bool, float]]


def suggestions(searcher: Searcher, trials: int, at_once: int, seconds: float) -> Calls:
    """Drive a searcher as Tune's loop does; returns every call of ``suggest``, answered or not.

    Each is whether a trial ran then, which the call could hold up, and its seconds.

    Args:
        searcher: any.
        trials: how many.
        at_once: how many run side by side.
        seconds: how long one runs, within a factor of two.
    """
    rng = np.random.default_rng(0)
    running: list[tuple[float, str, float]] = []
    calls: Calls = []
    begun, done = 0, 0
    while done < trials:
        if len(running) < at_once and begun < trials:
            began = time.perf_counter()
            config = searcher.suggest(f"t{len(calls)}")
            calls.append((bool(running), time.perf_counter() - began))
            if isinstance(config, dict):
                begun += 1
                end = time.monotonic() + seconds * rng.uniform(0.7, 1.4)
                heapq.heappush(running, (end, f"t{len(calls) - 1}", loss(config)))
                continue
        wait = min(STEP, running[0][0] - time.monotonic() if running else STEP)
        time.sleep(max(0.0, wait))
        if running and running[0][0] <= time.monotonic():
            _, trial, value = heapq.heappop(running)
            searcher.on_trial_complete(trial, {"loss": value, "training_iteration": 1})
            done += 1
    return calls


def figure_suggest() -> None:
    """Seconds that suggest holds Tune's loop, 1000 trials, 5 parameters; results come every 50 ms."""
    from ray.tune.search.optuna import OptunaSearch

    _say_calls("8 at once, nothing but Python", suggestions(Idle(), 1000, 8, 0.4))
    _say_calls("8 at once, OptunaSearch", suggestions(OptunaSearch(SPACE, metric="loss", mode="min"), 1000, 8, 0.4))
    for at_once in (8, 2, 1):
        seconds = 0.05 * at_once
        own = ArqonSearcher({"seed": 1, "bounds": BOUNDS})
        _say_calls(f"{at_once} at once, a solver of its own", suggestions(own, 1000, at_once, seconds))
        actor = arqon_ray.start({"seed": 1, "bounds": BOUNDS}, f"suggest-{at_once}")
        shared = ArqonSearcher(actor=actor)
        _say_calls(f"{at_once} at once, a shared actor", suggestions(shared, 1000, at_once, seconds))
        shared.end_run()
        actor.stop(purge=True)


def _say_calls(label: str, calls: Calls) -> None:
    for busy, when in ((True, "while trials run"), (False, "while none runs")):
        seconds = [each for running, each in calls if running == busy]
        if len(seconds) > 10:
            p50, p95, p99 = 1000 * np.quantile(seconds, [0.5, 0.95, 0.99])
            figures = f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, longest {1000 * max(seconds):.0f} ms"
            say(f"{label}, {when}: {len(seconds)} calls, {figures}")


# Tune's loop


LARGE, SMALL = (3000, 100), (30, 100)
LAPS, SAVED = 120, 4
"""Trials and reports each of a run; how often its loop is gone round, and in how many rounds it is saved once."""


def grown(trials: int, reports: int, at_once: int = 32) -> tuple[ArqonSearcher, dict[str, int]]:
    """Return a searcher that has seen so many trials, most of them stopped early; and the steps of those running."""
    searcher = ArqonSearcher({"seed": 1, "bounds": BOUNDS})
    rng = np.random.default_rng(0)
    solver = searcher.solver
    assert isinstance(solver, arqon_ray.ArqonSolver)
    for number in range(trials):
        params = {name: float(x) for name, x in zip(BOUNDS, rng.random(D), strict=True)}
        solver.adopt(Candidate(number, params, "user"))
        end = reports if number % 3 else reports // 3
        for step in range(1, end + 1):
            solver.report(number, step, loss(params) + 1 / step)
        solver.tell([{"eval_id": number, "value": loss(params) + 1 / end, "step": end}])
    running: dict[str, int] = {}
    while len(running) < at_once:
        if isinstance(searcher.suggest(f"first{len(running)}"), dict):
            running[f"first{len(running)}"] = 0
        else:
            time.sleep(0.01)
    return searcher, running


def held_up(searcher: ArqonSearcher, running: dict[str, int], folder: str) -> dict[str, list[float]]:
    """Go round the loop (reports, an end, asks until a trial begins, a checkpoint); return the seconds of each call."""
    seconds: dict[str, list[float]] = {}
    number = 0

    def call(method: str, *args: Any) -> Any:
        began = time.perf_counter()
        answer = getattr(searcher, method)(*args)
        seconds.setdefault(method, []).append(time.perf_counter() - began)
        return answer

    call("save_to_dir", folder, "session")
    seconds["the first save_to_dir"] = seconds.pop("save_to_dir")
    for lap in range(LAPS):
        for trial in list(running):
            running[trial] += 1
            call("on_trial_result", trial, {"loss": 1.0 / running[trial], "training_iteration": running[trial]})
        ended = max(running, key=lambda trial: running[trial])
        call("on_trial_complete", ended, {"loss": 1.0 / running[ended], "training_iteration": running.pop(ended)})
        if lap % SAVED == 0:
            call("save_to_dir", folder, "session")
        while True:
            number += 1
            if isinstance(call("suggest", f"t{number}"), dict):
                running[f"t{number}"] = 0
                break
            time.sleep(STEP)
    return seconds


def figure_loop() -> None:
    """Milliseconds for which each call holds Tune's loop, with 3000 trials of 100 reports beside 30 of 100."""
    for trials, reports in (SMALL, LARGE):
        searcher, running = grown(trials, reports)
        with tempfile.TemporaryDirectory() as folder:
            for method, times in held_up(searcher, running, folder).items():
                p50, p95 = 1000 * np.quantile(times, [0.5, 0.95])
                longest = 1000 * max(times)
                label = f"{trials} trials x {reports} reports, {method}: {len(times)} calls"
                say(f"{label}, p50 {p50:.2f} ms, p95 {p95:.2f} ms, longest {longest:.1f} ms")
            checkpoint.settle()


# Trials


def trivial(config: dict[str, Any]) -> dict[str, float]:
    return {"loss": loss(config)}


def run(searcher: Any, space: dict[str, Any] | None = None) -> float:
    """Run a hundred trivial trials; returns the seconds of ``fit``."""
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            trivial,
            param_space=space,
            tune_config=tune.TuneConfig(
                search_alg=searcher, num_samples=TRIALS, metric="loss", mode="min", reuse_actors=True
            ),
            run_config=tune.RunConfig(storage_path=folder, name="run", verbose=0),
        )
        began = time.perf_counter()
        grid = tuner.fit()
        seconds = time.perf_counter() - began
    assert len(grid) == TRIALS
    assert not grid.errors
    return seconds


def _started(name: str) -> Any:
    return arqon_ray.start({"seed": 1, "bounds": BOUNDS}, name)


def figure_trials() -> None:
    """Seconds of 100 trivial trials with reuse_actors=True, side by side in one run; the median of three rounds."""
    from ray.tune.search.optuna import OptunaSearch

    number = itertools.count()
    makers: dict[str, Callable[[], Any]] = {
        "BasicVariantGenerator": BasicVariantGenerator,
        "ArqonSearcher, probe": lambda: ArqonSearcher({"seed": 1, "strategy": "probe", "bounds": BOUNDS}),
        "ArqonSearcher, model": lambda: ArqonSearcher(seed=1),
        "ArqonSearcher, a shared actor": lambda: ArqonSearcher(actor=_started(f"trials-{next(number)}")),
        "OptunaSearch": OptunaSearch,
    }
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    run(BasicVariantGenerator(), SPACE)  # the first run pays for imports and the first processes
    for _ in range(ROUNDS):
        for name, make in makers.items():
            seconds[name].append(run(make(), SPACE if "probe" not in name and "actor" not in name else None))
    base = float(np.median(seconds["BasicVariantGenerator"]))
    for name, times in seconds.items():
        each = ", ".join(f"{s:.1f}" for s in times)
        say(f"{name}: {np.median(times):.1f} s ({each}), {np.median(times) / base:.2f} x BasicVariantGenerator")


FIGURES = {"suggest": figure_suggest, "loop": figure_loop, "trials": figure_trials}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", nargs="*", choices=[*FIGURES, []], metavar="FIGURE", help=", ".join(FIGURES))
    chosen = parser.parse_args().figures or list(FIGURES)
    for variable, value in {**ONE_THREAD, "RAY_AIR_NEW_OUTPUT": "0"}.items():
        os.environ.setdefault(variable, value)
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with contextlib.nullcontext() if chosen == ["loop"] else cluster():
        for name in chosen:
            say(f"\n== {name}: {(FIGURES[name].__doc__ or '').strip()}")
            FIGURES[name]()
    assert not ray.is_initialized()


if __name__ == "__main__":
    main()
