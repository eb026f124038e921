"""The durable log of one study: records in segments, group commit, fencing by epochs, snapshots.

Only ``server`` appends and replays; no other package writes to it.
"""
