"""Finished runs beside each other: the paired test of what they kept, and what is refused."""

import json
import shutil

import numpy as np
import pytest
from sklearn.datasets import load_digits

import striate
from small import train
from striate.base.errors import RunError, UsageError
from striate.evaluate.paired import paired
from striate.runs.compared import answers
from striate.runs.openings import NAME
from striate.runs.run import open_run, write_facts
from typed import call

pytestmark = pytest.mark.slow
PICTURES = load_digits().images[:400].astype(np.uint8) * 15
LABELS = [f"d{each}" for each in load_digits().target[:400]]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    few = {"data": (PICTURES, LABELS), "model": "lenet5", "epochs": 1, "batch": 32}
    back = {**few, "data": (PICTURES[::-1], LABELS[::-1])}
    for name, recipe in {
        "opened": few, "other": {**few, "seed": 1}, "back": {**back, "seed": 2}, "cut": {**few, "split_seed": 1},
        "sealed": {**few, "keep_sealed": True}, "shut": {**back, "seed": 1, "keep_sealed": True},
        "filled": {**few, "data": PICTURES, "task": "reconstruct", "model": "autoencoder", "keep_sealed": True},
    }.items():  # fmt: skip
        train(folder / "made", **recipe).folder.rename(folder / name)
    return folder


def test_the_test_of_two_runs_is_that_of_their_kept_rows_and_opens_nothing(home, capsys):
    runs = [open_run(home / name) for name in ("opened", "other")]
    lists = {path: path.read_bytes() for path in home.rglob(NAME)}
    found = striate.compare(*runs)
    measures = [run.task.measures(run.kept["test"].rows)[0] for run in runs]
    assert (found.subset, found.found) == ("test", paired(*measures))
    assert [each.value for each in found.numbers.values()] == [run.result["numbers"][0]["value"] for run in runs]
    assert {path: path.read_bytes() for path in home.rglob(NAME)} == lists
    code, out, _ = call(capsys, "compare", *(run.folder for run in runs), "--json")
    assert (code, json.loads(out)["pairs"][0]["found"]) == (0, found.found.as_dict())
    assert f"on the same {found.found.n} test pictures" in call(capsys, "compare", *(run.folder for run in runs))[1]


def test_pictures_are_matched_by_what_they_hold_and_not_by_their_order(home):
    one, back = open_run(home / "opened"), open_run(home / "back")
    assert one.facts["split"]["test"]["digest"] == back.facts["split"]["test"]["digest"]
    rights = []
    for run in (one, back):
        kept, lines = run.kept["test"], run.lines
        right = run.task.measures(kept.rows)[0].right
        rights.append({lines[place].digest: value for place, value in zip(kept.samples, right, strict=True)})
    alone = sum(rights[0][each] and not rights[1][each] for each in rights[0])
    assert list(rights[0]) != list(rights[1])
    assert striate.compare(one, back).found.better == alone
    assert answers(one, "test").number("test").value == one.result["numbers"][0]["value"]


def test_sealed_runs_are_compared_on_validation_and_this_is_said(home, capsys):
    code, out, _ = call(capsys, "compare", home / "sealed", home / "shut")
    assert (code, "validation pictures, which also chose each epoch (their test set is sealed)" in out) == (0, True)


def test_of_three_runs_each_pair_is_told_with_holms_p(home):
    found = striate.compare(*(home / name for name in ("opened", "other", "back")))
    own = sorted(each.found.p for each in found.pairs)
    assert [(each.one, each.other) for each in found.pairs] == [
        ("opened", "other"), ("opened", "back"), ("other", "back")
    ]  # fmt: skip
    assert min(each.p for each in found.pairs) == min(1.0, 3 * own[0])
    assert {each.pairs for each in found.pairs} == {3}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("opened", "cut"), "it was asked other test pictures than opened. Try: .*split_seed"),
        (
            ("opened", "sealed"),
            "its result is on validation pictures, and that of opened on test. .*sealed .*open_test",
        ),
        (("sealed", "filled"), "it learned another task, or other classes, than sealed"),
        (("opened", "opened"), "a run is named twice"),
        (("opened",), "one run has nothing beside it"),
        (("opened", "none"), "no such folder"),
    ],
)
def test_what_was_not_asked_the_same_is_refused_in_a_sentence(home, names, said):
    with pytest.raises((RunError, UsageError), match=said):
        striate.compare(*(home / name for name in names))


def test_a_training_that_is_not_done_is_refused(home, tmp_path):
    half = tmp_path / "half"
    shutil.copytree(home / "other", half)
    write_facts(half, {**open_run(half).facts, "status": "stopped"})
    with pytest.raises(RunError, match=r"half: this training is stopped: it has no result\. Try: resuming it"):
        striate.compare(home / "opened", half)


def test_the_command_takes_runs_or_networks_and_not_both(home, capsys):
    code, _, err = call(capsys, "compare", home / "opened", "lenet5")
    assert (code, "is a run and lenet5 a network" in err) == (2, True)
    code, _, err = call(capsys, "compare", home / "opened", home / "other", "--batch", "8")
    assert (code, "--batch: it changes nothing where runs are compared" in err) == (2, True)
    code, _, err = call(capsys, "compare", home / "opened", home / "other", "--force")
    assert (code, "--force: it changes nothing" in err) == (2, True)
