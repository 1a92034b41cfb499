"""Folds of what is not sealed: every sample in one, the test set the same, classes alike, contents and groups whole."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_splits import SHARES, balanced, sides, table

from striate.base.errors import DataError, UsageError
from striate.data.samples import Samples
from striate.data.splits import Fold, Split, cut, digest, fold_of, with_fold

# Contents may come several times and under both labels; 24 more leave no class too small for five folds.
rows = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1)), max_size=60).map(
    lambda found: [*found, *((100 + number, number % 2) for number in range(24))]
)
folds = st.builds(lambda of, repeat: [Fold(number, of, repeat) for number in range(1, of + 1)],
                  st.integers(2, 5), st.integers(0, 3))  # fmt: skip


def dealt(samples: Samples, every: list[Fold], seed: int = 0) -> list[Split]:
    split = cut(samples, SHARES, seed)
    return [with_fold(samples, split, fold, SHARES, seed) for fold in every]


@settings(max_examples=60, deadline=None)
@given(rows, folds, st.integers(0, 5), st.randoms())
def test_every_sample_is_in_one_fold_and_the_test_set_is_that_of_no_folds(found, every, seed, mixed):
    samples = table(found)
    without, splits = cut(samples, SHARES, seed), dealt(samples, every, seed)
    held = np.concatenate([each.held for each in splits])
    assert sorted(held) == sorted([*without.train, *without.val]), "a partition of what is not sealed"
    for each in splits:
        assert sorted(np.concatenate(list(each.named.values()))) == list(range(len(samples)))
        assert each.test.tolist() == without.test.tolist()
        assert all(len(each.named[name]) for name in ("train", "val", "held"))
        known = sides(samples, each)
        assert all(known[samples.digests[index]] == subset for index, subset in each.subset_of().items()), "whole"
        for name in ("train", "val", "held"):
            assert set(samples.targets.strata[each.named[name]]) == {0, 1}
    # names and order decide nothing
    order = list(range(len(found)))
    mixed.shuffle(order)
    moved = table([found[place] for place in order], name="other ")
    contents = [{samples.digests[index] for index in each.held} for each in splits]
    assert [{moved.digests[index] for index in each.held} for each in dealt(moved, every, seed)] == contents


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(10, 40), min_size=2, max_size=4), folds, st.integers(0, 5))
def test_different_pictures_of_a_class_are_as_many_in_each_fold_to_within_one(sizes, every, seed):
    samples = table([(100 * label + number, label) for label, size in enumerate(sizes) for number in range(size)])
    splits = dealt(samples, every, seed)
    counts = np.array([np.bincount(samples.targets.strata[each.held], minlength=len(sizes)) for each in splits])
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert np.ptp(counts.sum(1)) <= 1, "and so are all together"
    for each in splits:  # of what is left the recipe's shares, 60 to 20
        left = np.bincount(samples.targets.strata[np.sort(np.concatenate([each.train, each.val]))])
        val = np.bincount(samples.targets.strata[each.val])
        assert (np.abs(val - left / 4) <= 1).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=30, max_size=40), st.integers(2, 4), st.integers(0, 3), st.integers(0, 3))
def test_groups_are_whole_and_every_fold_has_every_class(sizes, of, repeat, seed):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = groups % 2
    samples = replace(
        table(list(enumerate(labels.tolist()))), groups=groups, group_names=tuple(map(str, range(len(sizes))))
    )
    every = [Fold(number, of, repeat) for number in range(1, of + 1)]
    splits, without = dealt(samples, every, seed), cut(samples, SHARES, seed)
    assert sorted(np.concatenate([each.held for each in splits])) == sorted([*without.train, *without.val])
    for each in splits:
        pairs = {(int(groups[index]), subset) for index, subset in each.subset_of().items()}
        assert len(pairs) == len(sizes), "no group in two subsets"
        assert all(set(labels[each.named[name]]) == {0, 1} for name in each.named)
    other = dealt(samples, [replace(each, repeat=repeat + 1) for each in every], seed)
    assert [each.held.tolist() for each in other] != [each.held.tolist() for each in splits]


def test_a_repeat_and_a_seed_deal_anew_and_each_fold_chooses_its_epoch_on_pictures_of_its_own():
    samples = table(balanced(4, 50))
    first, again, other = (
        [set(each.held) for each in dealt(samples, [Fold(number, 5, repeat) for number in (1, 2, 3, 4, 5)], seed)]
        for repeat, seed in ((0, 0), (1, 0), (0, 1))
    )
    assert not any(one == two for one in first for two in (*again, *other))
    splits = dealt(samples, [Fold(number, 5) for number in (1, 2, 3, 4, 5)])
    chosen = Counter(index for each in splits for index in each.val.tolist())
    assert len(chosen) > 0.6 * 160, "not the same few that no fold learns from"
    one = digest(samples, splits[0].test)
    assert {digest(samples, each.test) for each in splits} == {one}


def test_what_the_data_call_train_and_val_is_dealt_together_and_their_test_stays_the_test():
    subsets = ["train", "train", "val", "test"] * 20
    samples = table([(number, number // 4 % 2) for number in range(80)], subsets)
    splits = dealt(samples, [Fold(number, 4) for number in (1, 2, 3, 4)])
    given_test = [place for place, name in enumerate(subsets) if name == "test"]
    assert all(each.test.tolist() == given_test for each in splits)
    assert sorted(np.concatenate([each.held for each in splits])) == sorted(set(range(80)) - set(given_test))
    assert len(splits[0].val) == pytest.approx(len(splits[0].train) / 3, abs=2), "by the shares, not as given"


def test_pictures_without_classes_are_dealt_where_they_fall():
    samples = table(balanced(1, 40))
    samples = replace(samples, targets=replace(samples.targets, classes=()))
    splits = dealt(samples, [Fold(number, 3) for number in (1, 2, 3)])
    assert sorted(len(each.held) for each in splits) == [10, 11, 11]


@pytest.mark.parametrize(("each", "of", "needed"), [(5, 5, 5), (4, 2, 4)])
def test_too_few_of_a_class_for_so_many_folds_are_refused_with_their_counts(each, of, needed):
    samples = table(balanced(2, each))
    split = cut(samples, SHARES, 0)  # one of each class is sealed
    said = rf"too few different pictures for {of} folds.*'class 0' has {each - 1}, 'class 1' has {each - 1}"
    with pytest.raises(DataError, match=said) as refused:
        with_fold(samples, split, Fold(1, of), SHARES, 0)
    assert f"at least {needed} different pictures in every class" in str(refused.value.hint)
    grouped = replace(table(balanced(2, 30)), groups=np.arange(60) % 6, group_names=tuple("abcdef"))
    with pytest.raises(DataError, match=r"too few groups for 5 folds.*'class 0' has 2"):
        with_fold(grouped, cut(grouped, SHARES, 0), Fold(1, 5), SHARES, 0)


def test_folds_are_read():
    assert fold_of("2/5") == fold_of("2/5/0") == Fold(2, 5, 0)
    assert fold_of("100/100/99") == Fold(100, 100, 99)
    assert (str(Fold(2, 5)), str(Fold(2, 5, 1))) == ("fold 2 of 5", "fold 2 of 5, repeat 1")


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("", "which of how many"), ("2", "which of how many"), ("2/5/1/1", "which of how many"),
        ("-1/5", "which of how many"), ("a/5", "which of how many"), ("2 /5", "which of how many"),
        ("²/5", "which of how many"), ("1/1", "2 to 100 folds"), ("1/101", "2 to 100 folds"),
        ("1/9999999999", "which of how many"), ("0/5", "1/5 to 5/5"), ("6/5", "1/5 to 5/5"),
        ("1/5/100", "repeats are 0 to 99"),
    ],
)  # fmt: skip
def test_what_is_no_fold_is_refused_in_a_sentence(said, cause):
    with pytest.raises(UsageError, match=cause) as refused:
        fold_of(said)
    assert refused.value.where == "fold"
