"""``sweep`` and ``probe_shard``: the function at every point of the probe, in shards, into Parquet files.

Use ``arqon_ray.sweep``, ``arqon_ray.probe_shard`` and ``arqon_ray.open_sweep``.
"""
