"""Sends one call to a study's actor and waits for the answer; :mod:`.awaiting` does the same in an event loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import ray
from ray.exceptions import ActorDiedError

from arqon_ray.errors import AskTimeoutError, StudyUnreachableError
from arqon_ray.service.calls import StudyCalls
from arqon_ray.service.client.older_actors import outdated, remote_study
from arqon_ray.service.client.pulse import wait_for_answer
from arqon_ray.service.client.reference import StudyReference, until_gone
from arqon_ray.service.client.retry import Retry, Slices, key_or_new

P = ParamSpec("P")
T = TypeVar("T")


class BlockingReference(StudyReference):
    """A study whose calls block the calling thread."""

    def _call(self, send: Callable[Concatenate[StudyCalls, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the actor and wait for its answer, through restarts of it; see :class:`.Retry`."""
        retry = Retry(self.patience)
        while True:
            study = None
            try:
                handle = self.handle
                calls, study = remote_study(handle)
                found: T = wait_for_answer(send(calls, *args, **kwargs), self._pulse(handle))
                return found
            except Exception as error:
                missing = None if study is None else study.missing(error)
                if missing is None:
                    pause = retry.pause_after(error)
            self._forget()
            if missing is not None:
                raise outdated(self.name, missing, self._version(str(missing)))
            time.sleep(pause)

    def _version(self, missing: str) -> str | None:
        """Return the release that the actor runs; None if its status does not tell, or if it has no ``status``."""
        if missing.startswith("status("):
            return None
        return self._call(lambda study: study.status()).get("version")

    def _ask(
        self, send: Callable[[StudyCalls, str, float], T], key: str | None, owner: str | None, timeout: float | None
    ) -> T:
        """Ask in slices under one key, so that no call waits in the actor for long.

        Args:
            send: makes the call, under an operation id and with the seconds to wait.
            key: the caller's operation id.
            owner: who asks; only coroutines need it, which may be cancelled while they wait.
            timeout: seconds to wait in all.
        """
        operation, slices = key_or_new(key), Slices(timeout)
        while True:
            try:
                return self._call(send, operation, slices.next())
            except AskTimeoutError as error:
                slices.raise_if_last(error)

    def _run_here(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a long computation in this process."""
        return work(*args, **kwargs)

    def _stop(self, purge: bool) -> None:
        """End the actor, and wait until its name is free."""
        handle, retry = self.handle, Retry(self.patience)
        killed: StudyUnreachableError | None = None
        while True:
            try:
                wait_for_answer(handle.stop.remote(purge), self._pulse(handle))
            except ActorDiedError:
                break
            except StudyUnreachableError as error:
                ray.kill(handle, no_restart=True)
                killed = error if purge else None
                break
            except Exception as error:
                time.sleep(retry.pause_after(error))
            else:
                break
        self._forget()
        for pause in until_gone(self.name, handle):
            time.sleep(pause)
        if killed is not None:
            raise killed
