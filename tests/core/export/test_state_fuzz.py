"""What loads, works: one change of an export is refused, or every later call goes through."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import pytest

from arqon_ray.core import ArqonSolver
from arqon_ray.errors import StateError
from tests.core.export.fuzz_states import STUDIES, leaves, mutations, use

SHARE = 199
"""Every so many of the mutations is tried; ``python -m tests.core.export.fuzz_states`` tries all."""


@pytest.mark.parametrize("name", STUDIES)
def test_a_changed_state_is_refused_or_works(name: str) -> None:
    document = json.loads(STUDIES[name]().export())
    assert use(json.dumps(document)) == "works"
    outcomes = {use(json.dumps(changed)) for _, changed in islice(mutations(document), None, None, SHARE)}
    assert outcomes == {"refused", "works"}


@pytest.mark.parametrize("name", [name for name in STUDIES if name != "probe"])
def test_a_memory_of_another_type_is_refused(name: str) -> None:
    document = json.loads(STUDIES[name]().export())
    numbers = [path for path in leaves(document["memory"]) if len(path) > 1]
    assert numbers
    for path in numbers:
        changed = json.loads(json.dumps(document))
        parent: Any = changed["memory"]
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = {"a": []}
        with pytest.raises(StateError, match=rf"state\.memory\.{path[0]}"):
            ArqonSolver.from_state(json.dumps(changed))


def test_a_small_state_that_claims_to_be_large_is_refused_at_once() -> None:
    document = json.loads(STUDIES["probe"]().export())
    with pytest.raises(StateError, match="exactly once"):
        ArqonSolver.from_state(json.dumps({**document, "handed_out": 10**12}))


@pytest.mark.parametrize("depth", [900, 5_000, 100_000])
def test_a_state_without_end_is_refused(depth: int) -> None:
    text = STUDIES["tpe"]().export()
    deep = text.replace('"tpe": {}', '"tpe": {"a": ' + "[" * depth + "]" * depth + "}")
    assert deep != text
    with pytest.raises(StateError):
        ArqonSolver.from_state(deep)
