"""Readers for values that people bring: one each for numbers, whole numbers, seconds and texts.

Every check of the package goes through them, so that ``tell`` takes what ``optimize`` takes. They need the standard
library alone: what numpy, pandas, torch or jax hand over is known by what it can do, and nothing of theirs is imported.

A reader takes the name that messages use, the value, and the exception to raise; the message names all three:
name, value (cut when it is long) and rule. Text is never read as a number, and truth values are neither numbers nor
whole numbers: where one arrives as a result, it is a comparison that was meant to be a measure.
"""

from __future__ import annotations

import math
import operator
from typing import Any

MAX_WHOLE = 2**53 - 1
"""The largest whole number that float64 holds together with all below it."""

_LONGEST_SHOWN = 200
_MISSING = frozenset({"NAType", "NaTType", "MaskedConstant"})  # pandas.NA, pandas.NaT, numpy.ma.masked
_PLAIN_TYPES = frozenset({bool, int, float, str, type(None)})
_TEXTS = (str, bytes, bytearray, memoryview)


def shown(value: object) -> str:
    """Return a value as messages show it: its ``repr``, cut when it is long; it never raises."""
    if isinstance(value, _TEXTS) and len(value) > _LONGEST_SHOWN:
        return f"{value[:_LONGEST_SHOWN]!r}... ({len(value)} in all)"
    try:
        text = repr(value)
    except Exception:  # a whole number of too many digits, nesting without end, a class of somebody's own
        size = f" of {value.bit_length()} bits" if isinstance(value, int) else ""
        return f"<{type(value).__name__}{size} that cannot be printed>"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}... ({len(text)} characters)"


def broken(name: str, value: object, rule: str) -> str:
    """Return the message about a value that breaks a rule; ``rule`` goes on from "it must be"."""
    return f"{name} is {shown(value)}: it must be {rule}"


def as_number(value: Any) -> float:
    """Return whatever is a number as a float, NaN and infinities included; what is beyond float64 is an infinity.

    Python's and numpy's numbers, Decimal, Fraction, arrays and tensors of one element, and whatever else has
    ``item()`` or ``__float__``.

    Raises:
        TypeError: when it is none.
    """
    if type(value) is float:
        return value
    # Dates are stored as whole numbers; they are none.
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
    """Return whatever is a whole number by its type (``operator.index``) as an int.

    Raises:
        TypeError: when it is none; a float is none, even 3.0.
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
    """Return the one element of an array, a tensor or a numpy scalar as Python has it; anything else as it is."""
    if type(value) in _PLAIN_TYPES:
        return value
    if type(value).__name__ in _MISSING:
        return None  # below a mask there is a number too
    item = getattr(value, "item", None)
    if not callable(item):
        return value
    try:
        return item()
    except Exception:  # more than one element
        return value


def is_missing(value: Any) -> bool:
    """Tell whether a value is what tables have in an empty cell: None, NaN, ``pandas.NA`` or ``pandas.NaT``."""
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
    """Return a finite number.

    Raises:
        Exception: ``error``, when it is none.
    """
    try:
        read = as_number(value)
    except TypeError:
        raise error(broken(name, value, "a number")) from None
    if not math.isfinite(read):
        raise error(broken(name, value, "a finite number"))
    return read


def result(name: str, value: Any, error: type[Exception] = ValueError) -> float | None:
    """Return the value of an evaluation; None when it failed: None, NaN, an infinity, a cell without a value.

    Raises:
        Exception: ``error``, when it is no number at all.
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
    """Return a whole number, ``least`` to ``most`` with both included.

    Raises:
        Exception: ``error``, when it is none or out of range.
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
    """Return a duration in seconds: None, or a finite number above 0; ``zero`` allows 0 too.

    Raises:
        Exception: ``error``, when it is none.
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
    """Return a string of ``least`` to ``most`` characters that UTF-8 can hold.

    Raises:
        Exception: ``error``, when it is none.
    """
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise error(broken(name, value, f"a string of {least} to {most} characters"))
    if not is_unicode(value):
        raise error(broken(name, value, "text that UTF-8 can hold; this has half of a surrogate pair"))
    return str(value)


def is_unicode(value: str) -> bool:
    """Tell whether a string can be encoded; half of a surrogate pair cannot."""
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
    """Return a limit as people write it: 2**53 - 1 and not 9007199254740991."""
    power = (limit + 1).bit_length() - 1
    return f"2**{power} - 1" if power >= 32 and limit + 1 == 2**power else str(limit)
