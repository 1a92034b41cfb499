"""A study: many trainings of one recipe, what is told of them, and the one opening of their test set."""

import json
import re
import shutil
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import small
import striate
from striate.base import durable
from striate.base.errors import RunError, StriateError
from striate.evaluate.folds import folds_apart, over_folds
from striate.evaluate.paired import paired
from striate.evaluate.seeds import mean_over_seeds, over_seeds
from striate.runs import evaluation, studied
from striate.runs.openings import NAME, STUDY
from striate.runs.run import open_run
from striate.runs.studied import Asked
from striate.runs.study import open_study
from together import killed_after
from typed import call, rows

PICTURES = load_digits().images[:300].astype(np.uint8) * 15
LABELS = [f"d{each}" for each in load_digits().target[:300]]
DATA = (PICTURES, LABELS)
MODELS = ("lenet5", "resnet20")
RECIPE = {"data": "arrays", "epochs": 1, "batch": 32, "rate": 0.003, "keep_sealed": True}


def asked(**more):
    values = {"models": MODELS, "seeds": (0, 1), "recipe": RECIPE, "data": "arrays", "task": "classify", **more}
    return Asked(id="0" * 32, **values)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return small.study(tmp_path_factory.mktemp("home") / "runs" / "arrays-study-1", DATA, asked()).folder


@pytest.fixture
def stopped(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "runs" / "arrays-study-1")
    return tmp_path / "runs" / "arrays-study-1"


def ids(folder):
    path = folder / NAME
    told = map(json.loads, path.read_text().splitlines()) if path.exists() else []
    return {each["id"] for each in told if "test_set" in each}


def measures(study, model, subset):
    own = [each for each in study.asked.trainings if each.model == model]
    found = [study.runs[each.name] for each in own if each.name in study.runs]
    return [run.task.measures(run.kept[subset].rows)[0] for run in found]


def noted(work, done):
    def watched(*given, **named):
        done.append(work.__name__)
        return work(*given, **named)

    return watched


@pytest.mark.slow
def test_networks_are_compared_over_their_seeds_and_the_test_set_is_opened_once_for_all(stopped, capsys, monkeypatch):
    assert (open_study(stopped).status, open_study(stopped).result) == ("stopped", None)
    alone = open_run(shutil.copytree(stopped / "lenet5-seed-1", stopped.parent.parent / "alone" / "run"))
    alone.evaluate(open_test=True, moved=DATA)
    done = []
    for where, what in ((evaluation, "read_own"), (evaluation.finished, "rivals")):
        monkeypatch.setattr(where, what, noted(getattr(where, what), done))
    study = striate.study(DATA, resume=stopped, quiet=True)
    assert sorted(done) == ["read_own", "rivals", "rivals"], "the data once, and what is beside each network once"
    assert study.runs["lenet5-seed-1"].result == open_run(alone.folder).result
    result, (pair,) = study.result, study.pairs
    for subset, told in (("val", pair.as_dict()), ("test", result.test_pairs[0])):
        one, other = (measures(study, told[who], subset) for who in ("one", "other"))
        assert told["found"] == pytest.approx(over_seeds(one, other).as_dict(), abs=1e-12)  # rows stand in other orders
        assert told["values"] == pytest.approx([mean_over_seeds(each, subset).value for each in (one, other)])
    assert [row.number.value for row in result.models] == sorted(
        (row.number.value for row in result.models), reverse=True
    )
    assert {row.model for row in result.models} == set(MODELS)
    best = result.models[0]
    run = study.runs[f"{best.model}-seed-0"]
    counted = striate.count(run.network, (run.preprocess.channels, 32, 32))
    assert (best.parameters, best.multiply_adds) == (counted.params, counted.macs)
    (opened,) = ids(stopped)
    places = [stopped.parent, *(run.folder for run in study.runs.values())]
    assert [ids(place) for place in places] == [{opened}] * 5
    assert (result.openings, {run.result["openings"] for run in study.runs.values()}) == (1, {1})
    assert {run.result["subset"] for run in study.runs.values()} == {"test"}
    page = (stopped / "report.html").read_text()
    assert all(name in page for name in (*MODELS, pair.verdict, "multiply-adds", "opened at the end"))
    line = rows(call(capsys, "runs", stopped.parent)[1])
    assert [(each["run"], each["status"]) for each in line] == [("arrays-study-1", "done")]
    assert f"validation accuracy of {result.models[0].model}" in line[0]["result"]
    (stopped / "report.html").unlink()
    assert call(capsys, "report", stopped)[0] == 0
    assert (stopped / "report.html").read_text() == page
    code, _, err = call(capsys, "study", "--resume", stopped)
    assert (code, "this study is finished" in err) == (4, True)
    assert ids(stopped.parent) == {opened}


def go_on(folder):
    striate.study(DATA, resume=folder, threads=1, quiet=True)


def rows_of_test(folder):
    return {path.parent.parent.name: path.read_bytes() for path in folder.glob("*/kept/test.safetensors")}


