"""What the service's tests share: a clock to turn, a study that is quick to ask, and its storage."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arqon_ray.service import failpoints
from arqon_ray.service.log.manifest import write_study
from arqon_ray.service.server.study import Study
from arqon_ray.service.storage.local import LocalStore

CONFIG: dict[str, Any] = {
    "seed": 7,
    "budget": 6,
    "bounds": {"x": {"min": 0.0, "max": 1.0}, "n": {"min": 1, "max": 64, "type": "int", "scale": "Log"}},
    "strategy": "probe",
}


IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # for tests that write a great many files


class Clock:
    """A monotonic clock that only the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Model:
    """What a study must be, as plain dicts: what was handed out, what was told, and who holds what until when."""

    def __init__(self, clock: Clock, budget: int, lease: float) -> None:
        self.clock, self.budget, self.lease = clock, budget, lease
        self.params: dict[str, Any] = {}
        self.values: dict[str, float | None] = {}
        self.outside: list[tuple[Any, float | None]] = []
        self.reports: dict[int, dict[int, float]] = {}
        self.holder: dict[str, str | None] = {}
        self.deadline: dict[str, float] = {}
        self.gone: set[str] = set()
        self.queue: list[Any] = []
        self.retracted = 0

    def expire(self) -> None:
        for id in [id for id, end in self.deadline.items() if end <= self.clock.now]:
            self.drop(id)

    def restart(self) -> None:
        """Give every lease its full length again."""
        self.deadline = dict.fromkeys(self.deadline, self.clock.now + self.lease)

    def drop(self, id: str) -> None:
        self.holder.pop(id, None)
        self.deadline.pop(id, None)

    def hold(self, ids: list[str], owner: str | None) -> None:
        for id in ids:
            if id not in self.holder:
                self.reports.pop(int(id), None)  # its evaluation begins anew
        self.holder |= dict.fromkeys(ids, owner)
        for id in self.holder:
            if id in ids or (ids and owner is not None and self.holder[id] == owner):
                self.deadline[id] = self.clock.now + self.lease

    def next_ids(self, n: int) -> list[str]:
        """Return what an ask of ``n`` must be given: fresh ones, then what was released."""
        self.expire()
        pool = sorted(self.params.keys() - self.values.keys() - self.holder.keys() - self.gone, key=int)
        return ([str(k) for k in range(len(self.params), self.budget)] + pool)[:n]

    def open_at(self, params: Any) -> str | None:
        """Return the candidate whose result a point from outside is; one that is held before others."""
        self.expire()
        same = [id for id in self.params if self.params[id] == params and self.is_open(id)]
        return min(same, key=lambda id: (id not in self.holder, int(id)), default=None)

    def is_open(self, id: str) -> bool:
        return id not in self.values and id not in self.gone

    def retract(self, id: str) -> None:
        del self.values[id]
        self.gone.add(id)
        self.retracted += 1

    def result(self, id: str, value: float | None) -> None:
        self.values.setdefault(id, finite(value))
        self.gone.discard(id)
        self.reports.pop(int(id), None)
        self.drop(id)

    @property
    def counts(self) -> dict[str, int]:
        return {
            "asked": len(self.params),
            "told": len(self.values),
            "failed": sum(value is None for value in self.values.values()),
            "pending": len(self.holder),
            "released": len(self.params) - len(self.values) - len(self.holder) - len(self.gone),
            "seeded": len(self.outside),
            "retracted": self.retracted,
            "enqueued": len(self.queue),
        }


def finite(value: float | None) -> float | None:
    """Return a value as the study keeps it: None for NaN."""
    return value if value == value else None


def known(study: Study) -> dict[str, Any]:
    """Return all that a study knows, but for who opened it and for how long leases still run."""
    state = study._state
    return {
        "solver": state.solver.export(),
        "leases": sorted(state.leases.held()),
        "pool": set(state.pool),
        "asker": dict(state.asker),
        "done": list(state.done.items()),
        "reports": reports(study),
        "seqs": [row["seq"] for row in state.solver.freeze().history()],
        "counts": state.counts,
    }


def reports(study: Study) -> dict[int, dict[int, float | None]]:
    """Return what the candidates without a result have reported: by number, the value of each step."""
    solver = study._state.solver
    waiting = {number: solver.reported(number) for number in (*solver.pending, *solver.withdrawn)}
    return {number: {step: each.value for step, each in steps.items()} for number, steps in waiting.items() if steps}


class PowerCut(BaseException):
    """The machine stands still."""


