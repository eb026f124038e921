"""One Tune domain as one arqon parameter, and the conversion between their values.

The parameter has exactly the values that Tune itself can give: the upper end of ``randint`` and
``lograndint`` is excluded, a quantized domain has the multiples of ``q`` inside its bounds, and ``q == 1``
excludes the upper end of an integer domain (``ray/tune/search/sample.py``, ``Quantized``).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Protocol

from ray.tune.search.sample import Domain, Float, Integer, LogUniform, Normal, Quantized, Uniform

from arqon_ray.core.inputs.values import as_number, as_whole, shown
from arqon_ray.core.space.config import ParameterConfig
from arqon_ray.core.space.kinds.base import Parameter
from arqon_ray.core.space.kinds.choose import make_parameter
from arqon_ray.errors import ConfigError
from arqon_ray.tune.kept import kept_as

NORMAL_TAIL = 4.0
"""``randn`` and ``qrandn`` are searched within this many standard deviations of their mean (99.994 %)."""

_MOST_CHOICES = 10_000


class Encoding(Protocol):
    """How the values of one domain are stored in a study."""

    @property
    def bounds(self) -> dict[str, Any]:
        """The parameter's entry in ``bounds``."""
        ...

    @property
    def label(self) -> str:
        """The parameter's name, with ``{}`` for the key."""
        ...

    def decode(self, value: Any) -> Any:
        """Convert the study's value to Tune's."""
        ...

    def encode(self, native: Any) -> Any:
        """Convert Tune's value to the study's."""
        ...


@kept_as("plain")
@dataclass(frozen=True)
class Plain:
    """The study stores Tune's own values; ``number`` is Tune's type of them."""

    bounds: dict[str, Any]
    number: type[int] | type[float]
    label: str = "{}"

    def decode(self, value: Any) -> Any:
        """Return the value with Tune's type."""
        return self.number(value)

    def encode(self, native: Any) -> Any:
        """Return the value unchanged; the study checks that it fits."""
        return native


@kept_as("multiples")
@dataclass(frozen=True)
class Multiples:
    """Multiples of ``q`` in a range, with exactly the float that Tune gets from ``k * q``."""

    bounds: dict[str, Any]
    q: float
    label: str = "{}"

    def decode(self, value: Any) -> float:
        """Return the nearest multiple of ``q``, without the rounding error of ``min + k * step``."""
        return float(round(value / self.q) * self.q)

    def encode(self, native: Any) -> Any:
        """Return the value unchanged; the study checks that it fits."""
        return native


