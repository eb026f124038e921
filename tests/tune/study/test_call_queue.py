from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from ray.exceptions import ActorUnavailableError

from arqon_ray.errors import StudyRefusedError, StudyUnreachableError
from arqon_ray.tune.study import call_queue
from arqon_ray.tune.study.call_queue import Call, CallQueue, telling

BEST = Call(lambda study: study.best())


class Client:
    """Notes its calls; each method fails as often as it is told to."""

    name = "local"

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.failing: dict[str, list[BaseException]] = {}

    def __getattr__(self, method: str) -> Any:
        def call(*args: Any) -> Any:
            self.made.append((method, *args))
            errors = self.failing.get(method)
            if errors:
                raise errors.pop(0)
            return (method, *args)

        return call


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(call_queue, "_PAUSE", 0.01)
    return Client()


@pytest.fixture
def begin(client: Client) -> Iterator[Callable[..., CallQueue]]:
    made: list[CallQueue] = []

    def begin(first: Call | None = None) -> CallQueue:
        made.append(CallQueue(client, first))  # type: ignore[arg-type]
        return made[-1]

    yield begin
    for each in made:
        each.close()
        each.background.close()
        assert each.background.join(60)


def of(future: Future[Any]) -> Any:
    return future.exception(60) or future.result(60)


@pytest.mark.parametrize("error", [ActorUnavailableError("away", None), StudyUnreachableError("no answer")])
def test_an_actor_that_is_away_is_waited_for_and_the_order_kept(
    client: Client, begin: Callable[..., CallQueue], error: Exception
) -> None:
    client.failing["tell"] = [error] * 3
    sender = begin()
    futures = [sender.send(telling("tell", 1)), sender.send(telling("report", 2))]
    assert [of(each) for each in futures] == [("tell", 1), ("report", 2)]
    assert client.made == [("tell", 1)] * 4 + [("report", 2)]
    assert sender.trouble() == (0.0, None)
    assert sender.background.trouble is None


def test_what_no_waiting_mends_is_the_answer_and_the_next_call_is_made(
    client: Client, begin: Callable[..., CallQueue]
) -> None:
    client.failing = {"tell": [StudyRefusedError("damaged")], "report": [SystemExit("over")]}
    sender = begin()
    refused, strange, last = (sender.send(each) for each in (telling("tell"), telling("report"), BEST))
    assert isinstance(of(refused), StudyRefusedError)
    # Never SystemExit itself: it would end Tune's process.
    assert isinstance(of(strange), RuntimeError)
    assert "SystemExit: over" in str(of(strange))
    assert of(last) == ("best",)
    assert sender.undelivered() == []


def test_trouble_is_told_while_it_lasts_and_closing_tries_each_call_once(
    client: Client, begin: Callable[..., CallQueue], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_queue, "_PAUSE", 3600.0)
    client.failing["tell"] = [ActorUnavailableError("away", None)] * 2
    sender = begin()
    futures = [sender.send(telling("tell")), sender.send(BEST)]
    assert sender.background.settle(60)
    assert isinstance(sender.trouble()[1], ActorUnavailableError)
    trouble = sender.background.trouble
    assert trouble is not None
    assert trouble.what == "calling the study 'local'"
    assert [call.kept for call in sender.undelivered()] == [("tell", (), {}), None]
    sender.close()
    assert isinstance(of(futures[0]), ActorUnavailableError)
    assert of(futures[1]) == ("best",)


def test_when_the_first_call_fails_no_other_is_made(client: Client, begin: Callable[..., CallQueue]) -> None:
    client.failing["attach"] = [StudyRefusedError("another study")]
    sender = begin(Call(lambda study: study.attach()))
    assert isinstance(of(sender.send(telling("tell"))), StudyRefusedError)
    assert client.made == [("attach",)]
