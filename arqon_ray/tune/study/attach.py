"""Find the shared study: the one that fits the user's arguments when a run begins, the same one when it is restored."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ray.exceptions import RayError

from arqon_ray.core.config import StudyConfig, identity, load_config
from arqon_ray.core.propose.roster import without_unread
from arqon_ray.errors import ArqonError, IdentityError, StateError, StudyNotFoundError, StudyRefusedError
from arqon_ray.service import SolverClient, connect, start


def attach(
    actor: str | SolverClient, wanted: Mapping[str, Any] | None, mode: str | None
) -> tuple[SolverClient, StudyConfig]:
    """Find a study and its config, or start it if there is none and a space is known.

    Args:
        actor: its name, or a client of it.
        wanted: the keys of the arqon config that the user gave; None to accept the study as it is.
        mode: ``min`` or ``max``, or None for the study's.

    Raises:
        StudyNotFoundError: if there is none and ``wanted`` is None.
        IdentityError: if the study has other bounds, or another value for a key that the user gave.
        ArqonError: if its actor does not answer.
    """
    client = SolverClient(actor) if isinstance(actor, str) else actor
    try:
        return _attached(client, wanted, mode)
    except RayError as error:
        raise ArqonError(
            f"the study {client.name!r} does not answer ({error}): check whether its actor's node is alive"
        ) from error


def _attached(
    client: SolverClient, wanted: Mapping[str, Any] | None, mode: str | None
) -> tuple[SolverClient, StudyConfig]:
    try:
        connect(client.name)
    except StudyNotFoundError:
        if wanted is None:
            raise
        client = start(dict(wanted), client.name)
    config = load_config(client.config())
    decided = dict(wanted or ({} if mode is None else {"mode": mode}))
    check_identity(client.name, config, decided)
    budget = decided.get("budget")
    if budget is not None and config.budget is not None and budget > config.budget:
        client.extend_budget(budget)
    return client, config


def check_identity(name: str, config: StudyConfig, decided: Mapping[str, Any]) -> None:
    """Refuse a study whose config differs from what the user gave.

    Raises:
        IdentityError: if it does; the message names the keys and both values.
    """
    there = identity(without_unread(config))
    here = identity(load_config({"bounds": there["bounds"], **decided}))
    different = [key for key in there if key in decided and there[key] != here[key]]
    if different:
        said = "; ".join(f"{key} is {there[key]!r} there and {here[key]!r} here" for key in different)
        raise IdentityError(
            f"the study {name!r} has a different config: {said}. Leave these arguments out, or use another name"
        )


def reattach(kept: Mapping[str, Any]) -> None:
    """Find a checkpoint's study; start it from the checkpoint if neither its actor nor its journal exists.

    Args:
        kept: what :meth:`SharedStudy.state` returned.

    Raises:
        StateError: if another study has the name, or its log was replaced by an older copy.
        StudyRefusedError: if the study exists and cannot be served.
    """
    name, snapshot = kept["name"], kept.get("snapshot")
    try:
        client = connect(name)
    except StudyNotFoundError:
        if snapshot is None:
            raise
        keys = {key: number for number, key in kept["keys"].items()}
        client = start(
            kept["config"],
            name,
            storage_path=_place(kept.get("storage_path"), name),
            snapshot={**snapshot, "keys": keys},
        )
    status = client.status()
    if status["state"] == "refused":
        raise StudyRefusedError(f"the study {name!r} is refused: {status['reason']}")
    if snapshot is not None:
        check_same(name, status, snapshot)


def _place(path: str | None, name: str) -> str | None:
    """Return where the journal may still be; None for the present cluster's default."""
    if path is None or "://" in path or os.path.isdir(os.path.join(path, name)):
        return path
    return None


def check_same(name: str, status: Mapping[str, Any], snapshot: Mapping[str, Any]) -> None:
    """Refuse a study that is neither the checkpoint's study nor continued from it.

    Raises:
        StateError: if its uuid or its position in the log do not fit; the message names both.
    """
    at = {status["uuid"]: status["seq"]}
    if status.get("imported"):
        at[status["imported"]["uuid"]] = status["imported"]["seq"]
    uuid, seq = snapshot["uuid"], snapshot["seq"]
    if uuid not in at:
        raise StateError(
            f"the study {name!r} ({status['uuid']}) is not the study that this run was attached to ({uuid}): "
            "stop it, so that the run's own study can be started from the checkpoint"
        )
    if at[uuid] < seq:
        raise StateError(
            f"the study {name!r} ends at record {at[uuid]} of {uuid}, and this run's checkpoint is of record {seq}: "
            "its log was replaced by an older copy; restore the newest one"
        )
