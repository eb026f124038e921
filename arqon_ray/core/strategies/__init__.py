"""What a refine strategy is given, what it answers and remembers, and the plan that chooses among strategies.

Our own strategies are in :mod:`arqon_ray.core.refine`; what others use to write theirs, in :mod:`arqon_ray.strategies`.
"""
