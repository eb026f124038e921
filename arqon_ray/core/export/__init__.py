"""The exported state of a solver: taken in no time, written as JSON, read back and checked.

The solver, the snapshots of the service and searcher checkpoints use it.
"""
