"""Trainings that hold out a fold: it is scored by the chosen weights alone, and the test set is the same and sealed."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import striate
from small import Notes, digest, photographs, train
from striate.base.errors import DataError, RunError, UsageError
from striate.runs import subsets
from striate.runs.openings import NAME
from striate.runs.run import open_run
from striate.training.execution import Execution
from striate.training.recipe import recipe_of
from striate.training.train import resume_run
from typed import call

pytestmark = pytest.mark.slow
SMALL = {"model": "lenet5", "batch": 9, "epochs": 1}
# Trains until it is killed in the middle: after the first epoch of two.
KILLED = """
import os, signal, sys
from pathlib import Path
from small import Notes, train

class Killed(Notes):
    def epoch(self, epoch):
        os.kill(os.getpid(), signal.SIGKILL)

train(Path(sys.argv[1]), listener=Killed(), execution={"save_every": 0.0}, fold="2/3", batch=500)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def folds(home):
    """The three folds of the photographs, and a training without folds."""
    data = str(photographs(home / "photos"))
    runs = [train(home / "runs", data=data, fold=f"{number}/3", **SMALL) for number in (1, 2, 3)]
    assert not list(home.rglob(NAME)), "no fold opens the test set"
    return [*runs, train(home / "runs", data=data, keep_sealed=True, **SMALL)]


def names(run, subset):
    return {line.name for line in run.lines if line.subset == subset}


def test_each_fold_is_scored_on_what_it_holds_out_and_the_test_set_is_that_of_no_folds(folds):
    *folds, without = folds
    held = [names(run, "held") for run in folds]
    assert set.union(*held) == names(without, "train") | names(without, "val")
    assert sum(map(len, held)) == len(set.union(*held)) == 36
    for run in folds:
        split = run.facts["split"]
        assert split["test"] == without.facts["split"]["test"]
        assert {name: split[name]["n"] for name in split} == {"train": 18, "val": 6, "held": 12, "test": 9}
        assert (run.result["subset"], run.result["n"], run.result["sealed"]) == ("held", 12, 9)
        assert {each["subset"] for each in (*run.result["numbers"], *run.result["baselines"])} == {"held"}
        kept = run.kept
        assert set(kept) == {"val", "held"}
        assert kept["held"].samples.tolist() == subsets.places(run.lines, "held").tolist()
        assert run.evaluate().numbers["numbers"] == run.result["numbers"]
        written = (run.folder / "predictions.csv").read_text().splitlines()[1:]
        assert {line.split(",")[0] for line in written} == names(run, "held")
    assert "held" not in without.facts["split"]
    assert "held" not in (without.folder / "split.csv").read_text()


def test_a_person_is_told_what_was_held_out(folds, home, capsys):
    run = folds[0]
    page = (striate.write_report(run)).read_text()
    assert "Held-out accuracy" in page
    assert "Fold 1/3: these 12 pictures were held out" in page
    code, out, err = call(capsys, "evaluate", run.folder)
    assert (code, "n = 12, held" in out, "neither learned from nor chose the epoch" in out) == (0, True, True), err
    assert "held-out accuracy" in call(capsys, "runs", home / "runs")[1]
    notes = Notes()
    train(home / "more", listener=notes, data=str(home / "photos"), fold="2/3/1", **SMALL)
    assert "18 train, 6 validation, 12 held out (fold 2 of 3, repeat 1), 9 sealed for the test" in " ".join(notes.said)


def test_what_opens_the_test_set_of_a_fold_is_counted_and_leaves_what_was_held_out(folds, home):
    run = train(home / "opened", data=str(home / "photos"), fold="1/3", **SMALL)
    before, rows = run.result, run.kept["held"].rows
    numbers = run.evaluate(open_test=True).numbers
    assert (numbers["openings"], numbers["subset"], numbers["n"]) == (1, "test", 9)
    again = open_run(run.folder)
    assert again.result["held"] == before["numbers"]
    np.testing.assert_array_equal(again.kept["held"].rows, rows)
    assert "On the 12 held-out pictures, it is" in striate.write_report(again, force=True).read_text()


