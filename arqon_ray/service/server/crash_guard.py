"""Finds the calls that kill the process: one that was running at three deaths of it is refused from then on.

Ray repeats a call whose actor dies. A call that crashes the process each time, inside native code, would be repeated
for ever. So every call writes its label into a small memory-mapped file while it works, which costs a microsecond; the
kernel keeps the file when the process dies. It need not survive the node.
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
    """The labels of the calls that are running, and at how many deaths of the process each label was running.

    Args:
        folder: where this actor keeps files on this node; None to guard nothing.
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
            # Without it a fatal call is repeated for ever; but raising here would fail every call.
            _log.warning("calls that kill the process cannot be told from others: %s", error)

    def _open(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        running, counts = folder / "running", folder / "deaths.json"
        left = running.read_bytes() if running.exists() else b""
        if counts.exists():
            self._deaths = dict(json.loads(counts.read_text()))
        for start in range(0, len(left), _SIZE):
            label = left[start : start + _SIZE].rstrip(b"\0").decode(errors="replace")
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
        """Return at how many deaths of the process a label was running."""
        return self._deaths.get(_short(label), 0)

    def poisoned(self, prefix: str) -> list[str]:
        """Return, without ``prefix``, the labels with that prefix that were running at three deaths or more."""
        return [label[len(prefix) :] for label, n in self._deaths.items() if label.startswith(prefix) and n >= LIMIT]

    def label(self, label: str | None) -> None:
        """Set the label of what this thread does from now on; None for no label."""
        self._here.label = label

    def enter(self) -> int:
        """Mark this thread's label as running until ``leave``; do not wait for other threads in between.

        Returns:
            The slot, for ``leave``.
        """
        label = getattr(self._here, "label", None)
        if self._map is None or label is None or not self._free:
            return -1
        slot = self._free.pop()
        data = _short(label).encode()
        self._map[slot * _SIZE : slot * _SIZE + len(data)] = data
        return slot

    def leave(self, slot: int) -> None:
        """Clear the slot that ``enter`` returned."""
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
    """Return a label, shortened to fit into a slot."""
    data = label.encode(errors="replace")  # a key may hold lone surrogates, which the call refuses
    if len(data) < _SIZE:
        return data.decode()
    return data[:16].decode(errors="ignore") + blake2b(data, digest_size=16).hexdigest()
