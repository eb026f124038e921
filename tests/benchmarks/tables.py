"""The benchmark's tables as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from tests.benchmarks import store
from tests.benchmarks.figures import PROBLEMS, Logs, View, cpu, mean, ranks, ratio, regrets
from tests.benchmarks.peers import OURS, SOLVERS
from tests.benchmarks.problems import Problem

Row = list[str]
UNFINISHED = 0.9  # a solver that ran on fewer of the problems than this is compared on those alone


def grid(head: Row, rows: Iterable[Row], markdown: bool) -> str:
    """Return a table."""
    rows = list(rows)
    if markdown:
        return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])
    widths = [max(len(row[j]) for row in [head, *rows]) for j in range(len(head))]
    lines = (
        "  ".join(cell.rjust(w) if j else cell.ljust(w) for j, (cell, w) in enumerate(zip(row, widths, strict=True)))
        for row in [head, *rows]
    )
    return "\n".join(line.rstrip() for line in lines)


def number(value: float) -> str:
    """Return two or three digits, ``-`` for NaN."""
    return "-" if np.isnan(value) else f"{value:.3g}" if value >= 0.0095 else f"{value:.2g}"


class Standing:
    """All solvers' regrets in one view."""

    def __init__(self, solvers: list[str], view: View) -> None:
        """Read them; a solver without a run is left out."""
        self.view = view
        logs = {solver: regrets(solver, view) for solver in solvers}
        self.logs: dict[str, Logs] = {solver: each for solver, each in logs.items() if each}
        most = max((len(each) for each in self.logs.values()), default=0)
        self.full = [solver for solver, each in self.logs.items() if len(each) >= UNFINISHED * most]
        self.names = [name for name in PROBLEMS if self.full and all(name in self.logs[s] for s in self.full)]

    def rival(self, names: list[str] | None = None) -> str | None:
        """Return the peer of the least mean regret."""
        peers = [solver for solver in self.full if not solver.startswith(OURS)]
        return min(peers, key=lambda solver: mean(self.logs[solver], names or self.names), default=None)

    def against(self, solver: str, names: list[str] | None = None) -> str:
        """Return ours as a multiple of a solver's, with its interval."""
        if OURS not in self.logs or solver not in self.logs or solver == OURS:
            return ""
        middle, low, high, _ = ratio(self.logs[OURS], self.logs[solver], names or list(PROBLEMS))
        return f"{number(middle)} [{number(low)}, {number(high)}]"


def _ten(problem: Problem) -> bool:
    return len(problem.bounds) == 10 and not problem.noisy and problem.group != "ml"


def summary(solvers: list[str], view: View, ats: tuple[int, ...], markdown: bool) -> str:
    """Return a line a solver: its regrets after some numbers of evaluations, ranks, wins, ours beside it, its CPU."""
    finest = view.with_(floor=1e-6)
    standings = {at: Standing(solvers, view.with_(at=at)) for at in ats}
    last, fine = standings[ats[-1]], Standing(solvers, finest)
    if not last.logs:
        return ""
    rank, won = ranks({solver: last.logs[solver] for solver in last.full}, last.names)
    head = ["solver", *(f"@{at}" for at in ats), f"@{ats[-1]}, floor 1e-6", "mean rank", "won"]
    head += [f"{OURS} is x of it", "same, floor 1e-6", "CPU ms, d = 10", "problems"]
    rows = []
    for solver in sorted(last.logs, key=lambda s: (s not in last.full, mean(last.logs[s], last.names))):
        whole = solver in last.full
        cells = [mean(standings[at].logs.get(solver, {}), last.names) if whole else np.nan for at in ats]
        cells.append(mean(fine.logs[solver], last.names) if whole else np.nan)
        share = f"{100 * won[solver]:.0f} %" if whole else "-"
        rows.append([solver, *map(number, cells), f"{rank[solver]:.2f}" if whole else "-", share])
        rows[-1] += [last.against(solver), fine.against(solver), number(cpu(solver, view, _ten))]
        rows[-1].append(str(len(last.logs[solver])))
    return grid(head, rows, markdown)


