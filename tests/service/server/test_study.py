from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.core.config import load_config
from arqon_ray.core.propose.proposer import Proposer
from arqon_ray.errors import (
    AskTimeoutError,
    ConfigError,
    IdentityError,
    OutOfBoundsError,
    ResultsError,
    StudyRefusedError,
    UnknownCandidateError,
)
from arqon_ray.service.log.manifest import write_study
from arqon_ray.service.server.asking import COMPUTING
from arqon_ray.service.server.study import Study
from arqon_ray.service.storage.local import LocalStore
from tests.service.conftest import CONFIG, Clock

Reopen = Callable[[], Study]


def test_candidates_are_the_solvers_own(study: Study) -> None:
    solver = ArqonSolver(CONFIG)
    for _ in range(6):
        assert study.ask(1)[0]["params"] == solver.ask_one()


def test_the_budget_is_exact_and_none_means_finished(study: Study) -> None:
    asked = study.ask(100)
    assert [each["id"] for each in asked] == list("012345")
    with pytest.raises(AskTimeoutError, match="6 pending"):
        study.ask_one(timeout=0)
    study.tell([{"id": each["id"], "value": 1.0} for each in asked[:5]])
    assert study.status()["state"] == "running"
    study.fail("5", "out of memory")
    assert study.ask_one() is None
    assert study.ask(3) == []
    status = study.status()
    assert status["state"] == "finished"
    assert status["counts"] == {
        "asked": 6,
        "told": 6,
        "failed": 1,
        "pending": 0,
        "released": 0,
        "seeded": 0,
        "retracted": 0,
        "enqueued": 0,
    }


def test_the_same_key_is_given_the_same_candidates_always(study: Study, reopen: Reopen) -> None:
    first = study.ask(2, key="k")
    assert study.ask(2, key="k") == first
    study = reopen()
    assert study.ask(2, key="k") == first
    study.tell("0", 1.0)
    again = study.ask(2, key="k")
    assert again == [{**first[0], "note": "it was told already"}, first[1]]
    assert study.ask_one(key="other") is not None
    assert study.status()["counts"]["asked"] == 3


def test_a_repeated_tell_has_one_effect_and_the_same_answer(study: Study, reopen: Reopen) -> None:
    study.ask(2)
    told = study.tell("0", 1.0, key="t")
    assert told == {"id": "0", "accepted": True}
    assert study.tell("0", 1.0, key="t") == told
    assert reopen().tell("0", 1.0, key="t") == told
    study = reopen()
    late = study.tell([{"id": "0", "value": 9.0}, {"id": "1", "value": 2.0}, {"id": "1", "value": 3.0}])
    assert [each["accepted"] for each in late] == [False, True, False]
    assert "already told" in late[0]["note"]
    assert [row["value"] for row in study.history()] == [1.0, 2.0]


def test_a_lease_that_ran_out_comes_back_only_when_nothing_fresh_is_left(study: Study, clock: Clock) -> None:
    lost = study.ask(2, owner="a")
    clock.now += 61
    fresh = study.ask(4, owner="b")
    assert [each["id"] for each in fresh] == list("2345")
    assert study.status()["counts"]["released"] == 2
    assert study.ask(5, owner="b") == lost
    assert study.status()["counts"]["pending"] == 6


def test_a_late_tell_counts_when_nobody_else_has_told(study: Study, clock: Clock) -> None:
    study.ask(6, owner="a")
    clock.now += 61
    assert study.tell("0", 1.0)["accepted"]
    again = study.ask_one(owner="b")
    assert again is not None
    assert again["id"] == "1"
    assert study.tell("1", 1.5)["accepted"]
    answer = study.tell("1", 2.0)
    assert not answer["accepted"]
    assert study.history()[1]["value"] == 1.5


def test_heartbeats_keep_what_an_owner_holds(study: Study, clock: Clock) -> None:
    study.ask(6, owner="a", lease=10)
    for _ in range(5):
        clock.now += 9
        assert study.renew("a") == 6
    with pytest.raises(AskTimeoutError):
        study.ask_one(timeout=0)
    clock.now += 11
    assert study.renew("a") == 0
    assert study.ask_one(timeout=0) is not None


