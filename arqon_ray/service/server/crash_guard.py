"""Which calls were running when the process died: those that were so three times are not tried again.

Ray repeats a call whose actor dies. One that kills the process each time, by a crash inside native code, would do so
for ever. So whoever is about to work leaves its label in a small file that is mapped into memory: it costs a
microsecond, and the kernel keeps it when the process dies. It need not survive the node.
"""

from __future__ import annotations

import json
import logging
import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

LIMIT = 3
_SLOTS, _SIZE = 64, 64
_EMPTY = b"\0" * _SIZE
_REMEMBERED = 256
_log = logging.getLogger(__name__)


class CrashGuard:
    """The labels of what runs now, and how often each of them was running at a death.

    Args:
        folder: of this actor on this node; None to guard nothing.
    """

    def __init__(self, folder: str | None) -> None:
        self._deaths: dict[str, int] = {}
        self._free = list(range(_SLOTS))
        self._here = threading.local()
        self._map: mmap.mmap | None = None
        if folder is None:
            return
        try:
            self._open(Path(folder))
        except (OSError, ValueError) as error:
            # Without it a call that kills the process is repeated for ever; with an error here nothing would work.
            _log.warning("calls that kill the process cannot be told from others: %s", error)

    def _open(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        running, counts = folder / "running", folder / "deaths.json"
        left = running.read_bytes() if running.exists() else b""
        if counts.exists():
            self._deaths = dict(json.loads(counts.read_text()))
        for place in range(0, len(left), _SIZE):
            label = left[place : place + _SIZE].rstrip(b"\0").decode(errors="replace")
            if label:
                self._deaths[label] = self._deaths.pop(label, 0) + 1
        self._deaths = dict(list(self._deaths.items())[-_REMEMBERED:])
        whole = counts.with_name("deaths.new")
        whole.write_text(json.dumps(self._deaths))
        whole.replace(counts)
        running.write_bytes(b"\0" * (_SLOTS * _SIZE))
        with running.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    def deaths(self, label: str) -> int:
        """Return at how many deaths of the process this label was running."""
        return self._deaths.get(_short(label), 0)

    def poisoned(self, prefix: str) -> list[str]:
        """Return what follows ``prefix`` in the labels that were running at three deaths or more."""
        return [label[len(prefix) :] for label, n in self._deaths.items() if label.startswith(prefix) and n >= LIMIT]

    def label(self, label: str | None) -> None:
        """Give what this thread does from now on a label; None for what needs none."""
        self._here.label = label

    def enter(self) -> int:
        """Mark this thread's label as running, until ``leave``; waiting for others belongs outside.

        Returns:
            What ``leave`` wants.
        """
        label = getattr(self._here, "label", None)
        if self._map is None or label is None or not self._free:
            return -1
        slot = self._free.pop()
        data = _short(label).encode()
        self._map[slot * _SIZE : slot * _SIZE + len(data)] = data
        return slot

    def leave(self, slot: int) -> None:
        """Take the mark away that ``enter`` made."""
        if slot >= 0:
            assert self._map is not None  # enter wrote to it
            self._map[slot * _SIZE : (slot + 1) * _SIZE] = _EMPTY
            self._free.append(slot)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Mark this thread's label as running within the block."""
        slot = self.enter()
        try:
            yield
        finally:
            self.leave(slot)


def _short(label: str) -> str:
    """Return a label that fits into a slot."""
    data = label.encode(errors="replace")  # of a key that is no Unicode, which the call refuses
    if len(data) < _SIZE:
        return data.decode()
    return data[:16].decode(errors="ignore") + blake2b(data, digest_size=16).hexdigest()
