"""The actor's class: a thin facade that Ray pickles by value.

``start`` registers this module with ``ray.cloudpickle.register_pickle_by_value``, so that a driver that cannot import
arqon_ray can still call every method of the handle. Therefore nothing here refers to arqon_ray outside a method, and
arguments, answers and exceptions are plain Python. Signatures and docstrings of the study's calls are in ``calls.py``,
against which mypy checks this class.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, cast

import ray

if TYPE_CHECKING:
    from arqon_ray.service.answers import (
        AskedCandidate,
        BestPoint,
        Explanation,
        HistoryRow,
        PendingRow,
        Seeded,
        StudySnapshot,
        StudyStatus,
        Told,
    )
    from arqon_ray.service.server.host import StudyHost
    from arqon_ray.service.server.study import Study

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

GROUPS = {"ask": 64, "tell": 32, "read": 8, "ping": 2}
LEAVING = "the actor leaves"
"""The note on the error of a refused creator: the actor ends, and its name will be free in a moment."""
JOURNALS = "ARQON_RAY_JOURNALS"
"""The environment variable with the folder, on each node, of studies without a ``storage_path``."""


def _in_group(name: str) -> Callable[[F], F]:
    """Return ``ray.method(concurrency_group=name)``, typed such that mypy still knows the method's arguments."""
    return cast("Callable[[F], F]", ray.method(concurrency_group=name))


def _raise_plain(error: Exception) -> NoReturn:
    """Raise a builtin exception in place of one of ours, which the caller may not be able to import."""
    from arqon_ray.service.protocol import to_plain

    plain = to_plain(error)
    raise plain from (None if plain is not error else error.__cause__)


