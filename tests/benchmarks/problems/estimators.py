"""The estimators of the machine-learning tasks, and the spaces that several of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.benchmarks.problems.problem import Bounds, Params

BOOSTING: Bounds = {
    "learning_rate": {"min": 1e-3, "max": 1.0, "scale": "Log"},
    "n_estimators": {"min": 5, "max": 60, "type": "int", "scale": "Log"},
    "max_depth": {"min": 1, "max": 6, "type": "int"},
    "subsample": {"min": 0.3, "max": 1.0},
    "min_samples_leaf": {"min": 1, "max": 30, "type": "int", "scale": "Log"},
}
TREES: Bounds = {
    "n_estimators": {"min": 4, "max": 24, "type": "int"},
    "max_features": {"min": 0.05, "max": 1.0},
    "max_depth": {"min": 1, "max": 16, "type": "int"},
    "min_samples_leaf": {"min": 1, "max": 30, "type": "int", "scale": "Log"},
}
FOREST: Bounds = {**TREES, "criterion": {"choices": ["gini", "entropy"]}, "bootstrap": {"choices": [True, False]}}
MLP: Bounds = {
    "hidden": {"min": 4, "max": 64, "type": "int", "scale": "Log"},
    "learning_rate": {"min": 1e-4, "max": 1.0, "scale": "Log"},
    "alpha": {"min": 1e-6, "max": 10.0, "scale": "Log"},
    "batch": {"min": 16, "max": 128, "type": "int", "scale": "Log"},
    "activation": {"choices": ["relu", "tanh", "logistic"]},
}
TREE: Bounds = {
    "criterion": {"choices": ["gini", "entropy"]},
    "max_depth": {"min": 1, "max": 20, "type": "int"},
    "min_samples_leaf": {"min": 1, "max": 100, "type": "int", "scale": "Log"},
    "max_features": {"min": 0.05, "max": 1.0},
    "ccp_alpha": {"min": 1e-5, "max": 0.3, "scale": "Log"},
}
SGD: Bounds = {
    "loss": {"choices": ["hinge", "log_loss", "modified_huber"]},
    "penalty": {"choices": ["l2", "l1", "elasticnet"]},
    "alpha": {"min": 1e-7, "max": 10.0, "scale": "Log"},
    "l1_ratio": {"min": 0.0, "max": 1.0, "when": {"penalty": "elasticnet"}},
    "learning_rate": {"choices": ["optimal", "constant", "invscaling"]},
    "eta0": {"min": 1e-5, "max": 10.0, "scale": "Log", "when": {"learning_rate": ["constant", "invscaling"]}},
    "power_t": {"min": 0.05, "max": 1.0, "when": {"learning_rate": "invscaling"}},
}
MODELS: Bounds = {
    "model": {"choices": ["logistic", "tree", "neighbors", "discriminant"]},
    "components": {"min": 2, "max": 50, "type": "int", "when": {"model": ["logistic", "neighbors", "discriminant"]}},
    "whiten": {"choices": [False, True], "when": {"model": ["logistic", "neighbors", "discriminant"]}},
    "C": {"min": 1e-5, "max": 1e5, "scale": "Log", "when": {"model": "logistic"}},
    "max_depth": {"min": 1, "max": 12, "type": "int", "when": {"model": "tree"}},
    "min_samples_leaf": {"min": 1, "max": 40, "type": "int", "when": {"model": "tree"}},
    "k": {"min": 1, "max": 50, "type": "int", "when": {"model": "neighbors"}},
    "p": {"min": 1.0, "max": 6.0, "when": {"model": "neighbors"}},
    "weights": {"choices": ["uniform", "distance"], "when": {"model": "neighbors"}},
    "shrinkage": {"min": 0.0, "max": 1.0, "when": {"model": "discriminant"}},
}


def reduced(params: Params, estimator: Callable[[Params], Any]) -> Any:
    """Return an estimator behind a reduction to so many components."""
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline

    rest = {name: value for name, value in params.items() if name not in ("components", "whiten")}
    reduction = PCA(params["components"], whiten=params.get("whiten", False), svd_solver="full")
    return make_pipeline(reduction, estimator(rest))


def svc(params: Params) -> Any:
    from sklearn.svm import SVC

    return reduced(params, lambda rest: SVC(max_iter=2000, **rest))


def svr(params: Params) -> Any:
    from sklearn.svm import SVR

    return SVR(max_iter=2000, **params)


def kernel_ridge(params: Params) -> Any:
    from sklearn.kernel_ridge import KernelRidge

    return KernelRidge(kernel="rbf", alpha=params["alpha"], gamma=params.get("gamma", 1.0))


def elastic_net(params: Params) -> Any:
    from sklearn.linear_model import ElasticNet
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures

    return make_pipeline(PolynomialFeatures(2, include_bias=False), ElasticNet(max_iter=300, **params))


def logistic(params: Params) -> Any:
    from sklearn.linear_model import LogisticRegression

    return reduced(params, lambda rest: LogisticRegression(max_iter=60, **rest))


def weighted_logistic(params: Params) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=params["C"], class_weight={0: 1.0, 1: params["positive"]}, max_iter=200)


def boosting_regressor(params: Params) -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(random_state=0, **params)


def boosting_classifier(params: Params) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(random_state=0, **params)


def forest_classifier(params: Params) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(random_state=0, **params)


def trees_regressor(params: Params) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(random_state=0, **params)


def _mlp(params: Params) -> dict[str, Any]:
    return {
        "hidden_layer_sizes": (params["hidden"],),
        "learning_rate_init": params["learning_rate"],
        "alpha": params["alpha"],
        "batch_size": params["batch"],
        "activation": params["activation"],
        "max_iter": 12,
        "random_state": 0,
    }


def mlp_classifier(params: Params) -> Any:
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(**_mlp(params))


def mlp_regressor(params: Params) -> Any:
    from sklearn.neural_network import MLPRegressor

    return MLPRegressor(**_mlp(params))


def neighbors(params: Params) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    if "components" in params:
        return reduced(params, neighbors)
    return KNeighborsClassifier(params["k"], p=params["p"], weights=params["weights"], algorithm="brute")


def tree(params: Params) -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(random_state=0, **params)


def sgd(params: Params) -> Any:
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(max_iter=8, tol=None, random_state=0, **{"eta0": 1.0, **params})


def any_model(params: Params) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    rest = {name: value for name, value in params.items() if name != "model"}
    if params["model"] == "logistic":
        return logistic(rest)
    if params["model"] == "discriminant":
        return reduced(rest, lambda own: LinearDiscriminantAnalysis(solver="lsqr", **own))
    return tree(rest) if params["model"] == "tree" else neighbors(rest)
