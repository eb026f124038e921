"""Calls that survive what happens to the actor, each with one effect."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.exceptions import (
    ActorDiedError,
    ActorUnavailableError,
    ActorUnschedulableError,
    ObjectLostError,
    RayTaskError,
)

from arqon_ray.errors import ArqonError, AskTimeoutError, ResultsError, StudyNotFoundError
from arqon_ray.service import SolverClient
from arqon_ray.service.client.retry import Retry, Slices, key_or_new
from arqon_ray.service.protocol import operation_id, to_plain
from tests.service.conftest import CONFIG
from tests.service.live import Start, kill, studies

UNAVAILABLE = ActorUnavailableError("it restarts", None)


@pytest.fixture
def start(cluster: Any) -> Iterator[Start]:
    with studies() as starter:
        yield starter


@pytest.fixture
def ray_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: True)


@pytest.mark.parametrize("error", [UNAVAILABLE, ActorDiedError(), ObjectLostError("", None, ""), ConnectionError("x")])
def test_what_passes_is_repeated_until_patience_ends(ray_runs: None, error: Exception) -> None:
    retry = Retry(0.1)
    pauses = [retry.pause_after(error) for _ in range(8)]
    assert all(0 < pause <= 1 for pause in pauses)
    assert max(pauses) > pauses[0]
    time.sleep(0.1)
    with pytest.raises(type(error)) as caught:
        retry.pause_after(error)
    assert caught.value is error


def test_patience_has_no_end_when_it_is_none() -> None:
    retry = Retry(None)
    assert [retry.pause_after(UNAVAILABLE) for _ in range(2000)]


def test_an_actor_is_waited_for_only_after_it_was_there() -> None:
    gone = StudyNotFoundError("no actor")
    with pytest.raises(StudyNotFoundError):
        Retry().pause_after(gone)
    retry = Retry()
    retry.pause_after(ActorDiedError())
    assert retry.pause_after(gone) > 0


@pytest.mark.parametrize("error", [ArqonError("Ray is not running"), AskTimeoutError("5 pending"), ResultsError("x")])
def test_our_own_errors_are_the_callers(error: Exception) -> None:
    with pytest.raises(type(error)):
        Retry().pause_after(error)


def test_what_the_actor_raised_comes_as_what_it_stands_for() -> None:
    error = RayTaskError("tell", "a traceback", to_plain(ResultsError("value is 'x'")))
    with pytest.raises(ResultsError, match="value is 'x'") as caught:
        Retry().pause_after(error.as_instanceof_cause())
    assert caught.value.__suppress_context__


def test_a_strange_error_is_met_once_with_a_fresh_handle(ray_runs: None) -> None:
    retry = Retry()
    error = ActorUnschedulableError("its node is gone")
    retry.pause_after(error)
    with pytest.raises(ActorUnschedulableError):
        retry.pause_after(error)


def test_without_ray_a_broken_connection_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ConnectionError):
        Retry().pause_after(ConnectionError("the client is disconnected"))


def test_an_ask_waits_in_slices() -> None:
    slices = Slices(0)
    assert slices.next() == 0
    with pytest.raises(AskTimeoutError, match=r"held \(waited 0 s in all\)"):
        slices.raise_if_last(AskTimeoutError("held"))
    endless = Slices(None)
    assert 0 < endless.next() < 60
    endless.raise_if_last(AskTimeoutError("held"))


def test_it_pickles_by_name_with_its_patience() -> None:
    client = pickle.loads(pickle.dumps(SolverClient("study", object(), patience=3.0)))
    assert (client.name, client.patience, client._handle) == ("study", 3.0, None)
    assert repr(client) == "SolverClient('study')"
    with pytest.raises(ResultsError, match="patience is -1"):
        SolverClient(patience=-1)


class Handle:
    """Stands for the actor's handle: the first call is lost on its way, the second arrives."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, method: str) -> Any:
        class Method:
            @staticmethod
            def remote(*args: Any, **kwargs: Any) -> Any:
                self.seen.append((method, args, kwargs))
                return UNAVAILABLE if len(self.seen) == 1 else {"ask": [], "seed": [], "renew": 0}.get(method, {})

        return Method


