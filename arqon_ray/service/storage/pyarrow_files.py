"""The files of one study on any filesystem that ``pyarrow.fs`` can open by URI; every failure is an OSError.

pyarrow is imported at the first use: that takes a fifth of a second, and most processes do not need it.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import parse_qsl, urlsplit

CONNECT_SECONDS, REQUEST_SECONDS, ATTEMPTS = 5.0, 15.0, 3
"""S3: seconds to wait for a connection and for a byte, and how often to try, before the storage counts as failed."""

_GCS_SECONDS = 15
"""GCS: for how many seconds to try again; pyarrow may take up to three times as long."""

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
    """Three filesystems of the same files, which ``_connect`` describes, and the path of the URI in them."""

    kind: str
    path: str
    files: Any
    once: Any
    large: Any


def _with(uri: str, **options: object) -> str:
    """Return a URI with these query options added, unless it has them."""
    address, _, query = uri.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    added = [f"{key}={value}" for key, value in options.items() if key not in given]
    return f"{address}?{'&'.join([query, *added] if query else added)}"


def path_of(uri: str) -> str:
    """Return the path that ``pyarrow.fs`` finds in a URI, without using the network.

    Only for hdfs a connection is made, because pyarrow cannot parse such a URI without.

    Raises:
        ValueError: pyarrow cannot open it; the message is the first line of pyarrow's.
    """
    from pyarrow import fs

    probe, netloc = uri, urlsplit(uri).netloc
    if uri.startswith("s3://") and netloc:
        # Without credentials and a region in the URI pyarrow would look for them on the network.
        probe = _with(uri if "@" in netloc else uri.replace("s3://", "s3://x:x@", 1), region="us-east-1")
    try:
        path: str = fs.FileSystem.from_uri(probe)[1]
    except Exception as error:  # each filesystem raises errors of its own library
        lines = str(error).splitlines() or [type(error).__name__]
        raise ValueError(lines[0].replace(probe, uri)) from error
    return path


def _connect(uri: str) -> _Storage:
    """Open pyarrow's filesystems; for S3 with timeouts, because a PUT to a hanging server takes 5 minutes by default.

    ``files`` sends a small object as one request instead of a multipart upload of three. ``large`` uses the multipart
    upload, since pyarrow would publish an empty object if its first request failed otherwise. ``once`` never retries,
    so that no second attempt at an object can arrive after another writer has replaced it.
    """
    from pyarrow import fs

    uri = _with(uri, retry_limit_seconds=_GCS_SECONDS) if uri.startswith(("gs:", "gcs:")) else uri
    found, path = fs.FileSystem.from_uri(uri)
    if found.type_name != "s3":
        return _Storage(found.type_name, path, found, found, found)
    if _URI_ONLY & dict(parse_qsl(urlsplit(uri).query)).keys():
        single = fs.FileSystem.from_uri(_with(uri, allow_delayed_open="true"))[0]
        return _Storage("s3", path, single, single, found)
    # The arguments with which pyarrow pickles a filesystem are the options that it read from the URI.
    options = found.__reduce__()[1][0] | {"connect_timeout": CONNECT_SECONDS, "request_timeout": REQUEST_SECONDS}
    delay = options.keys() & {"allow_delayed_open"}

    def make(delayed: bool, attempts: int) -> Any:
        retry = fs.AwsStandardS3RetryStrategy(max_attempts=attempts)
        return fs.S3FileSystem(**options | dict.fromkeys(delay, delayed), retry_strategy=retry)

    return _Storage("s3", path, make(True, ATTEMPTS), make(True, 1), make(False, ATTEMPTS))


def folders_of(uri: str) -> list[str]:
    """Return the names of the folders at a URI, sorted; empty if there is nothing.

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
    """Decorate a method to raise any other error of pyarrow and its libraries as OSError."""

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
    """The files of one study below a URI; names are relative to ``<URI>/<study>``. It is thread-safe.

    The storage is not accessed before the first call.
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
        # For abfs the user is the container, for other schemes a credential.
        host = f"{user.partition(':')[0]}@{host}" if user and parts.scheme.startswith("abfs") else host
        return f"{parts.scheme}://{host}{parts.path}/{self._study}"

    @_mapped
    def listing(self, folder: str) -> list[tuple[str, int]]:
        """Return the names, relative to a folder, and the sizes of all files below it, sorted.

        Folders are left out: where pyarrow has deleted the last file, S3 keeps an object that only marks a folder.
        """
        from pyarrow import fs

        path = self._path(folder)
        infos = self._storage.files.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))
        if not infos:
            self.check_bucket()
        return sorted((info.path[len(path) + 1 :], info.size) for info in infos if info.is_file)

    @_mapped
    def read(self, name: str, written_once: bool = False) -> bytes | None:
        """Return the bytes of a file; None if there is none.

        pyarrow asks for the size and then for that many bytes, which are wrong, even garbage, if the file was replaced
        in between. So they are trusted only if the file has the same version afterwards; and a small file is not read
        again while it has the version that was read last.

        Args:
            name: that of the file.
            written_once: whether the file is never replaced, so that the first read can be trusted.
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
        """Write a file atomically.

        On filesystems where pyarrow truncates a file before writing it, a temporary file is renamed.

        Args:
            name: that of the file.
            data: its bytes.
            again: whether to retry if the storage does not answer.
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
        """Copy a file to the same name in another study, whose name is this one's with ``aside`` appended."""
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
        """Delete a file, or a folder with all its contents, if there is one."""
        files, path = self._storage.files, self._path(name)
        try:
            (files.delete_dir if folder else files.delete_file)(path)
        except OSError:
            # It is absent, or GCS has no object that marks the folder.
            if not self._absent(path):
                raise

    def _path(self, name: str) -> str:
        return f"{self._storage.path}/{self._study}/{name}".rstrip("/")

    def _open(self, path: str) -> Any:
        """Open a file; None if there is none. It is not closed: that costs a request on GCS, nothing elsewhere."""
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
        """Check that the bucket exists: without it, pyarrow only says of every object that it is absent.

        Raises:
            OSError: it does not.
        """
        if self._storage.kind not in _FLAT:
            return
        bucket = self._storage.path.partition("/")[0]
        try:
            absent = self._absent(bucket)
        except OSError:
            # The credentials allow access to objects only, so there is a bucket.
            return
        if absent:
            raise OSError(f"{self}: there is no bucket {bucket!r}; make it, or name another storage_path")
