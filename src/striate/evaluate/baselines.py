"""What answers come without a network: the commonest class, and a support vector machine on the pixels."""

import numpy as np
import torch

from striate.data.preprocess import Preprocess
from striate.data.sources.folder import Samples
from striate.data.splits import Indices
from striate.evaluate.numbers import Number, number
from striate.tasks.classify import Array, majority
from striate.tasks.measures import Proportion

# Beyond this many training pictures a support vector machine costs more than the network beside it.
MOST = 5_000
SIDE = 16


def baselines(samples: Samples, train: Indices, tested: Indices, preprocess: Preprocess, subset: str) -> list[Number]:
    """Accuracy of both, trained on `train` and answering on `tested`, the same split as the network's.

    The support vector machine has a radial basis function as kernel, C = 10 and scikit-learn's "scale" for
    gamma, on pictures of 16x16; it is left out where there are more than 5,000 training pictures.
    """
    targets = samples.labels[tested]
    found = [number(majority(samples.labels[train], targets), subset)]
    if len(train) <= MOST:
        from sklearn.svm import SVC

        machine = SVC(C=10, gamma="scale").fit(_pixels(samples, train, preprocess), samples.labels[train])
        hits = int((machine.predict(_pixels(samples, tested, preprocess)) == targets).sum())
        found.append(number(Proportion("RBF support vector machine", hits, len(tested)), subset))
    return found


def _pixels(samples: Samples, indices: Indices, preprocess: Preprocess) -> Array:
    """The network's own canvases averaged down to 16x16, one row a picture."""
    canvases = (preprocess.canvas(samples.read(index, at_least=preprocess.size)) for index in map(int, indices))
    shrunk = (
        torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(canvas).float() / 255, SIDE) for canvas in canvases
    )
    return np.stack([small.flatten().numpy() for small in shrunk])
