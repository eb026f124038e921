"""The searcher on a shared study, without Ray: the real study of the service behind a client that can fail."""

from __future__ import annotations

import gc
import pickle
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import ActorUnavailableError
from ray.tune.search import Searcher

from arqon_ray.core.config import load_config
from arqon_ray.errors import ArqonError, IdentityError, StateError, StudyNotFoundError
from arqon_ray.service.server.host import ActorSpec, StudyHost
from arqon_ray.tune import ArqonSearcher, session
from arqon_ray.tune.study import attach, call_queue, connection, shared

CONFIG = {"seed": 7, "budget": 6, "bounds": {"x": {"min": -5.0, "max": 5.0}, "n": {"min": 1, "max": 9, "type": "int"}}}


class Served:
    """The study as the actor serves it, each method a call of the host."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        plain = load_config(config).to_dict()
        self._host = StudyHost(ActorSpec("local", "token", True, config=plain), str(path), False, {"pid": 0})
        self._host.begin(plain, "token")

    def __getattr__(self, method: str) -> Any:
        return lambda *args, **kwargs: self._host.call(lambda study: getattr(study, method)(*args, **kwargs))


class LocalClient:
    """Calls a study in this process; ``down`` makes every call fail as Ray does while an actor restarts."""

    name = "local"

    def __init__(self, path: Path, config: dict[str, Any] = CONFIG) -> None:
        self.study = Served(path, config)
        self.down = threading.Event()
        self.refused = 0
        self.lose_next_answer = False

    def __getattr__(self, method: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if self.down.is_set():
                self.refused += 1
                raise ActorUnavailableError("the actor restarts", None)
            answer = getattr(self.study, method)(*args, **kwargs)
            if self.lose_next_answer and method == "ask_one":
                self.lose_next_answer = False
                raise ActorUnavailableError("may or may not have been executed", None)
            return answer

        return call


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalClient:
    client = LocalClient(tmp_path / "store")
    monkeypatch.setattr(session, "attach", lambda actor, wanted, mode: (client, load_config(CONFIG)))
    monkeypatch.setattr(connection, "reattach", lambda kept: None)
    monkeypatch.setattr(shared, "SolverClient", lambda name: client)
    monkeypatch.setattr(session, "BUSY", 0.2)
    monkeypatch.setattr(session, "IDLE", 0.2)
    monkeypatch.setattr(call_queue, "_PAUSE", 0.05)
    return client


def attached(**arguments: Any) -> ArqonSearcher:
    return ArqonSearcher(actor="local", **arguments)


def ask(searcher: ArqonSearcher, first: str) -> tuple[str, dict[str, Any]]:
    """Ask as Tune does, under a new trial id at each attempt."""
    for i in range(200):
        config = searcher.suggest(f"{first}{i}")
        if isinstance(config, dict):
            return f"{first}{i}", config
        assert config is None
    raise AssertionError("no candidate came")


def rows_of(searcher: ArqonSearcher) -> list[dict[str, Any]]:
    """Return the history without the places in a log, and without times that a study takes where Tune gives none."""
    rows = [{key: value for key, value in row.items() if key != "seq"} for row in searcher.solver.history()]
    return [{**row, "steps": [step[:2] for step in row["steps"]]} for row in rows]


def flush(searcher: ArqonSearcher) -> None:
    assert isinstance(searcher._session.study, shared.SharedStudy)
    searcher._session.study.flush()


def test_it_behaves_as_with_a_solver_of_its_own(client: LocalClient) -> None:
    own, on_actor = ArqonSearcher(CONFIG), attached()
    for i in range(6):
        config = own.suggest(f"t{i}")
        assert on_actor.suggest(f"t{i}") == config == on_actor.suggest(f"t{i}")
        for each in (own, on_actor):
            each.on_trial_result(f"t{i}", {"loss": 2.0, "training_iteration": 1})
        outcomes: list[dict[str, Any]] = [
            {"result": {"loss": 1.0 * i, "training_iteration": 2}},
            {"result": None},
            {"result": None, "error": True},
            {"result": {"loss": float("nan")}},
        ]
        for each in (own, on_actor):
            each.on_trial_complete(f"t{i}", **outcomes[i % 4])
    assert own.suggest("more") == on_actor.suggest("more") == Searcher.FINISHED
    flush(on_actor)
    assert rows_of(on_actor) == rows_of(own)


def test_it_waits_while_another_searcher_holds_the_last_candidates(client: LocalClient) -> None:
    one, other = attached(), attached()
    held = [one.suggest(f"t{i}") for i in range(4)] + [other.suggest(f"t{i}") for i in range(2)]
    assert len({repr(config) for config in held}) == 6
    assert one.suggest("more") is None
    other.on_trial_complete("t0", {"loss": 1.0})
    other.on_trial_complete("t1", result=None)
    flush(other)
    assert one.suggest("again") == held[5]
    for trial in ("t0", "t1", "t2", "t3", "again"):
        one.on_trial_complete(trial, {"loss": 1.0})
    assert one.suggest("more") == Searcher.FINISHED == other.suggest("more")


def test_an_actor_that_is_away_is_waited_for_and_nothing_is_lost(client: LocalClient) -> None:
    searcher = attached()
    trial, _ = ask(searcher, "a")
    client.down.set()
    searcher.on_trial_result(trial, {"loss": 3.0, "training_iteration": 1})
    searcher.on_trial_complete(trial, {"loss": 2.0, "training_iteration": 2})
    assert searcher.suggest("b") is None
    assert searcher.suggest("c") is None
    assert client.refused > 0
    client.down.clear()
    ask(searcher, "d")
    assert [row["value"] for row in client.study.history()] == [2.0]
    assert len(client.study.pending()) == 1


def test_an_ask_whose_answer_was_lost_gets_the_same_candidate(client: LocalClient) -> None:
    searcher = attached()
    client.lose_next_answer = True
    ask(searcher, "a")
    ask(searcher, "b")
    assert [held["id"] for held in client.study.pending()] == ["0", "1"]


def test_patience_ends_in_one_clear_error(client: LocalClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.1)
    searcher = attached()
    client.down.set()
    with pytest.raises(ArqonError, match=r"'local' has not answered for .* Tuner\.restore"):
        ask(searcher, "a")


def test_a_study_that_refuses_is_raised_by_the_next_suggest_alone(client: LocalClient) -> None:
    searcher = attached()
    trial, _ = ask(searcher, "a")
    client.study.tell = lambda *args, **kwargs: (_ for _ in ()).throw(StudyNotFoundError("it is gone"))
    searcher.on_trial_complete(trial, {"loss": 1.0})
    with pytest.raises(StudyNotFoundError, match="it is gone"):
        searcher.suggest("b")


def test_points_of_the_user_come_first_and_count_as_with_a_solver_of_its_own(client: LocalClient) -> None:
    points = [{"x": 1.0, "n": 2}, {"x": 2.0, "n": 3}]
    on_actor = attached(points_to_evaluate=points)
    own = ArqonSearcher(CONFIG, points_to_evaluate=points)
    for i in range(6):
        assert ask(on_actor, f"t{i}")[1] == own.suggest(f"t{i}0")
        for each in (on_actor, own):
            each.on_trial_complete(f"t{i}0", {"loss": 1.0 * i} if i != 1 else None, error=i == 1)
        flush(on_actor)
    assert on_actor.suggest("more") == Searcher.FINISHED == own.suggest("more")
    rows = rows_of(on_actor)
    assert [(row["id"], row["origin"]) for row in rows[:2]] == [("0", "user"), ("1", "user")]
    assert rows == rows_of(own)


def test_points_with_rewards_are_told_from_outside(client: LocalClient) -> None:
    points = [{"x": 1.0, "n": 2}, {"x": 2.0, "n": 3}]
    told = attached(points_to_evaluate=points, evaluated_rewards=[0.1, 0.2])
    ask(told, "t")
    flush(told)
    assert [(row["id"], row["value"]) for row in client.study.history()] == [(None, 0.1), (None, 0.2)]


def test_points_for_which_the_budget_has_no_room_are_dropped(client: LocalClient) -> None:
    one = attached()
    held = [ask(one, f"a{i}")[0] for i in range(6)]
    other = attached(points_to_evaluate=[{"x": 1.0, "n": 2}])
    assert other.suggest("b") is None
    for trial in held:
        one.on_trial_complete(trial, {"loss": 1.0})
    flush(one)
    assert other.suggest("c") == Searcher.FINISHED


def test_what_a_run_holds_at_its_end_goes_back_and_it_can_go_on(client: LocalClient) -> None:
    searcher = attached()
    first, _ = ask(searcher, "a")
    _, second = ask(searcher, "b")
    searcher.on_trial_complete(first, {"loss": 1.0})
    owner = searcher._session.study._connection.owner  # type: ignore[union-attr]
    searcher.end_run()
    assert [row["value"] for row in client.study.history()] == [1.0]
    assert client.study.pending() == []
    assert not any(owner in thread.name for thread in threading.enumerate())
    again = [ask(searcher, f"c{i}")[1] for i in range(5)]
    assert second in again
    assert len(client.study.pending()) == 5


def test_a_pickled_searcher_goes_on_in_its_place(client: LocalClient) -> None:
    searcher = attached()
    trial, config = ask(searcher, "a")
    copy = pickle.loads(pickle.dumps(searcher))
    assert copy.suggest(trial) == config
    ask(copy, "b")
    assert {held["owner"] for held in client.study.pending()} == {copy._session.study._connection.owner}


def test_restore_takes_the_trials_over_and_gives_the_rest_back(client: LocalClient, tmp_path: Path) -> None:
    first = attached()
    trial, config = ask(first, "a")
    first.save(str(tmp_path / "file"))
    _, orphan = ask(first, "b")
    second = attached()
    second.restore(str(tmp_path / "file"))
    assert second.suggest(trial) == config
    third, _ = ask(second, "c")
    assert {held["id"] for held in client.study.pending()} == {"0", "2"}
    assert all(held["owner"] == second._session.study._connection.owner for held in client.study.pending())  # type: ignore[union-attr]
    second.on_trial_complete(trial, {"loss": 1.0})
    second.on_trial_complete(third, {"loss": 2.0})
    flush(second)
    assert [row["id"] for row in client.study.history()] == ["0", "2"]
    assert orphan in [ask(second, f"d{i}")[1] for i in range(4)]


def test_results_that_had_not_arrived_are_kept_and_sent_again(
    client: LocalClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "_FLUSH_WITHIN", 0.1)
    first = attached()
    trial, _ = ask(first, "a")
    client.down.set()
    first.on_trial_complete(trial, {"loss": 4.0})
    first.save(str(tmp_path / "file"))
    assert client.study.history() == []
    second = attached()
    second.restore(str(tmp_path / "file"))
    client.down.clear()
    ask(second, "b")
    flush(first)
    assert [row["value"] for row in client.study.history()] == [4.0]


def test_another_study_under_the_name_is_refused_by_the_first_suggest(
    client: LocalClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = attached()
    for name in "abc":
        ask(first, name)
    first.save(str(tmp_path / "file"))
    fresh = LocalClient(tmp_path / "elsewhere", {**CONFIG, "budget": 1})
    monkeypatch.setattr(shared, "SolverClient", lambda name: fresh)
    second = attached()
    second.restore(str(tmp_path / "file"))
    with pytest.raises(ArqonError, match="not the study that this run was attached to"):
        ask(second, "d")


def test_a_file_of_a_searcher_of_its_own_is_refused(client: LocalClient, tmp_path: Path) -> None:
    own = ArqonSearcher(CONFIG)
    own.suggest("t")
    own.save(str(tmp_path / "file"))
    searcher = attached()
    searcher.restore(str(tmp_path / "file"))
    with pytest.raises(StateError, match="actor=None, this one has actor='local'"):
        searcher.suggest("t")


def test_the_threads_end_with_the_searcher(client: LocalClient) -> None:
    searcher = attached()
    trial, _ = ask(searcher, "a")
    searcher.on_trial_complete(trial, {"loss": 1.0})
    flush(searcher)
    study = weakref.ref(searcher._session.study)
    owner = searcher._session.study._connection.owner  # type: ignore[union-attr]
    assert any(owner in thread.name for thread in threading.enumerate())
    del searcher
    gc.collect()
    assert study() is None
    for thread in threading.enumerate():
        if owner in thread.name:
            thread.join(5)
    assert not any(owner in thread.name for thread in threading.enumerate())


def test_what_the_user_decided_must_be_the_studys() -> None:
    config = load_config(CONFIG)
    attach.check_identity("s", config, {"bounds": CONFIG["bounds"], "budget": 99})
    for decided, key in (
        ({"mode": "max"}, "mode"),
        ({"seed": 8}, "seed"),
        ({"bounds": {"y": {"min": 0, "max": 1}}}, "bounds"),
    ):
        with pytest.raises(IdentityError, match=f"{key} is .* there and .* here"):
            attach.check_identity("s", config, decided)


class Slow:
    """Answers some calls only when it is let to; everything else is the study's at once."""

    def __init__(self, client: LocalClient, method: str) -> None:
        self._client, self._method = client, method
        self.go = threading.Event()
        self.name = client.name

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._client, method)
        if method != self._method:
            return call

        def late(*args: Any, **kwargs: Any) -> Any:
            assert self.go.wait(60)
            return call(*args, **kwargs)

        return late


