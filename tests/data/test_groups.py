"""Groups: what they are, and that no split parts them."""

import dataclasses
import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from striate.base.errors import DataError, UsageError
from striate.data.contents import Files
from striate.data.groups import check, grouped, straddling
from striate.data.samples import Checked, Groups, Samples
from striate.data.splits import Split, cut
from striate.data.targets import Labels, Nothing

SHARES = (0.6, 0.2, 0.2)
Row = tuple[int, int, str]


def never(samples: Samples) -> Groups:
    raise AssertionError("near-duplicates were not asked for")


def table(rows: Sequence[Row], subsets: Sequence[str] | None = None, prefix: str = "") -> Samples:
    """Samples of (content, label, group), their groups as a table says them."""
    names = tuple(f"{prefix}{group}/{place}.png" for place, (_, _, group) in enumerate(rows))
    digests = tuple(hashlib.sha256(str(content).encode()).hexdigest() for content, _, _ in rows)
    labels, groups = np.array([label for _, label, _ in rows], np.int64), sorted({group for _, _, group in rows})
    return Samples(
        name="made", source="table", root=None, names=names,
        read=Checked(Files(Path(), names), digests), digests=digests,
        targets=Labels(tuple("abcdefgh"[: max(labels) + 1]), labels), sizes=np.ones((len(rows), 2), np.int32),
        subsets=None if subsets is None else tuple(subsets),
        groups=np.array([groups.index(group) for _, _, group in rows], np.int64), group_names=tuple(groups),
    )  # fmt: skip


def told(samples: Samples, by: str | None = None) -> Samples:
    return grouped(samples, by, never)[0]


def sides(samples: Samples, split: Split) -> dict[str, str]:
    """Content -> subset."""
    return {samples.digests[index]: subset for index, subset in split.subset_of().items()}


def of_patients(patients: int, seed: int = 0, classes: int = 3, alike: float = 0.7) -> list[Row]:
    """Patients with 1 to some 60 pictures, each of a few classes."""
    generator, rows = np.random.default_rng(seed), list[Row]()
    for patient in range(patients):
        chances = generator.dirichlet(np.full(classes, alike))
        for _ in range(int(generator.lognormal(2.5, 0.8)) + 1):
            rows.append((len(rows), int(generator.choice(classes, p=chances)), f"patient {patient}"))
    return rows


# Contents 0 to 40 may come in several groups and under several labels; twelve groups more leave no class too small.
mixed = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1), st.sampled_from("abcdefg")), max_size=50).map(
    lambda rows: [(100 + place, place % 2, f"own {place // 2}") for place in range(24)] + rows
)


@given(mixed, st.integers(0, 5), st.randoms(), st.sampled_from([SHARES, (0.8, 0.2, 0.0)]))
def test_no_group_and_no_content_is_parted_and_order_and_names_change_nothing(
    rows: list[Row], seed: int, random: object, shares: tuple[float, float, float]
) -> None:
    samples = told(table(rows))
    assert samples.groups is not None
    split = cut(samples, shares, seed)
    parts = [part for part, share in zip((split.train, split.val, split.test), shares, strict=True) if share]
    assert sorted(np.concatenate(parts)) == list(range(len(rows))), "every sample once"
    for unit in (samples.groups, np.array(samples.digests), np.array([group for _, _, group in rows])):
        found = [set(unit[part].tolist()) for part in parts]
        assert sum(map(len, found)) == len(set.union(*found))
    assert all(set(samples.targets.strata[part]) == {0, 1} for part in parts), "every class everywhere"
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = told(table([(content, label, f"renamed {group}") for content, label, group in shuffled], prefix="other/"))
    assert sides(again, cut(again, shares, seed)) == sides(samples, split)


def deviation(samples: Samples, parts: Sequence[np.ndarray]) -> float:
    """How far the share of a class in a subset is from what was asked, at the most."""
    strata = samples.targets.strata
    counts = np.array([np.bincount(strata[part], minlength=strata.max() + 1) for part in parts])
    return float(np.abs(counts / counts.sum(0) - np.array(SHARES)[:, None]).max())


@pytest.mark.parametrize("patients", [8, 20, 60])
def test_shares_of_every_class_are_nearer_than_those_of_scikit_learn(patients: int) -> None:
    own, theirs = [], []
    for seed in range(8):
        samples = told(table(of_patients(patients, seed, alike=2.0)))
        split = cut(samples, SHARES, 0)
        own.append(deviation(samples, (split.train, split.val, split.test)))
        strata = samples.targets.strata
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a class in few groups
            folds = [test for _, test in StratifiedGroupKFold(5).split(strata, strata, samples.groups)]
        theirs.append(deviation(samples, (np.concatenate(folds[2:]), folds[0], folds[1])))
    assert np.mean(own) < 0.75 * np.mean(theirs)
    assert np.mean(own) < {8: 0.25, 20: 0.07, 60: 0.02}[patients]


