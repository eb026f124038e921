"""What a driver of remote tasks needs, whatever it evaluates: the pool of tasks, interrupts, resources, progress.

``optimization`` and ``sweeps`` are built from it. From outside use ``progress.show_progress`` and ``FolderLock``.
"""
