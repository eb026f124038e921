"""Reading what users give: numbers, strings, YAML and JSON documents, and misspelled names.

Every package may use this room; it imports nothing but ``arqon_ray.errors``.
"""
