"""``sweep``: evaluate the points of the probe in shards, and store each shard as a Parquet file.

From outside use ``arqon_ray.sweep``, ``open_sweep``, ``SweepResult`` and ``SweepInterrupted``.
"""
