"""A function that returns all that a metric can be; it imports nothing of ours, so that a job file can name it."""

from __future__ import annotations

from typing import Any

import numpy as np

NOTE = 'größer, "so";\nund <b>so</b>'
BOUNDS: dict[str, Any] = {
    "x": {"min": 0.0, "max": 1.0},
    "depth": {"min": 1, "max": 9, "type": "int"},
    "value": {"choices": ["1", 1, None, True]},
    "error": {"min": 1.0, "max": 2.0, "when": {"value": ["1", 1]}},
}
"""Names of the record's own keys, choices that are equal in Python or as texts, one that is not always there."""
METRIC = "loss"


def loss(params: dict[str, Any]) -> float:
    return float((params["x"] - 0.3) ** 2 + 0.01 * params["depth"])


def everything(params: dict[str, Any]) -> dict[str, Any]:
    """Return numbers, texts, flags, None, a list and nested dicts, under names that columns have too."""
    return {
        "loss": np.float64(loss(params)),
        "epochs": np.int32(7 * params["depth"]),
        "huge": 2**53 + 1,
        "value": -1.5,
        "error": 0.25,
        "ratio": np.float32(0.5),
        "note": NOTE,
        "empty": "",
        "converged": params["x"] < 0.5,
        "certain": np.bool_(True),
        "nothing": None,
        "diverged": float("nan"),
        "largest": float("-inf"),
        "curve": [1.0, 0.5, params["x"]],
        "sizes": np.array([3, 2, 1]),
        "valid": {"loss": 2.0, "by_class": {"a": 0.75, "b": "none"}, "folds": (0.5, 0.25)},
    }


def wanted(params: dict[str, Any]) -> dict[str, Any]:
    """Return the metrics of :func:`everything` at a point, flat and as plain Python."""
    return {
        "loss": loss(params),
        "epochs": 7 * params["depth"],
        "huge": 2**53 + 1,
        "value": -1.5,
        "error": 0.25,
        "ratio": 0.5,
        "note": NOTE,
        "empty": "",
        "converged": params["x"] < 0.5,
        "certain": True,
        "nothing": None,
        "diverged": float("nan"),
        "largest": float("-inf"),
        "curve": [1.0, 0.5, params["x"]],
        "sizes": [3, 2, 1],
        "valid/loss": 2.0,
        "valid/by_class/a": 0.75,
        "valid/by_class/b": "none",
        "valid/folds": [0.5, 0.25],
    }
