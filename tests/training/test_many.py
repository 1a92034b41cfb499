"""Many trainings: done once, gone on with to the same bits whatever was killed, what fails named."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from small import Notes, digest, photographs
from striate.base import processes
from striate.base.errors import RunError, Terminated, UsageError
from striate.runs import lock
from striate.training.apart import Asked, apart
from striate.training.execution import Carried, Execution
from striate.training.many import train_many
from striate.training.recipe import recipe_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("many")]
OFTEN = Execution(save_every=0.0)  # a generation after each step


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return photographs(tmp_path_factory.mktemp("photos") / "photos")


def recipes(pictures, count=3):
    values = {"data": str(pictures), "model": "lenet5", "epochs": 12, "batch": 4, "size": 32, "keep_sealed": True}
    return {f"seed-{seed}": recipe_of(seed=seed, **values) for seed in range(count)}


@pytest.fixture(scope="module")
def undisturbed(pictures, tmp_path_factory):
    ended = train_many(recipes(pictures), tmp_path_factory.mktemp("undisturbed"), Carried(threads=1), Notes())
    assert {each.cause for each in ended.values()} == {""}
    return found(ended)


def found(ended):
    return {name: (digest(each.run), each.run.result["numbers"]) for name, each in ended.items()}


def in_the_middle(folder, name):
    """Whether a training has saved and is under way."""
    saved = list((folder / name / "checkpoints").glob("step-*"))
    return bool(saved) and lock.is_held(folder / name) and not (folder / name / "result.json").exists()


def until(true, seconds=600):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.02)


def test_a_killed_training_and_a_stopped_list_go_on_to_the_same_bits(tmp_path, pictures, undisturbed):
    """The process of one is killed; then all are asked to stop, and the list is called again."""

    def disturb():
        until(lambda: in_the_middle(tmp_path, "seed-1"))
        (victim,) = (each for each in multiprocessing.active_children() if each.name == "seed-1")
        killed.append(victim.pid)
        os.kill(victim.pid, signal.SIGKILL)
        until(
            lambda: any(each.name == "seed-1" and each.pid != victim.pid for each in multiprocessing.active_children())
        )
        os.kill(os.getpid(), signal.SIGTERM)

    killed: list[int] = []
    thread = threading.Thread(target=disturb)
    thread.start()
    with pytest.raises(Terminated, match="the same again"):
        train_many(recipes(pictures), tmp_path, Carried(threads=1, execution=OFTEN), Notes())
    thread.join()
    assert killed
    assert not any(lock.is_held(tmp_path / name) for name in ("", *recipes(pictures))), (
        "nothing goes on behind its back"
    )
    notes = Notes()
    ended = train_many(recipes(pictures), tmp_path, Carried(jobs=1), notes)
    assert found(ended) == undisturbed
    assert [text for text in notes.said if "(3 of 3)" in text]


def test_a_list_whose_process_is_killed_leaves_no_training_behind(tmp_path, pictures, undisturbed):
    script = f"""
from pathlib import Path
from test_many import *
train_many(recipes({str(pictures)!r}), Path({str(tmp_path)!r}), Carried(threads=1, execution=OFTEN), Notes())
"""
    path = os.pathsep.join(
        [*map(str, (Path(__file__).parent, Path(__file__).parents[1])), os.environ.get("PYTHONPATH", "")]
    )
    process = subprocess.Popen([sys.executable, "-c", script], env=os.environ | {"PYTHONPATH": path})
    until(lambda: in_the_middle(tmp_path, "seed-0"))
    process.kill()
    process.wait()
    until(lambda: not any(lock.is_held(tmp_path / name) for name in ("", *recipes(pictures))))
    assert not (tmp_path / "seed-2" / "result.json").exists(), "it came before the end"
    assert found(train_many(recipes(pictures), tmp_path, Carried(), Notes())) == undisturbed


def test_what_fails_is_named_and_the_rest_go_on_and_what_is_done_is_not_done_again(tmp_path, pictures):
    asked = {"missing": recipe_of(data=str(tmp_path / "none")), **recipes(pictures, 1)}
    notes = Notes()
    first = train_many(asked, tmp_path / "list", Carried(), notes)
    assert list(first) == ["missing", "seed-0"]
    assert first["missing"].run is None
    assert "none: no such" in first["missing"].cause
    assert any(text.startswith("missing: failed: ") for text in notes.said)
    assert (first["seed-0"].run.status, first["seed-0"].cause) == ("done", "")
    again = train_many(asked, tmp_path / "list", Carried(), Notes())
    assert again["seed-0"].run.facts["id"] == first["seed-0"].run.facts["id"]
    assert again["missing"].cause == first["missing"].cause
    with pytest.raises(UsageError, match="began with 1"):
        train_many(asked, tmp_path / "list", Carried(threads=2), Notes())
    with pytest.raises(RunError, match=r"seed-0: it was begun with another recipe \(seed\)"):
        train_many({"seed-0": recipes(pictures)["seed-1"]}, tmp_path / "list", Carried(), Notes())


def test_a_folder_has_one_list_at_a_time(tmp_path, pictures):
    with lock.alone(tmp_path, print), pytest.raises(RunError, match="another process"):
        train_many(recipes(pictures), tmp_path, Carried(), Notes())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"on": "127.0.0.1:8786"}, "on: '127.0.0.1:8786' is no cluster"),
        ({"on": "dask:tcp://10.1.2.3:8786"}, "on: whoever reaches an open port of 10.1.2.3 runs code there.*dask:tls://10.1.2.3"),
        ({"on": "dask:tcp://"}, "on: whoever reaches"),
        ({"on": "dask:tcp://localhost:8786", "jobs": 2}, "jobs: a cluster has as many"),
        ({"jobs": 0}, "jobs: 0 is out of range"),
        ({"threads": 5000}, "threads: 5000 is out of range"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_out_is_refused(given, told):
    with pytest.raises(UsageError, match=told):
        Carried(**given)
    assert Carried(on="dask:tls://10.1.2.3:8786").on
    assert Carried(on="dask:tcp://[::1]:8786").on


@pytest.mark.parametrize("name", ["", "..", "a/b", ".a", "a" * 300])
def test_a_name_that_is_no_folder_of_the_list_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="is no name of a training"):
        train_many({name: recipe_of(data="digits")}, tmp_path, Carried(), Notes())


def test_pictures_in_memory_are_trained_on_here_and_not_on_a_cluster(tmp_path):
    data = np.random.default_rng(0).integers(0, 255, (40, 12, 12), np.uint8), ["a", "b"] * 20
    asked = {"one": recipe_of(data="arrays", model="lenet5", epochs=1, batch=8)}
    assert train_many(asked, tmp_path, Carried(), Notes(), data)["one"].run.status == "done"
    with pytest.raises(UsageError, match="this machine alone"):
        train_many(asked, tmp_path, Carried(on="dask:tcp://127.0.0.1:8786"), Notes(), data)


def _way(asked, data):
    return type(processes.usual()).__name__


@pytest.mark.slow
def test_what_a_training_of_a_list_starts_is_started_as_without_a_list(tmp_path):
    """Processes that read pictures are copies where that is the system's way: new ones take seconds each."""
    one = Asked(recipe_of(model="lenet5", data="digits"), tmp_path / "one", 1, Execution(), Path.cwd())
    with lock.alone(tmp_path, print):
        assert apart(_way, one, None) == (0, _way(one, None))
