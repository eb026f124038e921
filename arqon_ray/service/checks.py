"""What the calls of a study take: checked before anything is changed, by one set of rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arqon_ray.core import values
from arqon_ray.core.results import Entry, parse_results, rows_of
from arqon_ray.core.seeds import fit, parse_seeds
from arqon_ray.core.space import Space
from arqon_ray.errors import ResultsError

MAX_ASK = 4096
MAX_BATCH = 100_000
MAX_TEXT = 512


def check_count(n: object) -> int:
    """Return how many candidates are asked for, 1 to 4096."""
    return values.whole("n", n, 1, MAX_ASK, ResultsError)


def check_text(name: str, text: object) -> str | None:
    """Return a key or an owner: None or a string of 1 to 512 characters."""
    return None if text is None else values.text(name, text, MAX_TEXT, error=ResultsError)


def check_owner(owner: object) -> str:
    """Return an owner where one must be named."""
    text = check_text("owner", owner)
    if text is None:
        raise ResultsError("owner is None: name the owner whose candidates are meant")
    return text


def check_seconds(name: str, seconds: object, zero: bool = False) -> float | None:
    """Return a duration in seconds: None, or a finite number above 0 (``zero`` allows 0 too)."""
    return values.seconds(name, seconds, zero, ResultsError)


def check_position(since: object) -> tuple[str, int]:
    """Return which study, and which record of it, an earlier snapshot was taken at."""
    if isinstance(since, Mapping) and isinstance(since.get("uuid"), str):
        return since["uuid"], values.whole("since.seq", since.get("seq"), error=ResultsError)
    raise ResultsError(values.broken("since", since, "an earlier snapshot, or a dict of its uuid and seq"))


def check_id(identity: object) -> int:
    """Return the number behind a candidate's id."""
    if not isinstance(identity, str) or not identity.isascii() or not identity[:20].isdigit() or len(identity) > 19:
        raise ResultsError(values.broken("id", identity, "the string that ask gave as id"))
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
        raise ResultsError(values.broken("id", results, "the string that ask gave as id"))
    return checked_entries(results)


def checked_entries(results: Any) -> list[Entry]:
    """Check a list of candidates' results as a whole and return its entries.

    Raises:
        ResultsError: when any entry is malformed, or lacks its id.
    """
    entries = parse_results(_at_once(results))
    for place, entry in enumerate(entries):
        if entry.number is None:
            raise ResultsError(f"results[{place}] has no id: give the one that ask gave; seed() takes outside points")
    return entries


def seed_entries(results: Any, space: Space, out_of_bounds: str) -> tuple[list[Entry], list[str | None]]:
    """Return what ``seed`` was given: the entries that fit the space, and why the others are skipped; see ``fit``."""
    return fit(parse_seeds(_at_once(results)), space, out_of_bounds)


def _at_once(results: Any) -> Any:
    rows = rows_of(results)
    if len(rows) > MAX_BATCH:
        raise ResultsError(f"a list of {len(rows)} results: at most {MAX_BATCH} at once, split it")
    return rows
