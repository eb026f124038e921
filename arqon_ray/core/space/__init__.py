"""The search space: kinds of parameters, the map between native values and the unit cube, points that users bring.

Code outside works in the unit cube and asks here for everything that depends on the kind of a parameter.
"""
