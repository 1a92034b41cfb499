"""Weights of several who answer together: those under which the truth is likeliest."""

import numpy as np
import numpy.typing as npt

# A weight below it answers for nothing that could be seen.
LEAST = 1e-4


def mixture(likelihoods: npt.NDArray[np.float64]) -> list[float]:
    """Weights (k,) on the simplex of the least mean -log(likelihoods @ weights), of likelihoods (n, k).

    The problem is convex, so its minimum is one. Weights below 1e-4 are 0.
    """
    from scipy.optimize import minimize

    count = likelihoods.shape[1]
    seen = np.maximum(likelihoods, np.finfo(np.float64).tiny)

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        mixed = np.maximum(seen @ weights, np.finfo(np.float64).tiny)
        return -float(np.log(mixed).mean()), -(seen / mixed[:, None]).mean(0)

    found = minimize(
        loss, np.full(count, 1 / count), jac=True, method="SLSQP", bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 1000},
    ).x  # fmt: skip
    kept = np.where(found < LEAST, 0.0, found)
    return list(map(float, kept / kept.sum()))
