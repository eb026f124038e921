"""One writer for a folder of results."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any

from arqon_ray.errors import ConfigError

LOCK = ".lock"


class FolderLock:
    """Keeps others out of a folder, which is created if need be.

    The system lets go when the process dies, however it dies; nothing is read from the file, so that one that was
    left behind keeps nobody out. What was created for it and is still empty is removed with it.
    """

    def __init__(self, folder: Path, what: str) -> None:
        """Take the folder.

        Args:
            folder: any local or mounted one.
            what: who writes there, for messages: ``sweep`` or ``run``.

        Raises:
            ConfigError: when another process has it, or it cannot be created.
        """
        self._folder, self._what = folder, what
        self._made = [place for place in (folder, *folder.parents) if not place.exists()]
        self._file: Any = None
        try:
            while self._file is None:
                self._file = self._take()
        except OSError as error:
            self._remove_made()
            raise ConfigError(f"output is '{folder}': it cannot be written ({error.strerror or error})") from None
        except ConfigError:
            self._remove_made()
            raise

    def release(self) -> None:
        """Let others write there; a second call does nothing."""
        if self._file is None:
            return
        with contextlib.suppress(OSError):  # a file that stays keeps nobody out
            os.unlink(self._folder / LOCK)
        self._file.close()
        self._file = None
        self._remove_made()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _take(self) -> Any:
        """Return the locked file, or None when its last holder removed it meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            file = open(self._folder / LOCK, "ab")  # noqa: SIM115
        except FileNotFoundError:  # the folder went, with a holder that left it empty
            return None
        try:
            if self._lock(file) and not os.path.samestat(os.fstat(file.fileno()), os.stat(self._folder / LOCK)):
                raise FileNotFoundError
        except FileNotFoundError:
            file.close()
            return None
        except BaseException:
            file.close()
            raise
        return file

    def _lock(self, file: Any) -> bool:
        """Lock the open file; return False where that is not possible."""
        try:
            import fcntl
        except ImportError:  # Windows
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{self._folder} is written by another {self._what} now: wait for it, or give another output"
            ) from None
        except OSError as error:
            warnings.warn(f"{self._folder} cannot be locked ({error}): see that nobody else writes there", stacklevel=4)
            return False
        return True

    def _remove_made(self) -> None:
        with contextlib.suppress(OSError):  # one that is no longer empty
            for place in self._made:
                place.rmdir()
