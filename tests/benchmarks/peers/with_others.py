"""nevergrad's NGOpt and hyperopt's TPE, each with its defaults."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from tests.benchmarks.peers.trace import Trace
from tests.benchmarks.problems import Params, Problem


def fit(params: Params, bounds: dict[str, Any]) -> Params:
    """Drop inactive parameters and round to steps, for a peer that knows neither."""
    fitted: Params = {}
    for name, rule in bounds.items():
        if all(fitted.get(parent) in np.atleast_1d(values) for parent, values in rule.get("when", {}).items()):
            value = params[name]
            if "step" in rule:
                value = rule["min"] + round((value - rule["min"]) / rule["step"]) * rule["step"]
            fitted[name] = value
    return fitted


def run_ngopt(problem: Problem, budget: int, seed: int, in_flight: int = 1) -> Trace:
    """Run nevergrad's NGOpt; conditional parameters are all present and passed over when inactive."""
    import nevergrad as ng
    from nevergrad.optimization import metamodel

    # Its metamodel makes a number of an array of one, which numpy 2.4 refuses.
    metamodel.float = lambda array: np.asarray(array).item()  # type: ignore[attr-defined]
    warnings.simplefilter("ignore")
    trace = Trace(problem, seed)
    kinds: dict[str, Any] = {}
    for name, rule in problem.bounds.items():
        if "choices" in rule:
            kinds[name] = (ng.p.TransitionChoice if rule.get("ordered") else ng.p.Choice)(rule["choices"])
        elif rule.get("scale") == "Log":
            kinds[name] = ng.p.Log(lower=rule["min"], upper=rule["max"])
        else:
            kinds[name] = ng.p.Scalar(lower=rule["min"], upper=rule["max"])
        if rule.get("type") == "int":
            kinds[name] = kinds[name].set_integer_casting()
    space = ng.p.Dict(**kinds)
    space.random_state = np.random.RandomState(seed)
    optimizer = ng.optimizers.NGOpt(parametrization=space, budget=budget, num_workers=in_flight)
    flying: list[Any] = []
    for k in range(budget):
        while len(flying) < in_flight and k + len(flying) < budget:
            flying.append(optimizer.ask())
        candidate = flying.pop(0)
        optimizer.tell(candidate, trace(fit(candidate.value, problem.bounds)))
    return trace


def run_hyperopt(problem: Problem, budget: int, seed: int, in_flight: int = 1) -> Trace:
    """Run hyperopt's TPE; conditional parameters are all present and passed over when inactive."""
    from hyperopt import JOB_STATE_DONE, Domain, Trials, hp, tpe

    warnings.simplefilter("ignore")
    trace = Trace(problem, seed)
    space: dict[str, Any] = {}
    for name, rule in problem.bounds.items():
        low, high = rule.get("min"), rule.get("max")
        if "choices" in rule:
            space[name] = hp.choice(name, rule["choices"])
        elif rule.get("scale") == "Log" and rule.get("type") == "int":
            space[name] = hp.qloguniform(name, np.log(low - 0.499), np.log(high + 0.499), 1)
        elif rule.get("scale") == "Log":
            space[name] = hp.loguniform(name, np.log(low), np.log(high))
        elif rule.get("type") == "int":
            space[name] = hp.quniform(name, low - 0.499, high + 0.499, 1)
        else:
            space[name] = hp.uniform(name, low, high)
    domain, trials = Domain(None, space, pass_expr_memo_ctrl=True), Trials()
    rng = np.random.default_rng(seed)

    def params_of(trial: dict[str, Any]) -> Params:
        params: Params = {}
        for name, rule in problem.bounds.items():
            value = trial["misc"]["vals"][name][0]
            if "choices" in rule:
                params[name] = rule["choices"][int(value)]
            else:
                value = min(max(value, rule["min"]), rule["max"])
                params[name] = int(value) if rule.get("type") == "int" else float(value)
        return fit(params, problem.bounds)

    flying: list[dict[str, Any]] = []
    for k in range(budget):
        while len(flying) < in_flight and k + len(flying) < budget:
            asked = tpe.suggest(trials.new_trial_ids(1), domain, trials, int(rng.integers(2**31 - 1)))
            trials.insert_trial_docs(asked)
            trials.refresh()
            flying.append(trials._dynamic_trials[-1])
        trial = flying.pop(0)
        trial["result"] = {"status": "ok", "loss": trace(params_of(trial))}
        trial["state"] = JOB_STATE_DONE
        trials.refresh()
    return trace
