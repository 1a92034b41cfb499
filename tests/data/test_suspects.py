"""Labels that are doubted, beside confident learning written out as its paper has it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from striate.data.suspects import Suspect, suspects

CLASSES = ("ant", "bee", "cow")


def plainly(probabilities, labels):
    """Northcutt et al. 2021, equations 1 and 2: off the diagonal of the confident joint."""
    threshold = {}
    for name in set(labels):
        own = [row[name] for row, label in zip(probabilities, labels, strict=True) if label == name]
        threshold[name] = sum(own) / len(own)
    found = {}
    for place, (row, label) in enumerate(zip(probabilities, labels, strict=True)):
        reached = [name for name in threshold if row[name] - threshold[name] > -1e-12]
        if reached and (likely := max(reached, key=lambda name: (row[name], -name))) != label:
            found[place] = likely
    return found


@settings(max_examples=80)
@given(st.lists(st.tuples(st.integers(0, 2), st.tuples(*[st.integers(1, 50)] * 3)), min_size=1, max_size=30))
def test_who_is_doubted_is_off_the_diagonal_of_the_confident_joint(rows):
    labels = np.array([label for label, _ in rows])
    weights = np.array([row for _, row in rows], dtype=np.float64)
    probabilities = weights / weights.sum(1, keepdims=True)
    found = suspects(probabilities, labels, CLASSES)
    told = {each.place: CLASSES.index(each.likely) for each in found}
    expected = plainly(probabilities.tolist(), labels.tolist())
    for place, row in enumerate(probabilities):
        if not _by_rounding(row, probabilities, labels):
            assert told.get(place) == expected.get(place)
    doubts = [each.given_probability for each in found]
    assert doubts == sorted(doubts), "the most doubted first"
    for each in found:
        assert each.given == CLASSES[labels[each.place]] != each.likely
        assert each.likely_probability == probabilities[each.place, CLASSES.index(each.likely)]


def _by_rounding(row, probabilities, labels):
    """Whether rounding decides: a single picture of a class is its own threshold; or two classes are as likely."""
    means = {name: probabilities[labels == name, name].mean() for name in set(labels.tolist())}
    return len({*row.tolist()}) < 3 or any(abs(row[name] - mean) < 1e-9 for name, mean in means.items())


def test_a_class_of_which_a_network_is_seldom_sure_needs_less():
    probabilities = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.7, 0.3, 0.0], [0.95, 0.05, 0.0]])
    labels = np.array([0, 0, 0, 1, 1])  # bees are given 0.175 on average, ants 0.77
    assert suspects(probabilities, labels, CLASSES) == (
        Suspect(4, "bee", 0.05, "ant", 0.95), Suspect(2, "ant", 0.6, "bee", 0.4),
    )  # fmt: skip
    assert str(suspects(probabilities, labels, CLASSES)[1]) == "given ant, more like bee (40.0 % to 60.0 %)"
