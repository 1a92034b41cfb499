"""A disk that cannot be written to: survived once at every file, and the second time older files stay."""

import dataclasses

import pytest

import striate
from small import Notes, digest, train
from striate.base.errors import MachineError
from striate.runs.run import open_run
from striate.training.disk import Disk
from striate.training.plan import Execution
from striate.training.train import resume_run


class Faulty:
    """A file whose next writes fail."""

    def __init__(self, failures):
        self.failures, self.written = failures, 0

    def write(self):
        if self.failures:
            self.failures -= 1
            raise MachineError("file", "no room", "a larger disk")
        self.written += 1


def test_what_failed_waits_for_the_next_save_and_is_told_once():
    notes, first, second, third = Notes(), Faulty(1), Faulty(0), Faulty(0)
    disk = Disk(notes)
    disk.write("first", first.write)
    disk.write("second", second.write)
    assert (disk.failing, first.written, second.written) == (True, 0, 0)
    disk.save("third", third.write)
    assert (disk.failing, first.written, second.written, third.written) == (False, 1, 1, 1)
    disk.write("first", first.write)
    assert (first.written, len(notes.said)) == (2, 1)
    assert notes.said[0].startswith("not saved: file: no room. Try: a larger disk. ")


def test_two_failures_in_a_row_end_it_and_two_apart_do_not():
    disk, rare, never = Disk(Notes()), Faulty(1), Faulty(9)
    disk.save("rare", rare.write)
    disk.save("rare", rare.write)
    rare.failures = 1
    disk.insist("rare", rare.write)
    assert rare.written == 2
    with pytest.raises(MachineError):
        disk.insist("never", never.write)


@dataclasses.dataclass
class Obstacle:
    """Something of another kind where a file or a folder is to be written."""

    place: str
    folder: bool = True

    def put(self, run):
        (run / self.place).mkdir() if self.folder else (run / self.place).touch()

    def remove(self, run):
        (run / self.place).rmdir() if self.folder else (run / self.place).unlink()


class Obstructing(Notes):
    """Puts obstacles before step 4, and removes each that a save stumbled over, if it is so kind."""

    def __init__(self, run, obstacles, kind=True):
        super().__init__()
        self.run, self.obstacles, self.kind = run, obstacles, kind

    def progress(self, name, done, total, left=None):
        if name.startswith("epoch 1 of") and done == 4:
            for each in self.obstacles:
                each.put(self.run)

    def say(self, text):
        super().say(text)
        for each in self.obstacles if text.startswith("not saved") and self.kind else []:
            if text.startswith(f"not saved: {self.run / each.place}: "):
                each.remove(self.run)


@pytest.mark.slow
def test_a_failure_at_any_file_of_a_training_is_survived_once(tmp_path):
    whole = train(tmp_path / "a", epochs=1)
    run = tmp_path / "b" / "digits-lenet5-1"
    tables = [Obstacle(name) for name in ("epochs.csv", "predictions.csv", "result.json", "report.html")]
    folders = [Obstacle(name, False) for name in ("checkpoints/step-000000006", "checkpoints/best", "kept")]
    listener = Obstructing(run, [*tables, *folders])
    found = striate.train("digits", epochs=1, runs=tmp_path / "b", save_every=0.0, listener=listener)
    told = [text for text in listener.said if text.startswith("not saved")]
    assert len(told) == 7, told
    assert (found.status, digest(found)) == ("done", digest(whole))
    assert found.result == whole.result
    assert (run / "report.html").is_file()
    assert len((run.parent / "test-openings.jsonl").read_text().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("place", ["epochs.csv", "result.json"])
def test_a_failure_twice_in_a_row_ends_it_and_it_goes_on_from_there(tmp_path, place):
    whole = train(tmp_path / "a", epochs=1)
    run, obstacle = tmp_path / "b" / "digits-lenet5-1", Obstacle(place)
    with pytest.raises(MachineError, match=place):
        train(tmp_path / "b", epochs=1, listener=Obstructing(run, [obstacle], kind=False))
    assert open_run(run).status == "failed"
    obstacle.remove(run)
    resumed = resume_run(run, Execution(), Notes())
    assert (digest(resumed), resumed.result) == (digest(whole), whole.result)
    assert len((run.parent / "test-openings.jsonl").read_text().splitlines()) == 1
