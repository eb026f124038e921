"""Why an evaluation gave no value, in one word."""

from __future__ import annotations

RAISED = "raised"
"""The function raised."""
BAD_VALUE = "bad_value"
"""It returned no finite number, or no metric of the name that counts."""
TIMEOUT = "timeout"
"""It ran longer than ``evaluation_timeout_s``."""
DIED = "died"
"""Its process died."""
OUT_OF_MEMORY = "out_of_memory"
"""Ray ended its process because the node's memory was short."""
NODE_LOST = "node_lost"
"""Its node was lost."""
INTERRUPTED = "interrupted"
"""It was cancelled; never a failure, since the work goes back."""

KINDS = (RAISED, BAD_VALUE, TIMEOUT, DIED, OUT_OF_MEMORY, NODE_LOST, INTERRUPTED)
NOT_THE_POINTS_FAULT = frozenset({NODE_LOST, INTERRUPTED})
"""What says nothing about the point: its evaluation is given back and done again, and never told as failed."""