class SolverActor:
    """One study of the cluster, served to whoever has a handle.

    Durable state, written to the log before the call returns: the study's config and budget; every candidate that was
    handed out, with its key and owner; every result, intermediate result, seed, release and retraction.
    Volatile state, which a restart resets: the remaining time of each lease (each gets its full length again) and the
    callers that wait in ``ask``.

    1. Durable. Once a call has returned, its effect survives the death of this process and of any worker node, and
       that of the whole cluster if ``storage_path`` is on storage that outlives it. A call that raised may have had
       its effect or not: repeat it with the same ``key`` and the effect happens once. Without a ``key`` the operation
       id is Ray's task id, which is the same for each retry that Ray makes. A restarted actor that does not find the
       log refuses to serve and says where the log must be.
    2. Never twice. A candidate is never under two live leases. One that is released or whose lease runs out is handed
       out again, unchanged, when no fresh ones are left. A late ``tell`` is accepted if nobody else has told the
       candidate, and otherwise answered with ``{"accepted": False, "note": ...}``.
    3. One writer. An older incarnation of this actor cannot acknowledge anything once a newer one has opened the log:
       it is fenced off, and refuses its calls.
    4. The log is the source of truth. Its records have checksums. A tail that an interrupted write left is cut off,
       kept beside the log and named in ``status()["torn"]``; any other damage is refused, with file and offset.
    5. Deterministic. A candidate follows from the config, its number and the part of the log that its record names.
       The record holds the candidate too, so that a restart recomputes none.
    6. Exact budget. Never more than ``budget`` candidates are handed out, failed ones included; a released candidate
       that is handed out again counts once.
    7. Failures count. None, NaN and infinities are recorded as failed evaluations, and the model learns from them.
    """

    def __init__(self, spec: dict[str, Any], storage_path: str | None) -> None:
        """Keep the arguments.

        It raises nothing and does no I/O: Ray never restarts an actor again whose constructor raised at a restart.

        Args:
            spec: the fields of ``arqon_ray.service.server.host.ActorSpec``.
            storage_path: an absolute directory or a URI; None for a folder of this node: that in the environment
                variable ``ARQON_RAY_JOURNALS``, or else ``arqon`` in Ray's session directory.
        """
        self._spec = spec
        self._storage_path = storage_path
        self._lock = threading.Lock()
        self._host: StudyHost | None = None
        self._begun = False
        self._leaving = False

    def __repr__(self) -> str:
        return f"SolverActor({self._spec.get('name')!r})"

    def _serving(self) -> StudyHost:
        with self._lock:
            if self._host is None:
                from arqon_ray.service.server.host import ActorSpec, StudyHost

                context = ray.get_runtime_context()
                session = os.path.join(context.get_temp_dir(), context.get_session_name())
                root = self._storage_path or os.environ.get(JOURNALS) or os.path.join(session, "arqon")
                if self._storage_path is None:
                    # The node's own folder may be new; one that was given must exist, or else its storage is away.
                    with contextlib.suppress(OSError):
                        os.makedirs(root, exist_ok=True)
                scratch = os.path.join(session, "arqon-actors", str(context.get_actor_id()))
                host = {"pid": os.getpid(), "node": context.get_node_id(), "actor": context.get_actor_id()}
                with warnings.catch_warnings():
                    # Ray's property reads a deprecated one, and would warn of it in every driver's output.
                    warnings.simplefilter("ignore", DeprecationWarning)
                    restarted = context.was_current_actor_reconstructed
                self._host = StudyHost(ActorSpec(**self._spec), root, restarted, host, scratch)
            return self._host

    def _plainly(self, work: Callable[[StudyHost], T]) -> T:
        """Call the host; errors become builtin exceptions."""
        try:
            return work(self._host or self._serving())
        except Exception as error:
            _raise_plain(error)

    def _call(self, work: Callable[[Study], T], label: str | None = None) -> T:
        """Call the study; errors become builtin exceptions.

        Args:
            work: the call.
            label: the same for every repetition of this call; by default Ray's task id.
        """
        context = ray.get_runtime_context()
        try:
            return (self._host or self._serving()).call(
                work, str(label or context.get_task_id()), context.get_task_name
            )
        except Exception as error:
            _raise_plain(error)

    def _key(self, key: str | None) -> str:
        """Return the operation id of the running call: the caller's, or one made from Ray's task id."""
        return f"op:{ray.get_runtime_context().get_task_id()}" if key is None else key

    @_in_group("tell")
    def begin(
        self,
        config: dict[str, Any],
        token: str,
        snapshot: dict[str, Any] | None = None,
        storage_path: str | None = None,
    ) -> StudyStatus | None:
        """Join or begin the study, from a snapshot if one is given; ``start`` calls this before anything else.

        A study that is stored elsewhere than in the given ``storage_path`` is refused. An actor whose creator is
        refused ends, unless somebody else has begun or joined the study: the name must not stay taken by a study of
        which nothing was acknowledged.

        Returns:
            The status; None if this actor is about to end, so that its name will be free.
        """
        if self._leaving:
            return None
        try:
            status = self._plainly(lambda host: host.begin(config, token, snapshot, storage_path))
        except (ValueError, RuntimeError) as error:
            with self._lock:
                leaves = token == self._spec["token"] and not self._begun
                self._leaving = self._leaving or leaves
            if leaves:
                error.add_note(LEAVING)
                self._leave()
            raise
        with self._lock:
            self._begun = not self._leaving
            return status if self._begun else None

    @_in_group("ask")
    def ask_one(
        self,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
        params: Mapping[str, Any] | None = None,
    ) -> AskedCandidate | None:
        key = self._key(key)
        return self._call(lambda study: study.ask_one(key, owner, lease, timeout, params), key)

    @_in_group("ask")
    def ask(
        self,
        n: int,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
    ) -> list[AskedCandidate]:
        key = self._key(key)
        return self._call(lambda study: study.ask(n, key, owner, lease, timeout), key)

    @_in_group("tell")
    def place(
        self, params: Mapping[str, Any], key: str | None = None, owner: str | None = None, lease: float | None = None
    ) -> AskedCandidate | None:
        """Do the same as ``ask_one(params=...)``, which replaces it; kept for clients of 0.1.0."""
        key = self._key(key)
        return self._call(lambda study: study.ask_one(key, owner, lease, params=params), key)

    @_in_group("tell")
    def enqueue(
        self, params: Mapping[str, Any] | Sequence[Mapping[str, Any]], key: str | None = None
    ) -> list[dict[str, Any]]:
        key = self._key(key)
        return self._call(lambda study: study.enqueue(params, key), key)

    @_in_group("tell")
    def tell(self, id: Any, value: Any = ..., cost: float = 1.0, key: str | None = None, **rest: Any) -> Any:
        key = self._key(key)
        return self._call(lambda study: study.tell(id, value, cost, key, **rest), key)

    @_in_group("tell")
    def report(self, id: Any, step: Any = ..., value: Any = ..., metrics: Mapping[str, Any] | None = None) -> Any:
        return self._call(lambda study: study.report(id, step, value, metrics))

    @_in_group("tell")
    def retract(self, id: str, reason: str | None = None, key: str | None = None) -> Told:
        key = self._key(key)
        return self._call(lambda study: study.retract(id, reason, key), key)

    @_in_group("tell")
    def fail(self, id: str, reason: str | None = None, key: str | None = None) -> Told:
        key = self._key(key)
        return self._call(lambda study: study.fail(id, reason, key), key)

    @_in_group("tell")
    def release(self, id: Any = None, owner: str | None = None, key: str | None = None) -> Any:
        key = self._key(key)
        return self._call(lambda study: study.release(id, owner, key), key)

    @_in_group("tell")
    def renew(self, owner: str) -> int:
        return self._call(lambda study: study.renew(owner))

    @_in_group("tell")
    def seed(
        self,
        observations: Sequence[Mapping[str, Any]] | str,
        key: str | None = None,
        out_of_bounds: Literal["raise", "skip"] = "raise",
    ) -> list[Seeded]:
        key = self._key(key)
        return self._call(lambda study: study.seed(observations, key, out_of_bounds), key)

    @_in_group("read")
    def best(self) -> BestPoint | None:
        return self._call(lambda study: study.best())

    @_in_group("read")
    def explain(self) -> Explanation:
        return self._call(lambda study: study.explain())

    @_in_group("read")
    def history(self, since: int | None = None) -> list[HistoryRow]:
        return self._call(lambda study: study.history(since))

    @_in_group("read")
    def pareto(self) -> list[HistoryRow]:
        return self._call(lambda study: study.pareto())

    @_in_group("read")
    def pending(self, owner: str | None = None) -> list[PendingRow]:
        return self._call(lambda study: study.pending(owner))

    @_in_group("read")
    def status(self) -> StudyStatus:
        return self._plainly(lambda host: host.status())

    @_in_group("read")
    def export(self) -> str:
        return self._call(lambda study: study.export())

    @_in_group("read")
    def config(self) -> dict[str, Any]:
        return self._call(lambda study: study.config())

    @_in_group("read")
    def snapshot(self, since: Mapping[str, Any] | None = None) -> StudySnapshot | None:
        return self._plainly(lambda host: host.snapshot(since))

    @_in_group("tell")
    def extend_budget(self, budget: int | None) -> int | None:
        return self._call(lambda study: study.extend_budget(budget))

    @_in_group("ping")
    def ping(self) -> int:
        """Return the actor's pid, however busy it is: a client that waits for another call sees that it is alive."""
        return os.getpid()

    @_in_group("tell")
    def stop(self, purge: bool = False) -> None:
        """Stop serving and end the actor; the study stays on its storage, unless ``purge`` deletes it there.

        The actor ends within 30 seconds even if its storage or a strategy hangs, and then raises TimeoutError.
        """
        from arqon_ray.service.background import within

        self._host or self._serving()
        try:
            within(30.0, "stopping the study", lambda: self._plainly(lambda host: host.stop(purge)))
        except TimeoutError:
            self._leave()
            raise
        self._leave()

    def _leave(self) -> None:
        """End this actor for good, shortly after the present call was answered."""
        self._leaving = True
        itself = ray.get_runtime_context().current_actor
        threading.Timer(0.3, ray.kill, args=(itself,), kwargs={"no_restart": True}).start()


if TYPE_CHECKING:
    from arqon_ray.service.calls import StudyCalls

    def _checked(actor: SolverActor) -> StudyCalls:
        return actor