def test_a_repeated_key_does_not_take_a_candidate_from_its_new_holder(study: Study, clock: Clock) -> None:
    study.ask(6, key="old", owner="a")
    clock.now += 61
    study.ask_one(key="new", owner="b")
    again = study.ask(6, key="old", owner="a")
    assert again[0]["note"] == "its lease ran out and somebody else holds it now"
    assert [each["owner"] for each in study.pending()] == ["b", "a", "a", "a", "a", "a"]


def test_an_asker_that_comes_back_under_another_name_takes_its_candidate_along(study: Study, reopen: Reopen) -> None:
    asked = study.ask_one(key="trial", owner="first driver")
    assert study.ask_one(key="trial", owner="second driver") == asked
    study = reopen()
    assert study.pending("first driver") == []
    assert [each["id"] for each in study.pending("second driver")] == ["0"]


def test_after_a_restart_leases_have_their_full_length_again(study: Study, reopen: Reopen, clock: Clock) -> None:
    study.ask(6, owner="a", lease=10)
    clock.now += 9
    study = reopen()
    clock.now += 9
    assert study.renew("a") == 6


def test_a_slow_restart_costs_no_lease(study: Study, store: LocalStore) -> None:
    class SlowClock(Clock):
        step = 1.0

        def __call__(self) -> float:
            self.now += self.step
            return self.now

    study.ask_one(owner="a", lease=10)
    study.extend_budget(60)
    for _ in range(50):
        study.ask_one(owner="b", lease=10)
    clock = SlowClock()
    study = Study.open(store, {"pid": 2}, clock)
    clock.step = 0.0
    assert study.renew("a") == 1


def test_release_gives_back_what_is_held_and_nothing_else(study: Study) -> None:
    study.ask(2, owner="a")
    study.ask(2, owner="b")
    study.tell("0", 1.0)
    answers = study.release(["0", "1", "1", "2"], owner="a")
    assert [each["accepted"] for each in answers] == [False, True, False, False]
    assert [each.get("note", "") for each in answers] == [
        "it was told already",
        "",
        "it was released already",
        "it is held by b now",
    ]
    assert [each["id"] for each in study.release(owner="b")] == ["2", "3"]
    assert study.status()["counts"]["released"] == 3


def test_a_repeated_release_does_not_take_from_the_next_holder(study: Study) -> None:
    study.ask(6)
    answer = study.release("0", key="r")
    assert study.ask_one() == {"id": "0", "params": ArqonSolver(CONFIG).ask_one()}
    assert study.release("0", key="r") == answer
    assert study.status()["counts"]["pending"] == 6


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, 10**400])
def test_what_is_no_finite_value_is_a_failed_evaluation(study: Study, value: float | None) -> None:
    study.ask_one()
    assert study.tell("0", value)["accepted"]
    (row,) = study.history()
    assert (row["value"], row["status"]) == (None, "failed")
    assert study.status()["counts"]["failed"] == 1


def test_points_from_outside_are_no_part_of_the_budget(study: Study, reopen: Reopen) -> None:
    answers = study.seed([{"params": {"x": 0.25, "n": 8}, "value": 3.0}], key="s")
    assert study.seed([{"params": {"x": 0.25, "n": 8}, "value": 3.0}], key="s") == answers
    counts = reopen().status()["counts"]
    assert (counts["seeded"], counts["asked"]) == (1, 0)


def test_a_seeded_id_is_no_candidate_of_this_study_in_a_replay_either(study: Study, reopen: Reopen) -> None:
    solver = ArqonSolver(CONFIG)
    solver.tell([{"params": params, "value": float(i)} for i, params in enumerate(solver.ask(2) or [])])
    study.ask(2)  # the same points under the same ids
    answers = study.seed(solver.history(), key="s")
    assert [(answer["id"], answer["accepted"]) for answer in answers] == [(None, True)] * 2
    counts = study.status()["counts"]
    assert (counts["pending"], counts["seeded"], counts["told"]) == (2, 2, 0)
    history, study = study.history(), reopen()
    assert (study.history(), study.status()["counts"]) == (history, counts)
    assert study.tell("0", 5.0) == {"id": "0", "accepted": True}
    assert study.seed(study.history()[:1] + study.history()[-1:])[1]["accepted"]
    assert study.status()["counts"]["seeded"] == 4


