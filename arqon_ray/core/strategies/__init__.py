"""What a refine strategy is given, what it answers and remembers, and the plan that chooses among strategies.

The strategies themselves lie in :mod:`arqon_ray.core.refine`.
"""
