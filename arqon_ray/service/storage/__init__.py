"""Where bytes lie: one small interface, a directory or an object store behind it.

The log uses :mod:`.base`; ``open_store`` chooses by the path or the URI.
"""
