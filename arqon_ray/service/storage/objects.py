"""A study's objects in an object store, or in anything else that ``pyarrow.fs`` reaches by a URI.

Objects there cannot be appended to. So a log is a folder of parts, each written whole by one ``sync`` and named after
the records in it: ``<log>/<first seq>-<last seq>``. A log that was never synced does not exist.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple, TypeVar

from arqon_ray.errors import ConfigError
from arqon_ray.service.failpoints import failpoint
from arqon_ray.service.storage.base import Chunk
from arqon_ray.service.storage.paths import SUPPORTED, check_name
from arqon_ray.service.storage.pyarrow_files import RemoteFiles, path_of

MERGE_FROM = 64
"""From how many small parts on some of them are merged."""

_SMALL = 8 << 20
_LARGEST = 64 << 20
_LOOKS = 4
_THREADS = 8
_PART = re.compile(r"(\d{16})-(\d{16})")
_STUDY = "study.json"

T = TypeVar("T")
R = TypeVar("R")


class _Part(NamedTuple):
    first: int
    last: int
    size: int
    name: str


def check_uri(uri: str) -> str:
    """Return a URI that ``pyarrow.fs`` can open, without a slash at the end of its path.

    The network is not used, except for hdfs.

    Raises:
        ConfigError: pyarrow cannot open it, or no study can be stored there.
    """
    address, mark, query = uri.partition("?")
    uri = re.sub(r"(?<![:/])/+$", "", address) + mark + query
    problem = "it has to name a bucket or folder, without an empty component, and with '#' written as %23"
    if "#" not in uri:
        try:
            path = path_of(uri)
        except ValueError as error:
            problem = str(error)
        else:
            if path and "//" not in path:
                return uri
    message = f"storage_path is {uri!r}: {problem}; {SUPPORTED}"
    raise ConfigError(re.sub(r"(//[^:@\s]*:)[^@\s]*@", r"\1***@", message))


def _each(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Return ``work`` of each item, several at a time; the first error is raised, and cancels what was not begun."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(work, items))


def _outer(parts: Iterable[_Part]) -> list[_Part]:
    """Return the parts in order, without those that a merged one contains, which an interrupted merge has left."""
    kept: list[_Part] = []
    for part in sorted(parts, key=lambda part: (part.first, -part.last)):
        if not kept or part.last > kept[-1].last:
            kept.append(part)
    return kept


def _to_merge(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Yield the groups of parts to merge, from the oldest small part on that is at most twice as large as all after it.

    So a part is rewritten only after half its size was added, and everything that is written in all is a small multiple
    of the log's size.
    """
    small = [part for part in parts if part.size < _SMALL]
    if len(small) < MERGE_FROM:
        return
    start, after = len(small), 0
    for index in reversed(range(len(small))):
        start = index if small[index].size <= 2 * after else start
        after += small[index].size
    group: list[_Part] = []
    for part in small[start:]:
        if group and (part.first != group[-1].last + 1 or sum(p.size for p in group) + part.size > _LARGEST):
            yield group
            group = []
        group.append(part)
    yield group


class ObjectLog:
    """A log in which every sync writes one part."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store = store
        self._name = name
        self._waiting: list[tuple[int, bytes]] = []
        self._lock = threading.Lock()

    def append(self, record: bytes, seq: int) -> None:
        """Append one record; see :class:`.base.Log`."""
        with self._lock:
            self._waiting.append((seq, record))

    def sync(self) -> None:
        """Write what was appended as one part; see :class:`.base.Log`. After an error the log cannot be used again."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        if taken:
            self._store.write_part(self._name, taken[0][0], taken[-1][0], b"".join(record for _, record in taken))
            failpoint("written")

    def compact(self) -> None:
        """Merge consecutive small parts, if there are ``MERGE_FROM`` of them.

        Only the log's writer may call it; other threads may append, sync and read meanwhile.
        """
        parts = self._store.parts(self._name)
        kept = _outer(parts)
        self._store.delete_parts([part for part in parts if part not in kept])
        for group in (group for group in _to_merge(kept) if len(group) > 1):
            data = self._store.read_parts(group)
            if data is None:
                raise OSError(f"{self._store.where(self._name)}: parts went while they were merged")
            self._store.write_part(self._name, group[0].first, group[-1].last, b"".join(data))
            failpoint("compaction")
            self._store.delete_parts(group)

    def close(self) -> None:
        """Drop what was not synced; a second call does nothing."""
        with self._lock:
            self._waiting.clear()


