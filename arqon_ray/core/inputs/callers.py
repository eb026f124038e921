"""Where in the user's code a warning belongs."""

from __future__ import annotations

import sys

_PACKAGE = __name__.partition(".")[0]


def stacklevel_of_user() -> int:
    """Return the ``stacklevel`` with which a warning of the caller names the first frame outside of this package."""
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        frame, depth = frame.f_back, depth + 1
    return depth
