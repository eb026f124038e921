"""Readers for values that users give: numbers, integers, durations and strings.

All of the package reads values with these, so that ``tell`` accepts what ``optimize`` accepts. Values of numpy, pandas,
torch or jax are recognised by their methods; none of these packages is imported.

A reader takes the name for messages, the value, and the exception to raise, whose message has name, value (shortened)
and rule. Strings are never read as numbers. Neither are booleans: one that arrives as a result is most likely a
comparison by mistake.
"""

from __future__ import annotations

import math
import operator
from typing import Any

MAX_WHOLE = 2**53 - 1
"""The largest integer up to which float64 has all integers."""

_LONGEST_SHOWN = 200
_MISSING = frozenset({"NAType", "NaTType", "MaskedConstant"})  # pandas.NA, pandas.NaT, numpy.ma.masked
_PLAIN_TYPES = frozenset({bool, int, float, str, type(None)})
_TEXTS = (str, bytes, bytearray, memoryview)


def shown(value: object) -> str:
    """Return the ``repr`` of a value for messages, shortened; never raises."""
    if isinstance(value, _TEXTS) and len(value) > _LONGEST_SHOWN:
        return f"{value[:_LONGEST_SHOWN]!r}... ({len(value)} in all)"
    try:
        text = repr(value)
    except Exception:  # an integer of too many digits, endless nesting, a class of the user's
        size = f" of {value.bit_length()} bits" if isinstance(value, int) else ""
        return f"<{type(value).__name__}{size} that cannot be printed>"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}... ({len(text)} characters)"


def broken(name: str, value: object, rule: str) -> str:
    """Return the message about an invalid value; ``rule`` continues "it must be"."""
    return f"{name} is {shown(value)}: it must be {rule}"


def as_number(value: Any) -> float:
    """Return any kind of number as a float, including NaN; numbers too large for float64 become infinities.

    Accepts Python's and numpy's numbers, Decimal, Fraction, arrays and tensors of one element, and everything else that
    has ``item()`` or ``__float__``.

    Raises:
        TypeError: it is not a number.
    """
    if type(value) is float:
        return value
    # Dates convert to integers, but are no numbers.
    dated = getattr(getattr(value, "dtype", None), "kind", "") in ("m", "M")
    value = element(value)
    if dated or isinstance(value, (bool, *_TEXTS)):
        raise TypeError(value)
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except Exception:
        raise TypeError(value) from None


def as_whole(value: Any) -> int:
    """Return any kind of integer (``operator.index``) as an int.

    Raises:
        TypeError: it is not an integer; floats are not, even 3.0.
    """
    if type(value) is int:
        return value
    value = element(value)
    if isinstance(value, bool):
        raise TypeError(value)
    try:
        return operator.index(value)
    except Exception:
        raise TypeError(value) from None


def element(value: Any) -> Any:
    """Return the element of a numpy scalar, or of an array or tensor of one element; anything else as it is."""
    if type(value) in _PLAIN_TYPES:
        return value
    if type(value).__name__ in _MISSING:
        return None  # a masked value has a number too
    item = getattr(value, "item", None)
    if not callable(item):
        return value
    try:
        return item()
    except Exception:  # more than one element
        return value


def is_missing(value: Any) -> bool:
    """Tell whether a value is missing as in a table: None, NaN, ``pandas.NA`` or ``pandas.NaT``."""
    if type(value) is float:
        return math.isnan(value)
    if value is None or type(value).__name__ in _MISSING:
        return True
    if isinstance(value, _TEXTS):
        return False
    try:
        return math.isnan(as_number(value))
    except TypeError:
        return False


def number(name: str, value: Any, error: type[Exception] = ValueError) -> float:
    """Return a finite number as a float.

    Raises:
        Exception: ``error``, if it is not one.
    """
    try:
        read = as_number(value)
    except TypeError:
        raise error(broken(name, value, "a number")) from None
    if not math.isfinite(read):
        raise error(broken(name, value, "a finite number"))
    return read


def result(name: str, value: Any, error: type[Exception] = ValueError) -> float | None:
    """Return the value of an evaluation; None, for a failed one, if it is missing or not finite.

    Raises:
        Exception: ``error``, if it is not a number at all.
    """
    if type(value) is float:
        return value if math.isfinite(value) else None
    if is_missing(value):
        return None
    try:
        read = as_number(value)
    except TypeError:
        raise error(broken(name, value, "a number, or null for a failed evaluation")) from None
    return read if math.isfinite(read) else None


def whole(
    name: str, value: Any, least: int | None = None, most: int | None = None, error: type[Exception] = ValueError
) -> int:
    """Return an integer from ``least`` to ``most``, both included.

    Raises:
        Exception: ``error``, if it is not an integer or out of range.
    """
    try:
        read = as_whole(value)
        if (least is None or read >= least) and (most is None or read <= most):
            return read
    except TypeError:
        pass
    limits = "" if least is None else f", {_power(least)} or more" if most is None else f", {least} to {_power(most)}"
    raise error(broken(name, value, f"a whole number{limits}"))


def seconds(name: str, value: Any, zero: bool = False, error: type[Exception] = ValueError) -> float | None:
    """Return a duration in seconds, or None; 0 is allowed only with ``zero``.

    Raises:
        Exception: ``error``, if it is not a duration.
    """
    if value is None:
        return None
    rule = f"a finite number of seconds, {'0 or more' if zero else 'above 0'}, or None"
    try:
        read = as_number(value)
    except TypeError:
        raise error(broken(name, value, rule)) from None
    if not math.isfinite(read) or read < 0 or (read == 0 and not zero):
        raise error(broken(name, value, rule))
    return read


def text(name: str, value: Any, most: int, least: int = 1, error: type[Exception] = ValueError) -> str:
    """Return a string of ``least`` to ``most`` characters that UTF-8 can encode.

    Raises:
        Exception: ``error``, if it is not one.
    """
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise error(broken(name, value, f"a string of {least} to {most} characters"))
    if not is_unicode(value):
        raise error(broken(name, value, "text that UTF-8 can encode, without unpaired surrogates"))
    return str(value)


def is_unicode(value: str) -> bool:
    """Tell whether a string can be encoded; unpaired surrogates cannot."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_writable(value: Any) -> bool:
    """Tell whether all numbers in a plain value are finite and all integers fit into 64 bits, as msgpack needs it."""
    if isinstance(value, dict | list):
        return all(map(is_writable, value.values() if isinstance(value, dict) else value))
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return not isinstance(value, float) or math.isfinite(value)


def _power(limit: int) -> str:
    """Write a large limit as a power: 2**53 - 1 instead of 9007199254740991."""
    power = (limit + 1).bit_length() - 1
    return f"2**{power} - 1" if power >= 32 and limit + 1 == 2**power else str(limit)
