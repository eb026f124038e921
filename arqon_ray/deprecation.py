"""Deprecations: one helper, so that each says since when, until when, and what to use instead."""

from __future__ import annotations

import warnings


def warn_deprecated(what: str, *, since: str, removed: str, instead: str, stacklevel: int = 2) -> None:
    """Warn that something public is deprecated, in the name of whoever called the function that calls this.

    Args:
        what: the deprecated thing as users write it, such as ``place()``.
        since: the version that deprecated it.
        removed: the version that will remove it.
        instead: what to use in its place.
        stacklevel: frames between this function and the code to blame; 2 is the caller of the caller.

    Example:
        >>> import warnings
        >>> from arqon_ray.deprecation import warn_deprecated
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     warn_deprecated("place()", since="0.2.0", removed="0.4.0", instead="ask_one(params=...)")
        >>> print(caught[0].message)
        place() is deprecated since 0.2.0 and will be removed in 0.4.0: use ask_one(params=...)
    """
    warnings.warn(
        f"{what} is deprecated since {since} and will be removed in {removed}: use {instead}",
        DeprecationWarning,
        stacklevel=stacklevel + 1,
    )
