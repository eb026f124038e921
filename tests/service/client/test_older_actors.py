"""An actor that an older release created says what it is asked; what it lacks is named."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import ray

import arqon_ray
from arqon_ray import ArqonError, ResultsError, SolverClient
from arqon_ray.service.client.reference import NAMESPACE, until_gone
from tests.service.conftest import CONFIG


class Older:
    """The facade of release 0.1.0, as far as it matters: what it had, how it was called, what it said to the rest."""

    KEYS = ("params", "value", "cost", "eval_id", "id", "status", "step", "reason", "values")

    def begin(self, config: Any, token: str, snapshot: Any = None, storage_path: Any = None) -> Any:
        if "metric" in config:
            keys = "seed, budget, mode, objectives, bounds, probe_ratio, strategy, strategy_params"
            raise ValueError(f"ConfigError: metric is {config['metric']!r}: unknown key; the keys are {keys}")
        return {}

    def ask_one(self, key: Any = None, owner: Any = None, lease: Any = None, timeout: Any = 30.0) -> Any:
        return {"id": "0", "params": {"x": 0.5, "n": 3}}

    def tell(self, id: Any, value: Any = ..., cost: float = 1.0, key: Any = None, **rest: Any) -> Any:
        if isinstance(id, str) and value is ... and "value" not in rest:
            raise ValueError(f"ResultsError: tell({id!r}) has no value: give a number, or None for a failed evaluation")
        given = [{"id": id, "value": value, "cost": cost, **rest}] if isinstance(id, str) else id
        for place, entry in enumerate(given):
            for each in entry:
                if each not in self.KEYS:
                    keys = ", ".join(self.KEYS)
                    raise ValueError(f"ResultsError: results[{place}] has {each!r}: the keys are {keys}")
            if entry.get("status") not in (None, "complete", "failed"):
                said = f"results[{place}].status is {entry['status']!r}: it must be complete or failed"
                raise ValueError(f"ResultsError: {said}")
        answers = [{"id": entry["id"], "accepted": True} for entry in given]
        return answers[0] if isinstance(id, str) else answers

    def report(self, id: str, step: int, value: float) -> Any:
        return {"id": id, "accepted": True}

    def history(self) -> Any:
        return [{"id": "0", "value": 1.0}]

    def status(self) -> Any:
        return {"state": "running", "uuid": "u", "seq": 3}


class Versioned(Older):
    """One that tells its version."""

    def status(self) -> Any:
        return {**super().status(), "version": "0.1.5"}


def living(kind: type) -> SolverClient:
    name = f"older-{uuid.uuid4().hex[:8]}"
    options = {"name": name, "namespace": NAMESPACE, "num_cpus": 0, "lifetime": "detached"}
    decorate: Any = ray.remote(kind)
    decorate.options(**options).remote()
    return SolverClient(name)


@pytest.fixture
def client(cluster: Any) -> Iterator[SolverClient]:
    client = living(Older)
    yield client
    ray.kill(client.handle)


LACKED = [
    ("retract()", lambda c: c.retract("0", "wrong")),
    ("explain()", lambda c: c.explain()),
    ("history(since=...)", lambda c: c.history(since=3)),
    ("report(metrics=...)", lambda c: c.report("0", 1, 2.0, {"loss": 2.0})),
    ("report([...])", lambda c: c.report([{"id": "0", "step": 1, "value": 2.0}])),
    ("tell(metrics=...)", lambda c: c.tell("0", 1.0, metrics={"loss": 1.0})),
    ("tell(seconds=...)", lambda c: c.tell([{"id": "0", "value": 1.0, "seconds": 2.0}])),
    ("tell(status='stopped')", lambda c: c.tell("0", 1.0, status="stopped", step=3)),
    ("tell() without a value", lambda c: c.tell("0", metrics={"loss": 1.0})),
]


@pytest.mark.parametrize(("what", "call"), LACKED, ids=[what for what, _ in LACKED])
def test_a_call_that_an_older_actor_lacks_is_named(what: str, call: Any, client: SolverClient) -> None:
    said = (
        f"the actor of the study '{client.name}' has no {what}: this is arqon_ray {arqon_ray.__version__}, and it runs "
    )
    for caller in (call, lambda c: asyncio.run(call(c.aio))):
        with pytest.raises(ArqonError, match="does not tell its version") as raised:
            caller(client)
        assert type(raised.value) is ArqonError
        assert str(raised.value).startswith(said)
        assert "stop() it and start() the study again" in str(raised.value)


@pytest.mark.usefixtures("cluster")
def test_its_version_is_named_where_it_is_known() -> None:
    client = living(Versioned)
    with pytest.raises(ArqonError, match=r"has no retract\(\): .* it runs 0\.1\.5\. An actor outlives"):
        client.retract("0")
    ray.kill(client.handle)


def test_a_key_of_a_config_that_an_older_actor_lacks_is_named(client: SolverClient) -> None:
    with pytest.raises(ArqonError, match="has no key 'metric' in its config: this is arqon_ray") as raised:
        arqon_ray.start({**CONFIG, "metric": "loss"}, client.name)
    assert type(raised.value) is ArqonError
    assert arqon_ray.start(CONFIG, client.name).name == client.name


def test_what_an_older_actor_knows_it_is_asked_as_ever(client: SolverClient) -> None:
    assert client.ask_one() == {"id": "0", "params": {"x": 0.5, "n": 3}}
    assert client.report("0", 1, 2.0)["accepted"]
    assert client.tell("0", 1.0, step=3)["accepted"]
    assert client.history() == [{"id": "0", "value": 1.0}]
    with pytest.raises(ResultsError, match="status is 'odd'"):
        client.tell([{"id": "0", "value": 1.0, "status": "odd"}])
    with pytest.raises(ResultsError, match="has no value"):
        client.tell("0")
    with pytest.raises(TypeError, match="serialize"):
        client.tell("0", (each for each in ()))


def test_it_is_replaced_and_the_client_goes_on(client: SolverClient) -> None:
    with pytest.raises(ArqonError, match="retract"):
        client.retract("0")
    ray.kill(client.handle)
    for _ in until_gone(client.name, client.handle):
        pass
    arqon_ray.start(CONFIG, client.name)
    client.tell(client.ask_one()["id"], 1.0)  # type: ignore[index]
    assert client.retract("0")["accepted"]
    client.stop(purge=True)
    living_again = living(Older)
    client._handle, client.name = living_again.handle, living_again.name