def the_ticket(study: shared.SharedStudy, key: str, point: dict[str, Any] | None = None) -> Any:
    for _ in range(400):
        ticket = study.ask(key, 0.05, point)
        if ticket is not None:
            return ticket
    raise AssertionError(f"{key} was given nothing")


@pytest.mark.parametrize("pickled", [False, True])
def test_a_late_answer_is_never_another_trials(
    client: LocalClient, monkeypatch: pytest.MonkeyPatch, pickled: bool
) -> None:
    monkeypatch.setattr(shared, "_FLUSH_WITHIN", 0.2)
    slow = Slow(client, "ask_one")
    monkeypatch.setattr(shared, "SolverClient", lambda name: slow)
    study = shared.SharedStudy(slow, load_config(CONFIG))  # type: ignore[arg-type]
    first, second = {"x": 1.0, "n": 1}, {"x": 2.0, "n": 2}
    assert study.ask("a", 0.05, first) is None
    assert study.ask("b", 0.05, second) is None
    if pickled:
        study = pickle.loads(pickle.dumps(study))
    slow.go.set()
    # Tune comes back with other trials; each point is answered with its own candidate, in whatever order they ask.
    assert the_ticket(study, "d", second).params == second
    assert the_ticket(study, "c", first).params == first
    params = {row["id"]: row["params"] for row in client.study.pending()}
    assert sorted(map(str, params.values())) == sorted(map(str, [first, second]))
    study.leave()


def test_what_arrives_for_nobody_goes_back(client: LocalClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_FLUSH_WITHIN", 5.0)
    slow = Slow(client, "ask_one")
    study = shared.SharedStudy(slow, load_config(CONFIG))  # type: ignore[arg-type]
    assert study.ask("a", 0.05) is None
    threading.Timer(0.3, slow.go.set).start()
    study.leave()
    assert client.study.pending() == []