def test_pictures_that_another_fold_has_learned_are_told(folds, home):
    one, two, _, without = folds
    for name in names(one, "held"):
        (home / "held" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(home / "photos" / name, home / "held" / name)
    assert one.evaluate(str(home / "held")).notes == ()
    (note,) = two.evaluate(str(home / "held")).notes
    assert note == "12 of 12 pictures were used in training or validation: the numbers flatter"
    said = Notes()
    train(home / "on", listener=said, data=str(home / "photos"), weights=os.fspath(one), fold="2/3", **SMALL)
    told = f"the weights of {one.name} have seen 12 of the 12 held-out pictures: the held-out numbers flatter"
    assert any(told in each for each in said.said)
    assert any(each.endswith("--split 60/20/20 --split-seed 0 --fold 1/3") for each in said.said)
    said = Notes()
    run = train(home / "on", listener=said, data=str(home / "photos"), weights=os.fspath(one), fold="1/3", **SMALL)
    assert not any("held-out numbers flatter" in each for each in said.said)
    assert not set(subsets.seen(run.folder)) & {line.digest for line in one.lines if line.subset == "held"}
    said = Notes()
    train(home / "on", listener=said, data=str(home / "photos"), weights=os.fspath(without), fold="1/3", **SMALL)
    assert any("held-out numbers flatter" in each for each in said.said)
    assert not any("keeps them apart" in each for each in said.said), "its split has no fold"


def test_folds_that_answer_together_hold_nothing_out_and_those_of_one_fold_do(folds, home):
    whole = striate.ensemble(*folds[:3], runs=home / "together")
    assert (whole.result["subset"], whole.recipe["fold"], names(whole, "held")) == ("test", None, set())
    assert whole.facts["split"]["test"] == folds[0].facts["split"]["test"]
    other = train(home / "runs", data=str(home / "photos"), fold="1/3", seed=1, **SMALL)
    same = striate.ensemble(folds[0], other, keep_sealed=True, runs=home / "sealed")
    assert (same.recipe["fold"], names(same, "held")) == ("1/3", names(folds[0], "held"))
    assert (same.evaluate().numbers["subset"], same.evaluate().numbers["n"]) == ("held", 12)
    assert not list((home / "sealed").rglob(NAME))


def test_a_fold_of_digits_that_is_killed_in_the_middle_comes_to_the_same_bits(tmp_path):
    whole = train(tmp_path / "runs", fold="2/3", batch=500)
    path = os.pathsep.join(sys.path)
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "killed")],
                          env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr
    (folder,) = (tmp_path / "killed").iterdir()
    stopped = open_run(folder)
    assert (stopped.status, stopped.result) == ("killed", None)
    run = resume_run(folder, Execution(), Notes())
    assert digest(run) == digest(whole)
    assert run.result == whole.result
    np.testing.assert_array_equal(run.kept["held"].rows, whole.kept["held"].rows)
    assert (folder / "split.csv").read_bytes() == (whole.folder / "split.csv").read_bytes()
    # killed between its rows and its result: they are not answered again
    facts = json.loads((folder / "run.json").read_text())
    (folder / "result.json").unlink()
    (folder / "run.json").write_text(json.dumps(facts | {"status": "running"}))
    assert resume_run(folder, Execution(), Notes()).result == whole.result
    assert not list(tmp_path.rglob(NAME))


def test_data_with_subsets_of_their_own_keep_their_test_set_and_a_note_says_what_is_dealt(tmp_path):
    home = tmp_path / "given"
    for subset, each in (("train", 9), ("val", 4), ("test", 3)):
        made = photographs(tmp_path / subset, each=each)
        for place, path in enumerate(sorted(made.rglob("*.*"))):
            target = home / subset / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes() + f"{subset} {place}".encode())
    notes = Notes()
    run = train(tmp_path / "runs", listener=notes, data=str(home), fold="1/3", split_seed=4, **SMALL)
    assert all(name.startswith("test/") for name in names(run, "test"))
    assert {name.split("/")[0] for name in names(run, "held")} == {"train", "val"}
    assert any("dealt into folds together" in each for each in notes.said)
    assert run.facts["split"]["test"]["n"] == 9
    with pytest.raises(UsageError, match="of their own"):
        train(tmp_path / "runs", data=str(home), split_seed=4, **SMALL)


def test_a_split_that_is_given_keeps_its_test_set_and_the_rest_is_dealt(folds, home, tmp_path):
    table, sealed = tmp_path / "split.csv", sorted(names(folds[0], "val"))  # other pictures than a cut would seal
    lines = [line.name for line in folds[0].lines]
    said = {
        name: "test" if name in sealed else "val" if place % 5 == 0 else "train" for place, name in enumerate(lines)
    }
    table.write_text("\n".join(["path,subset", *(f"{name},{subset}" for name, subset in said.items())]))
    runs = [train(tmp_path / "runs", data=str(home / "photos"), split=str(table), fold=f"{number}/3", **SMALL)
            for number in (1, 2, 3)]  # fmt: skip
    assert [sorted(names(run, "test")) for run in runs] == [sealed] * 3
    assert sorted(name for run in runs for name in names(run, "held")) == sorted(set(lines) - set(sealed))
    assert any("dealt into folds together" in note for note in runs[0].facts["data"]["notes"])


@pytest.mark.parametrize("fold", ["0/3", "4/3", "1/1", "x", "1/3/100"])
def test_a_fold_that_cannot_be_meant_is_refused_before_a_picture_is_read(fold, tmp_path, capsys):
    code, _, err = call(capsys, "train", "digits", "--fold", fold, "--runs", tmp_path)
    assert (code, err.count("\n") <= 2, "1/5, or 1/5/1 of repeat 1" in err.replace("--fold ", "")) == (2, True, True), (
        err
    )
    assert not list(tmp_path.iterdir())


def test_too_few_pictures_for_the_folds_are_refused_and_a_table_says_no_fold(folds, home, tmp_path):
    with pytest.raises(DataError, match=r"too few different pictures for 20 folds.*'class 0' has 12"):
        train(tmp_path, data=str(home / "photos"), fold="1/20", **SMALL)
    with pytest.raises(DataError, match="'held'") as refused:
        train(tmp_path, data=str(home / "photos"), split=str(folds[0].folder / "split.csv"), **SMALL)
    assert "train, val or test" in str(refused.value.hint)


@pytest.mark.parametrize(
    "harm",
    [
        lambda facts: facts["split"].pop("held"),
        lambda facts: facts["recipe"].update(fold=None),
        lambda facts: facts["recipe"].update(fold="9/3"),
        lambda facts: facts["split"].update(held=None),
        lambda facts: facts["split"]["held"].update(n=11),
    ],
)
def test_a_run_json_whose_fold_was_changed_is_refused(folds, harm, tmp_path):
    facts = json.loads((folds[0].folder / "run.json").read_text())
    harm(facts)
    (tmp_path / "run.json").write_text(json.dumps(facts))
    with pytest.raises(RunError):
        open_run(tmp_path)


def test_a_recipe_keeps_its_fold():
    assert recipe_of(data="digits").fold is None
    assert replace(recipe_of(data="digits", fold="1/5/2")).fold == "1/5/2"
