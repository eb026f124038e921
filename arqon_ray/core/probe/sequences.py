"""Low-discrepancy sequences with random access: index in, point of the unit cube out.

Each is a pure function of seed, index and dimension, so workers need no coordination.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.random import bits, generator

Array = NDArray[np.float64]
Words = NDArray[np.uint64]

_BITS = 53
"""Binary digits of a Sobol point, as many as float64 holds; indices go up to 2**53 - 1."""

_TABLE_SIZE = 1024
"""Dimensions for which the package has direction numbers."""

_BLOCK_BITS = 12
_TABLE_WORDS = 2**20
"""A block of 2**12 points is one table XOR one word per dimension; the table fits into the processor's cache. With many
dimensions the block has fewer points, so that the table stays below 8 MB."""


class Sequence(Protocol):
    """A sequence of points in the unit cube."""

    limit: int
    """All indices are below this."""

    def points(self, start: int, count: int) -> Array:
        """Return the points ``start .. start + count - 1``, ``(count, d)``."""
        ...


class Sobol:
    """Sobol' points with a random linear matrix scramble and digital shift; any index at the same cost.

    The scramble (Matousek, "On the L2-discrepancy for anchored boxes", J. Complexity 14, 1998) is linear over
    GF(2), so that a scrambled point is the XOR of scrambled direction numbers at the set bits of its index: a
    block of ``2**m`` points is one table of the low bits XOR one word of the high bits. Direction numbers: Joe
    and Kuo (2008). The order is that of the Gray code, as in Antonov and Saleev (1979).

    There are direction numbers for 1024 dimensions. Those beyond are padded with independent uniform numbers (Spanier,
    "Quasi-Monte Carlo methods for particle transport problems", 1995), see :class:`Uniform`: no
    sequence covers so many dimensions evenly with a feasible number of points, and the first 1024 stay as even as
    before.
    """

    limit = 2**_BITS

    def __init__(self, d: int, seed: int | None) -> None:
        """Prepare the tables.

        Args:
            d: the number of dimensions; those above 1024 are padded.
            seed: 0 .. 2**64 - 1; None for the sequence without scrambling.
        """
        self._padding = Uniform(d - _TABLE_SIZE, seed or 0) if d > _TABLE_SIZE else None
        d = min(d, _TABLE_SIZE)
        self._bits = min(_BLOCK_BITS, (_TABLE_WORDS // d).bit_length() - 1)
        V, shift = _direction_numbers(d), np.zeros(d, dtype=np.uint64)
        if seed is not None:
            V, shift = _scramble(V, seed)
        # In Gray-code order point i is the XOR of V at the bits of i ^ (i >> 1): of V_b ^ V_(b-1) at those of i.
        self._words = V.copy()
        self._words[:, 1:] ^= V[:, :-1]
        self._shift = shift
        self._table: Words = _xor_table(self._words[:, : self._bits])

    def points(self, start: int, count: int) -> Array:
        """Return the points ``start .. start + count - 1``, ``(count, d)``."""
        points = self._even(start, count)
        return points if self._padding is None else np.hstack([points, self._padding.points(start, count)])

    def _even(self, start: int, count: int) -> Array:
        if count == 0:
            return np.empty((0, len(self._shift)))
        size = 1 << self._bits
        first, last = start // size, (start + count - 1) // size
        if first == last:
            offset = start - first * size
            words = self._table[offset : offset + count] ^ self._high(first)
        else:
            words = np.empty(((last - first + 1) * size, len(self._shift)), dtype=np.uint64)
            for k in range(last - first + 1):
                np.bitwise_xor(self._table, self._high(first + k), out=words[k * size : (k + 1) * size])
            words = words[start - first * size :][:count]
        points = words.astype(np.float64)
        points *= 2.0**-_BITS
        return points

    def _high(self, block: int) -> Words:
        """Return the ``(d,)`` words that all points of a block have in common."""
        bits = [self._bits + b for b in range(block.bit_length()) if block >> b & 1]
        shared: Words = np.bitwise_xor.reduce(self._words[:, bits], axis=1, initial=np.uint64(0)) ^ self._shift
        return shared


class Uniform:
    """Independent uniform numbers with random access: the counter of Philox selects the point.

    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011): four words a step of the counter, so that a
    point of ``d`` dimensions takes the next ``ceil(d / 4)`` steps.
    """

    limit = 2**_BITS

    def __init__(self, d: int, seed: int) -> None:
        """Prepare ``d`` dimensions of the stream of a seed, 0 .. 2**64 - 1."""
        self._d, self._seed, self._steps = d, seed, -(-d // 4)

    def points(self, start: int, count: int) -> Array:
        """Return the points ``start .. start + count - 1``, ``(count, d)``."""
        random = bits(self._seed, "padding", 0, counter=start * self._steps)
        words = random.random_raw(4 * self._steps * count).reshape(count, 4 * self._steps)
        return np.asarray((words[:, : self._d] >> np.uint64(64 - _BITS)) * 2.0**-_BITS)


def _xor_table(words: Words) -> Words:
    """Return ``(2**m, d)``: row i is the XOR of the columns of ``(d, m)`` words at the set bits of i."""
    table = np.zeros((1 << words.shape[1], len(words)), dtype=np.uint64)
    for b in range(words.shape[1]):
        table[1 << b : 2 << b] = table[: 1 << b] ^ words[:, b]
    return table


@cache
def _direction_numbers(d: int) -> Words:
    """Return ``(d, 53)`` direction numbers, the first binary digit of a point in bit 52 (Joe and Kuo, eq. 2)."""
    with resources.files("arqon_ray.core").joinpath("data/joe_kuo_1024.npz").open("rb") as file:
        table = np.load(file)
        poly, m = table["poly"][:d].tolist(), table["vinit"][:d].tolist()
    V = np.zeros((len(poly), _BITS), dtype=np.uint64)
    for j in range(d):
        s = poly[j].bit_length() - 1
        numbers = m[j][:s] if s else [1] * _BITS
        for i in range(len(numbers), _BITS):
            new = numbers[i - s] ^ (numbers[i - s] << s)
            for k in range(1, s):
                if poly[j] >> (s - k) & 1:
                    new ^= numbers[i - k] << k
            numbers.append(new)
        V[j] = [number << (_BITS - 1 - i) for i, number in enumerate(numbers)]
    V.setflags(write=False)
    return V


def _scramble(V: Words, seed: int) -> tuple[Words, Words]:
    """Multiply each dimension's direction numbers by a random unit lower-triangular matrix; draw a shift."""
    scrambled, shift = np.empty_like(V), np.empty(len(V), dtype=np.uint64)
    digit = np.uint64(1) << np.arange(_BITS - 1, -1, -1, dtype=np.uint64)
    for j, columns in enumerate(V):
        random = generator(seed, "sobol", j).integers(0, 2**_BITS, size=_BITS + 1, dtype=np.uint64)
        # Row i of the matrix: a one at digit i, random before it, zero after it.
        rows = (random[:_BITS] & ~(2 * digit - np.uint64(1))) | digit
        parity = np.bitwise_count(rows[:, None] & columns[None, :]).astype(np.uint64) & np.uint64(1)
        scrambled[j] = np.bitwise_or.reduce(parity * digit[:, None], axis=0)
        shift[j] = random[_BITS]
    return scrambled, shift


