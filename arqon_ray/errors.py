"""What can go wrong, as a small tree of exceptions.

::

    ArqonError
    ├── ConfigError (ValueError)            a config that breaks a rule
    ├── ResultsError (ValueError)           a list of results that is malformed
    │   └── OutOfBoundsError                a result whose parameters lie outside the space
    ├── StateError (ValueError)             an exported state that cannot be read
    ├── UnknownCandidateError (ValueError)  an id that was never handed out
    ├── IdentityError (ValueError)          a study exists under this name with another identity
    ├── StudyNotFoundError (ValueError)     no such study in the cluster
    ├── StudyRefusedError (RuntimeError)    the study's journal cannot be served
    ├── StudyUnreachableError (RuntimeError) the study's actor does not answer
    ├── PoisonedCallError (RuntimeError)    a call that killed the actor's process again and again
    ├── EvaluationsFailedError (RuntimeError) the first evaluations all failed of one cause
    ├── NodesLostError (RuntimeError)       one node after another was lost under the same work
    └── AskTimeoutError (TimeoutError)      nothing came free within the time limit

Every message names what was wrong, the value, and what to do.
"""

from __future__ import annotations

from typing import Any


class UnreadParameterWarning(UserWarning):
    """A config has ``strategy_params`` that its strategy does not read."""


class ArqonError(Exception):
    """Base of every exception that arqon_ray raises on purpose.

    Example:
        >>> from arqon_ray import ArqonError, ArqonProbe
        >>> try:
        ...     ArqonProbe({"bounds": {"lr": {"min": 0.0, "max": 0.1, "scale": "Log"}}})
        ... except ArqonError as error:
        ...     print(type(error).__name__)
        ConfigError
    """


class ConfigError(ArqonError, ValueError):
    """A config breaks a rule; the message names the key, the value and the rule."""


class ResultsError(ArqonError, ValueError):
    """A list of results is malformed; nothing of it was taken."""


class OutOfBoundsError(ResultsError):
    """The parameters of a result lie outside the space; ``seed(..., out_of_bounds="skip")`` passes it over."""


class StateError(ArqonError, ValueError):
    """An exported state is malformed, damaged or of an unknown version."""


class UnknownCandidateError(ArqonError, ValueError):
    """A candidate id that this study never handed out."""


class IdentityError(ArqonError, ValueError):
    """The study exists already, with another identity (seed, mode, bounds or strategy)."""


class StudyNotFoundError(ArqonError, ValueError):
    """There is no study of this name in the cluster."""


class StudyRefusedError(ArqonError, RuntimeError):
    """The study cannot be served: its journal is missing, damaged or owned by another actor."""


class StudyUnreachableError(ArqonError, RuntimeError):
    """The study's actor has not answered for as long as the client's patience; the message says what is known of it."""


class PoisonedCallError(ArqonError, RuntimeError):
    """The call was running at three deaths of the actor's process and is not tried again."""


class EvaluationsFailedError(ArqonError, RuntimeError):
    """The first evaluations of a call all failed alike; the message has the error and its traceback.

    Attributes:
        result: what the call would have returned: a Result or a SweepResult.
    """

    def __init__(self, message: str, result: Any = None) -> None:
        """Keep the result."""
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (str(self), self.result))


class NodesLostError(ArqonError, RuntimeError):
    """One node after another was lost under the same evaluations: the call ends, and they are not failed ones.

    Attributes:
        result: what was found until then: a Result or a SweepResult.
    """

    def __init__(self, message: str, result: Any = None) -> None:
        """Keep the result."""
        super().__init__(message)
        self.result = result

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (str(self), self.result))


class AskTimeoutError(ArqonError, TimeoutError):
    """Every candidate is held by somebody and none came free within the time limit."""
