"""The record of one evaluation (its metrics, steps and error), and that of a whole run.

All packages use these classes, from the worker to the report; no other representation of an evaluation exists.
"""