class Kronecker:
    """ArqonHPO's own points: multiples of square roots of primes modulo 1, bit for bit.

    ``u = frac((i + 1) sqrt(p[50 + j]) + frac((sqrt(2) - 1) p[200 + j]) + frac(seed / pi))`` with ``p[0] = 2``.
    For compatibility with ArqonHPO. In float64 its resolution is 1e-8 at index 1e9 and nil at 1e15, hence the limit.
    """

    limit = 10**9

    def __init__(self, d: int, seed: int) -> None:
        """Prepare ``d`` dimensions; the seed shifts all of them by the same amount."""
        primes = _primes(200 + d)
        self._slope = np.sqrt(np.array(primes[50 : 50 + d], dtype=np.float64))
        self._offset = np.array([math.fmod(p * (math.sqrt(2.0) - 1.0), 1.0) for p in primes[200 : 200 + d]])
        self._rotation = math.fmod(float(seed) * (1.0 / math.pi), 1.0)

    def points(self, start: int, count: int) -> Array:
        """Return the points ``start .. start + count - 1``, ``(count, d)``."""
        i = np.arange(start + 1, start + count + 1, dtype=np.float64)[:, None]
        return np.asarray(np.fmod(i * self._slope + self._offset + self._rotation, 1.0))


@cache
def _primes(count: int) -> list[int]:
    """Return the first primes, by the sieve of Eratosthenes up to Rosser's bound for the last of them."""
    size = max(16, math.ceil(count * (math.log(count + 2) + math.log(math.log(count + 2) + 1.0))) + 16)
    sieve = np.ones(size, dtype=bool)
    sieve[:2] = False
    for p in range(2, math.isqrt(size) + 1):
        sieve[p * p :: p] = False
    primes: list[int] = np.flatnonzero(sieve)[:count].tolist()
    return primes


SEQUENCES: dict[str, Callable[[int, int], Sequence]] = {"sobol": Sobol, "kronecker": Kronecker}
