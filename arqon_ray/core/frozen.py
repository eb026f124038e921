"""All that a solver knows at one moment, taken in no time and written down later, in another thread if need be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from arqon_ray.core import state
from arqon_ray.core.config import StudyConfig, load_config
from arqon_ray.core.ledger import Candidate, Ledger, Moment, Observation, Report
from arqon_ray.core.memories import Standing
from arqon_ray.core.pareto import front
from arqon_ray.core.recall import check_memories
from arqon_ray.core.space import Space
from arqon_ray.errors import ArqonError, ConfigError, StateError

_PART = 1000
"""Observations in one part: small enough that writing one keeps no other thread waiting for long."""


@dataclass(frozen=True)
class Frozen:
    """Copies of what changes and references to what does not.

    Attributes:
        config: the study's.
        moment: what was known.
        log: the ledger's observations, which grow while this is kept.
        told: how many there were.
        withdrawn: candidates that wait to be handed out again.
        memory: what the strategies remember.
        phases: the phases so far.
    """

    config: StudyConfig
    moment: Moment
    log: list[Observation]
    told: int
    withdrawn: list[Candidate]
    memory: dict[str, Any]
    phases: list[list[Any]]

    @property
    def observations(self) -> list[Observation]:
        """The observations in the order in which they were told."""
        return self.log[: self.told]

    def reports(self) -> list[Report]:
        """Return the intermediate results as :meth:`.Ledger.report` takes them."""
        sign = 1.0 if self.config.mode == "min" else -1.0
        rows = self.moment.reports
        slices = (rows[start : start + _PART].tolist() for start in range(0, len(rows), _PART))
        return [
            (int(number), int(step), sign * value, int(place)) for each in slices for number, step, value, place in each
        ]

    def history(self) -> list[dict[str, Any]]:
        """Return the observations as :meth:`.ArqonSolver.history` does."""
        return [state.row(observation) for observation in self.observations]

    def pareto(self) -> list[dict[str, Any]]:
        """Return the observations that no other one beats in all objectives, as :meth:`history` has them.

        Raises:
            ConfigError: when the config has no ``objectives``.
        """
        if self.config.objectives is None:
            raise ConfigError("objectives is None: a study with a single objective has best(), and no Pareto set")
        return front(self.history(), self.config.objectives)

    def export(self) -> str:
        """Return the state as JSON; see :mod:`.state`."""
        return state.export(
            self.config,
            self.observations,
            self.moment.number,
            {"pending": self.moment.pending, "withdrawn": self.withdrawn},
            self.reports(),
            self.memory,
            self.phases,
        )

    def parts(self) -> Iterator[dict[str, Any]]:
        """Yield the state in parts of plain Python and bytes, for :func:`thaw`."""
        reports, observations = self.reports(), self.observations
        yield {
            "config": self.config.to_dict(),
            "handed_out": self.moment.number,
            "pending": [_row(candidate) for candidate in self.moment.pending],
            "withdrawn": [_row(candidate) for candidate in self.withdrawn],
            "memory": self.memory,
            "phases": self.phases,
            **({"reports": reports} if reports else {}),
        }
        points = np.empty((len(observations), self.moment.X.shape[1]))
        complete = np.zeros(len(points), dtype=bool)
        complete[self.moment.places] = True
        points[complete], points[~complete] = self.moment.X, self.moment.failed
        for i in range(0, len(points), _PART):
            rows = [_tuple(observation) for observation in observations[i : i + _PART]]
            yield {"observations": rows, "points": points[i : i + _PART].astype("<f8").tobytes()}


def _row(candidate: Candidate) -> list[Any]:
    return [candidate.number, candidate.params, candidate.origin]


def _tuple(observation: Observation) -> list[Any]:
    o = observation
    values = [] if o.values is None else [list(o.values)]
    return [o.number, o.params, o.value, o.origin, o.cost, o.status, o.step, o.reason, *values]


def _observation(row: list[Any]) -> Observation:
    return Observation(*row[:8], *map(tuple, row[8:]))


def thaw(parts: Iterable[dict[str, Any]]) -> tuple[StudyConfig, Ledger, dict[str, Any], list[list[Any]]]:
    """Return config, ledger, memory and phases of a state that :meth:`Frozen.parts` wrote.

    The parts are taken at their word: whoever kept them has checked that they are whole.

    Raises:
        StateError: they are of another form.
    """
    rest = iter(parts)
    try:
        head = next(rest)
        config = load_config(head["config"])
        space = Space(config.bounds)
        ledger = Ledger(space, config.mode, config.objectives)
        for part in rest:
            points = np.frombuffer(part["points"], dtype="<f8").reshape(len(part["observations"]), space.d)
            ledger.restore([_observation(row) for row in part["observations"]], points)
        ledger.handed_out = head["handed_out"]
        waiting = [(row, False) for row in head["pending"]] + [(row, True) for row in head["withdrawn"]]
        for (number, params, origin), withdrawn in waiting:
            ledger.readmit(Candidate(number, params, origin), space.encode(params))
            if withdrawn:
                ledger.withdraw(number)
        for report in head.get("reports", ()):
            ledger.report(*report)
        check_memories(head["memory"], Standing(space, ledger.handed_out))
        return config, ledger, head["memory"], head["phases"]
    except (ArqonError, ArithmeticError, LookupError, StopIteration, TypeError, ValueError) as error:
        raise StateError(f"the parts of a state are malformed: {error!r}") from None