@pytest.mark.slow
def test_killed_in_the_middle_of_the_opening_it_is_the_same_opening_and_every_row_is_there(stopped, tmp_path):
    whole = shutil.copytree(stopped.parent, tmp_path / "whole") / stopped.name
    go_on(whole)
    expected, answered = json.loads((whole / "result.json").read_text()), []
    for writes in (0, 20, 20):  # of about 64: before the first row, and then with each kill a part
        killed_after(stopped, writes, go_on, stopped)
        answered.append(len(rows_of_test(stopped)))
        assert not (stopped / "result.json").exists()
    assert 0 == answered[0] < answered[1] < answered[2] < 4, answered
    go_on(stopped)
    assert ids(stopped) == ids(stopped.parent) == ids(whole)
    assert len(ids(whole)) == 1
    assert rows_of_test(stopped) == rows_of_test(whole)
    study = open_study(stopped)
    assert {(run.result["subset"], run.result["openings"]) for run in study.runs.values()} == {("test", 1)}
    assert study.result.openings == 1
    assert [each["found"] for each in study.result.test_pairs] == [each["found"] for each in expected["test_pairs"]]


@pytest.mark.slow
def test_a_sealed_study_opens_nothing_and_what_is_opened_later_is_counted_beside_it(stopped):
    facts = json.loads((stopped / STUDY).read_text())
    (stopped / STUDY).write_text(json.dumps({**facts, "keep_sealed": True}))
    study = striate.study(DATA, resume=stopped, quiet=True)
    assert (study.result.openings, study.result.test_pairs, study.result.sealed) == (None, (), 60)
    assert not list(stopped.parent.rglob(NAME))
    assert {frozenset(run.kept) for run in study.runs.values()} == {frozenset({"val"})}
    assert "stays sealed" in study.told()[-1]
    study.runs["lenet5-seed-0"].evaluate(open_test=True, moved=DATA)
    assert len(ids(stopped.parent)) == len(ids(stopped)) == 1


@pytest.mark.slow
def test_a_failed_training_is_named_and_the_pair_goes_by_the_seeds_that_both_have(stopped, capsys):
    (stopped / "lenet5-seed-1" / "run.json").write_text("{")
    study = striate.study(DATA, resume=stopped, quiet=True)
    assert list(study.result.failed) == ["lenet5-seed-1"]
    assert [row.trainings for row in study.result.models if row.model == "lenet5"] == [1]
    (pair,) = study.pairs
    of = {model: measures(study, model, "val")[0] for model in MODELS}
    assert pair.found == paired(of[pair.one], of[pair.other]), "one seed of each is left: McNemar's test"
    assert "Failed, and not compared: lenet5-seed-1: " in study.told()[-1]


@pytest.mark.slow
def test_folds_are_told_one_by_one_and_compared_by_a_test_that_knows_they_share_pictures(tmp_path):
    wanted = asked(models=("lenet5", "lenet5_1998"), seeds=(0,), folds=3, recipe={**RECIPE, "epochs": 2})
    study = striate.study(DATA, resume=small.study(tmp_path / "runs" / "study", DATA, wanted).folder, quiet=True)
    result, (pair,) = study.result, study.pairs
    runs = {
        model: [run for name, run in study.runs.items() if name.startswith(f"{model}-fold")] for model in wanted.models
    }
    values = {
        model: np.array([run.result["held"][0]["value"] for run in found]) for model, found in runs.items()
    }  # fmt: skip
    split = [run.facts["split"] for run in study.runs.values()]
    tested, trained = (np.mean([each[name]["n"] for each in split]) for name in ("held", "train"))
    for row in result.models:
        value, low, high = over_folds(values[row.model], tested, trained)
        assert row.folds == tuple(values[row.model])
        assert (row.number.value, row.number.low, row.number.high) == (value, max(0, low), min(1, high))
        assert row.number.n == sum(each["held"]["n"] for each in split) / 2 == 240
    assert pair.found == folds_apart(values[pair.one], values[pair.other], tested, trained)
    assert (result.subset, result.openings, len(ids(study.folder))) == ("held", 1, 1)
    assert {run.result["subset"] for run in study.runs.values()} == {"test"}
    page = (study.folder / "report.html").read_text()
    assert all(f"fold {place}" in page for place in (1, 2, 3))
    for model in wanted.models:
        lines = (study.folder / f"out-of-fold-{model}.csv").read_text().splitlines()
        assert len(lines) == 1 + 240
        assert lines[0].startswith("sample,fold,truth,answer")
    assert f"{result.models[0].model} fold by fold: " in study.told()[0]


@pytest.mark.slow
@pytest.mark.parametrize("task", [pytest.param(task, marks=() if task == "segment" else pytest.mark.whole)
                                  for task in small.TASKS if task != "classify"])  # fmt: skip
