"""``arqon-ray verify``: recompute the candidates in the log of a study."""

from __future__ import annotations

import click

from arqon_ray.errors import StudyRefusedError
from arqon_ray.service.server.verification import Mismatch, verify

_SHOWN = 5


def verify_command(storage: str, name: str, progress: bool) -> int:
    """Verify a study, print the result and return the exit code: 0, or 1 if a candidate differs.

    Raises:
        ArqonError: there is no such study, or its log is damaged.
    """
    from arqon_ray.fanout import show_progress

    try:
        with show_progress(f"verify {name}", None, enabled=progress) as shown:

            def tell(done: int, total: int) -> None:
                shown.total = total
                shown.update(done, 0, None)

            found = verify(storage, name, progress=tell)
    except OSError as error:
        raise StudyRefusedError(f"the storage {storage} fails: {error}") from None
    click.echo(f"{found.storage}: {found.records} records, {found.candidates} candidates recomputed")
    for mismatch in found.mismatches[:_SHOWN]:
        click.echo(_line(mismatch))
    if found.ok:
        click.echo("every candidate is as recorded")
        return 0
    click.echo(
        f"{len(found.mismatches)} candidates differ. They are guaranteed to be equal only on the same platform, with "
        "the same versions of numpy, scipy and arqon_ray"
    )
    return 1


def _line(mismatch: Mismatch) -> str:
    there, here = mismatch.recorded, mismatch.recomputed
    keys = [key for key in there if here.get(key) != there[key]]
    what = "; ".join(f"{key} is {there[key]!r} in the log and {here.get(key)!r} now" for key in keys)
    return f"candidate {mismatch.id} (record {mismatch.seq}): {here.get('error') or what}"
