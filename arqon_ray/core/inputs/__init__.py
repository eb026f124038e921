"""What people write, as plain data: numbers, texts, YAML and JSON documents, near misses of names.

The ground of the whole package: it imports nothing but errors, and everything may use it.
"""
