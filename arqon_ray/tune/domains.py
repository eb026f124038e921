"""One Tune domain as one arqon parameter, and the map between their values.

The parameter holds exactly the values that Tune itself can give: the upper end of ``randint`` and
``lograndint`` is excluded, a quantized domain has the multiples of ``q`` inside its bounds, and ``q == 1``
excludes the upper end of an integer domain (``ray/tune/search/sample.py``, ``Quantized``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Protocol

from ray.tune.search.sample import Domain, Float, Integer, LogUniform, Normal, Quantized, Uniform

from arqon_ray.errors import ConfigError

NORMAL_TAIL = 4.0
"""``randn`` and ``qrandn`` are searched within this many standard deviations of their mean (99.994 %)."""

_MOST_CHOICES = 10_000


class Encoding(Protocol):
    """How the values of one domain stand in a study."""

    @property
    def bounds(self) -> dict[str, Any]:
        """The parameter, as an arqon config has it."""
        ...

    @property
    def label(self) -> str:
        """How the parameter is called, with ``{}`` for the key's own name."""
        ...

    def decode(self, value: Any) -> Any:
        """Return Tune's value of the study's."""
        ...

    def encode(self, native: Any) -> Any:
        """Return the study's value of Tune's."""
        ...


@dataclass(frozen=True)
class Plain:
    """The study holds Tune's own values; ``number`` is the type in which Tune gives them."""

    bounds: dict[str, Any]
    number: type[int] | type[float]
    label: str = "{}"

    def decode(self, value: Any) -> Any:
        """Return the value with Tune's type."""
        return self.number(value)

    def encode(self, native: Any) -> Any:
        """Return the value as it is; the study checks that it fits."""
        return native


@dataclass(frozen=True)
class Multiples:
    """Multiples of ``q`` between two of them, with the very float that ``k * q`` gives Tune."""

    bounds: dict[str, Any]
    q: float
    label: str = "{}"

    def decode(self, value: Any) -> float:
        """Return the multiple of ``q`` that is meant, free of the rounding of ``min + k * step``."""
        return float(round(value / self.q) * self.q)

    def encode(self, native: Any) -> Any:
        """Return the value as it is; the study checks that it fits."""
        return native


@dataclass(frozen=True)
class Quantiles:
    """A normal distribution: the study holds the quantile, so that equal steps have equal probability.

    Its name in the study is ``quantile(key)``. It reaches to :data:`NORMAL_TAIL` standard deviations.
    """

    mean: float
    sd: float
    q: float | None = None
    label: str = "quantile({})"

    @property
    def bounds(self) -> dict[str, Any]:
        """The quantiles of the two ends."""
        return {"min": NormalDist().cdf(-NORMAL_TAIL), "max": NormalDist().cdf(NORMAL_TAIL)}

    def decode(self, value: Any) -> float:
        """Return the value at a quantile, rounded to a multiple of ``q`` where there is one."""
        native = NormalDist(self.mean, self.sd).inv_cdf(value)
        return native if self.q is None else float(round(native / self.q) * self.q)

    def encode(self, native: Any) -> Any:
        """Return the quantile of a value; beyond the ends it is the end's."""
        if isinstance(native, bool) or not isinstance(native, int | float):
            return native
        ends = self.bounds
        return min(max(NormalDist(self.mean, self.sd).cdf(native), ends["min"]), ends["max"])


def encode_domain(key: str, domain: Domain) -> Encoding:
    """Return the encoding of a number's domain.

    Args:
        key: the path of the domain in the space, for the message.
        domain: a ``Float`` or an ``Integer`` with any of Tune's samplers.

    Raises:
        ConfigError: when the domain has no value or is of a kind that Tune does not have.
    """
    if isinstance(domain, Float | Integer):
        sampler, q = domain.get_sampler(), None  # type: ignore[no-untyped-call]
        if isinstance(sampler, Quantized):
            sampler, q = sampler.get_sampler(), sampler.q  # type: ignore[no-untyped-call]
            if not q > 0:
                raise ConfigError(f"{key} has q={q!r}: it must be above 0")
        if isinstance(domain, Float) and isinstance(sampler, Normal):
            return _normal(key, domain, sampler, q)
        if isinstance(sampler, Uniform | LogUniform):
            _check_bounds(key, domain, isinstance(sampler, LogUniform))
            scale = {"scale": "Log"} if isinstance(sampler, LogUniform) else {}
            return _float(key, domain, scale, q) if isinstance(domain, Float) else _integer(key, domain, scale, q)
    raise ConfigError(
        f"{key} is a {type(domain).__name__} with the sampler {domain.sampler}: use one of uniform, loguniform, "
        "quniform, qloguniform, randn, qrandn, randint, lograndint, qrandint, qlograndint and choice"
    )


