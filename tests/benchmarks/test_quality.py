"""The benchmark's commands on a few short runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.benchmarks import figures, quality, store


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARQON_QUALITY", str(tmp_path / "kept"))
    figures._runs.cache_clear()


def invoke(*arguments: str) -> str:
    outcome = CliRunner().invoke(quality.main, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def test_runs_are_kept_shown_and_forgotten() -> None:
    asked = ("run", "--solvers", "random,sobol", "--seeds", "1", "--only", "sphere-2d-0,angles-2d")
    assert invoke(*asked).count("random") == 3  # the noisy sphere too
    assert invoke(*asked) == ""
    invoke("run", "--seeds", "1", "--only", "angles-2d", "--as", "arqon-b", "--set", 'strategy="probe"')
    assert "arqon-b" in invoke("progress")
    assert "random" in invoke("table")
    assert "| sobol |" in invoke("table", "--markdown")
    assert "angles-2d" in invoke("table", "--each")
    assert "periodic" in invoke("compare", "arqon-b", "random", "--half", "all")
    assert "sobol" in invoke(*asked, "--fresh", "sobol")


def test_ours_are_named_and_need_a_name_for_another_config() -> None:
    for arguments in (("--set", "strategy=1"), ("--as", "other"), ("--solvers", "random", "--as", "arqon-b")):
        assert CliRunner().invoke(quality.main, ["run", *arguments]).exit_code == 2


def test_a_line_cut_short_is_passed_over() -> None:
    key = store.Key("arqon-cut", "angles-2d", 100, 0, 1)
    store.keep(store.Run(key, [1.0], 0.1))
    with store._path("arqon-cut").open("a") as file:
        file.write('{"key": ["arqon-c')
    assert [run.key for run in store.kept("arqon-cut")] == [key]


def test_the_ratio_pairs_seeds_and_its_interval_holds_it() -> None:
    theirs = {f"p{k}": {seed: float(np.sin(7 * k + seed)) for seed in range(3)} for k in range(9)}
    ours = {name: {seed: value - np.log(2.0) for seed, value in each.items()} for name, each in theirs.items()}
    assert figures.ratio(ours, theirs, theirs) == pytest.approx((0.5, 0.5, 0.5, 9))
    elsewhere = {name: {seed + 100: value for seed, value in each.items()} for name, each in ours.items()}
    middle, low, high, _ = figures.ratio(elsewhere, theirs, theirs)
    assert middle == pytest.approx(0.5)
    assert low < 0.5 < high


def test_equals_share_ranks_and_wins() -> None:
    logs = {"a": {"p": {0: 0.0}, "q": {0: 1.0}}, "b": {"p": {0: 0.0}, "q": {0: 2.0}}}
    rank, won = figures.ranks(logs, ["p", "q"])
    assert rank == {"a": 1.25, "b": 1.75}
    assert won == {"a": 0.75, "b": 0.25}
