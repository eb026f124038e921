"""The search space: the kinds of parameters, and the map between native values and the unit cube.

Other rooms use ``space.py`` (a space), ``config.py`` (a parameter in a config) and ``description.py`` (a parameter in
neutral terms), and work in the unit cube. Whatever depends on the kind of a parameter is in ``kinds/``.
"""