def test_rows_outside_a_narrowed_space_are_skipped_and_the_answer_is_the_same_again(
    study: Study, reopen: Reopen
) -> None:
    rows = [{"params": {"x": x, "n": 8}, "value": 3.0} for x in (2.0, 0.25, -1.0)]
    with pytest.raises(OutOfBoundsError, match=r"results\[0\].params.x is 2.0"):
        study.seed(rows, key="s")
    answers = study.seed(rows, key="s", out_of_bounds="skip")
    assert [answer["accepted"] for answer in answers] == [False, True, False]
    assert study.seed(rows, key="s", out_of_bounds="skip") == answers
    study = reopen()
    assert study.seed(rows, key="s", out_of_bounds="skip") == answers
    assert len(study.seed(rows[:1], out_of_bounds="skip")) == 1
    assert [row["params"]["x"] for row in study.history()] == [0.25]


def test_numpy_numbers_are_counts_seconds_steps_and_values(study: Study, reopen: Reopen) -> None:
    assert len(study.ask(np.int64(2), lease=np.float32(50), timeout=np.int8(1))) == 2
    study.report("0", np.uint8(3), np.array([0.5]))  # type: ignore[arg-type]
    study.tell("0", np.float32(0.5), cost=np.int16(2), step=np.int32(4))
    study.tell([{"id": "1", "value": np.array(0.25), "params": study.pending()[0]["params"]}])
    study.seed([{"params": {"x": np.float32(0.5), "n": np.int8(8)}, "value": np.float16(2)}])
    history = study.history()
    assert [(row["value"], row.get("step")) for row in history] == [(0.5, 4), (0.25, None), (2.0, None)]
    assert reopen().history() == history


