import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import DataError, UsageError
from striate.data.contents import Files
from striate.data.samples import Checked, Samples
from striate.data.splits import Split, cut, digest, shares
from striate.data.targets import Labels

SHARES = (0.6, 0.2, 0.2)


def table(rows: Sequence[tuple[int, int]], subsets: Sequence[str] | None = None, name: str = "") -> Samples:
    """Samples of (content, label); the digest is that of the content."""
    labels = np.array([label for _, label in rows], dtype=np.int64)
    names = tuple(f"{name}{index}.png" for index in range(len(rows)))
    digests = tuple(hashlib.sha256(str(content).encode()).hexdigest() for content, _ in rows)
    return Samples(
        name="made", source="folder", root=None, names=names,
        read=Checked(Files(Path(), names), digests), digests=digests,
        targets=Labels(tuple(f"class {label}" for label in range(max(labels) + 1)), labels),
        sizes=np.ones((len(rows), 2), np.int32), subsets=None if subsets is None else tuple(subsets), grey=True,
    )  # fmt: skip


def balanced(classes: int, each: int) -> list[tuple[int, int]]:
    return [(content, content % classes) for content in range(classes * each)]


def sides(samples: Samples, split: Split) -> dict[str, str]:
    """Content -> subset."""
    return {samples.digests[index]: subset for index, subset in split.subset_of().items()}


@pytest.mark.parametrize("each", [3, 4, 5, 10, 33, 100])
@pytest.mark.parametrize(
    "split", ["60/20/20", "70/15/15", "98/1/1", "1/98/1", "1/1/98", "10/45/45", "2/49/49"], ids=lambda text: text
)
def test_every_class_is_cut_to_within_one_picture_and_no_side_is_empty(each: int, split: str) -> None:
    samples, wanted = table(balanced(4, each)), shares(split)
    # Where a share is less than half a picture it still gets one, and the others pay for it.
    slack = 1 if each * min(wanted) >= 0.5 else 2
    found = cut(samples, wanted, 0)
    assert sorted(np.concatenate([found.train, found.val, found.test])) == list(range(len(samples)))
    for indices, share in zip((found.train, found.val, found.test), wanted, strict=True):
        assert indices.tolist() == sorted(indices.tolist())
        for count in np.bincount(samples.targets.strata[indices], minlength=4):
            assert count >= 1
            assert abs(count - each * share) <= slack


# Contents 0 to 25 may come more than once and under both labels; eight more leave no class too small.
copied = st.lists(st.tuples(st.integers(0, 25), st.integers(0, 1)), max_size=60).map(
    lambda rows: [(100 + place, place % 2) for place in range(8)] + rows
)


@given(copied, st.integers(0, 5), st.randoms())
def test_identical_contents_are_on_one_side_and_order_and_names_change_nothing(
    rows: list[tuple[int, int]], seed: int, random: object
) -> None:
    samples = table(rows)
    split = cut(samples, SHARES, seed)
    sets = [{samples.digests[index] for index in indices} for indices in (split.train, split.val, split.test)]
    assert sum(map(len, sets)) == len(set.union(*sets))
    assert sum(map(len, (split.train, split.val, split.test))) == len(rows)
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = table(shuffled, name="renamed/")
    assert sides(again, cut(again, SHARES, seed)) == sides(samples, split)


@given(st.integers(1, 5), st.integers(0, 100))
def test_adding_pictures_moves_few(more: int, seed: int) -> None:
    rows = balanced(2, 50)
    before = sides(table(rows), cut(table(rows), SHARES, seed))
    grown = table(rows + [(1000 + place, 0) for place in range(more)])
    after = sides(grown, cut(grown, SHARES, seed))
    moved = sum(after[content] != side for content, side in before.items())
    assert moved <= 2 * more  # two cuts, each shifted by at most the number added


def test_another_seed_is_another_split() -> None:
    samples = table(balanced(2, 50))
    splits = {cut(samples, SHARES, seed).test.tobytes() for seed in range(10)}
    assert len(splits) == 10


def test_each_place_is_as_likely_to_be_tested() -> None:
    samples = table(balanced(1, 10))
    counts = Counter(index for seed in range(500) for index in cut(samples, SHARES, seed).test.tolist())
    assert all(abs(count - 100) < 45 for count in counts.values())  # 5 deviations of 500 draws at 0.2
    assert len(counts) == 10


@pytest.mark.parametrize(("each", "subsets", "needed"), [(2, None, 3), (1, ["train"] * 2 + ["test"] * 2, 2)])
def test_too_few_different_pictures_are_refused_with_their_count(
    each: int, subsets: list[str] | None, needed: int
) -> None:
    rows = balanced(2, each) + ([] if subsets is None else balanced(2, each))
    with pytest.raises(DataError) as caught:
        cut(table(rows, subsets), SHARES, 0)
    assert caught.value.cause == (
        f"too few different pictures for {needed} subsets: 'class 0' has {each}, 'class 1' has {each}"
    )


