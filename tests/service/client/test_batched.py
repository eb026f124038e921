"""Asking and telling in blocks: against a study in this process, and against an actor that is killed."""

from __future__ import annotations

import pickle
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from arqon_ray.errors import (
    ArqonError,
    AskTimeoutError,
    PoisonedCallError,
    ResultsError,
    StudyRefusedError,
    UnknownCandidateError,
)
from arqon_ray.service.client.batched import BatchedClient
from arqon_ray.service.server.study import Study
from tests.service.conftest import CONFIG
from tests.service.live import kill, studies

NEVER = 3600.0


class LocalClient:
    """The client's calls on a study in this process, counted; some fail, before their effect or after it."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.calls: list[tuple[str, Any]] = []
        self.before: dict[str, Exception] = {}
        self.after: dict[str, Exception] = {}
        self.lock = threading.Lock()

    def _do(self, method: str, noted: Any, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            self.calls.append((method, noted))
        if method in self.before:
            raise self.before[method]
        answer = getattr(self.study, method)(*args, **kwargs)
        if method in self.after:
            raise self.after.pop(method)
        return answer

    def ask(self, n: int, key: str, owner: str, lease: float, timeout: float) -> Any:
        end = time.monotonic() + timeout
        while True:  # the study's clock stands still
            try:
                return self._do("ask", n, n, key, owner, lease, 0)
            except AskTimeoutError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.002)

    def tell(self, results: list[dict[str, Any]], key: str) -> Any:
        return self._do("tell", (key, [each["id"] for each in results]), results, key=key)

    def release(self, ids: list[str], owner: str) -> Any:
        return self._do("release", ids, ids, owner)

    def report(self, id: str, step: Any, value: Any, metrics: Any) -> Any:
        return self._do("report", id, id, step, value, metrics)

    def retract(self, id: str, reason: str | None) -> Any:
        return self._do("retract", id, id, reason, key=f"retract-{id}")

    def renew(self, owner: str) -> int:
        answer: int = self._do("renew", owner, owner)
        return answer

    def status(self) -> dict[str, Any]:
        return self.study.status()

    def of(self, method: str) -> list[Any]:
        return [noted for name, noted in self.calls if name == method]


@pytest.fixture
def client(study: Study) -> LocalClient:
    return LocalClient(study)


@pytest.fixture
def batched(client: LocalClient) -> Iterator[Callable[..., BatchedClient]]:
    """Make batched clients that send only when they must; closed at the end."""
    made: list[BatchedClient] = []

    def make(size: int = 4, delay: float = NEVER, **options: Any) -> BatchedClient:
        made.append(BatchedClient(client, size, delay, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    client.before.clear()
    for each in made:
        each.close()


Make = Callable[..., BatchedClient]


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def asking(batch: BatchedClient) -> tuple[threading.Thread, list[Any]]:
    """Ask in a thread, and return when it stands in the line."""
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(batch.ask_one(60))
        except ArqonError as error:
            answers.append(error)

    before = len(batch._buffer._queue)
    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: len(batch._buffer._queue) > before or answers)
    return thread, answers


def test_many_threads_share_few_calls(client: LocalClient, study: Study, reopen: Callable[[], Study]) -> None:
    study.extend_budget(200)
    taken: list[str] = []

    def work(batch: BatchedClient) -> None:
        while (asked := batch.ask_one()) is not None:
            taken.append(asked["id"])
            batch.tell(asked["id"], asked["params"]["x"])

    with BatchedClient(client, 16, 0.02) as batch:  # type: ignore[arg-type]
        threads = [threading.Thread(target=work, args=(batch,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
    assert Counter(taken) == Counter(map(str, range(200)))
    assert len(reopen().history()) == 200
    assert len([n for n in client.of("ask") if n == 16]) <= 14
    assert len(client.of("tell")) <= 60


def test_a_block_is_fetched_once_and_the_first_to_come_is_served_first(
    client: LocalClient, study: Study, batched: Make
) -> None:
    study.ask(6, owner="other")
    batch = batched(size=1)
    waiting = [asking(batch) for _ in range(3)]
    for k, (thread, answers) in enumerate(waiting):
        assert not any(later for _, later in waiting[k:])
        study.release(str(k))
        thread.join(30)
        assert answers[0]["id"] == str(k)


def test_who_waits_gets_a_candidate_of_the_block_that_another_fetched(
    client: LocalClient, study: Study, batched: Make
) -> None:
    study.ask(6, owner="other")
    batch = batched(size=4)
    waiting = [asking(batch) for _ in range(4)]
    study.release(["0", "1", "2", "3"])
    for thread, _ in waiting:
        thread.join(30)
    assert {answers[0]["id"] for _, answers in waiting} == set("0123")
    assert len(study.pending(batch.owner)) == 4


def test_a_result_is_durable_after_flush_and_not_before(study: Study, batched: Make) -> None:
    batch = batched()
    asked = batch.ask_one()
    assert asked is not None
    batch.tell(asked["id"], 1.0, cost=3.0)
    assert study.history() == []
    batch.flush()
    (row,) = study.history()
    assert (row["id"], row["value"], row["cost"]) == ("0", 1.0, 3.0)
    batch.flush()


def test_a_full_block_is_sent_at_once_and_an_old_result_after_its_delay(client: LocalClient, batched: Make) -> None:
    batch = batched(size=2)
    for _ in range(3):
        batch.ask_one()
    batch.tell("0", 1.0)
    batch.fail("1", "broken")
    until(lambda: client.of("tell"))
    quick = batched(delay=0.05)
    quick.tell("2", 1.0)
    until(lambda: len(client.of("tell")) == 2)
    assert [ids for _, ids in client.of("tell")] == [["0", "1"], ["2"]]
    assert client.study.status()["counts"]["failed"] == 1


def test_a_report_is_sent_at_once_and_a_result_before_it_is_retracted(study: Study, batched: Make) -> None:
    batch = batched()
    batch.ask_one()
    assert batch.report("0", 1, 5.0) == {"id": "0", "accepted": True}
    assert [row["steps"][0][:2] for row in study.pending() if row["id"] == "0"] == [[1, 5.0]]
    batch.tell("0", 13.0)
    assert batch.retract("0", "a mistake") == {"id": "0", "accepted": True}
    assert study.history() == []
    assert study.status()["counts"]["retracted"] == 1
    batch.tell("77", 1.0)
    batch.tell("0", 12.0)
    with pytest.raises(UnknownCandidateError, match="77"):
        batch.retract("0")
    assert [row["value"] for row in study.history()] == [12.0]


def test_what_is_malformed_is_refused_at_once_and_spoils_no_block(study: Study, batched: Make) -> None:
    batch = batched()
    batch.ask_one()
    for arguments in (("0", "x"), (0, 1.0), ("0", 1.0, -1.0)):
        with pytest.raises(ResultsError):
            batch.tell(*arguments)  # type: ignore[arg-type]
    batch.tell("0", 1.0)
    batch.flush()
    assert len(study.history()) == 1


def test_a_refused_result_is_named_once_and_the_others_of_its_block_are_taken(study: Study, batched: Make) -> None:
    batch = batched(size=2)
    batch.ask_one()
    batch.ask_one()
    for id in ("77", "0", "78", "1"):
        batch.tell(id, 1.0)
    with pytest.raises(UnknownCandidateError, match="candidate '77' was refused and is dropped") as caught:
        batch.flush()
    assert "78" in caught.value.__notes__[0]
    batch.flush()
    assert [row["id"] for row in study.history()] == ["0", "1"]


def test_a_result_that_kills_the_actor_keeps_no_other_back(client: LocalClient, study: Study, batched: Make) -> None:
    tell = client.tell

    def poisoned(results: list[dict[str, Any]], key: str) -> Any:
        if any(each["value"] == 13 for each in results):
            raise PoisonedCallError(f"{key} was running at three deaths")
        return tell(results, key)

    client.tell = poisoned  # type: ignore[method-assign]
    batch = batched()
    for k in range(3):
        batch.ask_one()
        batch.tell(str(k), 12 + k)
    with pytest.raises(PoisonedCallError, match="candidate '1' was refused and is dropped"):
        batch.flush()
    assert [row["id"] for row in study.history()] == ["0", "2"]


def test_an_ask_that_killed_the_actor_is_not_repeated_for_ever(client: LocalClient, batched: Make) -> None:
    batch = batched()
    client.after["ask"] = PoisonedCallError("it was running at three deaths")
    with pytest.raises(PoisonedCallError):
        batch.ask_one()
    assert batch.ask_one()["id"] == "4"  # type: ignore[index]


def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_key(
    client: LocalClient, study: Study, batched: Make
) -> None:
    batch = batched()
    client.after["ask"] = ConnectionError("the answer is lost")
    with pytest.raises(ConnectionError):
        batch.ask_one()
    assert len(study.pending()) == 4
    assert [batch.ask_one()["id"] for _ in range(4)] == list("0123")  # type: ignore[index]
    assert len(study.pending()) == 4
    client.after["tell"] = ConnectionError("the answer is lost")
    batch.tell("0", 1.0)
    with pytest.raises(ConnectionError):
        batch.flush()
    batch.flush()
    (first, ids), again = client.of("tell")
    assert again == (first, ids)
    assert len(study.history()) == 1


def test_no_error_of_the_background_is_lost_and_no_result(client: LocalClient, study: Study, batched: Make) -> None:
    batch = batched(size=1)
    batch.ask_one()
    client.before["tell"] = StudyRefusedError("the disk is full")
    with client.lock:  # the background cannot fail before this tell has returned
        batch.tell("0", 1.0)
    until(lambda: batch._results._trouble)
    with pytest.raises(StudyRefusedError, match="disk is full"):
        batch.ask_one()
    for _ in range(2):
        with pytest.raises(StudyRefusedError):
            batch.flush()
    with pytest.raises(StudyRefusedError):
        batch.close()
    assert study.history() == []
    client.before.clear()
    batch.close()
    assert [row["value"] for row in study.history()] == [1.0]
    assert len({key for key, _ in client.of("tell")}) == 1
    assert batch._results.background.join(60)


@pytest.mark.parametrize("error", [SystemExit("over"), OverflowError("over")])
def test_whatever_the_background_meets_is_raised_named_and_mended(
    client: LocalClient, study: Study, batched: Make, error: BaseException
) -> None:
    batch = batched(size=1)
    batch.ask_one()
    client.before["tell"] = error  # type: ignore[assignment]
    batch.tell("0", 1.0)
    # Never SystemExit itself: it would end the process of whoever flushes.
    with pytest.raises((OverflowError, RuntimeError), match="over"):
        batch.flush()
    assert "over" in str(batch.status()["trouble"])
    client.before.clear()
    batch.flush()
    assert batch.status()["trouble"] == []
    assert [row["value"] for row in study.history()] == [1.0]


def test_closing_releases_what_nobody_took(client: LocalClient, study: Study, batched: Make) -> None:
    with batched() as batch:
        batch.ask_one()
        assert [each["owner"] for each in study.pending()] == [batch.owner] * 4
    assert [each["id"] for each in study.pending()] == ["0"]
    assert study.status()["counts"]["released"] == 3
    for call in (batch.ask_one, lambda: batch.tell("0", 1.0)):
        with pytest.raises(ArqonError, match="closed"):
            call()
    assert len(study.ask(6)) == 5


def test_a_block_that_arrives_after_closing_is_released(study: Study, batched: Make) -> None:
    study.ask(6, owner="other")
    batch = batched()
    waiting = [asking(batch) for _ in range(2)]
    batch.close()
    study.release(owner="other")
    for thread, answers in waiting:
        thread.join(30)
        assert "closed" in str(answers[0])
    assert study.pending() == []


def test_blocks_become_smaller_when_few_are_left_and_larger_again(
    client: LocalClient, study: Study, batched: Make
) -> None:
    batch = batched()
    for _ in range(6):
        batch.ask_one()
    assert client.of("ask") == [4, 4]
    study.release(["0", "1", "2"])
    for _ in range(3):
        batch.ask_one()
    study.extend_budget(40)
    for _ in range(6):
        batch.ask_one()
    assert client.of("ask")[2:] == [2, 4, 2, 4]


def test_none_means_finished_and_nothing_else(study: Study, batched: Make) -> None:
    batch = batched(size=6)
    for _ in range(6):
        assert batch.ask_one() is not None
    for timeout in (0, 0.02):
        with pytest.raises(AskTimeoutError):
            batch.ask_one(timeout)
    waiting = [asking(batch) for _ in range(3)]
    for k in range(6):
        batch.tell(str(k), 1.0)
    for thread, answers in waiting:
        thread.join(30)
        assert answers == [None]
    study.extend_budget(7)
    assert batch.ask_one() is not None


@pytest.mark.parametrize("revived", [False, True])
def test_a_stock_that_no_heartbeat_kept_is_not_handed_out(
    client: LocalClient, study: Study, batched: Make, revived: bool
) -> None:
    batch = batched(lease=0.2)
    batch.ask_one()
    client.before["renew"] = ConnectionError("the network is away")
    until(lambda: time.monotonic() - batch._beat.renewed > 0.25)
    if revived:
        client.before.clear()
        until(lambda: batch._beat.revived > batch._buffer._since)
    study.release("1")
    other = study.ask(6, owner="other")
    assert [each["id"] for each in other] == ["4", "5", "1"]
    assert batch.ask_one()["id"] == "2"  # type: ignore[index]
    assert client.of("release") == [["1", "2", "3"]]
    assert [each["owner"] for each in study.pending() if each["id"] == "1"] == ["other"]


def test_a_failure_in_the_block_is_not_hidden_by_one_of_closing(client: LocalClient, batched: Make) -> None:
    batch = batched()
    batch.ask_one()
    batch.tell("0", 1.0)
    client.before["tell"] = StudyRefusedError("the disk is full")
    with pytest.raises(KeyError) as caught, batch:
        raise KeyError("of the user")
    assert "disk is full" in caught.value.__notes__[0]


def test_it_stays_in_its_process(batched: Make) -> None:
    with pytest.raises(TypeError, match="pass the SolverClient"):
        pickle.dumps(batched())


def test_nothing_flushed_is_lost_when_the_actor_is_killed(cluster: Any) -> None:
    with studies() as start:
        client = start({**CONFIG, "budget": 400})
        told: dict[str, float] = {}

        def work(batch: BatchedClient) -> None:
            while (asked := batch.ask_one()) is not None:
                told[asked["id"]] = asked["params"]["x"]
                time.sleep(0.002)
                batch.tell(asked["id"], asked["params"]["x"])

        with client.batched(size=8, delay=0.01) as batch:
            threads = [threading.Thread(target=work, args=(batch,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            until(lambda: len(told) > 80)
            batch.flush()
            before = kill(client)
            assert len(told) < 400
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()
            batch.flush()
            assert client.status()["pid"] != before
            assert {row["id"]: row["value"] for row in client.history()} == told
        assert sorted(map(int, told)) == list(range(400))


def test_the_heartbeat_keeps_the_stock_and_closing_gives_it_to_others(cluster: Any) -> None:
    with studies() as start:
        client = start()
        with client.batched(size=6, lease=0.8, owner="me") as batch:
            assert batch.ask_one()["id"] == "0"  # type: ignore[index]
            time.sleep(1.2)
            assert len(client.pending("me")) == 6
        assert [each["id"] for each in client.ask(6)] == list("12345")
