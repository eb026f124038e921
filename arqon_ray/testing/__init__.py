"""Conformance tests for what others may add: strategies and stores. They need pytest.

Subclass a test case of :mod:`.strategies` or :mod:`.stores` in a test module of your own and say what is tested.
"""

import pytest

pytest.register_assert_rewrite("arqon_ray.testing.strategies", "arqon_ray.testing.stores")
