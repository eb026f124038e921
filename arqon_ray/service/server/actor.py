"""The actor's class: a thin facade that Ray pickles by value.

``client.start`` registers this module with ``ray.cloudpickle.register_pickle_by_value``, so that a driver that
cannot import arqon_ray can still call every method of the handle. Therefore nothing here refers to arqon_ray
outside a method, and arguments, answers and exceptions are plain Python.
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from typing import Any

import ray

GROUPS = {"ask": 64, "tell": 32, "read": 8, "ping": 2}
LEAVING = "the actor leaves"
"""The note on what its creator is told: the name will be free in a moment."""
JOURNALS = "ARQON_RAY_JOURNALS"
"""The environment variable that says where on a node studies without a ``storage_path`` lie."""


class SolverActor:
    """One study of the cluster, served to whoever has a handle.

    Hard state, written to the journal before the call returns: the study's config and budget; every candidate that
    was handed out, under which key and to which owner; every result, intermediate result, seed, release
    and retraction.
    Soft state, which a restart sets anew: how long each lease still runs (every one gets its full length again) and
    who is waiting in ``ask``.

    1. Durable. If a call returned, its effect survives the death of this process and of any worker node; with
       ``storage_path`` on storage that outlives it, of the whole cluster. If a call raised, it may have had its
       effect or not: repeat it with the same ``key`` and the effect happens once. Without a ``key`` the operation id
       is Ray's own task id, the same at each retry that Ray makes of the call. An actor that is restarted and finds
       no journal where one must be refuses to serve and says where it is.
    2. Never twice. A candidate is never held by two live leases. One that is released or whose lease runs out is
       handed out again, the same one, when nothing fresh is left. A late ``tell`` is accepted if nobody else has
       told the candidate, and otherwise answered ``{"accepted": False, "note": ...}``.
    3. One writer. An older incarnation of this actor cannot acknowledge anything once a newer one has opened the
       journal: it refuses with "fenced".
    4. The log is the truth. Its records are checksummed. A tail that an interrupted write left is cut, kept beside
       the log and named in ``status()["torn"]``; any other damage is refused, with file and offset.
    5. Deterministic. A candidate follows from the config, its number and the part of the log that its record names.
       The record holds the candidate too, so a restart computes none anew.
    6. Honest budget. Never more than ``budget`` candidates are handed out, failed ones included; a released one is
       the same candidate when it comes again.
    7. A failed evaluation is information: NaN, an infinity and None are told as failed.
    """

    def __init__(self, birth: dict[str, Any], storage_path: str | None) -> None:
        """Remember the arguments.

        It raises nothing and does no I/O: Ray buries an actor for ever whose constructor raises at a restart.

        Args:
            birth: the fields of ``arqon_ray.service.server.host.ActorSpec``.
            storage_path: an absolute directory or a URI; None for this node's own place: what the environment variable
                ``ARQON_RAY_JOURNALS`` says, or else ``arqon`` in Ray's session directory.
        """
        self._birth = birth
        self._storage_path = storage_path
        self._lock = threading.Lock()
        self._host: Any = None
        self._begun = False
        self._leaving = False

    def __repr__(self) -> str:
        return f"SolverActor({self._birth.get('name')!r})"

    def _serving(self) -> Any:
        with self._lock:
            if self._host is None:
                from arqon_ray.service.server.host import ActorSpec, StudyHost

                context = ray.get_runtime_context()
                session = os.path.join(context.get_temp_dir(), context.get_session_name())
                root = self._storage_path or os.environ.get(JOURNALS) or os.path.join(session, "arqon")
                if self._storage_path is None:
                    # This node's own place is there, whether or not the study is: only a given one can be away.
                    with contextlib.suppress(OSError):
                        os.makedirs(root, exist_ok=True)
                scratch = os.path.join(session, "arqon-actors", str(context.get_actor_id()))
                host = {"pid": os.getpid(), "node": context.get_node_id(), "actor": context.get_actor_id()}
                with warnings.catch_warnings():
                    # The property reads one that Ray deprecated, and would say so in every driver's output.
                    warnings.simplefilter("ignore", DeprecationWarning)
                    restarted = context.was_current_actor_reconstructed
                self._host = StudyHost(ActorSpec(**self._birth), root, restarted, host, scratch)
            return self._host

    def _do(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the host; what goes wrong becomes a builtin exception."""
        try:
            return getattr(self._host or self._serving(), method)(*args, **kwargs)
        except Exception as error:
            from arqon_ray.service.protocol import to_plain

            plain = to_plain(error)
            raise plain from (None if plain is not error else error.__cause__)

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of the study that needs no operation id."""
        return self._do("call", method, *args, label=ray.get_runtime_context().get_task_id(), **kwargs)

    def _change(self, method: str, *args: Any, key: str | None, **kwargs: Any) -> Any:
        """Call a method of the study that takes an operation id: the caller's, or else Ray's task id."""
        if key is None:
            key = f"op:{ray.get_runtime_context().get_task_id()}"
        return self._do("call", method, *args, key=key, label=str(key), **kwargs)

    @ray.method(concurrency_group="tell")
    def begin(
        self,
        config: dict[str, Any],
        token: str,
        snapshot: dict[str, Any] | None = None,
        storage_path: str | None = None,
    ) -> dict[str, Any] | None:
        """Join or begin the study, from another's snapshot where one is given; the client's ``start`` calls it first.

        A study that lies elsewhere than in a ``storage_path`` that is given is refused.
        Returns the status; None when this actor is about to leave, so that its name will be free. An actor whose
        creator is refused leaves too, unless somebody else has begun or joined the study: the name must not stay taken
        where nothing was acknowledged.
        """
        if self._leaving:
            return None
        try:
            status: dict[str, Any] = self._do("begin", config, token, snapshot, storage_path)
        except (ValueError, RuntimeError) as error:
            with self._lock:
                leaves = token == self._birth["token"] and not self._begun
                self._leaving = self._leaving or leaves
            if leaves:
                error.add_note(LEAVING)
                self._leave()
            raise
        with self._lock:
            self._begun = not self._leaving
            return status if self._begun else None

    @ray.method(concurrency_group="ask")
    def ask_one(
        self,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
        params: dict[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """Hand out one candidate, ``{"id": str, "params": dict}``; None when the study is finished.

        With ``params`` it is that point, the caller's own; it counts in the budget as any other.

        The same key is given the same candidate, always. While every candidate is held by somebody it waits for
        ``timeout`` seconds (None: for ever), then raises TimeoutError. The lease lasts ``lease`` seconds: by default
        60, renewed by ``renew(owner)``, with an owner and 24 hours without.
        """
        return self._change(  # type: ignore[no-any-return]
            "ask_one", key=key, owner=owner, lease=lease, timeout=timeout, params=params
        )

    @ray.method(concurrency_group="ask")
    def ask(
        self,
        n: int,
        key: str | None = None,
        owner: str | None = None,
        lease: float | None = None,
        timeout: float | None = 30.0,
    ) -> list[dict[str, Any]]:
        """Hand out up to ``n`` candidates (at most 4096) and at least one; none when the study is finished."""
        return self._change("ask", n, key=key, owner=owner, lease=lease, timeout=timeout)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="tell")
    def place(
        self, params: dict[str, Any], key: str | None = None, owner: str | None = None, lease: float | None = None
    ) -> dict[str, Any] | None:
        """Do as ``ask_one(params=...)``, which took this one's place; kept for clients of 0.1.0."""
        return self._change("ask_one", key=key, owner=owner, lease=lease, params=params)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="tell")
    def enqueue(self, params: Any, key: str | None = None) -> list[dict[str, Any]]:
        """Put a point (a dict of some or all parameters), or a list of them, before the solver's own.

        The next asks of anybody are given them, each once; they count in the budget then. Returns the whole points.
        """
        return self._change("enqueue", params, key=key)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="tell")
    def tell(
        self, id: Any, value: Any = ..., cost: float = 1.0, key: str | None = None, **rest: Any
    ) -> dict[str, Any] | list[dict[str, Any]]:
        """Take the result of a candidate, ``tell(id, value, metrics={...}, seconds=...)``, or a list of such dicts.

        Beside ``id``, ``value`` and ``cost`` it may have ``metrics``, ``status``, ``step``, ``steps``, ``started``,
        ``ended``, ``seconds``, ``node``, ``pid``, ``error`` or ``reason``, and ``attempt``. A config that names its
        metric takes the value from ``metrics`` where none is given. None, NaN and infinities are failed evaluations.
        Returns ``{"id", "accepted"}`` for each, with a ``note`` where a result was not accepted because somebody had
        told it before.
        """
        return self._change("tell", id, value, cost, key=key, **rest)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="tell")
    def report(self, id: Any, step: Any = ..., value: Any = ..., metrics: dict[str, Any] | None = None) -> Any:
        """Keep an intermediate result of a candidate's evaluation, or a list of them.

        ``report(id, step, value, metrics={...})``, or dicts of ``id``, ``step``, ``value``, ``metrics`` and ``time``.
        """
        return self._call("report", id, step, value, metrics)

    @ray.method(concurrency_group="tell")
    def retract(self, id: str, reason: str | None = None, key: str | None = None) -> dict[str, Any]:
        """Take a candidate's result back, since it was wrong; it may be told again."""
        return self._change("retract", id, reason, key=key)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="tell")
    def fail(self, id: str, reason: str | None = None, key: str | None = None) -> dict[str, Any]:
        """Tell that a candidate's evaluation failed."""
        return self._change("fail", id, reason, key=key)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="tell")
    def release(self, id: Any = None, owner: str | None = None, key: str | None = None) -> Any:
        """Give a candidate, a list of them, or all that ``owner`` holds back unevaluated."""
        return self._change("release", id, owner, key=key)

    @ray.method(concurrency_group="tell")
    def renew(self, owner: str) -> int:
        """Give all that an owner holds its full lease again; returns how many candidates that is."""
        return self._call("renew", owner)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="tell")
    def seed(
        self, observations: list[dict[str, Any]], key: str | None = None, out_of_bounds: str = "raise"
    ) -> list[dict[str, Any]]:
        """Take points from outside: a list of ``{"params", "value", "cost"?, "status"?}``, or rows of ``history``.

        Rows outside the space are refused, or passed over with ``out_of_bounds="skip"``.
        """
        return self._change("seed", observations, key=key, out_of_bounds=out_of_bounds)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="read")
    def best(self) -> dict[str, Any] | None:
        """Return the recommended point with its value; None before any."""
        return self._call("best")  # type: ignore[no-any-return]

    @ray.method(concurrency_group="read")
    def history(self, since: int | None = None) -> list[dict[str, Any]]:
        """Return what was told, in the order in which it was; ``since``: what came after the record of that ``seq``.

        A row has ``id``, ``number``, ``params``, ``status``, ``value``, ``values``, ``metrics``, ``step``, ``steps``,
        ``cost``, ``started``, ``ended``, ``seconds``, ``node``, ``pid``, ``error``, ``origin``, ``attempt``, ``seq``.
        """
        return self._call("history", since)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="read")
    def pareto(self) -> list[dict[str, Any]]:
        """Return the observations that no other one beats in all objectives."""
        return self._call("pareto")  # type: ignore[no-any-return]

    @ray.method(concurrency_group="read")
    def pending(self, owner: str | None = None) -> list[dict[str, Any]]:
        """Return the evaluations that run, of ``owner`` or of anybody: rows as ``history`` has them, and owner, key."""
        return self._call("pending", owner)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="read")
    def status(self) -> dict[str, Any]:
        """Return how the study stands; answers also when the study is refused, with the reason.

        ``state`` is running, finished or refused. In ``counts``, asked = told + pending + released, but for what was
        retracted and not told again; failed ones are among the told, seeded ones are points from outside, and retracted
        says how often a result was taken back. ``version`` is the actor's arqon_ray.
        ``uuid`` is the study's own, ``imported`` uuid and position of the one whose snapshot it began from, if any;
        ``seq`` is the number of the log's last record; ``torn`` and ``passed_over`` name tails that were cut and
        snapshots that could not be used; ``trouble`` what does not work in the background at present, a list of
        ``{"what", "error", "since", "failures"}`` (``since`` in seconds since 1970).
        """
        return self._do("status")  # type: ignore[no-any-return]

    @ray.method(concurrency_group="read")
    def export(self) -> str:
        """Return the solver's state as JSON, for ``ArqonSolver.from_state``."""
        return self._call("export")  # type: ignore[no-any-return]

    @ray.method(concurrency_group="read")
    def config(self) -> dict[str, Any]:
        """Return the study's config as a dict, with the budget in force."""
        return self._call("config")  # type: ignore[no-any-return]

    @ray.method(concurrency_group="read")
    def snapshot(self, since: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Return what ``start(snapshot=...)`` can begin the study from elsewhere.

        ``{"uuid", "seq", "export", "storage_path"}``: which study, at which record, and where its journal lies. None
        when nothing was written to the log ``since`` an earlier snapshot (or its ``uuid`` and ``seq``).
        """
        return self._do("snapshot", since)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="tell")
    def extend_budget(self, budget: int | None) -> int | None:
        """Set a larger budget, None for no limit; returns the budget in force."""
        return self._call("extend_budget", budget)  # type: ignore[no-any-return]

    @ray.method(concurrency_group="ping")
    def ping(self) -> int:
        """Return the actor's pid, whatever else it does: who waits for another call sees that the process lives."""
        return os.getpid()

    @ray.method(concurrency_group="tell")
    def stop(self, purge: bool = False) -> None:
        """Serve nothing more and leave; the study stays on its storage, or with ``purge`` is deleted there.

        The actor leaves within 30 seconds, also when its storage or a strategy hangs; then TimeoutError says so.
        """
        from arqon_ray.service.background import within

        self._host or self._serving()
        try:
            within(30.0, "stopping the study", lambda: self._do("stop", purge))
        except TimeoutError:
            self._leave()
            raise
        self._leave()

    def _leave(self) -> None:
        """End this actor for good, a moment after the present call was answered."""
        self._leaving = True
        itself = ray.get_runtime_context().current_actor
        threading.Timer(0.3, ray.kill, args=(itself,), kwargs={"no_restart": True}).start()