def _check_bounds(key: str, domain: Float | Integer, log: bool) -> None:
    lower, upper = domain.lower, domain.upper
    for side, value in (("lower", lower), ("upper", upper)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ConfigError(f"{key} has the {side} bound {value!r}: it must be a finite number")
    if lower > upper:
        raise ConfigError(f"{key} lies between {lower!r} and {upper!r}: the lower bound must not be above the upper")
    if log and lower <= 0:
        raise ConfigError(f"{key} has the lower bound {lower!r}: a logarithmic domain needs one above 0")


def _normal(key: str, domain: Float, sampler: Normal, q: float | None) -> Encoding:
    if math.isfinite(domain.lower) or math.isfinite(domain.upper):
        raise ConfigError(
            f"{key} is normal between {domain.lower!r} and {domain.upper!r}: Tune's normal has no bounds; use randn"
        )
    return Quantiles(float(sampler.mean), float(sampler.sd), q)


def _float(key: str, domain: Float, scale: dict[str, str], q: float | None) -> Encoding:
    if q is None:
        return Plain({"min": float(domain.lower), "max": float(domain.upper), **scale}, float)
    first, last = _grid(key, domain, q)
    return Multiples({"min": float(first * q), "max": float(last * q), "step": float(q), **scale}, float(q))


def _integer(key: str, domain: Integer, scale: dict[str, str], q: float | None) -> Encoding:
    if q is None:
        first, last = _last_excluded(key, domain, bool(scale))
        return Plain({"min": first, "max": last, "type": "int", **scale}, int)
    first, last = _grid(key, domain, q)
    if q == 1:  # the one step for which Tune leaves the upper end out
        last -= 1
    if first > last:
        raise ConfigError(f"{key} lies between {domain.lower!r} and {domain.upper!r}, the upper excluded: it is empty")
    if q != int(q):
        return _truncated(key, first, last, q)
    step = int(q)
    return Plain({"min": first * step, "max": last * step, "step": step, "type": "int", **scale}, int)


def _last_excluded(key: str, domain: Integer, log: bool) -> tuple[int, int]:
    """Return the first and last value without a step; bounds that are no integers are read as Tune reads them."""
    if log:
        first = math.floor(domain.lower)
        return first, max(first, math.ceil(domain.upper) - 1)
    first, last = int(domain.lower), int(domain.upper) - 1
    if first > last:
        raise ConfigError(f"{key} lies between {domain.lower!r} and {domain.upper!r}, the upper excluded: it is empty")
    return first, last


def _truncated(key: str, first: int, last: int, q: float) -> Encoding:
    """Return an integer domain with a fractional step: Tune cuts the decimals of each multiple off."""
    if last - first >= _MOST_CHOICES:
        raise ConfigError(f"{key} has q={q!r} and {last - first + 1} values: give an integer q")
    values = sorted({int(k * q) for k in range(first, last + 1)})
    return Plain({"choices": values, "ordered": True}, int)


def _grid(key: str, domain: Float | Integer, q: float) -> tuple[int, int]:
    """Return the first and last ``k`` with ``lower <= k * q <= upper``."""

    def rank(bound: float, inwards: Any) -> int:
        nearest = round(bound / q)
        return nearest if math.isclose(bound / q, nearest) else int(inwards(bound / q))

    first, last = rank(domain.lower, math.ceil), rank(domain.upper, math.floor)
    if first > last:
        raise ConfigError(f"{key} has no multiple of q={q!r} between {domain.lower!r} and {domain.upper!r}")
    return first, last
