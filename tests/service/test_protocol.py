from __future__ import annotations

import builtins
import pickle

import pytest

from arqon_ray import errors
from arqon_ray.service.log.journal import FencedError
from arqon_ray.service.protocol import from_plain, to_plain

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ArqonError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_of_the_package_comes_back_as_itself(kind: type[Exception]) -> None:
    plain = pickle.loads(pickle.dumps(to_plain(kind("x: what, and what to do"))))
    assert type(plain).__module__ == builtins.__name__
    assert issubclass(kind, type(plain)) or kind is errors.ArqonError
    back = from_plain(plain)
    assert type(back) is kind
    assert str(back) == "x: what, and what to do"


def test_a_private_subclass_travels_as_its_public_class() -> None:
    assert type(from_plain(to_plain(FencedError("fenced: x")))) is errors.StudyRefusedError


def test_what_is_not_ours_passes_or_becomes_plain() -> None:
    error = KeyError("x")
    assert to_plain(error) is error
    assert from_plain(error) is error

    class StrangeError(Exception):
        pass

    plain = to_plain(StrangeError("y"))
    assert type(plain) is RuntimeError
    assert str(plain) == "StrangeError: y"
    assert from_plain(plain) is plain