def test_equal_groups_are_as_likely_to_be_tested_and_another_seed_is_another_split() -> None:
    samples = told(table([(place, place % 2, f"group {place // 4}") for place in range(80)]))
    splits = [cut(samples, SHARES, seed) for seed in range(150)]
    counts = np.bincount(np.concatenate([samples.groups[each.test] for each in splits]) // 1, minlength=20) / 4  # type: ignore[index]
    assert counts.sum() == 150 * 4
    assert np.abs(counts - 30).max() < 25  # 5 deviations of 150 draws at 0.2
    assert len({each.test.tobytes() for each in splits}) > 140


def test_planted_copies_and_groups_never_straddle_over_100_splits() -> None:
    """200 copies, each of a picture in another group, among 1,000 pictures in 600 groups."""
    generator = np.random.default_rng(0)
    rows = [(place, place % 4, f"group {place % 600}") for place in range(1000)]
    rows += [(int(place), int(place) % 4, f"group {generator.integers(600)}") for place in generator.choice(1000, 200)]
    samples = told(table(rows))
    digests, names = np.array(samples.digests), np.array([group for _, _, group in rows])
    for seed in range(100):
        split = cut(samples, SHARES, seed)
        for unit in (digests, names):
            parts = [set(unit[part].tolist()) for part in (split.train, split.val, split.test)]
            assert sum(map(len, parts)) == len(set.union(*parts))


def test_a_class_in_too_few_groups_is_refused_by_name_with_its_count() -> None:
    rows = [(place, int(place // 10 == 3), f"group {place // 10}") for place in range(80)]
    with pytest.raises(DataError) as caught:
        cut(told(table(rows)), SHARES, 0)
    assert caught.value.cause == "too few groups for 3 subsets: 'b' has 1"
    assert caught.value.hint == (
        "at least 3 groups with every class, many more for a useful answer; --groups none takes all pictures for "
        "independent"
    )
    with pytest.raises(DataError, match="too few groups for 3 subsets: 2"):
        cut(dataclasses.replace(told(table(rows[:20])), targets=Nothing(20)), SHARES, 0)


def test_groups_that_no_split_can_leave_whole_are_refused_in_a_sentence() -> None:
    """Three classes of three groups each, of four: whatever is dealt, one class lacks a subset."""
    lie = {"a": (0, 1, 2), "b": (0, 1, 3), "c": (0, 2, 3), "d": (1, 2, 3)}
    rows = [(100 * label + 10 * group + one, label, f"group {group}")
            for label, groups in enumerate(lie.values()) for group in groups for one in range(3)]  # fmt: skip
    with pytest.raises(DataError, match=r"no way was found to deal 4 groups that leaves '.' in every subset"):
        cut(told(table(rows)), SHARES, 0)


def test_a_giant_group_learns_and_the_others_are_dealt() -> None:
    rows = [(place, place % 2, "giant" if place < 300 else f"group {place // 20}") for place in range(400)]
    samples = told(table(rows))
    split = cut(samples, SHARES, 0)
    assert set(range(300)) <= set(split.train.tolist())
    assert min(map(len, (split.val, split.test))) >= 20


def test_provided_subsets_that_part_a_group_are_refused_with_its_name_unless_a_leak_is_allowed() -> None:
    rows = [(place, place % 2, f"patient {place // 4}") for place in range(24)]
    subsets = ["train"] * 14 + ["val"] * 4 + ["test"] * 6
    samples = told(table(rows, subsets))
    assert straddling(samples, subsets) == ["'patient 3' in train and val", "'patient 4' in val and test"]
    with pytest.raises(DataError) as caught:
        cut(samples, SHARES, 0)
    assert caught.value.cause == (
        "2 groups in several subsets: 'patient 3' in train and val, 'patient 4' in val and test"
    )
    assert "allow_leak" in caught.value.hint
    assert len(cut(samples, SHARES, 0, allow_leak=True).val) == 4
    whole = told(table(rows, ["train"] * 12 + ["val"] * 4 + ["test"] * 8))
    assert len(cut(whole, SHARES, 0).test) == 8


def test_validation_is_cut_from_a_provided_train_by_groups() -> None:
    rows = [(place, place % 2, f"patient {place // 4}") for place in range(60)]
    samples = told(table(rows, ["train"] * 48 + ["test"] * 12))
    split = cut(samples, SHARES, 0)
    assert split.test.tolist() == [*range(48, 60)]
    assert not set(samples.groups[split.train]) & set(samples.groups[split.val])  # type: ignore[index]
    assert len(split.val) == 12


def test_what_may_not_be_learned_takes_its_group_to_the_test() -> None:
    rows = [(place, int(place % 10 == 0), f"patient {place // 5}") for place in range(60)]
    samples = told(table(rows))
    split = cut(samples, SHARES, 0, samples.targets.strata == 0)
    odd = {int(samples.groups[place]) for place in range(0, 60, 10)}  # type: ignore[index]
    assert not odd & set(samples.groups[[*split.train, *split.val]].tolist())  # type: ignore[index]


def test_groups_by_a_regular_expression_on_the_path() -> None:
    rows = [(place, place % 2, f"p{place // 3}") for place in range(12)]
    samples = dataclasses.replace(table(rows), groups=None, group_names=())
    found, how = grouped(samples, r"^p(\d+)/", never)
    assert found.groups is not None
    assert [found.group_names[each] for each in found.groups] == [str(place // 3) for place in range(12)]
    assert how == r"'^p(\d+)/' in the path"
    assert found.fingerprint == samples.fingerprint
    with pytest.raises(DataError) as caught:
        grouped(samples, r"^p([02])/", never)
    assert caught.value.cause == (
        "'^p([02])/' finds no group in 6 of 12 paths: p1/3.png, p1/4.png, p1/5.png and 3 more"
    )


@pytest.mark.parametrize(("by", "cause"), [
    ("patient", "'patient' has 0 parts in brackets, and one must say which group it is"),
    (r"(a)-(\d)", r"'(a)-(\d)' has 2 parts in brackets, and one must say which group it is"),
    ("(", "'(' is no regular expression (missing ), unterminated subpattern at position 0)"),
])  # fmt: skip
def test_what_is_no_expression_with_one_part_is_refused(by: str, cause: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(by)
    assert (caught.value.where, caught.value.cause) == ("groups", cause)


def test_a_column_is_taken_unless_it_is_left_and_then_that_is_said() -> None:
    rows = [(place, place % 2, f"p{place // 3}") for place in range(12)]
    samples, how = grouped(table(rows), None, never)
    assert (how, len(samples.group_names), samples.notes) == ("a column of the table", 4, ())
    samples, how = grouped(table(rows), "none", never)
    assert (how, samples.groups) == ("", None)
    assert samples.notes == (
        "a column of the table has groups, which are not looked at (groups none): pictures of one may be apart",
    )
    assert "says what they are" in told(table(rows), r"/(\d)").notes[0]


def test_groups_that_share_a_picture_are_one_and_that_is_said() -> None:
    samples = told(table([(1, 0, "a"), (2, 0, "b"), (3, 1, "b"), (1, 0, "c"), (3, 1, "c"), (4, 1, "d")]))
    assert samples.groups is not None
    assert samples.groups.tolist() == [0, 0, 0, 0, 0, 1]
    assert samples.group_names == ("a", "d")
    assert samples.notes == ("3 groups share pictures and count as 1: 'a' = 'b' = 'c'",)


def test_where_each_picture_is_its_own_group_there_are_none() -> None:
    samples = table([(place, place % 2, f"p{place}") for place in range(12)])
    found, how = grouped(samples, None, never)
    assert (found.groups, how) == (None, "")
    assert found.notes == ("by a column of the table each picture is a group of its own",)
    assert sides(found, cut(found, SHARES, 3)) == sides(
        samples, cut(dataclasses.replace(samples, groups=None), SHARES, 3)
    )


def test_near_duplicates_are_joined_with_what_a_table_says() -> None:
    rows = [(place, place % 2, f"p{place // 3}") for place in range(12)]
    near = np.array([0, 1, 2, 0, *range(3, 11)])
    found, how = grouped(table(rows), "near", lambda _: near)
    assert found.groups is not None
    assert found.groups.tolist() == [0] * 6 + [1] * 3 + [2] * 3
    assert how == "a column of the table and near-duplicates"
    alone = dataclasses.replace(table(rows), groups=None, group_names=())
    found, how = grouped(alone, "near", lambda _: near)
    assert found.groups is not None
    assert (how, found.groups.tolist()) == ("near-duplicates", near.tolist())
    assert found.group_names[0] == "like p0/0.png"
