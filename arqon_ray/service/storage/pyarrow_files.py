"""The files of one study wherever ``pyarrow.fs`` makes a filesystem of a URI: read and written whole, or OSError.

pyarrow is imported at the first use only: it takes a fifth of a second, and most processes have no need of it.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import parse_qsl, urlsplit

CONNECT_SECONDS, REQUEST_SECONDS, ATTEMPTS = 5.0, 15.0, 3
"""S3: how long to wait for a connection and for a byte, and how often to try, before the storage counts as failed."""

_GCS_SECONDS = 15
"""GCS: for how long to try again; pyarrow makes up to three times as much of it."""

_SINGLE = 8 << 20
_KEPT = 1 << 16
_LOOKS = 4
_FLAT = {"s3", "gcs", "abfs"}
_WHOLE = {"s3", "gcs"}
_URI_ONLY = {"tls_ca_dir_path", "tls_verify_certificates", "smart_defaults"}

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class _Storage:
    """Three ways to the same files, and the path that the URI names there: see ``_connect``."""

    kind: str
    path: str
    files: Any
    once: Any
    large: Any


def _with(uri: str, **options: object) -> str:
    """Add to a URI those query options that it lacks."""
    address, _, query = uri.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    added = [f"{key}={value}" for key, value in options.items() if key not in given]
    return f"{address}?{'&'.join([query, *added] if query else added)}"


def path_of(uri: str) -> str:
    """Return the path that ``pyarrow.fs`` finds in a URI, without a look at the network.

    Only hdfs is connected to: pyarrow has no other way to read such a URI.

    Raises:
        ValueError: pyarrow makes no filesystem of it; the message is the first line of pyarrow's.
    """
    from pyarrow import fs

    probe, place = uri, urlsplit(uri).netloc
    if uri.startswith("s3://") and place:
        # pyarrow looks for credentials and for the bucket's region where a URI has none.
        probe = _with(uri if "@" in place else uri.replace("s3://", "s3://x:x@", 1), region="us-east-1")
    try:
        path: str = fs.FileSystem.from_uri(probe)[1]
    except Exception as error:  # each kind of storage raises what its library raises
        lines = str(error).splitlines() or [type(error).__name__]
        raise ValueError(lines[0].replace(probe, uri)) from error
    return path


def _connect(uri: str) -> _Storage:
    """Make pyarrow's filesystems, for S3 with timeouts: by a URI alone, a PUT to a server that hangs takes 5 minutes.

    ``files`` sends a small object as one request, not as an upload of three. ``large`` does not, as pyarrow publishes
    an empty object when the first of the three fails that way. ``once`` tries once, so that no second attempt at an
    object can land after another writer replaced it.
    """
    from pyarrow import fs

    uri = _with(uri, retry_limit_seconds=_GCS_SECONDS) if uri.startswith(("gs:", "gcs:")) else uri
    found, path = fs.FileSystem.from_uri(uri)
    if found.type_name != "s3":
        return _Storage(found.type_name, path, found, found, found)
    if _URI_ONLY & dict(parse_qsl(urlsplit(uri).query)).keys():
        single = fs.FileSystem.from_uri(_with(uri, allow_delayed_open="true"))[0]
        return _Storage("s3", path, single, single, found)
    # What pyarrow pickles is what it read from the URI, as arguments.
    options = found.__reduce__()[1][0] | {"connect_timeout": CONNECT_SECONDS, "request_timeout": REQUEST_SECONDS}
    delay = options.keys() & {"allow_delayed_open"}

    def make(delayed: bool, attempts: int) -> Any:
        retry = fs.AwsStandardS3RetryStrategy(max_attempts=attempts)
        return fs.S3FileSystem(**options | dict.fromkeys(delay, delayed), retry_strategy=retry)

    return _Storage("s3", path, make(True, ATTEMPTS), make(True, 1), make(False, ATTEMPTS))


def folders_of(uri: str) -> list[str]:
    """Return the names of the folders at a URI, sorted; none where nothing is.

    Raises:
        OSError: the storage failed.
    """
    from pyarrow import fs

    try:
        storage = _connect(uri)
        infos = storage.files.get_file_info(fs.FileSelector(storage.path, allow_not_found=True))
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise OSError(f"{uri}: {type(error).__name__}: {error}") from error
    return sorted(info.base_name for info in infos if info.type == fs.FileType.Directory)


def _mapped(method: Callable[Concatenate[RemoteFiles, P], R]) -> Callable[Concatenate[RemoteFiles, P], R]:
    """Raise as OSError whatever else pyarrow, and what lies under it, raise when a storage fails."""

    @functools.wraps(method)
    def call(self: RemoteFiles, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            raise OSError(f"{self}: {type(error).__name__}: {error}") from error

    return call


class RemoteFiles:
    """The files of one study below a URI; names are relative to ``<URI>/<study>``. Any thread may call it.

    Nothing is touched before the first call.
    """

    def __init__(self, uri: str, study: str) -> None:
        self._uri = uri
        self._study = study
        self._versions: dict[str, tuple[bytes, bytes]] = {}

    @functools.cached_property
    def _storage(self) -> _Storage:
        return _connect(self._uri)

    def __str__(self) -> str:
        parts = urlsplit(self._uri)
        user, _, host = parts.netloc.rpartition("@")
        # Elsewhere the user is a credential; here it is the container.
        host = f"{user.partition(':')[0]}@{host}" if user and parts.scheme.startswith("abfs") else host
        return f"{parts.scheme}://{host}{parts.path}/{self._study}"

    @_mapped
    def listing(self, folder: str) -> list[tuple[str, int]]:
        """Return the names, relative to a folder, and the sizes of all files below it, sorted.

        Folders are left out: S3 keeps a mark of one where pyarrow deleted the last file, and that is nothing.
        """
        from pyarrow import fs

        path = self._path(folder)
        infos = self._storage.files.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))
        if not infos:
            self.check_bucket()
        return sorted((info.path[len(path) + 1 :], info.size) for info in infos if info.is_file)

    @_mapped
    def read(self, name: str, written_once: bool = False) -> bytes | None:
        """Return the bytes of a file, or None when there is none.

        pyarrow asks for the size and then for so many bytes, which are wrong, garbage even, when the file was replaced
        between the two. So it is believed only if its version is the same after the bytes were read; and no bytes
        are asked for when a small file still has the version that was read last.

        Args:
            name: the file's.
            written_once: it is never replaced, so one look is enough.
        """
        path = self._path(name)
        known = None if written_once else self._versions.get(path)
        failure = OSError(f"{self}/{name} was replaced at each of {_LOOKS} attempts to read it")
        for _ in range(_LOOKS):
            stream = self._open(path)
            if stream is None:
                return None
            metadata = stream.metadata()
            version = metadata.get("ETag") or metadata.get("generation")
            if known is not None and known[0] == version:
                if len(known[1]) <= _KEPT:
                    self._versions[path] = known
                return known[1]
            try:
                data: bytes = stream.read()
            except OSError as error:
                failure, known = error, None
                continue
            if written_once or version is None:
                return data
            known = (version, data)
        raise failure

    @_mapped
    def write(self, name: str, data: bytes, again: bool) -> None:
        """Write a file in one step; ``again`` to try again where the storage did not answer.

        A temporary file is renamed where pyarrow empties one before it writes it.
        """
        storage, path = self._storage, self._path(name)
        parent, _, base = path.rpartition("/")
        target = path if storage.kind in _WHOLE else f"{parent}/.{base}.{uuid.uuid4().hex}"
        files = storage.large if len(data) >= _SINGLE else storage.files if again else storage.once
        self._make_folder(parent)
        stream = files.open_output_stream(target, compression=None)
        stream.write(data)
        stream.close()
        if storage.kind == "abfs":
            files.copy_file(target, path)
            files.delete_file(target)
        elif target != path:
            files.move(target, path)

    @_mapped
    def copy(self, name: str, aside: str) -> None:
        """Copy a file to the same name in the study that is called like this one with ``aside`` after it."""
        target = f"{self._path('')}{aside}/{name}"
        self._make_folder(target.rpartition("/")[0])
        self._storage.files.copy_file(self._path(name), target)

    @_mapped
    def what(self, name: str) -> str:
        """Return "File", "Directory" or "NotFound"."""
        kind: str = self._storage.files.get_file_info(self._path(name)).type.name
        if kind == "NotFound":
            self.check_bucket()
        return kind

    @_mapped
    def delete(self, name: str, folder: bool = False) -> None:
        """Delete a file, or a folder with all that is in it; nothing happens when there is none."""
        files, path = self._storage.files, self._path(name)
        try:
            (files.delete_dir if folder else files.delete_file)(path)
        except OSError:
            # Or GCS misses the mark of a folder, which nobody made.
            if not self._absent(path):
                raise

    def _path(self, name: str) -> str:
        return f"{self._storage.path}/{self._study}/{name}".rstrip("/")

    def _open(self, path: str) -> Any:
        """Open a file; None when there is none. It is not closed: on GCS that is a request, elsewhere nothing."""
        try:
            return self._storage.files.open_input_file(path)
        except FileNotFoundError:
            return None

    def _absent(self, path: str) -> bool:
        absent: bool = self._storage.files.get_file_info(path).type.name == "NotFound"
        return absent

    def _make_folder(self, path: str) -> None:
        if self._storage.kind not in _FLAT:
            self._storage.files.create_dir(path, recursive=True)

    @_mapped
    def check_bucket(self) -> None:
        """Raise OSError when there is no bucket: of everything in it, pyarrow says only that it is absent."""
        if self._storage.kind not in _FLAT:
            return
        bucket = self._storage.path.partition("/")[0]
        try:
            absent = self._absent(bucket)
        except OSError:
            # Who may use objects but not look at the bucket has one.
            return
        if absent:
            raise OSError(f"{self}: there is no bucket {bucket!r}; make it, or name another storage_path")
