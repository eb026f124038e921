"""The public names are what they say, whichever module was imported before."""

from __future__ import annotations

import pkgutil

from arqon_ray import fanout


def test_no_module_takes_the_place_of_a_public_name() -> None:
    modules = {module.name for module in pkgutil.iter_modules(fanout.__path__)}
    assert {"driver", "optimization", "sweeps", "worker"} <= modules
    assert not modules & set(fanout.__all__)
    for name in fanout.__all__:
        assert getattr(fanout, name).__class__ is not type(fanout)
