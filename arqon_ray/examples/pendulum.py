"""A damped, periodically driven pendulum: a cheap simulator with regular and chaotic regions, for sweeps.

The equation of motion, in units in which the natural frequency is 1, is
``theta'' + damping * theta' + sin(theta) = drive * cos(frequency * t)``
(G. L. Baker and J. P. Gollub, Chaotic Dynamics, 2nd ed., 1996, chapter 3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

PERIODS = 12
STEPS_PER_PERIOD = 60


def swing(params: Mapping[str, Any]) -> dict[str, float]:
    """Integrate the pendulum from rest with the classical fourth-order Runge-Kutta method.

    Args:
        params: ``damping`` (>= 0), ``drive`` (>= 0), ``frequency`` (> 0) and ``angle``, the start in degrees.

    Returns:
        ``amplitude``, the largest absolute angle in radians in the last third of the run; ``energy``, the mean
        energy there; ``turns``, the net number of revolutions.
    """
    damping, drive, frequency = (float(params[name]) for name in ("damping", "drive", "frequency"))
    angle, speed, time = math.radians(params["angle"]), 0.0, 0.0
    step = 2 * math.pi / frequency / STEPS_PER_PERIOD
    start, steps = angle, PERIODS * STEPS_PER_PERIOD
    amplitude, energy, kept = 0.0, 0.0, 0

    def acceleration(theta: float, omega: float, t: float) -> float:
        return drive * math.cos(frequency * t) - damping * omega - math.sin(theta)

    for number in range(steps):
        k1 = acceleration(angle, speed, time)
        k2 = acceleration(angle + step / 2 * speed, speed + step / 2 * k1, time + step / 2)
        k3 = acceleration(angle + step / 2 * (speed + step / 2 * k1), speed + step / 2 * k2, time + step / 2)
        k4 = acceleration(angle + step * (speed + step / 2 * k2), speed + step * k3, time + step)
        angle += step * speed + step * step / 6 * (k1 + k2 + k3)
        speed += step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        time += step
        if 3 * number >= 2 * steps:
            amplitude = max(amplitude, abs(math.remainder(angle, 2 * math.pi)))
            energy += speed * speed / 2 + 1 - math.cos(angle)
            kept += 1
    return {"amplitude": amplitude, "energy": energy / kept, "turns": (angle - start) / (2 * math.pi)}
