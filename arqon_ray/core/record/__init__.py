"""One record of an evaluation, from the worker to the report: its metrics, its steps, its error, and the run of them.

Every package uses these classes; nobody keeps an evaluation in another shape.
"""
