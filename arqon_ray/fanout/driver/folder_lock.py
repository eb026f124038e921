"""A lock that lets one process at a time write to a folder of results."""

from __future__ import annotations

import contextlib
import os
import warnings
from pathlib import Path
from typing import Any

from arqon_ray.errors import ConfigError

LOCK = ".lock"


class FolderLock:
    """Locks a folder, which is created if it does not exist. A context manager.

    The operating system releases the lock when the process ends, however it ends. The content of the lock file has no
    meaning, so a file that is left behind locks nobody out. Folders that were created and are still empty are removed.
    """

    def __init__(self, folder: Path, what: str) -> None:
        """Lock the folder.

        Args:
            folder: a local or mounted folder.
            what: what writes to it, for messages: ``sweep`` or ``run``.

        Raises:
            ConfigError: another process has locked it, or it cannot be created.
        """
        self._folder, self._what = folder, what
        self._created = [each for each in (folder, *folder.parents) if not each.exists()]
        self._file: Any = None
        try:
            while self._file is None:
                self._file = self._take()
        except OSError as error:
            self._remove_created()
            raise ConfigError(f"output is '{folder}': it cannot be written ({error.strerror or error})") from None
        except ConfigError:
            self._remove_created()
            raise

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._file is None:
            return
        with contextlib.suppress(OSError):  # a file that stays locks nobody out
            os.unlink(self._folder / LOCK)
        self._file.close()
        self._file = None
        self._remove_created()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _take(self) -> Any:
        """Return the locked file, or None if the last holder removed it meanwhile."""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            file = open(self._folder / LOCK, "ab")  # noqa: SIM115
        except FileNotFoundError:  # the last holder removed the empty folder
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
        """Lock the open file; return False if the platform or file system cannot."""
        try:
            import fcntl
        except ImportError:  # Windows
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{self._folder} is in use by another {self._what}: wait for it, or give another output"
            ) from None
        except OSError as error:
            warnings.warn(
                f"{self._folder} cannot be locked ({error}): make sure that nobody else writes to it", stacklevel=4
            )
            return False
        return True

    def _remove_created(self) -> None:
        with contextlib.suppress(OSError):  # it is no longer empty
            for each in self._created:
                each.rmdir()
