"""A deterministic low-discrepancy sample of a space with random access: index in, parameters out."""

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
    """Samples a space at any index, in any process, without coordination.

    ``sample_at(i)`` depends on config, seed and ``i`` only. Shards of the sequence whose size is a power of two, and
    whose start is a multiple of it, are as evenly distributed as its beginning.

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
        """Check the config and set up the sequence.

        Args:
            config: an arqon config, as a dict or a JSON string; only ``bounds`` is read.
            seed: 0 .. 2**64 - 1; used in place of the config's seed.
            sequence: ``sobol`` (scrambled, O(1) access) or ``kronecker`` (ArqonHPO's own points).

        Raises:
            ConfigError: the config is invalid, the sequence unknown or the seed out of range.
        """
        if sequence not in SEQUENCES:
            raise ConfigError(f"sequence is {sequence!r}: it must be one of {', '.join(SEQUENCES)}")
        seed = check_seed(seed)
        self.space = Space(load_config(config).bounds)
        self._sequence: Sequence = SEQUENCES[sequence](self.space.d, seed)

    def sample_at(self, index: int) -> Params:
        """Return the native parameter values at one index.

        Raises:
            ValueError: the index is not an integer, or out of range.
        """
        return self.sample_range(index, 1)[0]

    def sample_range(self, start: int, count: int) -> list[Params]:
        """Return the native parameter values at ``start .. start + count - 1``, one dict for each index.

        Raises:
            ValueError: an argument is not an integer, or out of range.
        """
        return self.space.decode_array(self.sample_array(start, count))

    def sample_array(self, start: int, count: int, *, native: bool = False) -> Array:
        """Return the points ``start .. start + count - 1`` as a ``(count, d)`` float64 array.

        Args:
            start: the first index, 0 or more.
            count: the number of points.
            native: whether to return native values (a category as its index, an inactive parameter as NaN) instead of
                points of the unit cube; columns are in the order of ``space.names``.

        Raises:
            ValueError: an argument is not an integer, or out of range.
        """
        start, count = values.whole("start", start, 0), values.whole("count", count, 0)
        if start + count > self._sequence.limit:
            raise ValueError(f"start + count is {start + count}: this sequence ends at {self._sequence.limit}")
        points = self._sequence.points(start, count)
        return self.space.to_native(points) if native else points


def check_seed(seed: Any) -> int:
    """Return a seed as an int.

    Raises:
        ConfigError: it is not an integer in 0 .. 2**64 - 1.
    """
    return values.whole("seed", seed, 0, 2**64 - 1, ConfigError)