@pytest.mark.parametrize(
    ("call", "keyed"),
    [
        (lambda client: client.ask_one(), True),
        (lambda client: client.ask(3), True),
        (lambda client: client.tell("0", 1.0), True),
        (lambda client: client.tell([{"id": "0", "value": 1.0}]), True),
        (lambda client: client.fail("0", "broken"), True),
        (lambda client: client.release("0"), True),
        (lambda client: client.seed([]), True),
        (lambda client: client.report("0", 1, 1.0), False),
        (lambda client: client.extend_budget(9), False),
        (lambda client: client.renew("me"), False),
    ],
)
def test_a_repeated_call_has_the_operation_id_of_the_first(
    monkeypatch: pytest.MonkeyPatch, ray_runs: None, call: Callable[[SolverClient], Any], keyed: bool
) -> None:
    def get(answer: Any, timeout: float) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    handle = Handle()
    monkeypatch.setattr(ray, "get", get)
    monkeypatch.setattr(ray, "get_actor", lambda name, namespace: handle)
    call(SolverClient("study"))
    (method, args, kwargs), again = handle.seen
    for each in (kwargs, again[2]):
        each.pop("timeout", None)
    assert again == (method, args, kwargs)
    assert str(kwargs.get("key", "")).startswith("op:") is keyed


def test_operation_ids_are_known_by_their_beginning_and_a_users_key_is_kept() -> None:
    assert operation_id().startswith("op:")
    assert operation_id() != operation_id()
    assert key_or_new("trial-1") == "trial-1"
    assert key_or_new("") == ""


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """What the clients had to decide about."""
    errors: list[Exception] = []
    pause_after = Retry.pause_after

    def spy(self: Retry, error: Exception) -> float:
        errors.append(error)
        return pause_after(self, error)

    monkeypatch.setattr(Retry, "pause_after", spy)
    return errors


def test_where_ray_repeats_nothing_the_client_does(start: Start, seen: list[Exception]) -> None:
    client = start({**CONFIG, "budget": 300}, max_task_retries=0)
    handed: list[str] = []
    problems: list[Exception] = []

    def work() -> None:
        try:
            while (asked := client.ask_one(owner="me")) is not None:
                handed.append(asked["id"])
                assert client.tell(asked["id"], asked["params"]["x"])["accepted"]
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(handed) < 40 and not problems:
        time.sleep(0.002)
    before = kill(client)
    assert len(handed) < 250
    for thread in threads:
        thread.join(60)
    assert not problems
    assert client.status()["pid"] != before
    assert {type(error) for error in seen} == {ActorUnavailableError}
    assert sorted(map(int, handed)) == list(range(300))


def test_a_call_waits_for_the_actor_that_follows_one_that_died(
    start: Start, tmp_path: Path, seen: list[Exception]
) -> None:
    client = start(storage_path=str(tmp_path))
    first = client.ask_one(key="k")
    actor = client.status()["actor"]
    ray.kill(client.handle, no_restart=True)

    def follow() -> None:
        while not any(isinstance(error, StudyNotFoundError) for error in seen):
            time.sleep(0.01)
        start(name=client.name, storage_path=str(tmp_path))

    follower = threading.Thread(target=follow)
    follower.start()
    assert client.ask_one(key="k") == first
    follower.join()
    assert client.status()["actor"] != actor
    assert {type(error) for error in seen} == {ActorDiedError, StudyNotFoundError}


def test_patience_ends_with_what_is_missing(start: Start) -> None:
    client = start()
    hurried = SolverClient(client.name, client.handle, patience=0.3)
    client.stop()
    began = time.monotonic()
    with pytest.raises(StudyNotFoundError, match=r"arqon_ray\.start"):
        hurried.status()
    assert 0.3 <= time.monotonic() - began < 30


def test_stopping_survives_a_restart(start: Start) -> None:
    client = start(max_task_retries=0)
    kill(client)
    client.stop()
    with pytest.raises(StudyNotFoundError):
        client.status()


def test_a_handle_that_ray_does_not_know_is_looked_up_again(start: Start) -> None:
    client = start()

    class Stale:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("Can't find actor: it's from a different cluster")

    assert SolverClient(client.name, Stale()).status()["name"] == client.name
