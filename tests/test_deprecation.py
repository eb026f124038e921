"""A deprecation names both versions and the replacement, and blames the line that uses the old name."""

from __future__ import annotations

import linecache

import pytest

from arqon_ray.deprecation import warn_deprecated


def old() -> None:
    warn_deprecated("old()", since="0.2.0", removed="0.4.0", instead="new()")


def test_it_names_versions_and_replacement_at_the_callers_line() -> None:
    with pytest.warns(DeprecationWarning, match=r"^old\(\) is deprecated") as caught:
        old()
    assert str(caught[0].message) == "old() is deprecated since 0.2.0 and will be removed in 0.4.0: use new()"
    assert linecache.getline(caught[0].filename, caught[0].lineno).strip() == "old()"
    assert caught[0].filename == __file__
