"""What is said of a training before it begins, of each epoch, and of one that goes on."""

import re
from pathlib import Path

import numpy as np
import pytest

import striate
from small import Notes, job, photographs, train
from striate.base.errors import Interrupted
from striate.training import told
from striate.training.plan import Execution
from striate.training.train import resume_run


def before(folder, **recipe):
    return "\n".join(told.before(job(folder, **recipe), 3))


def test_pictures_that_are_enlarged_are_told_with_what_it_costs(tmp_path):
    data = str(photographs(tmp_path / "pictures", each=4))  # 48x40
    assert "pictures of 40x48 pixels are enlarged to 224x224: --size 48 takes about 5 % of the time" in before(
        tmp_path / "a", data=data, model="resnet18", size=224
    )
    small = before(tmp_path / "b", data=data, model="resnet18", size=48)
    assert "enlarged" not in small
    assert "8x8 pixels are enlarged to 32x32, for lenet5 takes no other size" in before(tmp_path / "c")


def test_published_weights_are_told_of_where_they_would_fit(tmp_path):
    data = str(photographs(tmp_path / "pictures", each=4))
    with_weights = before(tmp_path / "a", data=data, model="resnet18", size=48)
    assert re.search(
        r"resnet18 starts from random weights; with --weights imagenet .* \(about 44\.7 MB\)", with_weights
    )
    assert told.GAIN in with_weights
    for number, options in enumerate(({"model": "resnet18", "model_options": {"stem": "32"}}, {"model": "resnet20"})):
        few = before(tmp_path / str(number), data=data, size=48, **options)
        assert "published ones, fetched once" not in few
        assert f"(--model resnet18 --weights imagenet): {told.GAIN}" in few
    assert "imagenet" not in before(tmp_path / "grey", data=data, size=48, model="resnet20", channels=1)
    assert "imagenet" not in before(tmp_path / "digits")


def test_what_fine_tuning_gained_is_the_number_that_was_recorded():
    page = (Path(__file__).parents[2] / "benchmarks" / "results" / told.RECORDED).read_text()
    table = page.partition("Each way less from scratch")[2]
    for way, share in told.GAINED.items():
        assert re.search(rf"^\| {way} \| [\d.]+ \| {share:.1f} ±", table, re.MULTILINE)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_work_and_memory_are_those_of_the_count(tmp_path, optimizer):
    work = job(tmp_path, batch=100, optimizer=optimizer, precision="float32")
    steps = -(-len(work.split.train) // 100)
    *_, line = told.before(work, steps)
    named = "momentum" if optimizer == "sgd" else optimizer
    part = -(-len(work.split.train) // steps)
    step = striate.count(work.net, (1, 32, 32), batch=part, training=True, optimizer=named)
    forward = striate.count(work.net, (1, 32, 32))
    macs = 2 * (len(work.split.train) * step.macs / part + len(work.split.val) * forward.macs)
    needed = step.memory.bytes + sum(each.nbytes for each in work.net.state_dict().values())
    found = re.fullmatch(
        rf"2 epochs of {steps} steps, (.*) G multiply-adds; a step takes about (.*) MB of memory .*", line
    )
    assert float(found[1]) == pytest.approx(macs / 1e9, rel=0.005)
    assert float(found[2]) == pytest.approx(needed / 1e6, rel=0.005)


def test_a_step_that_needs_more_memory_than_there_is_comes_with_a_way_out(tmp_path):
    work = job(tmp_path, model="resnet20", size=512, batch=10_000_000 // 10)
    *_, line = told.before(work, 1)
    assert re.search(
        r"takes about .* of memory beside the pictures, and .* are free: --accumulate \d+ takes less", line
    )


@pytest.fixture(scope="module")
def told_of(tmp_path_factory):
    notes = Notes()
    run = train(tmp_path_factory.mktemp("runs"), epochs=3, listener=notes)
    return run, notes


@pytest.mark.slow
def test_each_epoch_is_told_with_its_row(told_of):
    run, notes = told_of
    assert [dict(each.row) for each in notes.epochs] == run.epochs
    for each in notes.epochs:
        row = each.row
        line = str(each)
        assert line.startswith(f"epoch {row['epoch']} of 3: rate ")
        assert f"validation loss {row['val_loss']:.3f}, accuracy {100 * row['val_accuracy']:.2f} %" in line
        assert line.endswith(" left") == (row["epoch"] < 3)
    best = notes.epochs[-1].best
    assert best["epoch"] == run.result["best_epoch"]


@pytest.mark.slow
def test_how_long_it_takes_is_told_once(told_of):
    _, notes = told_of
    lines = [text for text in notes.said if re.match(r"about .* for 3 epochs, at [\d,]+ pictures a second", text)]
    assert len(lines) == 1


class Stopping(Notes):
    def progress(self, name, done, total, left=None):
        if (name, done) == ("epoch 2 of 3", 5):
            raise Interrupted("here", "stopped", "resuming")


@pytest.mark.slow
def test_a_training_that_goes_on_says_where_and_nothing_of_its_beginning(tmp_path, told_of):
    with pytest.raises(Interrupted):
        train(tmp_path, epochs=3, listener=Stopping(), execution={"save_every": 0.0})
    notes = Notes()
    run = resume_run(tmp_path / "digits-lenet5-1", Execution(), notes)
    text = "\n".join(notes.said)
    assert "goes on in epoch 2 of 3, after step 21" in text
    assert re.search(r"about .* for 2 more epochs", text)
    assert not re.search("enlarged|multiply-adds", text)
    assert [each.row["epoch"] for each in notes.epochs] == [2, 3]
    whole, _ = told_of
    assert [row["train_loss"] for row in run.epochs] == [row["train_loss"] for row in whole.epochs]


class Watching(Notes):
    """Keeps how far each work has come."""

    def __init__(self):
        super().__init__()
        self.works = {}

    def progress(self, name, done, total, left=None):
        self.works[name] = (done, total)


@pytest.mark.slow
@pytest.mark.parametrize("memory", ["resident", "streamed"])
def test_every_long_work_tells_how_far_it_is(tmp_path, memory):
    watching = Watching()
    data = str(photographs(tmp_path / "pictures", each=6))
    execution = {"memory": memory, "workers": 0}
    train(tmp_path / "runs", data=data, model="lenet5", epochs=1, listener=watching, execution=execution)
    names = ["scanning pictures", "reading pictures", "epoch 1 of 1", "validating epoch 1 of 1"]
    names += ["answering test pictures", "trying what stands beside the network"]
    assert list(watching.works) == names
    assert all(done == total for done, total in watching.works.values())
    assert watching.works["scanning pictures"][1] == 18


@pytest.mark.slow
def test_what_ended_a_training_early_is_told(tmp_path):
    notes = Notes()
    pictures = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 1)).astype(np.uint8)
    data = (list(pictures), [str(number % 2) for number in range(40)])
    run = train(tmp_path, data=data, model="lenet5", epochs=30, patience=2, rate=1e-9, listener=notes)
    ended = len(run.epochs)
    assert ended < 30
    assert f"ended by patience after epoch {ended}: 2 epochs without a better one than {ended - 2}" in notes.said
    assert any(text.startswith("at most ") for text in notes.said)
    assert notes.epochs[-1].left == 0
