"""What TensorBoard reads of a training, by its own reader."""

import sys

import pytest

from small import Notes, train
from striate.base.errors import Interrupted, MachineError, UsageError
from striate.training.plan import Execution
from striate.training.train import resume_run

RECIPE = {"epochs": 3, "batch": 300}


def events(folder):
    """By tag (step, value) of each scalar, and the texts by tag."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder)).Reload()
    scalars = {tag: [(each.step, each.value) for each in found.Scalars(tag)] for tag in found.Tags()["scalars"]}
    texts = {tag: found.Tensors(tag)[-1].tensor_proto.string_val[0].decode() for tag in found.Tags()["tensors"]}
    return scalars, texts


class Stopping(Notes):
    """Ends a training in its third epoch."""

    def progress(self, name, done, total, left=None):
        if (name, done) == ("epoch 3 of 3", 2):
            raise Interrupted("here", "stopped", "resuming")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the package's own
def test_a_training_that_was_stopped_has_each_epoch_once_and_its_result(tmp_path):
    pytest.importorskip("tensorboard")
    board = tmp_path / "board"
    with pytest.raises(Interrupted):  # its newest save is of before the first epoch
        train(tmp_path, listener=Stopping(), execution={"tensorboard": board, "save_every": 1e9}, **RECIPE)
    run = resume_run(tmp_path / "digits-lenet5-1", Execution(tensorboard=board), Notes())
    scalars, texts = events(board / "digits-lenet5-1")
    rows = run.epochs
    for tag, column in (("train/loss", "train_loss"), ("val/accuracy", "val_accuracy"), ("rate", "rate")):
        assert scalars[tag] == [(row["epoch"], pytest.approx(row[column])) for row in rows]
    first = run.result["numbers"][0]
    assert scalars["test/accuracy"] == [(3, pytest.approx(first["value"]))]
    assert "| batch | 300 |" in texts["recipe/text_summary"]
    assert "beside it: " in texts["result/text_summary"]
    other = train(tmp_path / "elsewhere", execution={"tensorboard": board}, **RECIPE | {"epochs": 1})
    assert other.name == run.name
    names = sorted(each.name for each in board.iterdir())
    assert names == [run.name, f"{run.name}-{other.facts['id'][:8]}"]
    assert events(board / run.name)[0] == scalars


def test_without_the_package_it_is_told_before_any_picture_is_read(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MachineError, match=r"pip install 'striate\[tensorboard\]'"):
        train(tmp_path, data="nowhere", execution={"tensorboard": tmp_path / "board"})
    assert not (tmp_path / "board").exists()


@pytest.mark.filterwarnings("ignore")
def test_a_file_is_no_folder_for_it(tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "board").write_text("mine")
    with pytest.raises(UsageError, match="is no folder that you may write to"):
        train(tmp_path, data="nowhere", execution={"tensorboard": tmp_path / "board" / "in it"})
    assert (tmp_path / "board").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_board_that_is_gone_ends_no_training(tmp_path):
    pytest.importorskip("tensorboard")

    class Spoiling(Notes):
        def progress(self, name, done, total, left=None):
            if name == "epoch 1 of 1":
                (tmp_path / "board").touch()

    notes = Spoiling()
    run = train(tmp_path, listener=notes, execution={"tensorboard": tmp_path / "board"}, epochs=1)
    assert run.status == "done"
    assert sum("TensorBoard is told no more" in text for text in notes.said) == 1
