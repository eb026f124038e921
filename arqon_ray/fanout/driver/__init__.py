"""What every driver of remote tasks needs: the pool of tasks, interrupts, resources, progress, when to stop.

``optimize`` and ``sweep`` are built from it.
"""