class Disk:
    """Stands between a study and the system calls that reach a folder: counts them, fails, and knows what is durable.

    Attributes:
        calls: how many there were.
        fail: from which call on, how often, and with what it fails.
        only: the kind of call that fails; None for any.
        fired: how often it failed.
    """

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = str(root)
        self.calls = self.fired = 0
        self.fail: tuple[int, int, BaseException] | None = None
        self.only: str | None = None
        self._on = True
        self.descriptors: set[int] = set()
        # An inode that is held open is not used again, so that its number stands for one file.
        self._pins: dict[int, int] = {}
        self._contents: dict[int, bytes] = {}
        self._given_up: set[int] = set()
        self._entries: dict[int, dict[str, int]] = {}
        self._all_durable()
        for name in ("open", "write", "fsync", "close", "replace", "unlink", "mkdir", "listdir", "ftruncate", "stat"):
            patch.setattr(os, name, self._wrapped(name, getattr(os, name)))
        patch.setattr(builtins, "open", opener := self._opener(open))
        patch.setattr(io, "open", opener)

    def lose_power(self, keeps: str) -> None:
        """Leave what was synced; of the rest nothing, all ``contents`` of files, or all ``names`` in folders."""
        self._on, self.fail = False, None
        tree = self._tree(os.stat(self.root).st_ino, keeps)
        shutil.rmtree(self.root)
        for path, data in [(self.root, None), *tree]:
            os.mkdir(path) if data is None else Path(path).write_bytes(data)
        self._all_durable()
        self._on = True

    def close(self) -> None:
        self._on = False
        for descriptor in [*self._pins.values(), *self.descriptors]:
            os.close(descriptor)

    def _tree(self, folder: int, keeps: str, path: str = "") -> list[tuple[str, bytes | None]]:
        here = f"/proc/self/fd/{self._pins[folder]}"
        names = self._names(here) if keeps == "names" else self._entries.get(folder, {})
        found: list[tuple[str, bytes | None]] = []
        for name, inode in sorted(names.items()):
            each, where = f"{path or self.root}/{name}", f"/proc/self/fd/{self._pins[inode]}"
            if os.path.isdir(where):
                found += [(each, None), *self._tree(inode, keeps, each)]
            else:
                live = Path(where).read_bytes()
                found.append((each, live if keeps == "contents" else self._contents.get(inode, b"")))
        return found

    def _all_durable(self) -> None:
        for folder, _, names in os.walk(self.root):
            for path in [folder, *(f"{folder}/{name}" for name in names)]:
                descriptor = os.open(path, os.O_RDONLY)
                self._synced(descriptor)
                self._pin(descriptor)

    def _pin(self, descriptor: int) -> None:
        if self._pins.setdefault(os.fstat(descriptor).st_ino, descriptor) != descriptor:
            os.close(descriptor)

    def _synced(self, descriptor: int) -> None:
        info, here = os.fstat(descriptor), f"/proc/self/fd/{descriptor}"
        if stat.S_ISDIR(info.st_mode):
            self._entries[info.st_ino] = self._names(here)
        elif info.st_ino not in self._given_up:
            self._contents[info.st_ino] = Path(here).read_bytes()

    def _names(self, folder: str) -> dict[str, int]:
        return {entry.name: entry.inode() for entry in os.scandir(folder)}

    def _concerns(self, where: Any) -> bool:
        return self._on and (where in self.descriptors if isinstance(where, int) else str(where).startswith(self.root))

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(where: Any, *args: Any, **kwargs: Any) -> Any:
            if not self._concerns(where):
                return call(where, *args, **kwargs)
            if name == "close":
                self.descriptors.discard(where)
                call(where)
                return self._step(name)
            try:
                self._step(name)
            except BaseException as error:
                if name == "write":
                    call(where, args[0][: len(args[0]) // 2])
                elif name == "fsync" and isinstance(error, OSError):
                    # From now on the system takes for written what it could not write.
                    self._given_up.add(os.fstat(where).st_ino)
                raise
            result = call(where, *args, **kwargs)
            if name == "open":
                self.descriptors.add(result)
                self._pin(os.dup(result))
            elif name == "mkdir":
                self._pin(self._unwrapped_open(where))
            elif name == "fsync":
                self._synced(where)
            return result

        return wrapper

    _unwrapped_open = staticmethod(lambda where, call=os.open: call(where, os.O_RDONLY))

    def _opener(self, call: Callable[..., Any]) -> Callable[..., Any]:
        class File(io.FileIO):
            def readall(file) -> bytes:
                self._step("read")
                return super().readall()

        def opener(where: Any, mode: str = "r", buffering: int = -1, *args: Any, **kwargs: Any) -> Any:
            if not self._concerns(where):
                return call(where, mode, buffering, *args, **kwargs)
            assert mode == "rb"
            self._step("open to read")
            return File(where) if buffering == 0 else io.BufferedReader(File(where))

        return opener

    def _step(self, name: str) -> None:
        self.calls += 1
        if self.fail is None or self.only not in (None, name):
            return
        first, times, error = self.fail
        if first <= self.calls < first + times:
            self.fired += 1
            raise error


@contextlib.contextmanager
def failing(folder: str | Path, point: str) -> Iterator[None]:
    """Let the block meet an EIO at a failpoint, and see that it does."""
    failpoints.arm(f"{folder};{point}=EIO")
    try:
        with pytest.raises(OSError, match=f"failpoint {point}"):
            yield
    finally:
        failpoints.arm("")
    Path(folder, f"{point}-0").unlink()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path / "root", "arqon")


@pytest.fixture
def reopen(store: LocalStore, clock: Clock) -> Callable[[], Study]:
    """Open the study in ``store`` as a restarted actor does, without closing it first."""
    opened = iter(range(1, 1000))

    def opener() -> Study:
        return Study.open(store, {"pid": next(opened), "node": "n", "actor": "a"}, clock)

    return opener


@pytest.fixture
def study(store: LocalStore, reopen: Callable[[], Study]) -> Study:
    """A study with a budget of 6, on an empty store."""
    write_study(store, "0" * 32, CONFIG)
    return reopen()
