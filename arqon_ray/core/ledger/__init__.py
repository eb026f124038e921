"""Who was asked and what came back: candidates, results as users give them, and what they mean to a study.

The solver alone changes a ledger; the service uses the readers of results and their verdicts.
"""