def test_other_tasks_are_studied_compared_and_answer_together(tmp_path, task):
    recipe = {**small.recipe_for(task), "epochs": 1, "data": small.data_of("folder", tmp_path, task)}
    recipe["task_options"] = {**recipe["task_options"], **({"good": "class 0"} if task == "anomaly" else {})}
    models = (recipe.pop("model"),) if task == "segment" else (recipe.pop("model"), "unet_padded")
    wanted = asked(models=models, seeds=(0, 1), recipe={**recipe, "keep_sealed": True}, task=recipe["task"])
    study = striate.study(resume=small.study(tmp_path / "runs" / "study", None, wanted).folder, threads=1, quiet=True)
    assert (study.result.openings, len(ids(study.folder)), len(study.told()) > 1) == (1, 1, True)
    assert len(study.result.test_pairs) == len(models) - 1
    for row in study.result.models:
        runs = [study.runs[f"{row.model}-seed-{seed}"] for seed in (0, 1)]
        assert row.test.value is not None
        assert striate.compare(*runs).subset == "test"
        run = striate.ensemble(*runs, runs=tmp_path / "runs", quiet=True)
        assert np.isfinite(run.kept["test"].rows).all()
        assert run.result["numbers"][0]["n"] == row.test.n
    assert (study.folder / "report.html").exists()


@pytest.mark.slow
def test_as_a_person_types_it(tmp_path, capsys):
    code, out, err = call(
        capsys, "study", "digits", "--models", "lenet5", "lenet5_1998", "--epochs", 1, "--batch", 256,
        "--runs", tmp_path, "--jobs", 1, "--threads", 1,
    )  # fmt: skip
    folder = tmp_path / "digits-study-1"
    assert code == 0, err
    assert [each["network"] for each in rows(out[out.index("network\t") :].partition("\naccuracy")[0])] == [
        row.model for row in open_study(folder).result.models
    ]
    assert re.search(r"(beats|cannot be told apart from) \w+ on the same 359 validation pictures", out)
    assert f"report  {folder / 'report.html'}" in out
    assert open_study(folder).asked.command.startswith("striate study digits --models")
    assert {run.recipe["seed"] for run in open_study(folder).runs.values()} == {0}


names = st.lists(
    st.sampled_from(["lenet5", "resnet20", "timm:resnet10t", "vgg16"]), min_size=1, max_size=4, unique=True
)


@given(
    names,
    st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True),
    st.none() | st.integers(2, 6),
    st.integers(1, 3),
)
def test_each_training_has_a_name_of_its_own_and_all_are_there(models, seeds, folds, repeats):
    wanted = asked(models=tuple(models), seeds=tuple(seeds), folds=folds, repeats=repeats if folds else 1)
    found = wanted.trainings
    assert len({each.name for each in found}) == len(found)
    assert all(re.fullmatch(r"\w[\w.+-]{0,199}", each.name) for each in found)
    parts = [None] if folds is None else [
        f"{fold}/{folds}" + (f"/{again}" if again else "") for again in range(repeats) for fold in range(1, folds + 1)
    ]  # fmt: skip
    assert {(each.model, each.seed, each.fold) for each in found} == set(product(models, seeds, parts))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--models", "lenet5", "lenet5"), "models: lenet5 is named twice"),
        (("--models", "lenet6"), "lenet6.*Try: .*lenet5"),
        (("--models", "lenet5", "unet_padded"), "models: they learn different tasks"),
        (("--seeds", "0"), "seeds: 0 is out of range. Try: a number from 1 to 1000"),
        (("--folds", "1"), "folds: 1 is out of range"),
        (("--repeats", "2"), "repeats: there are no folds to repeat. Try: --folds 5 as well"),
        (("--model", "lenet5"), "--models, as striate calls it"),
        (("--models", "lenet5", "--model-options.stemm", "3"), "stemm"),
        (("--on", "ssh:there"), "is no cluster"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_a_folder_is_made(tmp_path, capsys, words, said):
    code, _, err = call(capsys, "study", "digits", *words, "--runs", tmp_path / "runs")
    assert (code, bool(re.search(said, err)), err.count("\n")) == (2, True, 1), err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (None, "no study: there is no study.json in it"),
        ("[]", "not a study of format 1"),
        ('{"format": 2}', "not a study of format 1"),
        ('{"format": 1}', "id is missing"),
    ],
)
def test_a_folder_that_is_no_study_is_refused_in_a_sentence(tmp_path, told, said):
    if told is not None:
        (tmp_path / STUDY).write_text(told)
    with pytest.raises(RunError, match=said):
        open_study(tmp_path)


def test_a_study_goes_on_with_what_it_was_asked(tmp_path, capsys):
    code, _, err = call(capsys, "study", "--resume", tmp_path, "--seeds", "3", "--epochs", "2")
    assert (code, "a study goes on with what it was asked, not with seeds, epochs" in err) == (2, True), err
    with pytest.raises(StriateError, match="nothing to train on"):
        striate.study(quiet=True)


def test_what_is_written_is_read_back(tmp_path):
    wanted = asked(folds=3, repeats=2)
    durable.write_json(tmp_path / STUDY, {"format": studied.FORMAT, **vars(wanted)})
    assert studied.read_asked(tmp_path).trainings == wanted.trainings
