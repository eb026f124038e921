"""What the calls of a study take: checked before anything is changed, by one set of rules."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from arqon_ray.core.results import Entry, parse_results
from arqon_ray.errors import ResultsError

MAX_ASK = 4096
MAX_BATCH = 100_000
MAX_TEXT = 512


def check_count(n: object) -> int:
    """Return how many candidates are asked for, 1 to 4096."""
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_ASK:
        raise ResultsError(f"n is {n!r}: ask for 1 to {MAX_ASK} candidates at once")
    return n


def check_text(name: str, text: object) -> str | None:
    """Return a key or an owner: None or a string of 1 to 512 characters."""
    if text is None:
        return None
    if isinstance(text, str) and 0 < len(text) <= MAX_TEXT and (text.isascii() or _is_unicode(text)):
        return text
    raise ResultsError(f"{name} is {text!r}: it must be a string of 1 to {MAX_TEXT} characters, or None")


def _is_unicode(text: str) -> bool:
    """Tell whether a string can be encoded; half of a surrogate pair cannot."""
    return text == text.encode("utf-8", "replace").decode()


def check_owner(owner: object) -> str:
    """Return an owner where one must be named."""
    text = check_text("owner", owner)
    if text is None:
        raise ResultsError("owner is None: name the owner whose candidates are meant")
    return text


def check_seconds(name: str, seconds: object, zero: bool = False) -> float | None:
    """Return a duration in seconds: None, or a finite number above 0 (``zero`` allows 0 too)."""
    if seconds is None:
        return None
    rule = "0 or more" if zero else "above 0"
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise ResultsError(f"{name} is {seconds!r}: it must be a number of seconds, {rule}, or None")
    if seconds < 0 or (seconds == 0 and not zero):
        raise ResultsError(f"{name} is {seconds!r}: it must be {rule}")
    return float(seconds)


def check_id(identity: object) -> int:
    """Return the number behind a candidate's id."""
    if not isinstance(identity, str) or not identity.isascii() or not identity[:20].isdigit() or len(identity) > 19:
        raise ResultsError(f"id is {identity!r}: it must be the string that ask gave as id")
    return int(identity)


def check_ids(identities: object) -> list[int]:
    """Return the numbers behind one id or a list of them."""
    if isinstance(identities, Sequence) and not isinstance(identities, str | bytes):
        return [check_id(each) for each in identities]
    return [check_id(identities)]


def tell_entries(results: Any, rest: Mapping[str, Any]) -> list[Entry]:
    """Return what ``tell(id, value, ...)`` or ``tell([{...}, ...])`` says, as checked entries.

    Args:
        results: an id, or a list of dicts (or one dict) with ``id`` and ``value``.
        rest: the other arguments of the call; without ``value`` when none was given.
    """
    if isinstance(results, str):
        check_id(results)
        if "value" not in rest:
            raise ResultsError(f"tell({results!r}) has no value: give a number, or None for a failed evaluation")
        results = [{"id": results, **rest}]
    elif "value" in rest:
        raise ResultsError(f"id is {results!r}: it must be the string that ask gave as id")
    return checked_entries(results, needs_id=True)


def checked_entries(results: Any, needs_id: bool) -> list[Entry]:
    """Check a list of results as a whole and return its entries.

    Raises:
        ResultsError: when any entry is malformed, or lacks its id (``needs_id``) or else its params.
    """
    entries = parse_results(results)
    if len(entries) > MAX_BATCH:
        raise ResultsError(f"a list of {len(entries)} results: at most {MAX_BATCH} at once, split it")
    for place, entry in enumerate(entries):
        if needs_id and entry.number is None:
            raise ResultsError(f"results[{place}] has no id: give the one that ask gave; seed() takes outside points")
        if not needs_id and entry.params is None:
            raise ResultsError(f"results[{place}] has no params: a point from outside is its params and its value")
    return entries
