"""Opens a study when it is first needed and again after its storage failed, but never an empty one in its place.

It runs in the actor's process behind the facade of ``actor.py`` and knows nothing of Ray.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from arqon_ray import __version__
from arqon_ray.core.config import load_config
from arqon_ray.core.propose.roster import check_strategy
from arqon_ray.core.versions import versions
from arqon_ray.errors import ArqonError, IdentityError, PoisonedCallError, StudyRefusedError
from arqon_ray.service.answers import StudySnapshot, StudyStatus
from arqon_ray.service.log.journal import FencedError
from arqon_ray.service.log.manifest import begin_purge, finish_purge, is_purging, read_study, write_study
from arqon_ray.service.server.crash_guard import LIMIT, CrashGuard
from arqon_ray.service.server.handover import check_handover
from arqon_ray.service.server.study import Study
from arqon_ray.service.storage.opening import open_store
from arqon_ray.service.storage.paths import is_shared, same_place

T = TypeVar("T")

_PATIENCE = 30.0
_PATIENCE_TO_BEGIN = 5.0
"""Seconds for which calls wait while the storage fails; fewer for the first call, whose path may be mistyped."""

_PAUSES = (0.1, 2.0)
"""Seconds between two attempts: the first pause, doubled each time, and the longest."""

_COUNTS = ("asked", "told", "failed", "pending", "released", "seeded", "retracted", "enqueued")
_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("epoch", "restarts", "budget", "phase", "landscape", "strategy", "best", "torn")),
    "counts": dict.fromkeys(_COUNTS, 0),
    "version": __version__,
    "trouble": [],
}
"""The part of a refused study's status that is unknown."""


@dataclass(frozen=True, slots=True)
class ActorSpec:
    """The arguments with which the actor was created; the same at every restart, and small.

    Ray puts arguments larger than 100 KB into the object store, which does not outlive the creator, and then cannot
    restart the actor. So the config comes with ``begin`` and is read from the storage after that.

    Attributes:
        name: the study's.
        token: the creator's secret, and the uuid of the study if a new one is begun.
        resume: False to set a stored study aside and begin a new one.
        awaited: whether a new study begins from a snapshot, which a call of ``begin`` brings.
        config: the creator's config, for actors that release 0.1.0 created.
    """

    name: str
    token: str
    resume: bool
    awaited: bool = False
    config: Mapping[str, Any] | None = None


class MissingJournalError(StudyRefusedError):
    """The storage can be reached but the study is missing; it may be brought back."""


class _NotBegunError(Exception):
    """The creator of the actor has not called ``begin`` yet."""


