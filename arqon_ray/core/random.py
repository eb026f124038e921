"""Counter-based random numbers: each stream has a name.

Any process can draw from a stream by its name, in any order, so no state of a generator needs to be saved. Philox:
Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

from __future__ import annotations

import zlib

import numpy as np


def generator(seed: int, purpose: str, index: int) -> np.random.Generator:
    """Return the generator of stream ``(seed, purpose, index)``.

    Args:
        seed: the study's seed, 0 .. 2**64 - 1.
        purpose: what the numbers are for; streams of different purposes are independent.
        index: the number of the candidate or dimension, 0 .. 2**32 - 1.
    """
    return np.random.Generator(bits(seed, purpose, index))


def bits(seed: int, purpose: str, index: int, counter: int = 0) -> np.random.Philox:
    """Return the bit generator of stream ``(seed, purpose, index)``.

    Args:
        seed: the study's seed, 0 .. 2**64 - 1.
        purpose: see :func:`generator`.
        index: likewise.
        counter: how many steps of four words are skipped.
    """
    stream = (zlib.crc32(purpose.encode()) << 32) | index
    return np.random.Philox(key=np.array([seed, stream], dtype=np.uint64), counter=counter)
