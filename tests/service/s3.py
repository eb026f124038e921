"""A real S3 server on this machine: moto, in a process of its own.

A module of tests that needs it says ``pytest_plugins = ["tests.service.s3"]`` and asks for the fixture ``s3``.
"""

from __future__ import annotations

import http.client
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BUCKET = "arqon"
ENV = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
OTHERS = ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3")
_RUNNING = re.compile(r"Running on http://127\.0\.0\.1:(\d+)")
_REQUEST = re.compile(r'"(?:\x1b\[[\d;]*m)*([A-Z]+) (\S+) HTTP/[\d.]+(?:\x1b\[[\d;]*m)*" (\d+)')


class S3Server:
    """The server, and what a test does to it.

    Attributes:
        env: what a process needs in its environment to be let in.
        port: where it listens, on 127.0.0.1; the same after a restart.
    """

    def __init__(self, log: Path) -> None:
        self.env = dict(ENV)
        self.port = 0
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.restart()

    @property
    def options(self) -> str:
        """The query of a URI that leads to this server."""
        return f"endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"

    @property
    def uri(self) -> str:
        """A storage path in its bucket, a new one each time."""
        return f"s3://{BUCKET}/studies-{uuid.uuid4().hex[:8]}?{self.options}"

    def pause(self) -> None:
        """Let it answer nothing, as a storage that hangs; connections are still taken."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on, with what was asked meanwhile first."""
        self._signal(signal.SIGCONT)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause for the length of a block."""
        self.pause()
        try:
            yield
        finally:
            self.resume()

    def kill(self) -> None:
        """End it: connections are refused, and all that it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Begin it anew, at the same port, with an empty bucket."""
        self.kill()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 60
        while not (running := _RUNNING.search(self._log.read_text())):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"moto did not begin: {self._log.read_text()}")
            time.sleep(0.05)
        self.port = int(running[1])
        self._make_bucket()

    def requests(self) -> list[str]:
        """Return what it was asked since it began, in order, as ``PUT /bucket/key 200``.

        A line is there before whoever asked has the answer.
        """
        return [" ".join(found.groups()) for found in _REQUEST.finditer(self._log.read_text())]

    @contextmanager
    def recorded(self) -> Iterator[list[str]]:
        """Collect what it is asked within a block; the list is filled at its end."""
        before = len(self.requests())
        found: list[str] = []
        yield found
        found += self.requests()[before:]

    def _make_bucket(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("PUT", f"/{BUCKET}")
            status = connection.getresponse().status
        finally:
            connection.close()
        if status != 200:
            raise RuntimeError(f"moto made no bucket: status {status}")

    def _signal(self, number: int) -> None:
        if self._process is None:
            raise RuntimeError("the server does not run")
        self._process.send_signal(number)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """One server for the session; this process is let in by its environment meanwhile."""
    server = S3Server(tmp_path_factory.mktemp("s3") / "log")
    with pytest.MonkeyPatch.context() as patch:
        for name in OTHERS:
            patch.delenv(name, raising=False)
        for name, value in server.env.items():
            patch.setenv(name, value)
        yield server
    server.kill()
