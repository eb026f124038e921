"""The public surface changes on purpose only: each change of a name or a signature shows in one file."""

from __future__ import annotations

from tests.surface import COMMAND, PATH, surface


def test_the_public_surface_is_as_recorded() -> None:
    recorded = PATH.read_text(encoding="utf-8")
    assert surface() == recorded, f"if users may see this change, record it with: {COMMAND}"
