"""Three calls, frame by frame, from the running code: ``python -m tests.walks``.

``ask_one`` from the client to the log, ``tell`` from the client to the arrays that the model reads, and ``suggest`` of
the searcher. The actor is called in this process instead of through Ray, so that one stack shows all of it.
"""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from arqon_ray import SolverClient
from arqon_ray.core.ledger.ledger import Ledger
from arqon_ray.service.log.journal import Journal
from arqon_ray.service.server.actor import SolverActor
from arqon_ray.service.server.host import ActorSpec, StudyHost

CONFIG = {"seed": 1, "budget": 20, "bounds": {"x": {"min": 0.0, "max": 1.0}}}


class Here:
    """A handle whose actor is in this process: ``handle.method.remote(...)`` calls it at once."""

    def __init__(self, actor: SolverActor) -> None:
        self._actor = actor

    def __getattr__(self, method: str) -> Any:
        call = getattr(self._actor, method)

        class Method:
            remote = staticmethod(lambda *args, **kwargs: ray.put(call(*args, **kwargs)))

        return Method


@contextmanager
def first_stack(kind: type, method: str) -> Iterator[list[str]]:
    """Note the frames of ours at the first call of a method within the block, the outermost first."""
    whole, found = getattr(kind, method), list[str]()

    def noting(*args: Any, **kwargs: Any) -> Any:
        if not found:
            frames = [each for each in traceback.extract_stack() if "/arqon_ray/" in each.filename]
            found.extend(f"{each.filename.rpartition('/arqon_ray/')[2]}: {each.name}" for each in frames)
            found.append(f"{kind.__module__.partition('.')[2].replace('.', '/')}.py: {method}")
        return whole(*args, **kwargs)

    setattr(kind, method, noting)
    try:
        yield found
    finally:
        setattr(kind, method, whole)


def walks() -> dict[str, list[str]]:
    """Return the frames of each walk; Ray has to run."""
    from arqon_ray import ArqonSearcher

    with tempfile.TemporaryDirectory() as folder:
        actor = SolverActor({}, folder)
        actor._host = StudyHost(ActorSpec("walk", "token", True), folder, False, {"pid": 1})
        actor._host.begin(CONFIG, "token")
        client = SolverClient("walk", Here(actor))
        with first_stack(Journal, "append") as ask:
            candidate = client.ask_one(key="a")
        assert candidate is not None
        with first_stack(Ledger, "record") as tell:
            client.tell(candidate["id"], 0.5, key="t")
        actor._host.stop(purge=False)
    searcher = ArqonSearcher(CONFIG)
    searcher.suggest("first")  # it makes the study
    with first_stack(Ledger, "hand_out") as suggest:
        searcher.suggest("second")
    return {"ask_one": ask, "tell": tell, "suggest": suggest}


def main() -> None:
    """Print the walks."""
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    for name, frames in walks().items():
        print(f"\n{name}: {len(frames)} frames")
        print("\n".join(f"  {frame}" for frame in frames))


if __name__ == "__main__":
    main()
