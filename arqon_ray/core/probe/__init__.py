"""The deterministic low-discrepancy sample of the space: index in, point out.

Usable without a solver: workers import :mod:`.probe` alone.
"""
