"""What runs in worker processes: the user's function and what surrounds it, and the remote tasks that call it.

A worker imports this room and nothing else of ``fanout``, so it must stay small: no service, no report. From outside
use ``Context``, ``probe_shard``, ``evaluate.evaluate_point`` and ``shipped_function.pack``.
"""
