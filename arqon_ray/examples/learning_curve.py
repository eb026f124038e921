"""A small neural network on the digits that reports after every epoch, for schedulers that stop trials early."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from arqon_ray.examples.digits import load


def epochs(params: Mapping[str, Any], count: int) -> Iterator[float]:
    """Train one network and yield its validation error after each epoch.

    Args:
        params: ``lr`` (initial learning rate), ``alpha`` (L2 penalty), ``width`` (hidden units), ``batch_size``,
            ``solver`` (``adam`` or ``sgd``), ``momentum`` for ``sgd``.
        count: epochs.

    Yields:
        The share of wrongly classified validation images, 0 .. 1.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    images, classes = load()
    train_x, test_x, train_y, test_y = train_test_split(
        images / 16.0, classes, test_size=0.3, stratify=classes, random_state=0
    )
    settings = dict(params)
    network = MLPClassifier(
        hidden_layer_sizes=(int(settings.pop("width")),),
        learning_rate_init=settings.pop("lr"),
        random_state=0,
        **settings,
    )
    labels = np.unique(classes)
    for _ in range(count):
        with threadpool_limits(limits=1):
            network.partial_fit(train_x, train_y, classes=labels)
        yield 1.0 - float(network.score(test_x, test_y))


def train(params: Mapping[str, Any]) -> None:
    """Report ``error`` to Ray Tune after each epoch; ``max_epochs`` in ``params`` is not tuned (default 81)."""
    from ray import tune

    settings = dict(params)
    for error in epochs(settings, int(settings.pop("max_epochs", 81))):
        tune.report({"error": error})
