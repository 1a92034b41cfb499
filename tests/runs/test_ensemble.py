"""Several runs that answer as one: measured beside each, from what is kept, with one opening."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

import striate
from small import photographs, photographs_with_masks, train
from striate.base.errors import RunError, UsageError
from striate.evaluate import rows
from striate.runs import ensemble as ensembles
from striate.runs import joined
from striate.runs.openings import NAME
from striate.runs.run import open_run
from striate.tasks.mixture import mixture
from typed import call

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return str(photographs(tmp_path_factory.mktemp("photos") / "photos"))


@pytest.fixture(scope="module")
def runs(photos, tmp_path_factory):
    """Three networks of two kinds, sizes and numbers of channels; one test set, opened by each."""
    home = tmp_path_factory.mktemp("runs")
    recipes = (
        {"model": "lenet5", "task_options": {"calibrate": True}, "rate": 0.02},
        {"model": "lenet5", "seed": 1},
        {"model": "resnet20", "size": 32},
    )
    return [train(home, data=photos, batch=9, precision="float32", **recipe) for recipe in recipes]


@pytest.fixture(scope="module")
def sealed(photos, tmp_path_factory):
    home = tmp_path_factory.mktemp("sealed")
    return [
        train(home, data=photos, model="lenet5", batch=9, epochs=1, seed=seed, keep_sealed=True) for seed in range(2)
    ]


def join(runs, folder, **how):
    return striate.ensemble(*runs, runs=folder, quiet=True, **how)


def probabilities(predictions):
    return np.array([[dict(each.top)[f"class {k}"] for k in range(3)] for each in predictions])


def openings(folder):
    path = folder / NAME
    return sum("test_set" in line for line in path.read_text().splitlines()) if path.exists() else 0


def test_it_is_a_run_like_any_other_and_answers_with_the_mean_of_probabilities(runs, photos, tmp_path, capsys):
    run = join(runs, tmp_path)
    assert (run.status, run.folder.name, run.epochs) == ("done", "photos-ensemble-1", [])
    moved = open_run(shutil.copytree(run.folder, tmp_path / "elsewhere" / "one"))
    pictures = [f"{photos}/class 1/{name}.png" for name in ("01", "02", "04")]
    each = [probabilities(one.predict(pictures)) for one in runs]
    np.testing.assert_allclose(probabilities(moved.predict(pictures)), np.mean(each, 0), atol=1e-6)
    anew = rows.rows_anew(run.predictor, *_own(run, "test"))
    kept = run.kept["test"].rows
    np.testing.assert_allclose(*(run.task.probabilities(found[:, :-1]) for found in (kept, anew)), atol=1e-6)
    assert run.evaluate().numbers["n"] == run.facts["split"]["val"]["n"] == 9
    assert run.evaluate(photos).numbers["n"] == 45
    listed = striate.list_runs(tmp_path)
    assert "2 lenet5 + resnet20" in repr(listed[0])
    code, out, err = call(capsys, "runs", tmp_path)
    assert (code, "2 lenet5 + resnet20" in out) == (0, True), err
    page = striate.write_report(run).read_text()
    assert "member photos-lenet5-1" in page
    assert "chosen on the validation pictures after epoch" not in page


def _own(run, subset):
    samples = run_samples(run)
    return samples, run.kept[subset].samples


def run_samples(run):
    from striate.runs.own import read_own

    return read_own(run.folder, run.facts, labelled=True, masked=False)


def test_what_means_one_network_is_refused_in_a_sentence(runs, photos, tmp_path, capsys):
    run = join(runs, tmp_path)
    for asked in (
        lambda: run.embed(photos),
        lambda: run.between("a.png", "b.png"),
        lambda: run.network,
        lambda: striate.train(photos, weights=str(run.folder), quiet=True, runs=tmp_path / "more"),
    ):
        with pytest.raises(RunError, match=r"ensemble of 3 networks, and this takes one.*photos-lenet5-1"):
            asked()
    code, _, err = call(capsys, "embed", run.folder, photos, "--out", tmp_path / "v.npz")
    assert (code, "and this takes one" in err) == (4, True)


def test_what_each_has_kept_of_the_test_set_is_no_further_opening(runs, tmp_path, monkeypatch):
    before = openings(runs[0].folder.parent)
    monkeypatch.setattr(joined, "read_own", None)  # no picture is read at all
    run = join(runs, tmp_path)
    assert run.result["openings"] == before == openings(run.folder) == openings(runs[0].folder.parent)
    assert run.result["subset"] == "test"


def test_an_ensemble_of_one_is_that_run_bit_for_bit(runs, tmp_path):
    for one in runs:
        run = join([one], tmp_path)
        for subset in ("val", "test"):
            np.testing.assert_array_equal(run.kept[subset].rows, one.kept[subset].rows)
        assert run.result["numbers"] == one.result["numbers"]
        assert run.task == one.task
        for told, kept in zip(run.predictor.members, one.predictor.members, strict=True):
            assert dataclasses.replace(told, network=kept.network) == kept
        assert (run.folder / "predictions.csv").read_bytes() == (one.folder / "predictions.csv").read_bytes()
        (gain,) = [each["paired"] for each in run.result["baselines"]]
        assert (gain["difference"], gain["better"], gain["worse"]) == (0, 0, 0)


def test_the_order_of_members_and_equal_members_change_nothing_but_rounding(runs, tmp_path):
    ways = [join(each, tmp_path) for each in (runs[1:], runs[:0:-1], [runs[1], runs[1]])]
    told = [run.task.probabilities(run.kept["test"].rows[:, :-1]) for run in (*ways, runs[1])]
    np.testing.assert_allclose(told[0], told[1], atol=1e-12)
    np.testing.assert_allclose(told[2], told[3], atol=1e-12)


def test_an_ensemble_answers_in_a_further_one_with_its_share(runs, photos, tmp_path):
    inner = join(runs[1:], tmp_path)
    outer = join([inner, runs[0]], tmp_path)  # the other way round it would answer by a temperature of its own
    assert [each["weight"] for each in outer.facts["members"]] == [0.25, 0.25, 0.5]
    assert [each["run"] for each in outer.facts["members"]] == [run.name for run in (*runs[1:], runs[0])]
    pictures = [f"{photos}/class 2/01.png"]
    both = (probabilities(runs[0].predict(pictures)) + probabilities(inner.predict(pictures))) / 2
    np.testing.assert_allclose(probabilities(outer.predict(pictures)), both, atol=1e-6)


def test_weights_are_those_of_least_log_loss_on_validation(runs, tmp_path, monkeypatch):
    """No test picture is looked at: its rows are not even read."""
    looked = []
    own = joined.kept_of

    def watched(run, subset, places):
        looked.append(subset)
        return own(run, subset, places)

    for each in (ensembles, joined):
        monkeypatch.setattr(each, "kept_of", watched)
    monkeypatch.setattr(joined, "read_own", None)
    run = join(runs, tmp_path, weigh="validation", keep_sealed=True)
    assert set(looked) == {"val"}
    assert openings(run.folder) == 0
    weights = {each["run"]: each["weight"] for each in run.facts["members"]}
    shares = np.array([weights.get(each.name, 0.0) for each in runs])
    truth = np.stack([each.task.of_truth(each.kept["val"].rows) for each in runs], 1)

    def loss(some):
        return -np.log(truth @ some).mean()

    assert shares.sum() == pytest.approx(1)
    others = np.random.default_rng(0).dirichlet(np.ones(3), 2_000)
    assert loss(shares) <= min(map(loss, others)) + 1e-6
    assert loss(shares) < loss(np.full(3, 1 / 3))


def test_a_mixture_of_two_coins_is_what_was_mixed():
    numbers = np.random.default_rng(1)
    which = numbers.random(20_000) < 0.7
    sides = np.where(which, numbers.random(20_000) < 0.9, numbers.random(20_000) < 0.2)
    likelihoods = np.where(sides[:, None], [0.9, 0.2], [0.1, 0.8])
    assert mixture(likelihoods)[0] == pytest.approx(0.7, abs=0.02)
    assert mixture(np.array([[0.9, 0.1], [0.8, 0.2]])) == [1.0, 0.0]


def test_a_sealed_test_set_is_opened_once_for_all_or_left(sealed, tmp_path):
    root = shutil.copytree(sealed[0].folder.parent, tmp_path / "runs")
    runs = [open_run(root / run.name) for run in sealed]
    left = join(runs, root, keep_sealed=True)
    assert (left.result["subset"], left.result["sealed"], openings(root)) == ("val", 9, 0)
    opened = join(runs, root)
    assert (opened.result["subset"], opened.result["openings"], openings(root)) == ("test", 1, 1)
    told = left.evaluate(open_test=True).numbers
    assert told["openings"] == 2
    assert told["numbers"] == opened.result["numbers"]
    later = open_run(left.folder).result
    assert later["baselines"] == opened.result["baselines"]
    assert set(later["validation"][0]) == set(left.result["numbers"][0])
    assert openings(root) == 2


def test_a_kill_between_opening_and_result_leads_to_one_opening(sealed, tmp_path, monkeypatch):
    root = shutil.copytree(sealed[0].folder.parent, tmp_path / "runs")
    runs = [open_run(root / run.name) for run in sealed]

    def kill(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(joined, "write_kept", kill)
    with pytest.raises(KeyboardInterrupt):
        join(runs, root)
    monkeypatch.undo()
    assert openings(root) == 1
    assert join(runs, root).result["openings"] == openings(root) == 1
    assert len(striate.list_runs(root)) == 3, "what was killed is no run"


def test_folds_answer_together_on_the_sealed_test_set_alone(photos, tmp_path):
    values = {"data": photos, "model": "lenet5", "batch": 9, "epochs": 1}
    folds = [train(tmp_path, fold=fold, **values) for fold in ("1/2", "2/2")]
    with pytest.raises(UsageError, match=r"weigh.*were learned by others.*equal weights"):
        join(folds, tmp_path, weigh="validation")
    with pytest.raises(UsageError, match="share no validation pictures"):
        join(folds, tmp_path, keep_sealed=True)
    assert openings(tmp_path) == 0
    run = join(folds, tmp_path)
    assert (run.result["subset"], run.result["openings"], openings(tmp_path)) == ("test", 1, 1)
    assert {name: part["n"] for name, part in run.facts["split"].items()} == {"train": 36, "val": 0, "test": 9}
    for asked in (run.evaluate, lambda: run.predict(f"{photos}/class 1/01.png", calibrated=True)):
        with pytest.raises(UsageError, match="validation pictures"):
            asked()
    assert run.evaluate(open_test=True).numbers["numbers"] == run.result["numbers"]
    one = join(folds[:1], tmp_path, keep_sealed=True)
    assert one.result["numbers"] == folds[0].result["numbers"], "of what this fold holds out"


def test_what_is_settled_together_is_that_of_the_ensemble(runs, photos, tmp_path):
    run = join(runs[1:], tmp_path)
    found = run.predict(f"{photos}/class 1/01.png", calibrated=True)
    plain = run.predict(f"{photos}/class 1/01.png")
    logits = np.log([dict(plain.top)[f"class {k}"] for k in range(3)]) / run.task.temperature
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose([dict(found.top)[f"class {k}"] for k in range(3)], expected, rtol=1e-5)
    assert run.task.temperature == run.task.settled(run.kept["val"].rows).temperature != runs[1].task.temperature


def test_runs_that_do_not_go_together_are_refused(runs, photos, tmp_path):
    other = train(tmp_path / "others", data=photos, model="lenet5", batch=9, epochs=1, split_seed=3)
    with pytest.raises(RunError, match=r"trained or chosen on \d+ pictures? of .* sealed test set"):
        join([runs[0], other], tmp_path)
    with pytest.raises(RunError, match="trained on other pictures"):
        join([runs[0], train(tmp_path / "two", data=_relabelled(photos, tmp_path), model="lenet5", batch=9)], tmp_path)
    started = train(tmp_path / "on", data=photos, weights=str(runs[1].folder), batch=9, epochs=1, split_seed=3)
    with pytest.raises(UsageError, match=r"weigh.*were learned by others.*equal weights"):
        join([started], tmp_path, weigh="validation")
    with pytest.raises(UsageError, match="none are given"):
        join([], tmp_path)
    half = json.loads((other.folder / "run.json").read_text())
    (other.folder / "run.json").write_text(json.dumps(half | {"status": "stopped"}))
    with pytest.raises(RunError, match="this training is stopped"):
        join([open_run(other.folder)], tmp_path)
    assert not list(tmp_path.glob("*-ensemble-*"))


def _relabelled(photos, home):
    folder = shutil.copytree(photos, home / "photos")
    (folder / "class 0" / "01.png").unlink()
    return str(folder)


def test_members_that_were_changed_are_refused(runs, tmp_path):
    run = join(runs, tmp_path)
    for name in ("weights.safetensors", "manifest.json"):
        source = run.folder / "members" / "2" / "checkpoints" / "best" / name
        source.replace(run.folder / "members" / "1" / "checkpoints" / "best" / name)
    with pytest.raises(RunError, match="not the network whose answers were measured"):
        open_run(run.folder).predict(np.zeros((8, 8), np.uint8))
    facts = json.loads((run.folder / "run.json").read_text())
    facts["members"][0]["folder"] = "../../x"
    (run.folder / "run.json").write_text(json.dumps(facts))
    with pytest.raises(RunError, match="members"):
        open_run(run.folder)


def test_networks_that_say_something_of_each_pixel_answer_together(tmp_path):
    data = str(photographs_with_masks(tmp_path / "pairs", count=20))
    values = {"task": "segment", "model_options": {"width": 2, "norm": "none"}, "size": 32, "batch": 6, "epochs": 1}
    runs = [train(tmp_path / "runs", data=data, seed=seed, **values) for seed in range(2)]
    before = openings(tmp_path / "runs")
    run = join(runs, tmp_path / "runs")
    assert (run.result["subset"], run.result["openings"]) == ("test", before + 1), "rows do not tell, so it is opened"
    anew = run.evaluate(moved=data)
    np.testing.assert_array_equal(anew.rows, run.kept["val"].rows)
    one = join(runs[:1], tmp_path / "runs")
    np.testing.assert_array_equal(one.kept["test"].rows, runs[0].kept["test"].rows)
    assert one.kept["test"].shown.keys() == runs[0].kept["test"].shown.keys()
    assert "best on validation" in striate.write_report(run).read_text()
    with pytest.raises(UsageError, match=r"weigh.*probabilities of classes"):
        join(runs, tmp_path, weigh="validation")


def test_the_command(runs, tmp_path, capsys):
    folders = [run.folder for run in runs]
    code, out, err = call(capsys, "ensemble", *folders, "--runs", tmp_path, "--weigh", "validation")
    assert code == 0, err
    assert "weight 0." in out
    assert "(best on validation)" in out
    assert open_run(tmp_path / "photos-ensemble-1").facts["command"].startswith("striate ensemble ")
    code, out, err = call(capsys, "ensemble", *folders, "--runs", tmp_path, "--json")
    assert json.loads(out.splitlines()[-1])["result"]["n"] == 9, err
    code, _, err = call(capsys, "predict", folders[0], "a.png", "--with", folders[1])
    assert (code, "striate ensemble RUN RUN" in err) == (2, True)
    code, _, err = call(capsys, "ensemble", folders[0], tmp_path / "none")
    assert (code, "no run" in err or "no such folder" in err) == (4, True)
