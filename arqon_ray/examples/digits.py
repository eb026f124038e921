"""A support vector machine on scikit-learn's digits, judged by stratified cross-validation.

1797 images of handwritten digits, 8 x 8 pixels with 17 gray levels, ten classes; they come with
scikit-learn, so that nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDS = 5


@cache
def load() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the images ``(1797, 64)``, gray levels 0 to 16, and their classes ``(1797,)``; read once a process."""
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    return images, classes


def accuracy(params: Mapping[str, Any]) -> dict[str, float]:
    """Return the mean accuracy of a classifier over the folds, and its spread.

    Args:
        params: ``C``; ``kernel`` (``rbf``, ``poly``, ``sigmoid`` or ``linear``); ``gamma`` for all kernels but
            ``linear``; ``degree`` and ``coef0`` for ``poly``; ``scaling`` (``standard``, ``minmax`` or ``none``).

    Returns:
        ``accuracy`` in 0 .. 1 and ``spread``, the standard deviation over the folds.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler
    from sklearn.svm import SVC
    from threadpoolctl import threadpool_limits

    settings = dict(params)
    scaler = {"standard": StandardScaler, "minmax": MinMaxScaler, "none": lambda: "passthrough"}[
        settings.pop("scaling", "standard")
    ]
    model = make_pipeline(scaler(), SVC(**settings, cache_size=200))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    with threadpool_limits(limits=1):
        scores = cross_val_score(model, *load(), cv=folds, error_score="raise")
    return {"accuracy": float(scores.mean()), "spread": float(scores.std())}
