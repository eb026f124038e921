"""Checks of the arguments of a study's calls; each raises ResultsError before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arqon_ray.core.inputs import values
from arqon_ray.errors import ResultsError

MAX_ASK = 4096
MAX_BATCH = 100_000
MAX_TEXT = 512
MAX_REASON = 10_000


def check_count(n: object) -> int:
    """Return the number of candidates to ask for, 1 to 4096."""
    return values.whole("n", n, 1, MAX_ASK, ResultsError)


def check_text(name: str, text: object) -> str | None:
    """Return a key or an owner: None or a string of 1 to 512 characters."""
    return None if text is None else values.text(name, text, MAX_TEXT, error=ResultsError)


def check_owner(owner: object) -> str:
    """Return an owner, which is required: a string of 1 to 512 characters."""
    text = check_text("owner", owner)
    if text is None:
        raise ResultsError("owner is required: name the owner whose candidates are meant")
    return text


def check_seconds(name: str, seconds: object, zero: bool = False) -> float | None:
    """Return a duration in seconds: None, or a finite number above 0 (``zero`` allows 0 too)."""
    return values.seconds(name, seconds, zero, ResultsError)


def check_position(since: object) -> tuple[str, int]:
    """Return the study's uuid and the last record of an earlier snapshot."""
    if isinstance(since, Mapping) and isinstance(since.get("uuid"), str):
        return since["uuid"], values.whole("since.seq", since.get("seq"), error=ResultsError)
    raise ResultsError(values.broken("since", since, "an earlier snapshot, or a dict of its uuid and seq"))


def check_id(identity: object) -> int:
    """Return the number of the candidate with this id."""
    if not isinstance(identity, str) or not identity.isascii() or not identity[:20].isdigit() or len(identity) > 19:
        raise ResultsError(values.broken("id", identity, "the string that ask gave as id"))
    return int(identity)


def check_ids(identities: object) -> list[int]:
    """Return the numbers of the candidates with this id or these ids."""
    if isinstance(identities, Sequence) and not isinstance(identities, str | bytes):
        return [check_id(each) for each in identities]
    return [check_id(identities)]


def check_since(since: object) -> int | None:
    """Return the number of a record of the log: None or an integer, 0 or more."""
    return None if since is None else values.whole("since", since, 0, error=ResultsError)


def check_reason(reason: object) -> str | None:
    """Return a reason: None or a string of at most 10 000 characters."""
    return None if reason is None else values.text("reason", reason, MAX_REASON, error=ResultsError)


def check_batch(name: str, rows: object) -> None:
    """Check that a list is not too long for one call."""
    if isinstance(rows, Sequence) and len(rows) > MAX_BATCH:
        raise ResultsError(f"a list of {len(rows)} {name}: at most {MAX_BATCH} at once, split it")