@pytest.mark.parametrize(
    ("method", "args", "kwargs"),
    [
        ("ask", (0,), {}),
        ("ask_one", (), {"key": "\ud800"}),
        ("ask_one", (), {"owner": "x" * 513}),
        ("ask_one", (), {"lease": 10**400}),
        ("ask_one", (), {"timeout": math.nan}),
        ("report", ("0", 2**53, 1.0), {}),
        ("report", ("0", 1, b"1"), {}),
        ("tell", ("0", 1.0), {"step": 2**53}),
        ("tell", ([{"id": 2**64, "value": 1.0}],), {}),
        ("tell", ([{"id": "0", "value": 1.0, "params": {"x": [0.9], "n": 3}}],), {}),
        ("seed", ([{"params": {"x": 0.5, "n": 8}, "value": 1.0}],), {"out_of_bounds": None}),
        ("ask", (4097,), {}),
        ("ask", (True,), {}),
        ("ask_one", (), {"key": 3}),
        ("ask_one", (), {"key": ""}),
        ("ask_one", (), {"owner": b"a"}),
        ("ask_one", (), {"lease": 0}),
        ("ask_one", (), {"lease": math.inf}),
        ("ask_one", (), {"timeout": -1}),
        ("ask_one", (), {"timeout": "1"}),
        ("tell", (0, 1.0), {}),
        ("tell", ("0",), {}),
        ("tell", ("zero", 1.0), {}),
        ("tell", ("0", "1.0"), {}),
        ("tell", ("0", True), {}),
        ("tell", ("0", 1.0), {"cost": -1}),
        ("tell", ("0", 1.0), {"cost": math.nan}),
        ("tell", ("0", 1.0), {"status": "done"}),
        ("tell", ("0", 1.0), {"colour": "red"}),
        ("tell", ("0", 1.0), {"key": 1.5}),
        ("tell", ([{"id": "1", "value": 1.0}, {"id": "0"}],), {}),
        ("tell", ([{"id": "1", "value": 1.0}, {"value": 1.0, "params": {}}],), {}),
        ("tell", ([{"id": "1", "value": 1.0}, 3],), {}),
        ("tell", ([{"id": "0", "value": 1.0, "params": {"x": 0.9, "n": 3}}],), {}),
        ("tell", (None,), {}),
        ("fail", (0,), {}),
        ("fail", ("0", 3), {}),
        ("report", ("0", -1, 1.0), {}),
        ("report", ("0", 1, "x"), {}),
        ("release", (), {}),
        ("release", (3,), {}),
        ("release", (["0", 1],), {}),
        ("renew", (None,), {}),
        ("pending", (3,), {}),
        ("seed", ([{"value": 1.0}],), {}),
        ("seed", ([{"params": {"x": 0.5, "n": 8}, "value": 1.0}, {"params": {"x": 2.0, "n": 8}, "value": 1.0}],), {}),
    ],
)
def test_what_is_malformed_is_refused_before_anything_changes(
    study: Study, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    study.ask(2)
    before = study.status(), study.export()
    with pytest.raises(ResultsError):
        getattr(study, method)(*args, **kwargs)
    assert (study.status(), study.export()) == before


@pytest.mark.parametrize("call", ["tell", "fail", "report", "release"])
def test_an_id_that_never_was_says_what_to_do(study: Study, call: str) -> None:
    study.ask_one()
    args = {"tell": ("9", 1.0), "report": ("9", 1, 1.0)}.get(call, ("9",))
    with pytest.raises(UnknownCandidateError, match=r"9.* was never handed out"):
        getattr(study, call)(*args)
    with pytest.raises(UnknownCandidateError):
        study.tell([{"id": "0", "value": 1.0}, {"id": "9", "value": 1.0}])
    assert study.history() == []


def test_whatever_an_ask_or_pending_answers_is_a_result_once_it_has_a_value(study: Study) -> None:
    first, second = study.ask(2, key="k", owner="me")
    study.tell({**first, "value": 1.0})
    assert "note" in study.ask(2, key="k")[0]
    assert study.tell([{**study.ask(2, key="k")[0], "value": 2.0}]) == [
        {"id": "0", "accepted": False, "note": "already told: this result was ignored"}
    ]
    assert study.tell([{**row, "value": 2.0} for row in study.pending()]) == [{"id": second["id"], "accepted": True}]


def test_a_candidate_may_be_told_with_its_own_params(study: Study) -> None:
    asked = study.ask_one()
    assert asked is not None
    assert study.tell({**asked, "value": 1.0}) == {"id": "0", "accepted": True}


def test_intermediate_values_are_kept_until_the_result(study: Study, reopen: Reopen) -> None:
    study.ask_one()
    assert study.report("0", 1, 3.0)["accepted"]
    study = reopen()
    assert study.report("0", 1, 3.0)["accepted"]
    study.tell("0", 2.0)
    assert not study.report("0", 2, 2.0)["accepted"]


def waiting(study: Study) -> tuple[threading.Thread, list[Any]]:
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(study.ask_one(timeout=None)))
    thread.start()
    return thread, answers


def test_who_waits_is_woken_by_a_release(study: Study) -> None:
    study.ask(6)
    thread, answers = waiting(study)
    study.release("4")
    thread.join(60)
    assert [each["id"] for each in answers] == ["4"]


def test_who_waits_is_woken_by_the_last_result(study: Study) -> None:
    study.ask(6)
    thread, answers = waiting(study)
    study.tell([{"id": each, "value": 1.0} for each in "012345"])
    thread.join(60)
    assert answers == [None]


def test_who_waits_when_the_study_is_drained_is_told_why(study: Study) -> None:
    study.ask(6)
    problems: list[Exception] = []

    def wait() -> None:
        try:
            study.ask_one(timeout=None)
        except StudyRefusedError as error:
            problems.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    study.drain(StudyRefusedError("stopped"))
    thread.join(60)
    assert [str(error) for error in problems] == ["stopped"]