class ObjectStore:
    """One study's objects below a URI that ``check_uri`` returned; see :class:`.base.Store`. Any thread may call it."""

    def __init__(self, uri: str, name: str) -> None:
        self._files = RemoteFiles(uri, check_name(name))

    def __str__(self) -> str:
        return str(self._files)

    def where(self, name: str) -> str:
        """Return an object's full name, without credentials and options, for messages."""
        return f"{self}/{name}"

    def read(self, name: str) -> bytes | None:
        data = self._files.read(name)
        if data is None:
            self._files.check_bucket()
        return data

    def replace(self, name: str, data: bytes) -> None:
        self._files.write(name, data, again=False)

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects and logs in a folder, sorted; empty if there is no folder."""
        found = {name.partition("/")[0] for name, _ in self._files.listing(folder)}
        return sorted(name for name in found if not name.startswith("."))

    def remove(self, name: str) -> None:
        what = self._files.what(name)
        if what != "NotFound":
            self._files.delete(name, folder=what == "Directory")

    def begin_log(self, name: str) -> ObjectLog:
        """Begin a log; raises FileExistsError if there is one of this name."""
        if self.parts(name):
            raise FileExistsError(f"{self.where(name)} exists")
        return ObjectLog(self, name)

    def read_log(self, name: str, after: int = 0, offset: int = 0) -> list[Chunk] | None:
        """Return the parts with records after ``after``; None if there is no such log. ``offset`` is not used."""
        for look in range(_LOOKS):
            parts = _outer(self.parts(name))
            if not parts:
                return None
            # A long listing is not atomic: during a merge it may show a gap that the log does not have.
            if look < _LOOKS - 1 and any(a.last + 1 < b.first for a, b in pairwise(parts)):
                continue
            wanted = [part for part in parts if part.last > after]
            data = self.read_parts(wanted)
            if data is not None:
                return [Chunk(part.name, 0, each) for part, each in zip(wanted, data, strict=True)]
        raise OSError(f"{self.where(name)}: parts went while they were read, at each of {_LOOKS} attempts")

    def fsync(self, name: str) -> None:
        """Do nothing: a part that can be read is durable."""

    def truncate(self, name: str, offset: int) -> str:
        """Truncate a part at ``offset`` and keep the rest beside its log; returns the name of the rest.

        The part keeps its name, though it then holds fewer records than the name says.
        """
        data = self._files.read(name)
        if data is None:
            raise FileNotFoundError(f"{self.where(name)} is gone")
        rest = f"{name.rpartition('/')[0]}.torn-{offset}-{uuid.uuid4().hex[:8]}"
        self._files.write(rest, data[offset:], again=True)
        if offset:
            self.replace(name, data[:offset])
        else:
            self._files.delete(name)
        return rest

    def move_aside(self) -> str | None:
        """Copy the whole study under another name, then delete it, since objects cannot be renamed."""
        names = [name for name, _ in self._files.listing("")]
        if not names:
            return None
        aside = f".aside-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{uuid.uuid4().hex[:8]}"
        _each(lambda name: self._files.copy(name, aside), names)
        self.delete(last=_STUDY)
        return f"{self}{aside}"

    def delete(self, last: str) -> None:
        """Delete the whole study, the object ``last`` after all others; call it again if it was interrupted."""
        names = [name for name, _ in self._files.listing("")]
        for entry in sorted({name.partition("/")[0] for name in names} - {last}):
            self._files.delete(entry, folder=entry not in names)
        if names:
            self._files.delete("", folder=True)

    def parts(self, log: str) -> list[_Part]:
        """Return the parts of a log as the storage lists them."""
        found = [(_PART.fullmatch(name), name, size) for name, size in self._files.listing(log)]
        return [_Part(int(match[1]), int(match[2]), size, f"{log}/{name}") for match, name, size in found if match]

    def read_parts(self, parts: Sequence[_Part]) -> list[bytes] | None:
        """Return the bytes of parts; None if one of them has changed since it was listed."""
        data = _each(lambda part: self._files.read(part.name, written_once=True), parts)
        whole = [each for part, each in zip(parts, data, strict=True) if each is not None and len(each) == part.size]
        return whole if len(whole) == len(parts) else None

    def write_part(self, log: str, first: int, last: int, data: bytes) -> None:
        """Write the records from ``first`` to ``last`` as one part."""
        self._files.write(f"{log}/{first:016d}-{last:016d}", data, again=True)

    def delete_parts(self, parts: Sequence[_Part]) -> None:
        """Delete parts that a larger one replaces."""
        _each(lambda part: self._files.delete(part.name), parts)
