"""What one evaluation needs, in Ray's words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from arqon_ray.errors import ConfigError
from arqon_ray.fanout.driver.resources import slots, task_options


@pytest.mark.parametrize(
    ("resources", "options"),
    [
        (None, {"num_cpus": 1}),
        ({"gpu": 0.5}, {"num_cpus": 1, "num_gpus": 0.5}),
        ({"CPU": 2, "memory": 1e9, "tpu": 1, "none": 0}, {"num_cpus": 2, "memory": 1e9, "resources": {"tpu": 1}}),
        ({"num_cpus": 0}, {"num_cpus": 0}),
    ],
)
def test_resources_become_options(resources: Any, options: dict[str, Any]) -> None:
    assert task_options(resources) == options


@pytest.mark.parametrize("amount", [-1, "2", True, math.nan, math.inf, None])
def test_an_amount_that_is_none_is_refused(amount: Any) -> None:
    with pytest.raises(ConfigError, match=r"resources\.gpu is"):
        task_options({"gpu": amount})


@pytest.mark.usefixtures("cluster")
def test_the_scarcest_resource_decides_how_many_run_at_once() -> None:
    assert slots({"num_cpus": 1}) == 4
    assert slots({"num_cpus": 3}) == 1
    assert slots({"num_cpus": 0, "num_gpus": 0.25}) == 4
    with pytest.warns(UserWarning, match=r"needs \{'TPU': 1\}"):
        assert slots({"num_cpus": 1, "resources": {"TPU": 1}}) == 1
