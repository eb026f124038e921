"""Low-discrepancy sequences with random access: index in, point of the unit cube out.

Both are pure functions of (seed, index, dimension), so that workers sample without coordination.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from arqon_ray.core.random import generator
from arqon_ray.errors import ConfigError

Array = NDArray[np.float64]
Words = NDArray[np.uint64]

_BITS = 53
"""Digits of a Sobol point: those that float64 holds; indices reach to 2**53 - 1."""

_TABLE_SIZE = 1024
"""Dimensions for which direction numbers are shipped."""

_BLOCK_BITS = 12
"""A block of 2**12 points is one table XOR one word a dimension; the table fits in the processor's cache."""


class Sequence(Protocol):
    """A sequence of points in the unit cube."""

    limit: int
    """The indices are below it."""

    def points(self, start: int, count: int) -> Array:
        """Return the points ``start .. start + count - 1``, ``(count, d)``."""
        ...


class Sobol:
    """Sobol' points with a random linear matrix scramble and digital shift; any index at the same cost.

    The scramble (Matousek, "On the L2-discrepancy for anchored boxes", J. Complexity 14, 1998) is linear over
    GF(2), so that a scrambled point is the XOR of scrambled direction numbers at the set bits of its index: a
    block of ``2**m`` points is one table of the low bits XOR one word of the high bits. Direction numbers: Joe
    and Kuo (2008). The order is that of the Gray code, as in Antonov and Saleev (1979).
    """

    limit = 2**_BITS

    def __init__(self, d: int, seed: int | None) -> None:
        """Prepare the tables.

        Args:
            d: dimensions, 1 .. 1024.
            seed: 0 .. 2**64 - 1; None for the plain sequence, not scrambled.

        Raises:
            ConfigError: when there are more dimensions than direction numbers.
        """
        if d > _TABLE_SIZE:
            raise ConfigError(f"bounds has {d} parameters: the sobol sequence reaches to {_TABLE_SIZE}")
        V, shift = _direction_numbers(d), np.zeros(d, dtype=np.uint64)
        if seed is not None:
            V, shift = _scramble(V, seed)
        # In Gray-code order point i is the XOR of V at the bits of i ^ (i >> 1): of V_b ^ V_(b-1) at those of i.
        self._words = V.copy()
        self._words[:, 1:] ^= V[:, :-1]
        self._shift = shift
        self._table: Words = _xor_table(self._words[:, :_BLOCK_BITS])

    def points(self, start: int, count: int) -> Array:
        """Return the points ``start .. start + count - 1``, ``(count, d)``."""
        if count == 0:
            return np.empty((0, len(self._shift)))
        size = 1 << _BLOCK_BITS
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
        """Return what all points of a block share, a word a dimension."""
        bits = [_BLOCK_BITS + b for b in range(block.bit_length()) if block >> b & 1]
        shared: Words = np.bitwise_xor.reduce(self._words[:, bits], axis=1, initial=np.uint64(0)) ^ self._shift
        return shared


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
    For its users' sake: float64 leaves it 1e-8 of resolution at index 1e9 and none at 1e15, hence the limit.
    """

    limit = 10**9

    def __init__(self, d: int, seed: int) -> None:
        """Prepare ``d`` dimensions; the seed only moves all of them by the same amount."""
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
    """Return the first primes (trial division: a few hundred of them)."""
    primes: list[int] = []
    candidate = 2
    while len(primes) < count:
        if all(candidate % p for p in primes if p * p <= candidate):
            primes.append(candidate)
        candidate += 1
    return primes


SEQUENCES: dict[str, Callable[[int, int], Sequence]] = {"sobol": Sobol, "kronecker": Kronecker}
