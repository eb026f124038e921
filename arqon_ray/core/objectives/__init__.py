"""What is minimised: one objective, values at rungs of partial evaluations, or several objectives.

The proposer and the solver ask here, and decide nothing by the kind of objective themselves.
"""
