"""The kinds of errors: why an evaluation has no value."""

from __future__ import annotations

RAISED = "raised"
"""The function raised."""
BAD_VALUE = "bad_value"
"""The function returned no finite number, or a dict without the objective's metric."""
TIMEOUT = "timeout"
"""It ran longer than ``evaluation_timeout_s``."""
DIED = "died"
"""Its process died."""
OUT_OF_MEMORY = "out_of_memory"
"""Ray ended its process because the node's memory was short."""
NODE_LOST = "node_lost"
"""Its node was lost."""
INTERRUPTED = "interrupted"
"""It was cancelled. This is never a failure: the candidate is evaluated again."""

KINDS = (RAISED, BAD_VALUE, TIMEOUT, DIED, OUT_OF_MEMORY, NODE_LOST, INTERRUPTED)
NOT_THE_POINTS_FAULT = frozenset({NODE_LOST, INTERRUPTED})
"""Kinds that say nothing about the point: the candidate is evaluated again and never told as failed."""
