"""A linear classifier on pixels: what a network has to beat."""

import warnings

import numpy as np

from striate.data.picture.laid import Array
from striate.data.samples import Indices

# Training pictures at most, and steps of its solver: more moves its answers by little.
MOST, STEPS = 50_000, 300


def answers(pixels: Array, labels: Indices, asked: Array) -> Indices:
    """The class of each row of `asked` by logistic regression on standardised pixels (n, k), penalised with C = 1."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        machine = make_pipeline(StandardScaler(), LogisticRegression(max_iter=STEPS)).fit(pixels, labels)
    return np.asarray(machine.predict(asked))
