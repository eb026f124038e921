"""Low-discrepancy sequences against their definitions and against ArqonHPO itself."""

from __future__ import annotations

import hashlib
import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arqon_ray.core import ArqonProbe
from arqon_ray.core.probe.sequences import Sobol, _primes
from arqon_ray.errors import ConfigError
from tests.core.spaces import EVERY_KIND

GOLDEN = json.loads((Path(__file__).parent.parent / "assets" / "arqonhpo_0.3.3_probe.json").read_text())


def test_unscrambled_sobol_is_the_published_one() -> None:
    qmc = pytest.importorskip("scipy.stats").qmc
    assert (Sobol(64, None).points(0, 8192) == qmc.Sobol(64, scramble=False, bits=53).random(8192)).all()


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**40), st.integers(0, 10))
def test_each_aligned_block_has_one_point_in_each_interval(seed: int, block: int, bits: int) -> None:
    points = Sobol(5, seed).points(block << bits, 1 << bits)
    cells = np.sort((points * (1 << bits)).astype(int), axis=0)
    assert (cells == np.arange(1 << bits)[:, None]).all()


@given(st.integers(0, 2**50), st.integers(0, 9000))
def test_any_window_is_the_same_as_point_by_point(start: int, count: int) -> None:
    sequence = Sobol(3, 1)
    window = sequence.points(start, count)
    assert window.shape == (count, 3)
    for i in {0, count // 2, count - 1} if count else set():
        assert (sequence.points(start + i, 1)[0] == window[i]).all()


def test_scrambled_points_are_as_even_as_scipys() -> None:
    qmc = pytest.importorskip("scipy.stats").qmc
    for n in (64, 1024):
        ours = np.mean([qmc.discrepancy(Sobol(6, seed).points(0, n)) for seed in range(8)])
        scipys = np.mean([qmc.discrepancy(qmc.Sobol(6, seed=seed).random(n)) for seed in range(8)])
        assert ours < 1.1 * scipys


def test_seeds_give_different_points() -> None:
    first = {tuple(Sobol(2, seed).points(0, 1)[0]) for seed in range(100)}
    assert len(first) == 100


def test_the_table_of_direction_numbers_is_the_one_that_was_shipped() -> None:
    data = resources.files("arqon_ray.core").joinpath("data/joe_kuo_1024.npz")
    with data.open("rb") as file:
        table = np.load(file)
        digest = hashlib.sha256(table["poly"].tobytes() + table["vinit"].tobytes()).hexdigest()
    assert digest == "f97ee65a29494e9f749ab657b1c2f249dfa6003d11b47c3945b0cad98d3bc93d"


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"{case['seed']}-{case['index']}")
def test_kronecker_gives_arqonhpos_own_points(case: dict[str, Any]) -> None:
    ours = ArqonProbe(GOLDEN["config"], seed=case["seed"], sequence="kronecker").sample_at(case["index"])
    for name, value in case["params"].items():
        # exp() of two mathematical libraries may differ in the last digit; everything else is equal bit for bit.
        exact = GOLDEN["config"]["bounds"][name].get("scale") != "Log"
        assert ours[name] == value if exact else abs(ours[name] - value) <= np.spacing(value)


@pytest.mark.parametrize("sequence", ["sobol", "kronecker"])
def test_a_probe_is_a_pure_function_of_the_index(sequence: str) -> None:
    probe = ArqonProbe({"bounds": EVERY_KIND}, seed=5, sequence=sequence)
    samples = probe.sample_range(1000, 50)
    again = ArqonProbe(json.dumps({"bounds": dict(reversed(EVERY_KIND.items()))} | {"bounds": EVERY_KIND}), 5, sequence)
    assert [again.sample_at(1000 + i) for i in range(50)] == samples
    assert (again.sample_array(1000, 50) == probe.sample_array(1000, 50)).all()
    native = probe.sample_array(1000, 50, native=True)
    column = probe.space.names.index("batch")
    assert native[:, column].tolist() == [sample["batch"] for sample in samples]


def test_the_configs_own_seed_is_not_read() -> None:
    bounds = {"x": {"min": 0, "max": 1}}
    assert ArqonProbe({"bounds": bounds, "seed": 1}).sample_at(3) == ArqonProbe({"bounds": bounds}).sample_at(3)


@pytest.mark.parametrize("index", [-1, 1.5, "1", None, True, 2**53])
def test_what_is_no_index_is_refused(index: Any) -> None:
    probe = ArqonProbe({"bounds": {"x": {"min": 0, "max": 1}}})
    with pytest.raises(ValueError, match=r"start"):
        probe.sample_at(index)


@pytest.mark.parametrize(("kwargs", "words"), [({"seed": -1}, "seed"), ({"sequence": "halton"}, "halton")])
def test_bad_arguments_are_refused(kwargs: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        ArqonProbe({"bounds": {"x": {"min": 0, "max": 1}}}, **kwargs)


WIDE = {"bounds": {f"x{i:04d}": {"min": 0, "max": 1} for i in range(1500)}}


@pytest.mark.parametrize("sequence", ["sobol", "kronecker"])
@settings(max_examples=30)
@given(start=st.integers(0, 2**20), count=st.integers(1, 5))
def test_any_number_of_parameters_can_be_sampled_at_any_index(sequence: str, start: int, count: int) -> None:
    probe = ArqonProbe(WIDE, seed=3, sequence=sequence)
    points = probe.sample_array(start, count)
    assert points.shape == (count, 1500)
    np.testing.assert_array_equal(points, [probe.sample_array(i, 1)[0] for i in range(start, start + count)])


def test_dimensions_without_direction_numbers_are_uniform_and_the_others_as_even_as_ever() -> None:
    points = ArqonProbe(WIDE, seed=3).sample_array(0, 1024)
    narrow = {"bounds": {name: WIDE["bounds"][name] for name in list(WIDE["bounds"])[:1024]}}
    np.testing.assert_array_equal(points[:, :1024], ArqonProbe(narrow, seed=3).sample_array(0, 1024))
    padding = points[:, 1024:]
    assert np.all((padding >= 0.0) & (padding < 1.0))
    assert len(np.unique(padding)) == padding.size
    assert np.max(np.abs(np.mean(padding, axis=0) - 0.5)) < 0.05
    assert np.max(np.abs(np.corrcoef(padding.T) - np.eye(476))) < 0.2
    assert not np.any(padding == ArqonProbe(WIDE, seed=4).sample_array(0, 1024)[:, 1024:])


def test_the_last_index_is_reached_in_dimensions_without_direction_numbers() -> None:
    last = ArqonProbe(WIDE).sample_array(2**53 - 1, 1)
    assert last.shape == (1, 1500)
    assert not np.any(last[:, 1024:] == ArqonProbe(WIDE).sample_array(2**53 - 2, 1)[:, 1024:])


def test_the_primes_are_the_primes() -> None:
    primes = _primes(2000)
    assert primes[:10] == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
    assert primes[1999] == 17389
    assert [_primes(k) for k in range(40)] == [primes[:k] for k in range(40)]
