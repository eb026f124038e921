from __future__ import annotations

import json
import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arqon_ray import ArqonSolver, ResultsError
from arqon_ray.core.record import metrics
from arqon_ray.core.record.metrics import MAX_LIST, MAX_METRICS, MAX_TEXT, check, flatten, from_json, to_json

X = {"x": {"min": 0.0, "max": 1.0}}
SCALARS = st.one_of(st.none(), st.booleans(), st.floats(), st.integers(-(2**63), 2**63 - 1), st.text(max_size=20))
METRICS = st.dictionaries(st.text(max_size=8), st.one_of(SCALARS, st.lists(st.floats(), max_size=5)), max_size=6)


@pytest.fixture(autouse=True)
def nothing_was_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_warned", set())


def equal(one: Any, other: Any) -> bool:
    """Compare with NaN equal to itself, and 1 other than 1.0 and True."""
    return repr(one) == repr(other)


def test_nested_dicts_arrays_and_numpy_scalars_become_plain_metrics() -> None:
    returned = {
        "loss": np.float32(0.5),
        "epochs": np.int64(3),
        "good": np.bool_(True),
        "note": "a text",
        "nothing": None,
        "per_class": np.array([1, 2]),
        "time": {"fit": 1.5, "score": {"mean": (0.25, 0.5)}},
    }
    flat = flatten(returned)
    assert equal(
        flat,
        {
            "loss": 0.5,
            "epochs": 3,
            "good": True,
            "note": "a text",
            "nothing": None,
            "per_class": [1, 2],
            "time/fit": 1.5,
            "time/score/mean": [0.25, 0.5],
        },
    )
    assert check("metrics", returned) == flat


@pytest.mark.parametrize(
    ("value", "kept", "words"),
    [
        (object(), ..., "is left out: a metric is a number"),
        (b"bytes", ..., "is left out"),
        (["a", "b"], ..., "is left out"),
        ([[1.0], [2.0]], ..., "is left out"),
        (
            list(range(MAX_LIST + 1)),
            list(range(MAX_LIST)),
            "it was cut: a list has at most 64 numbers, and this one 65",
        ),
        (
            "\u00e9" * MAX_TEXT,
            "\u00e9" * (MAX_TEXT // 2),
            "it was cut: a text has at most 4096 bytes, and this one 8192",
        ),
    ],
)
def test_what_is_no_metric_is_named_once_and_refused_where_a_result_is_told(value: Any, kept: Any, words: str) -> None:
    with pytest.warns(UserWarning, match=f"metric 'odd': .*{words}"):
        flat = flatten({"odd": value, "loss": 1.0})
    assert flat == {"loss": 1.0} if kept is ... else {"odd": kept, "loss": 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flatten({"odd": value, "loss": 1.0}) == flat
    solver = ArqonSolver({"bounds": X})
    solver.ask_one()
    with pytest.raises(ResultsError, match=r"results\[0\].metrics\['odd'\]"):
        solver.tell([{"id": "0", "value": 1.0, "metrics": {"odd": value}}])
    assert solver.get_history_len() == 0


def test_a_name_that_is_no_text_and_metrics_beyond_the_bound_are_named() -> None:
    with pytest.warns(UserWarning, match="the name 3 is no text, so it is left out"):
        assert flatten({3: 1.0, "a": 2.0}) == {"a": 2.0}
    with pytest.raises(ResultsError, match="metrics: the name 3 is no text"):
        check("metrics", {3: 1.0})
    many = {f"m{i}": float(i) for i in range(MAX_METRICS + 1)}
    with pytest.warns(UserWarning, match="metric 'm64': only the first 64 metrics"):
        assert len(flatten(many)) == MAX_METRICS
    with pytest.raises(ResultsError, match="metrics has 65 entries: an evaluation has at most 64"):
        check("metrics", many)
    with pytest.raises(ResultsError, match=r"metrics is \[1.0\]: it must be a dict"):
        check("metrics", [1.0])


@given(METRICS)
def test_metrics_pass_through_strict_json_and_an_export(given_metrics: dict[str, Any]) -> None:
    kept = check("metrics", given_metrics)
    assert equal(from_json(json.loads(json.dumps(to_json(kept), allow_nan=False))), kept)
    solver = ArqonSolver({"bounds": X})
    solver.ask_one()
    solver.tell([{"id": "0", "value": 1.0, "metrics": given_metrics}])
    again = ArqonSolver.from_state(solver.export())
    assert equal(again.history()[0]["metrics"], kept)
    assert again.export() == solver.export()


def test_a_whole_number_past_64_bits_is_a_float() -> None:
    assert equal(
        flatten({"a": 2**63 - 1, "b": 2**64, "c": 10**400}), {"a": 2**63 - 1, "b": float(2**64), "c": math.inf}
    )


def test_the_metric_that_the_config_names_is_the_value() -> None:
    solver = ArqonSolver({"bounds": X, "metric": "acc", "mode": "max"})
    solver.ask(3)
    solver.tell([{"id": "0", "metrics": {"acc": 0.5, "n": 3}}, {"id": "1", "value": 0.75, "metrics": {"acc": 0.25}}])
    assert [row["value"] for row in solver.history()] == [0.5, 0.75]
    with pytest.raises(ResultsError, match=r"results\[0\].metrics has no 'acc' \(did you mean 'accu'\?\)"):
        solver.tell([{"id": "2", "metrics": {"accu": 0.5}}])
    solver.tell([{"id": "2", "metrics": {"acc": math.nan, "n": 3}}])
    last = solver.history()[-1]
    assert (last["status"], last["error"]["kind"], last["metrics"]["n"]) == ("failed", "bad_value", 3)
    nameless = ArqonSolver({"bounds": X})
    nameless.ask_one()
    with pytest.raises(
        ResultsError, match="metrics and no value: give the value too, or a config that names its metric"
    ):
        nameless.tell([{"id": "0", "metrics": {"acc": 0.5}}])


class Large:
    """An array of which a list of everything would be too much."""

    shape = (10**9,)

    def __getitem__(self, key: slice) -> np.ndarray[Any, Any]:
        assert key.stop <= MAX_LIST
        return np.arange(key.stop, dtype=np.float64)

    def tolist(self) -> list[float]:
        raise AssertionError("all of it was made a list")


def test_of_a_large_array_no_more_is_read_than_is_kept() -> None:
    with pytest.warns(
        UserWarning, match="metric 'odd': it was cut: a list has at most 64 numbers, and this one 1000000000"
    ):
        assert flatten({"odd": Large()}) == {"odd": [float(i) for i in range(MAX_LIST)]}
    with pytest.warns(UserWarning, match=r"metric 'image': ndarray of shape \(1000, 1000\) is left out"):
        assert flatten({"image": np.zeros((1000, 1000)), "loss": 1.0}) == {"loss": 1.0}
