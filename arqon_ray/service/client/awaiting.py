"""Sends one call to a study's actor and awaits the answer; :mod:`.blocking` does the same in a thread."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import ray
from ray.exceptions import ActorDiedError

from arqon_ray.errors import AskTimeoutError, StudyUnreachableError
from arqon_ray.service.calls import StudyCalls
from arqon_ray.service.client.older_actors import outdated, remote_study
from arqon_ray.service.client.pulse import SLICE, Pulse
from arqon_ray.service.client.reference import StudyReference, until_gone
from arqon_ray.service.client.retry import Retry, Slices, key_or_new

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)
_background: set[asyncio.Task[None]] = set()


class AwaitingReference(StudyReference):
    """A study whose calls are coroutines: they neither block the event loop nor occupy a thread."""

    async def _call(self, send: Callable[Concatenate[StudyCalls, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call the actor and await its answer, through restarts of it; see :class:`.Retry`."""
        retry = Retry(self.patience)
        while True:
            study = None
            try:
                handle = self.handle
                calls, study = remote_study(handle)
                found: T = await _wait_for_answer(send(calls, *args, **kwargs), self._pulse(handle))
                return found
            except Exception as error:
                missing = None if study is None else study.missing(error)
                if missing is None:
                    pause = retry.pause_after(error)
            self._forget()
            if missing is not None:
                raise outdated(self.name, missing, await self._version(str(missing)))
            await asyncio.sleep(pause)

    async def _version(self, missing: str) -> str | None:
        """Return the release that the actor runs; None if its status does not tell, or if it has no ``status``."""
        if missing.startswith("status("):
            return None
        return (await self._call(lambda study: study.status())).get("version")

    async def _ask(
        self, send: Callable[[StudyCalls, str, float], T], key: str | None, owner: str | None, timeout: float | None
    ) -> T:
        """Ask in slices under one key; candidates that arrive after an ask without a key was cancelled are released."""
        operation, slices = key_or_new(key), Slices(timeout)
        while True:
            call = asyncio.ensure_future(self._call(send, operation, slices.next()))
            try:
                return await asyncio.shield(call)
            except AskTimeoutError as error:
                slices.raise_if_last(error)
            except asyncio.CancelledError:
                if key is None:
                    task = asyncio.ensure_future(self._give_back(call, owner))
                    _background.add(task)  # the loop alone would hold it weakly
                    task.add_done_callback(_background.discard)
                else:
                    call.cancel()
                raise

    async def _give_back(self, call: asyncio.Future[Any], owner: str | None) -> None:
        """Release the candidates with which a cancelled ask is answered."""
        try:
            answer = await call
            items = answer if isinstance(answer, list) else [answer]
            given = [item["id"] for item in items if item is not None]
            if given:
                key = key_or_new(None)
                await self._call(lambda study: study.release(given, owner, key=key))
        except Exception as error:
            _log.info("the candidates of a cancelled ask stay leased until their lease runs out: %s", error)

    async def _run_here(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a long computation in a thread of this process."""
        return await asyncio.to_thread(work, *args, **kwargs)

    async def _stop(self, purge: bool) -> None:
        """End the actor, and wait until its name is free."""
        handle, retry = self.handle, Retry(self.patience)
        killed: StudyUnreachableError | None = None
        while True:
            try:
                await _wait_for_answer(handle.stop.remote(purge), self._pulse(handle))
            except ActorDiedError:
                break
            except StudyUnreachableError as error:
                ray.kill(handle, no_restart=True)
                killed = error if purge else None
                break
            except Exception as error:
                pause = retry.pause_after(error)
            else:
                break
            await asyncio.sleep(pause)
        self._forget()
        for pause in until_gone(self.name, handle):
            await asyncio.sleep(pause)
        if killed is not None:
            raise killed


async def _wait_for_answer(reference: Any, pulse: Pulse) -> Any:
    """Return the answer of a call, and ping the actor while it takes long; see :func:`.pulse.wait_for_answer`."""
    # asyncio.wait leaves the future alone: Ray logs an error when one was cancelled in between.
    future = asyncio.wrap_future(reference.future())
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    while not (await asyncio.wait({future}, timeout=SLICE))[0]:
        await asyncio.to_thread(pulse.check)
    return future.result()
