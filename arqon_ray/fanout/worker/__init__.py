"""What runs in a worker process: the user's function around, its context, its deadline, its outcome as plain data.

Nothing here imports the driver's side.
"""