@kept_as("quantiles")
@dataclass(frozen=True)
class Quantiles:
    """A normal distribution: the study stores the quantile, so that equal steps have equal probability.

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
        """Return the value at a quantile, rounded to a multiple of ``q`` if there is one."""
        native = NormalDist(self.mean, self.sd).inv_cdf(value)
        return native if self.q is None else float(round(native / self.q) * self.q)

    def encode(self, native: Any) -> Any:
        """Return the quantile of a value, clipped to the ends."""
        value, ends = read_number(native), self.bounds
        if value is None or math.isnan(value):
            return native
        return min(max(NormalDist(self.mean, self.sd).cdf(value), ends["min"]), ends["max"])


def read_number(value: Any) -> int | float | None:
    """Return any number as an int or a float of Python; None if it is not a number."""
    if type(value) is float or type(value) is int:
        return value
    try:
        return as_whole(value)
    except TypeError:
        pass
    try:
        return as_number(value)
    except TypeError:
        return None


def holds(encoding: Encoding, value: Any) -> bool:
    """Tell whether a number is one of a domain's values, within the study's tolerance."""
    try:
        _parameter(json.dumps(encoding.bounds)).encode(encoding.encode(value))
    except ValueError:
        return False
    return True


@lru_cache(maxsize=1024)
def _parameter(bounds: str) -> Parameter:
    return make_parameter(ParameterConfig(**json.loads(bounds)))


@dataclass(frozen=True)
class _Ends:
    """The bounds of a domain as numbers of Python; ``text`` is for messages."""

    lower: int | float
    upper: int | float

    @property
    def text(self) -> str:
        return f"between {self.lower!r} and {self.upper!r}"


def _sampler(sampled: Any) -> Any:
    """Return the sampler of a domain, or of a quantized sampler."""
    return sampled.get_sampler()


def encode_domain(key: str, domain: Domain) -> Encoding:
    """Return the encoding of a number's domain.

    Args:
        key: the path of the domain in the space, for the message.
        domain: a ``Float`` or an ``Integer`` with any of Tune's samplers.

    Raises:
        ConfigError: if the domain has no value, or is of a kind that is not Tune's.
    """
    if isinstance(domain, Float | Integer):
        sampler, q = _sampler(domain), None
        if isinstance(sampler, Quantized):
            sampler, q = _sampler(sampler), _step(key, sampler.q)
        if isinstance(domain, Float) and isinstance(sampler, Normal):
            return _normal(key, domain, sampler, q)
        if isinstance(sampler, Uniform | LogUniform):
            ends = _ends(key, domain, isinstance(sampler, LogUniform))
            scale = {"scale": "Log"} if isinstance(sampler, LogUniform) else {}
            return _float(key, ends, scale, q) if isinstance(domain, Float) else _integer(key, ends, scale, q)
    raise ConfigError(
        f"{key} is a {type(domain).__name__} with the sampler {shown(domain.sampler)}: use one of uniform, loguniform, "
        "quniform, qloguniform, randn, qrandn, randint, lograndint, qrandint, qlograndint and choice"
    )


def _step(key: str, q: Any) -> int | float:
    step = read_number(q)
    if step is None or not 0 < step < math.inf:
        raise ConfigError(f"{key} has q={shown(q)}: it must be a finite number above 0")
    return step


def _ends(key: str, domain: Float | Integer, log: bool) -> _Ends:
    """Return the bounds of a domain, of any number type."""
    read = []
    for side, given in (("lower", domain.lower), ("upper", domain.upper)):
        value = read_number(given)
        if value is None or not math.isfinite(value):
            raise ConfigError(f"{key} has the {side} bound {shown(given)}: it must be a finite number")
        read.append(value)
    ends = _Ends(*read)
    if ends.lower > ends.upper:
        raise ConfigError(f"{key} lies {ends.text}: the lower bound must not be above the upper")
    if log and ends.lower <= 0:
        raise ConfigError(f"{key} has the lower bound {ends.lower!r}: a logarithmic domain needs one above 0")
    return ends


def _normal(key: str, domain: Float, sampler: Normal, q: float | None) -> Encoding:
    mean, sd = read_number(sampler.mean), read_number(sampler.sd)
    bounds = [read_number(bound) for bound in (domain.lower, domain.upper)]
    if any(bound is None or math.isfinite(bound) for bound in bounds):
        raise ConfigError(
            f"{key} is normal between {shown(domain.lower)} and {shown(domain.upper)}: Tune's normal has no bounds; "
            "use randn"
        )
    if mean is None or not math.isfinite(mean) or sd is None or not 0 < sd < math.inf:
        raise ConfigError(
            f"{key} is normal with mean {shown(sampler.mean)} and deviation {shown(sampler.sd)}: they must be finite "
            "numbers, the deviation above 0"
        )
    return Quantiles(float(mean), float(sd), q)


def _float(key: str, ends: _Ends, scale: dict[str, str], q: float | None) -> Encoding:
    if q is None:
        return Plain({"min": float(ends.lower), "max": float(ends.upper), **scale}, float)
    first, last = _grid(key, ends, q)
    return Multiples({"min": float(first * q), "max": float(last * q), "step": float(q), **scale}, float(q))


def _integer(key: str, ends: _Ends, scale: dict[str, str], q: float | None) -> Encoding:
    if q is None:
        first, last = _last_excluded(key, ends, bool(scale))
        return Plain({"min": first, "max": last, "type": "int", **scale}, int)
    first, last = _grid(key, ends, q)
    if q == 1:  # the only step for which Tune excludes the upper end
        last -= 1
    if first > last:
        raise ConfigError(f"{key} lies {ends.text}, the upper excluded: it is empty")
    if q != int(q):
        return _truncated(key, first, last, q)
    step = int(q)
    return Plain({"min": first * step, "max": last * step, "step": step, "type": "int", **scale}, int)


def _last_excluded(key: str, ends: _Ends, log: bool) -> tuple[int, int]:
    """Return the first and last value without a step; fractional bounds are rounded as Tune does."""
    if log:
        first = math.floor(ends.lower)
        return first, max(first, math.ceil(ends.upper) - 1)
    first, last = int(ends.lower), int(ends.upper) - 1
    if first > last:
        raise ConfigError(f"{key} lies {ends.text}, the upper excluded: it is empty")
    return first, last


def _truncated(key: str, first: int, last: int, q: float) -> Encoding:
    """Return an integer domain with a fractional step: Tune truncates each multiple."""
    if last - first >= _MOST_CHOICES:
        raise ConfigError(f"{key} has q={q!r} and {last - first + 1} values: give an integer q")
    values = sorted({int(k * q) for k in range(first, last + 1)})
    return Plain({"choices": values, "ordered": True}, int)


def _grid(key: str, ends: _Ends, q: float) -> tuple[int, int]:
    """Return the first and last ``k`` with ``lower <= k * q <= upper``."""

    def rank(bound: float, inwards: Any) -> int:
        if not math.isfinite(bound / q):
            raise ConfigError(f"{key} has q={q!r} {ends.text}: they are too far apart")
        nearest = round(bound / q)
        return nearest if math.isclose(bound / q, nearest) else int(inwards(bound / q))

    first, last = rank(ends.lower, math.ceil), rank(ends.upper, math.floor)
    if first > last:
        raise ConfigError(f"{key} has no multiple of q={q!r} {ends.text}")
    return first, last