def by_group(solvers: list[str], view: View, markdown: bool) -> str:
    """Return a line a group of problems, with ours as a multiple of the best peer there."""
    standing = Standing(solvers, view)
    columns = sorted(standing.full, key=lambda solver: (solver != OURS, mean(standing.logs[solver], standing.names)))
    rows = []
    for group in dict.fromkeys(problem.group for problem in PROBLEMS.values()):
        names = [name for name in standing.names if PROBLEMS[name].group == group]
        rival = standing.rival(names)
        if names and rival:
            cells = [number(mean(standing.logs[solver], names)) for solver in columns]
            rows.append([group, str(len(names)), *cells, rival, standing.against(rival, names)])
    return grid(["group", "problems", *columns, "best peer", f"{OURS} is x of it"], rows, markdown) if rows else ""


def beaten(solvers: list[str], view: View, markdown: bool, times: float = 3.0) -> str:
    """Return the problems on which any peer's mean regret is so many times below ours."""
    standing = Standing(solvers, view)
    rows = []
    for name in PROBLEMS:
        if name not in standing.logs.get(OURS, {}):
            continue
        ours = mean(standing.logs[OURS], [name])
        peers = {s: mean(logs, [name]) for s, logs in standing.logs.items() if not s.startswith(OURS) and name in logs}
        if peers and ours > times * min(peers.values()):
            best = min(peers, key=lambda solver: peers[solver])
            rows.append([name, number(ours), best, number(peers[best]), f"{ours / peers[best]:.1f}"])
    rows.sort(key=lambda row: -float(row[-1]))
    return grid(["problem", OURS, "best peer", "its", "times"], rows, markdown) if rows else "none"


def each(solvers: list[str], view: View, markdown: bool) -> str:
    """Return a line a problem."""
    standing = Standing(solvers, view)
    rows = [
        [name, *(number(mean(logs, [name])) for logs in standing.logs.values())]
        for name in PROBLEMS
        if any(name in logs for logs in standing.logs.values())
    ]
    return grid(["problem", *standing.logs], rows, markdown)


def everything(solvers: list[str], half: str, markdown: bool) -> str:
    """Return all tables; as markdown, those of the README."""
    view = View(half=half)
    parts: list[tuple[str, Callable[[], str]]] = [
        ("Regret after 25, 50 and 100 evaluations", lambda: summary(solvers, view, (25, 50, 100), markdown)),
        ("Regret after 100, by group", lambda: by_group(solvers, view, markdown)),
        ("8 in flight", lambda: summary(solvers, view.with_(in_flight=8), (50, 100), markdown)),
        ("32 in flight", lambda: summary(solvers, view.with_(in_flight=32), (50, 100), markdown)),
        ("1000 evaluations", lambda: summary(solvers, view.with_(budget=1000, at=1000), (250, 1000), markdown)),
    ]
    if not markdown:
        parts += [
            ("By group, floor 1e-6", lambda: by_group(solvers, view.with_(floor=1e-6), markdown)),
            ("8 in flight, by group", lambda: by_group(solvers, view.with_(in_flight=8), markdown)),
            ("Problems on which a peer is more than 3 x better", lambda: beaten(solvers, view, markdown)),
        ]
    title = "**{}**\n\n{}\n" if markdown else "== {}\n{}\n"
    return "\n".join(title.format(name, made) for name, make in parts if (made := make()))


def compared(a: str, b: str, view: View) -> str:
    """Return the ratio of two solvers' regrets, in each group and in all, after fewer evaluations and in full."""
    rows = []
    groups = dict.fromkeys(problem.group for problem in PROBLEMS.values())
    of = {group: [name for name, problem in PROBLEMS.items() if problem.group == group] for group in groups}
    views = [view.with_(at=round(view.at * share)) for share in (0.25, 0.5, 1.0)] + [view.with_(floor=1e-6)]
    logs = [(regrets(a, each), regrets(b, each)) for each in views]
    for group, names in {**of, "ALL": list(PROBLEMS)}.items():
        figures = [ratio(ours, theirs, names) for ours, theirs in logs]
        if figures[-1][-1]:
            cells = [f"{number(middle)} [{number(low)}, {number(high)}]" for middle, low, high, _ in figures]
            rows.append([group, str(figures[-1][-1]), *cells])
    head = [f"{a} / {b}", "problems", *(f"@{each.at}, {each.floor:g}" for each in views)]
    return grid(head, rows, markdown=False) if rows else "no shared problems"


def names_of(chosen: str) -> list[str]:
    """Return the solvers that are named, or all of which runs are kept; of ours under other names none."""
    return chosen.split(",") if chosen else [solver for solver in store.solvers() if solver in SOLVERS]
