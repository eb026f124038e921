"""The durable log of one study: records in segments, group commit, fencing by epochs, snapshots.

The server's room appends and replays; nobody else writes here.
"""
