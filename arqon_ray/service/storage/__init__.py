"""Storage: one small interface, implemented for directories and for object stores.

``log`` uses :mod:`.base`; :func:`.opening.open_store` chooses the implementation by path or URI.
"""
