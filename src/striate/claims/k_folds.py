"""Cross-validation in k folds against one split."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from striate.base.randomness import key
from striate.base.words import many
from striate.claims.claim import Asked, Claim, Runs
from striate.claims.pictures import labelled, pixels
from striate.claims.verdict import POINTS, TIMES, Question
from striate.data.picture.laid import Array
from striate.data.samples import Indices
from striate.tasks import linear

FOLDS, SHUFFLES = 5, 20
# Pictures of a sample, at most; and of all, beyond which truth is known well enough.
MOST, ALL = 225, 5_000


@final
@dataclass(frozen=True)
class Estimated:
    """Errors of a sample in per cent: `truth` outside it, and by shuffle (n,) what each way tells of it.

    `pictures` are the places of the sample among those of the data, (m,).
    """

    pictures: Indices
    truth: float
    folds: Array
    one: Array
    several: Array


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    found = list(estimated(asked, SHUFFLES))
    ways = {"one": "one split", "several": f"the mean of {FOLDS} splits", "folds": f"the mean of {FOLDS} folds"}

    def spread(way: str) -> tuple[float, ...]:
        return tuple(float(getattr(each, way).std(ddof=1)) for each in found)

    def distance(way: str) -> tuple[float, ...]:
        return tuple(float(np.abs(getattr(each, way) - each.truth).mean()) for each in found)

    deviation, away = f"deviation over {SHUFFLES} shuffles", "distance from the truth"
    steady, near, even = (
        (ways[one], ways[other], measure(one), measure(other))
        for one, other, measure in (("folds", "one", spread), ("folds", "one", distance), ("folds", "several", spread))
    )
    small = f"in samples of at most {MOST} pictures"
    return [
        Question(small, deviation, *steady, "times", -1, TIMES),
        Question(small, away, *near, "points", -1, POINTS),
        Question(f"{small}, at equal work", deviation, *even, "times", -1, TIMES),
    ]


def estimated(asked: Asked, shuffles: int) -> Iterator[Estimated]:
    """For each seed a sample that shares no picture with those of the others."""
    from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit

    seeds = asked.seeds
    samples, places = labelled(asked, f"for {many(len(seeds), 'sample')} in {FOLDS} folds", len(seeds) * FOLDS)
    places = np.random.default_rng(key(seeds[0], "samples")).permutation(places)[:ALL]
    given, labels = pixels(asked, samples, places), samples.targets.strata[places]
    cut = max(len(seeds), -(-len(places) // MOST))
    parts = StratifiedKFold(cut).split(given, labels)

    def error(learned: Indices, tested: Indices) -> float:
        answers = linear.answers(given[learned], labels[learned], given[tested])
        return 100 * float((answers != labels[tested]).mean())

    for seed, (others, own) in zip(seeds, parts, strict=False):
        folded, splits = np.empty(shuffles), np.empty((shuffles, FOLDS))
        for shuffle in range(shuffles):
            state = key(seed, "shuffle", shuffle) % 2**32
            folds = StratifiedKFold(FOLDS, shuffle=True, random_state=state).split(own, labels[own])
            folded[shuffle] = np.mean([error(own[learned], own[tested]) for learned, tested in folds])
            cuts = StratifiedShuffleSplit(FOLDS, test_size=1 / FOLDS, random_state=state).split(own, labels[own])
            splits[shuffle] = [error(own[learned], own[tested]) for learned, tested in cuts]
        yield Estimated(places[own], error(own, others), folded, splits[:, 0], splits.mean(1))


CLAIM = Claim(
    name="k_folds",
    sentence="K-fold cross-validation suits small data sets, and gives a more varied validation than one split.",
    source="graduate course; Kohavi 1995",
    protocol=f"Logistic regression on pixels. Each seed has a sample of at most {MOST} pictures that shares none with "
    f"another's; its error is estimated by {FOLDS} folds, by one split of 80/20 and by the mean of {FOLDS} such "
    f"splits, in {SHUFFLES} shuffles. The truth is the error of what learned from all of it, on all other pictures.",
    gate="",
    lesson="Ask of an estimate how much it moves with the shuffle, and how far it is from what comes true: both can be "
    "measured. Folds cost as many trainings as there are folds; so compare them with as many single splits.",
    questions=_questions,
    seeds=8,
)