def test_many_threads_never_get_the_same_candidate(study: Study, reopen: Reopen) -> None:
    study.extend_budget(80)
    taken: list[str] = []

    def worker() -> None:
        while (asked := study.ask_one(timeout=60)) is not None:
            taken.append(asked["id"])
            study.tell(asked["id"], asked["params"]["x"])

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert sorted(map(int, taken)) == list(range(80))
    assert sorted(row["id"] for row in reopen().history()) == sorted(taken)


def test_reopening_changes_nothing_and_computes_nothing(
    study: Study, reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    study.ask(3, key="k", owner="a")
    study.tell("1", 2.0)
    study.release("2")
    study.extend_budget(8)
    before = study.export(), study.status(), study.pending(), study.history()
    monkeypatch.setattr(Proposer, "propose", lambda *_: pytest.fail("a replay computed a candidate"))
    study = reopen()
    status = {**before[1], "epoch": 2, "restarts": 1, "seq": before[1]["seq"] + 1}
    assert (study.export(), study.status(), study.pending(), study.history()) == (before[0], status, *before[2:])


def test_the_next_candidates_after_a_restart_are_those_that_would_have_come(store: Any, clock: Clock) -> None:
    from arqon_ray.service.log.manifest import write_study

    write_study(store, "u", {**CONFIG, "strategy": "auto", "budget": 40})
    study = Study.open(store, {"pid": 0, "actor": "a"}, clock)
    solver = ArqonSolver({**CONFIG, "strategy": "auto", "budget": 40})
    for k in range(16):
        asked, own = study.ask_one(), solver.propose()
        assert asked is not None
        assert own is not None
        assert asked["params"] == own.params
        if k % 4:
            value = (asked["params"]["x"] - 0.3) ** 2 + 0.01 * asked["params"]["n"]
            study.tell(asked["id"], value)
            solver.observe(own.number, value)
        if k % 5 == 4:
            study = Study.open(store, {"pid": k, "actor": "a"}, clock)


def test_choices_of_another_type_are_of_another_study(store: LocalStore, reopen: Reopen) -> None:
    config = {"seed": 1, "bounds": {"x": {"choices": [0, 1]}}}
    write_study(store, "0" * 32, config)
    study = reopen()
    study.join(load_config({"seed": 1, "bounds": {"x": {"choices": [0.0, 1.0]}}}))
    with pytest.raises(IdentityError, match=r"bounds.x is .*\[0, 1\].* there and .*\[False, True\].* here"):
        study.join(load_config({"seed": 1, "bounds": {"x": {"choices": [False, True]}}}))


def test_a_study_with_one_objective_has_no_pareto_set(study: Study) -> None:
    with pytest.raises(ConfigError, match="objectives is None"):
        study.pareto()


def test_the_pareto_set_is_that_of_the_solver_and_is_taken_back(store: LocalStore, reopen: Reopen) -> None:
    write_study(store, "1" * 32, {**CONFIG, "objectives": ["min", "max"], "mode": "min"})
    study = reopen()
    for values in ([1.0, 1.0], [2.0, 2.0], [3.0, 1.0]):
        asked = study.ask_one()
        assert asked is not None
        study.tell([{"id": asked["id"], "values": values}])
    assert [row["values"] for row in study.pareto()] == [[1.0, 1.0], [2.0, 2.0]]
    assert study.seed(study.pareto()) == [{"id": None, "accepted": True}] * 2
    rows = [{"params": row["params"], "values": [1, 2]} for row in study.history()[:1] * 150]
    with pytest.raises(ResultsError, match=r"results\[150\].params.x is 3.0"):
        study.seed([*rows, {"params": {"x": 3.0, "n": 8}, "values": [1, 2]}])


def test_a_config_of_another_study_is_refused_with_both_values(study: Study) -> None:
    other = {**CONFIG, "seed": 8, "bounds": {**CONFIG["bounds"], "x": {"min": 0.0, "max": 2.0}}}
    with pytest.raises(IdentityError) as caught:
        study.join(load_config(other))
    assert "seed is 7 there and 8 here" in str(caught.value)
    assert "bounds.x is" in str(caught.value)
    assert "bounds.n" not in str(caught.value)


@pytest.mark.parametrize(("budget", "after"), [(9, 9), (3, 6), (None, 6)])
def test_joining_with_a_larger_budget_extends_it(study: Study, reopen: Reopen, budget: int | None, after: int) -> None:
    study.join(load_config({**CONFIG, "budget": budget}))
    assert study.status()["budget"] == after
    assert reopen().status()["budget"] == after


def test_a_strategy_that_raises_loses_nothing(study: Study, reopen: Reopen, monkeypatch: pytest.MonkeyPatch) -> None:
    propose, calls = Proposer.propose, []

    def third_fails(proposer: Proposer, probe: bool = False) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise ArithmeticError("singular")
        return propose(proposer, probe)

    monkeypatch.setattr(Proposer, "propose", third_fails)
    assert len(study.ask(4)) == 2
    with pytest.raises(ArithmeticError, match="singular"):
        study.ask(2)
    assert len(study.ask(2)) == 2
    assert reopen().export() == study_export_without_writing(study)


def test_a_failure_reaches_all_who_wait_for_candidates(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    met: list[str] = []

    def fails(proposer: Proposer, probe: bool = False) -> Any:
        begun.set()
        assert go_on.wait(60)
        raise ArithmeticError("singular")

    def ask() -> None:
        try:
            study.ask(2, timeout=None)
        except ArithmeticError as error:
            met.append(str(error))

    with monkeypatch.context() as patch:
        patch.setattr(Proposer, "propose", fails)
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for each in threads:
            each.start()
        assert begun.wait(60)
        while len(study._queue) < 3:
            time.sleep(0.002)
        go_on.set()
        for each in threads:
            each.join(60)
    assert met == ["singular"] * 3
    assert study.ask_one() is not None


@pytest.mark.parametrize("where", ["proposer", "get_history_len"])
@pytest.mark.parametrize("kind", [ValueError, SystemExit])
def test_whatever_fails_around_a_draft_is_told_and_named_until_it_is_over(
    study: Study, monkeypatch: pytest.MonkeyPatch, where: str, kind: type[BaseException]
) -> None:
    def fails(solver: ArqonSolver) -> Any:
        if threading.current_thread() is threading.main_thread():
            return original(solver)
        raise kind("a bug")

    original = getattr(ArqonSolver, where)
    with monkeypatch.context() as patch:
        patch.setattr(ArqonSolver, where, fails)
        for _ in range(2):
            # Never SystemExit itself: it would end the process of whoever asks.
            with pytest.raises(ValueError if kind is ValueError else RuntimeError, match="a bug"):
                study.ask_one(timeout=None)
        [trouble] = study.status()["trouble"]
    assert (trouble["what"], trouble["error"]) == ("computing candidates", f"{kind.__name__}: a bug")
    assert trouble["failures"] >= 2
    assert study.ask_one() is not None
    assert study.status()["trouble"] == []


def test_a_model_that_fails_hides_nothing_else_of_the_status(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    study.ask(2)
    monkeypatch.setattr(ArqonSolver, "proposer", lambda solver: 1 / 0)
    status = study.status()
    assert status["counts"]["asked"] == 2
    assert status["best"] is status["phase"] is None
    assert "ZeroDivisionError" in status["trouble"][-1]["error"]


def test_a_strategy_that_never_ends_costs_an_ask_no_more_than_its_bound(
    study: Study, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def hangs(proposer: Proposer, probe: bool = False) -> Any:
        begun.set()
        assert ended.wait(60)

    monkeypatch.setattr(Proposer, "propose", hangs)
    met: list[str] = []

    def ask() -> None:
        try:
            study.ask_one(timeout=5.0)
        except AskTimeoutError as error:
            met.append(str(error))

    thread = threading.Thread(target=ask)
    thread.start()
    assert begun.wait(60)
    clock.now += 5.0 + COMPUTING - 1.0
    thread.join(0.5)
    assert not met
    clock.now += 1.0
    thread.join(60)
    ended.set()
    assert "no candidate was computed within 5 s and 60 s more" in met[0]


def study_export_without_writing(study: Study) -> str:
    """Return the export of a study that was fenced a moment ago, without its durability barrier."""
    return study._state.solver.export()
