"""How long ``import arqon_ray`` takes beyond numpy's own import.

Run by hand: ``python tests/benchmarks/import_time.py``.
Each import is timed in fresh processes, alternating, and the medians are compared, so that a busy machine slows both.
"""

from __future__ import annotations

import statistics
import subprocess
import sys

ROUNDS = 11
STATEMENTS = ("import numpy", "import numpy, arqon_ray", "import numpy, arqon_ray.core")


def seconds(statement: str) -> float:
    """Return the time of one import in a fresh process."""
    script = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    return float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print the medians, and each as a multiple of numpy's."""
    times = {statement: [] for statement in STATEMENTS}
    for _ in range(ROUNDS):
        for statement in STATEMENTS:
            times[statement].append(seconds(statement))
    medians = {statement: statistics.median(values) for statement, values in times.items()}
    base = medians["import numpy"]
    for statement, median in medians.items():
        print(f"{statement:<30} {1000 * median:7.1f} ms  +{1000 * (median - base):6.1f} ms  x{median / base:.2f}")


if __name__ == "__main__":
    main()