def test_copies_do_not_count_as_pictures_and_an_empty_class_has_none() -> None:
    with pytest.raises(DataError, match="'class 0' has 1, 'class 1' has 0"):
        cut(table([(7, 0)] * 9 + [(place, 2) for place in range(20, 30)]), SHARES, 0)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_provided_val_is_validation_and_never_a_test_set(seed: int) -> None:
    split = cut(table(balanced(2, 5), ["train"] * 6 + ["val"] * 4), SHARES, seed)
    assert (split.train.tolist(), split.val.tolist(), split.test.tolist()) == ([*range(6)], [*range(6, 10)], [])


def test_provided_train_and_test_have_validation_cut_from_train() -> None:
    samples = table(balanced(2, 30), ["train"] * 40 + ["test"] * 20)
    split = cut(samples, SHARES, 0)
    assert split.test.tolist() == [*range(40, 60)]
    assert sorted([*split.train, *split.val]) == [*range(40)]
    assert np.bincount(samples.targets.strata[split.val]).tolist() == [5, 5]  # a quarter of train, as 20 is of 60 + 20


def test_all_three_provided_are_taken_as_they_are() -> None:
    split = cut(table(balanced(1, 3), ["test", "train", "val"]), SHARES, 9)
    assert split.subset_of() == {0: "test", 1: "train", 2: "val"}


def test_shares_are_read() -> None:
    assert shares("60/20/20") == (0.6, 0.2, 0.2)
    assert shares("33.5/33.5/33") == (0.335, 0.335, 0.33)
    assert shares("80/20/0") == shares("0.8/0.2/0") == shares("80%/20%/0%") == (0.8, 0.2, 0.0)


@pytest.mark.parametrize("split", ["", "60/40", "60/20/10", "60/20/20/0", "100/0/0", "120/-10/-10", "a/b/c", "nan/1/1"])
def test_shares_that_are_not_three_or_do_not_add_up_are_refused(split: str) -> None:
    with pytest.raises(UsageError) as caught:
        shares(split)
    assert caught.value.where == "split"
    assert repr(split) in caught.value.cause
    for hint in re.findall(r"split='(.*?)'", caught.value.hint):
        assert sum(shares(hint)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("split", "hint"),
    [
        ("80/20", "split='80/20/0', or split='60/20/20'"),
        ("8/1/1", "split='80/10/10'"),
        ("1/1/1", "split='33.33/33.33/33.34'"),
        ("100/0/0", "split='80/20/0', or split='60/20/20'"),
    ],
)
def test_shares_that_can_be_meant_are_told_how_to_write_them(split: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        shares(split)
    assert caught.value.hint == hint


def test_without_a_share_for_the_test_two_pictures_of_a_class_will_do() -> None:
    split = cut(table(balanced(3, 2)), shares("80/20/0"), 0)
    assert [len(split.train), len(split.val), len(split.test)] == [3, 3, 0]
    split = cut(table(balanced(2, 50)), shares("80/20/0"), 0)
    assert [len(split.train), len(split.val), len(split.test)] == [80, 20, 0]


def test_a_subset_is_known_by_its_contents_and_classes_alone() -> None:
    rows = balanced(2, 4)
    indices, known = np.arange(8), digest(table(rows), np.arange(8))
    assert digest(table(rows[::-1], name="renamed/"), indices) == known
    assert digest(table(rows), indices[:-1]) != known
    assert digest(table([(content, 1 - label) for content, label in rows]), indices) != known
    assert digest(table([(content + 1, label) for content, label in rows]), indices) != known


def test_what_may_not_be_learned_is_all_for_the_test_with_whatever_is_identical_to_it() -> None:
    samples = table([*balanced(1, 20), *((content, 1 + content % 3) for content in range(15, 30))])
    may_learn = np.array([label == 0 for label in samples.targets.strata])
    split = cut(samples, SHARES, 0, may_learn)
    assert may_learn[[*split.train, *split.val]].all()
    assert set(split.test) >= {*range(15, 35)}, "also good pictures whose bytes are those of others"
    assert [len(split.train), len(split.val), len(split.test)] == [9, 3, 23]
    assert sides(samples, split) == sides(samples, cut(samples, SHARES, 0, may_learn))


def test_what_may_not_be_learned_is_refused_by_name_where_the_folders_have_it_in_train() -> None:
    samples = table([(place, place % 2) for place in range(9)], ["train"] * 3 + ["val"] * 3 + ["test"] * 3)
    with pytest.raises(DataError, match=r"3 of train and val are for the test alone: 1\.png, 3\.png, 5\.png"):
        cut(samples, SHARES, 0, samples.targets.strata == 0)
    only = table([(place, 0) for place in range(9)], ["train"] * 6 + ["test"] * 3)
    assert len(cut(only, SHARES, 0, samples.targets.strata >= 0).val) == 2


@pytest.mark.parametrize("good", [0, 2])
def test_too_few_that_may_be_learned_are_refused(good: int) -> None:
    samples = table([(place, int(place >= good)) for place in range(9)])
    with pytest.raises(DataError, match=f"too few different pictures for 3 subsets: ('class 0' has )?{good}"):
        cut(samples, SHARES, 0, samples.targets.strata == 0)
