"""The stateless probe: a deterministic low-discrepancy sample of a space, index in, parameters out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.config import load_config
from arqon_ray.core.inputs import values
from arqon_ray.core.probe.sequences import SEQUENCES, Sequence
from arqon_ray.core.space.space import Params, Space
from arqon_ray.errors import ConfigError

Array = NDArray[np.float64]


class ArqonProbe:
    """Samples a space at any index, in any process, without asking anybody.

    ``sample_at(i)`` depends on (config, seed, i) alone. Shards that are aligned powers of two keep the
    sequence's evenness.

    Attributes:
        space: the space that is sampled.

    Example:
        >>> from arqon_ray import ArqonProbe
        >>> bounds = {"x": {"min": 0, "max": 1}, "n": {"min": 1, "max": 8, "type": "int"}}
        >>> probe = ArqonProbe({"bounds": bounds}, seed=7)
        >>> probe.sample_at(5) == probe.sample_range(4, 4)[1]
        True
        >>> probe.sample_array(0, 4).shape
        (4, 2)
    """

    def __init__(self, config: Mapping[str, Any] | str, seed: int = 42, sequence: str = "sobol") -> None:
        """Check the config and prepare the sequence.

        Args:
            config: an arqon config, dict or JSON string; only ``bounds`` is needed.
            seed: 0 .. 2**64 - 1; the config's own seed is not read.
            sequence: ``sobol`` (scrambled, O(1) access) or ``kronecker`` (ArqonHPO's own points).

        Raises:
            ConfigError: for a config that breaks a rule, an unknown sequence or a seed out of range.
        """
        if sequence not in SEQUENCES:
            raise ConfigError(f"sequence is {sequence!r}: it must be one of {', '.join(SEQUENCES)}")
        seed = check_seed(seed)
        self.space = Space(load_config(config).bounds)
        self._sequence: Sequence = SEQUENCES[sequence](self.space.d, seed)

    def sample_at(self, index: int) -> Params:
        """Return the parameters at one index, as a dict of native values.

        Raises:
            ValueError: when the index is no whole number or out of the sequence's range.
        """
        return self.sample_range(index, 1)[0]

    def sample_range(self, start: int, count: int) -> list[Params]:
        """Return the parameters at ``start .. start + count - 1``, a dict each.

        Raises:
            ValueError: when a number is no whole number or out of the sequence's range.
        """
        return self.space.decode_array(self.sample_array(start, count))

    def sample_array(self, start: int, count: int, *, native: bool = False) -> Array:
        """Return the points ``start .. start + count - 1`` as a ``(count, d)`` float64 array.

        Args:
            start: the first index, from 0.
            count: how many.
            native: False for the unit cube, in the order of ``space.names``; True for native values (a
                category is its index, an inactive parameter NaN).

        Raises:
            ValueError: when a number is no whole number or out of the sequence's range.
        """
        start, count = values.whole("start", start, 0), values.whole("count", count, 0)
        if start + count > self._sequence.limit:
            raise ValueError(f"start + count is {start + count}: this sequence ends at {self._sequence.limit}")
        points = self._sequence.points(start, count)
        return self.space.to_native(points) if native else points


def check_seed(seed: Any) -> int:
    """Return a seed of the probe.

    Raises:
        ConfigError: when it is no whole number, or out of range.
    """
    return values.whole("seed", seed, 0, 2**64 - 1, ConfigError)