class StudyHost:
    """Serves one study, whatever state its storage is in.

    Args:
        spec: the arguments with which the actor was created.
        root: the directory or URI that holds the studies.
        restarted: whether Ray has restarted the actor: then the journal must be there.
        host: who opens the study: pid, node, actor.
        scratch: where this actor keeps files on this node, which need not survive the node; None for nowhere.
    """

    def __init__(
        self, spec: ActorSpec, root: str, restarted: bool, host: Mapping[str, Any], scratch: str | None = None
    ) -> None:
        self._spec = spec
        self._root = root
        self._store = open_store(root, spec.name)
        self._guard = CrashGuard(scratch)
        self._must_exist = restarted
        self._claims: set[str] = set()
        self._host = dict(host)
        self._opener = {**self._host, "versions": versions()}
        self._lock = threading.Lock()
        self._study: Study | None = None
        self._refused: StudyRefusedError | None = None
        self._config = spec.config
        self._snapshot: Mapping[str, Any] | None = None

    def begin(
        self,
        config: Mapping[str, Any],
        token: str,
        snapshot: Mapping[str, Any] | None = None,
        storage_path: str | None = None,
    ) -> StudyStatus:
        """Join the study, or begin it, from a snapshot if one is given; a larger budget extends it.

        Args:
            config: the study's.
            token: the caller's.
            snapshot: what a new study begins from.
            storage_path: where the caller expects the study; None for anywhere.

        Raises:
            IdentityError: the config describes another study, or the study is stored elsewhere.
            StudyRefusedError: the study cannot be served.
        """
        if storage_path is not None and not same_place(self._root, storage_path):
            raise IdentityError(
                f"the study {self._spec.name!r} is running and stored in {self._store}, not in "
                f"{open_store(storage_path, self._spec.name)}: leave storage_path out to join it, use another name, "
                "or stop() it first"
            )
        checked = load_config(config)
        with self._lock:
            if self._config is None or (snapshot is not None and self._study is None):
                # A snapshot stays with the config that came with it, whoever else calls before or after.
                self._config, self._snapshot = config, snapshot
        creating = token == self._spec.token or snapshot is not None
        self.call(lambda study: study.join(checked), creating=creating)
        return self.status()

    def call(
        self,
        work: Callable[[Study], T],
        label: str | None = None,
        name: Callable[[], str | None] = lambda: "this call",
        creating: bool = False,
    ) -> T:
        """Call the study, and again after a failed write; that is safe because changes have an operation id.

        Args:
            work: the call.
            label: the same for every repetition of this call; None for a call that cannot kill the process.
            name: returns the call's name for messages.
            creating: whether the study may be begun for this call.

        Raises:
            PoisonedCallError: the call was running at three deaths of the process.
            StudyRefusedError: the study cannot be served, or its storage fails for long.
        """
        if label is not None and self._guard.deaths(label) >= LIMIT:
            raise PoisonedCallError(
                f"{name()} was running at {self._guard.deaths(label)} deaths of the actor's process, so it is not "
                "tried again: see the actor's log in Ray's session directory for the cause, and change the call"
            )
        self._guard.label(label)
        began = time.monotonic()
        patience = _PATIENCE_TO_BEGIN if creating and self._study is None else _PATIENCE
        pause = _PAUSES[0]
        while True:
            study: Study | None = None
            try:
                study = self._serving(creating)
                return work(study)
            except _NotBegunError as error:
                if time.monotonic() + pause > began + patience:
                    raise StudyRefusedError(str(error)) from None
            except OSError as error:
                self._drop_if_broken(study)
                if isinstance(error, ArqonError):
                    raise
                if time.monotonic() + pause > began + patience:
                    raise StudyRefusedError(
                        f"the storage {self._store} fails ({error}): repair it and repeat the call"
                    ) from error
            except StudyRefusedError as error:
                self._refuse(study, error)
                self._drop_if_broken(study)
                raise
            except BaseException:
                self._drop_if_broken(study)
                raise
            time.sleep(pause)
            pause = min(2.0 * pause, _PAUSES[1])

    def status(self) -> StudyStatus:
        """Return the study's status; ``refused``, with the reason, if it cannot be served."""
        try:
            told = self.call(lambda study: study.status())
        except StudyRefusedError as error:
            told = {**_NOTHING, "state": "refused", "reason": str(error), "storage": str(self._store)}
        return cast("StudyStatus", {"name": self._spec.name, **self._host, **told})

    def snapshot(self, since: Mapping[str, Any] | None = None) -> StudySnapshot | None:
        """Return the study's snapshot and where its log is stored; None if nothing changed ``since``."""
        found = self.call(lambda study: study.snapshot(since))
        return None if found is None else cast("StudySnapshot", {**found, "storage_path": self._root})

    def stop(self, purge: bool) -> None:
        """Stop serving the study; it stays on the storage or, with ``purge``, is deleted.

        Raises:
            StudyRefusedError: ``purge`` of a study that another actor owns now.
        """
        with self._lock:
            if purge and isinstance(self._refused, FencedError):
                raise self._refused
            ended = StudyRefusedError(f"the study {self._spec.name!r} was stopped: start() it again")
            if self._study is not None:
                self._study.drain(ended)
            self._study, self._refused = None, ended
            if purge:
                begin_purge(self._store)

    def _serving(self, creating: bool) -> Study:
        study = self._study
        if study is not None and self._refused is None:
            return study
        with self._lock:
            if self._refused is not None:
                raise self._refused
            if self._study is None:
                try:
                    self._study = self._open(creating)
                except MissingJournalError:
                    raise
                except StudyRefusedError as error:
                    self._refused = error
                    raise
                self._must_exist = True
                self._snapshot = None  # It may be large, and is in the log now.
            return self._study

    def _open(self, creating: bool) -> Study:
        store, spec = self._store, self._spec
        if self._must_exist and not creating and not is_shared(self._root) and not os.path.isdir(self._root):
            where = f"no such folder on node {self._host.get('node')}, where a journal is required"
            raise FileNotFoundError(errno.ENOENT, where, self._root)
        if is_purging(store):
            if self._must_exist:
                raise StudyRefusedError(f"the study in {store} was purged: start() a new one")
            finish_purge(store)
        described = read_study(store)
        if described is not None and not spec.resume and described["uuid"] != spec.token:
            store.move_aside()
            described = None
        if described is None:
            if self._must_exist and not creating:
                raise MissingJournalError(
                    f"no journal in {store} on node {self._host.get('node')}, where one is required: bring it back, "
                    f"or stop() this actor and start() anew"
                )
            if self._config is None:
                raise _NotBegunError(f"the study {spec.name!r} was not begun: call start() with its config")
            self._check_brought()
            check_strategy(load_config(self._config))
            write_study(store, spec.token, self._config)
            self._claims.clear()
        study = Study.open(store, self._opener, guard=self._guard, own=self._claims)
        if not spec.awaited or not study.awaits_snapshot(spec.token):
            return study
        try:
            study.take_over(self._check_brought())
        finally:
            study.drain(StudyRefusedError(f"the study in {store} is opened anew"))
        return Study.open(store, self._opener, guard=self._guard, own=self._claims)

    def _check_brought(self) -> Mapping[str, Any]:
        """Return the snapshot from which a new study begins, checked; empty if it begins from none.

        Raises:
            MissingJournalError: the study must begin from a snapshot, and it has not been brought yet.
        """
        if self._spec.awaited and self._snapshot is None:
            raise MissingJournalError(f"the study in {self._store} is about to be begun from a snapshot: call again")
        if self._snapshot is None:
            return {}
        check_handover(self._snapshot, self._config or {})
        return self._snapshot

    def _refuse(self, study: Study | None, error: StudyRefusedError) -> None:
        with self._lock:
            if study is not None and study is self._study:
                self._refused = self._refused or error

    def _drop_if_broken(self, study: Study | None) -> None:
        """Drop a study whose log accepts no further record: its state may be ahead of the log."""
        if study is None or study.problem is None:
            return
        with self._lock:
            if self._study is study:
                self._study = None
        study.close(study.problem)
