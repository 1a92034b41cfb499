"""A network for a budget, by whole trainings: who goes is worse by a test; the test set is opened once, at the end."""

import dataclasses
import html
import json
import os
import shutil
import signal
import threading

import numpy as np
import pytest

import striate
from small import Notes, photographs
from striate.base import durable
from striate.base.errors import RunError, Terminated, UsageError
from striate.runs.choice import Choice, open_choice
from striate.runs.chosen import Limits, name_of
from striate.runs.compared import Answers, places
from striate.runs.listed import listed as listing
from striate.runs.openings import CHOICE, NAME
from striate.tasks.measures import Hits
from striate.training.choosing import worse
from striate.training.execution import Carried
from striate.training.foreseen import had
from striate.training.recipe import recipe_of
from striate.training.taken import with_more_seeds
from together import killed_after


def answering(right, n=400):
    return Answers(Hits("accuracy", np.arange(n) < right), None)


def test_only_what_a_test_says_is_worse_goes_and_what_is_at_chance_stays_at_first():
    found = {"best": answering(390), "near": answering(388), "far": answering(300), "chance": answering(40)}
    told = worse(found)
    assert list(told) == ["far", "chance"]
    assert told["far"].startswith("far is beaten by best on the same 400 validation pictures: 75.0 % against 97.5 %")
    assert list(worse(found, chance=0.1)) == ["far"]
    # 8 that the best alone has are p = 0.0078: enough between two, and not among seven
    close = {"best": answering(390), "other": answering(382)}
    assert list(worse(close)) == ["other"]
    assert worse({**close, **{f"as good {n}": answering(390) for n in range(5)}}) == {}


@pytest.mark.slow
def test_a_choice_is_stopped_and_gone_on_with_and_opens_one_test_set_once(tmp_path):
    folder, runs = photographs(tmp_path / "photos", each=20), tmp_path / "runs"
    asked = {
        "max_params": "75K",
        "epochs": 6,
        "batch": 8,
        "max_latency": "10s",
        "time": "1h",
        "runs": runs,
        "threads": 1,
    }

    class Impatient(Notes):
        def say(self, text):
            super().say(text)
            if text.startswith("rung 2"):
                threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()

    with pytest.raises(Terminated, match=r"striate choose --resume .*-choice-1"):
        striate.choose(folder, listener=Impatient(), **asked)
    (place,) = (path for path in runs.iterdir() if path.is_dir())
    (listed,) = listing(runs)
    assert (listed.status, listed.model, listed.told) == ("stopped", "2 networks to choose from", "rung 2")
    with pytest.raises(RunError, match="none was taken yet"):
        striate.write_report(place)
    assert not (runs / "test-openings.jsonl").exists()
    notes = Notes()
    found = striate.choose(resume=place, listener=notes)
    assert [rung.epochs for rung in found.asked.rungs] == [4, 6]
    assert {each.model for each in found.asked.candidates} == {"lenet5", "lenet5_1998"}
    assert found.asked.removed["resnet18"].startswith("parameters 11.2 M, above 75.0 K")
    assert found.run.folder.name == f"{found.asked.answer[0]}-rung-2"
    assert found.run.result["subset"] == "test"
    assert len((runs / "test-openings.jsonl").read_text().splitlines()) == 1
    for each in place.iterdir():
        if each.is_dir() and each != found.run.folder:
            assert not (each / "kept" / "test.safetensors").exists()
            assert striate.open_run(each).result["subset"] == "val"
    assert (found.run.folder / "report.html").exists()
    assert found.asked.command.startswith("striate.choose('")
    assert "max_params='75K'" in found.asked.command
    (listed,) = listing(runs)
    assert (listed.status, listed.model) == ("done", f"{found.asked.answer[0]} of 2 networks")
    assert listed.told == repr(found).removesuffix(")").partition("photos, ")[2]
    assert listed.told.startswith("test accuracy ")
    page = striate.write_report(found).read_text()
    assert page == (place / "report.html").read_text()
    seeds = found.asked.seeds
    assert (seeds.model, seeds.alone, len(seeds.numbers)) == (found.asked.answer[0], "", 3)
    assert seeds.numbers[0].value == found.run.result["validation"][0]["value"]
    others = [striate.open_run(place / f"{seeds.model}-seed-{seed}") for seed in (1, 2)]
    assert [each.result["numbers"][0]["value"] for each in others] == [each.value for each in seeds.numbers[1:]]
    assert {**others[0].recipe, "seed": 0} == found.run.recipe
    assert seeds.mean.value == pytest.approx(np.mean([each.value for each in seeds.numbers]))
    assert str(seeds) in found.table().notes
    late = Choice(place, dataclasses.replace(found.asked, limits=Limits(time=1.0)))
    alone, took = with_more_seeds(late, recipe_of(**found.run.recipe), Carried(), Notes(), None)
    assert (len(alone.numbers), took) == (1, 0.0)
    assert alone.mean == alone.numbers[0] == seeds.numbers[0]
    assert "there is no time for them" in str(alone)
    linear = found.asked.linear
    assert (linear.name, linear.number.name) == ("logistic regression", "accuracy")
    assert linear.number.n == linear.pair["found"]["n"] == found.run.result["validation"][0]["n"]
    assert str(linear) in found.table().notes
    asked = [found.run.lines[place] for place in places(found.run, "val")]
    assert [each.subset for each in asked] == ["val"] * linear.number.n
    assert [each.digest for each in asked] == sorted(each.digest for each in asked)
    assert (found.table().rows[0][0] == "logistic regression") is linear.as_good
    told = [*found.asked.answer, *found.table().notes, "11.2 M, above 75.0 K", "max_latency", "6 epochs"]
    assert [each for each in told if html.escape(each) not in page] == []
    for rung in found.asked.rungs:
        assert [why for why in rung.went.values() if html.escape(why) not in page] == []
    assert "flatters" in str(found.table())
    assert open_choice(place).asked == found.asked
    for number, rung in enumerate(found.asked.rungs, start=1):
        seconds = [had(place / name_of(model, number)) for model in rung.done]
        assert seconds == [striate.open_run(place / name_of(model, number)).facts["seconds"] for model in rung.done]
        # two at once, and what there was before a kill counts by half then
        assert rung.took >= max(seconds) / 2
        assert 0 < rung.foreseen < 3600
    assert found.asked.spent >= sum(rung.took for rung in found.asked.rungs)
    with pytest.raises(RunError, match="one was taken already"):
        striate.choose(resume=place, quiet=True)


def go_on(folder):
    striate.choose(resume=folder, quiet=True)


@pytest.mark.slow
def test_killed_in_the_middle_of_the_opening_it_is_the_same_opening_and_every_row_is_there(tmp_path):
    """Sealed until all but the opening is done; what is left then is killed twice."""
    photos = photographs(tmp_path / "photos")
    asked = {"max_params": "65K", "epochs": 1, "batch": 8, "threads": 1, "keep_sealed": True, "quiet": True}
    whole = striate.choose(photos, runs=tmp_path / "runs", **asked).folder
    facts = json.loads((whole / CHOICE).read_text())
    durable.write_json(whole / CHOICE, {**facts, "told": [], "recipe": {**facts["recipe"], "keep_sealed": False}})
    killed = shutil.copytree(whole.parent, tmp_path / "killed") / whole.name
    go_on(whole)
    for writes in (0, 8):  # before the first row, and when these are kept and not yet told
        killed_after(killed, writes, go_on, killed)
        taken = open_choice(killed).run
        assert (taken.result["subset"], open_choice(killed).asked.told) == ("val", ())
    assert (taken.folder / "kept" / "test.safetensors").exists()
    go_on(killed)
    lists = [path.read_text() for home in (whole, killed) for path in (home / NAME, home.parent / NAME)]
    assert len({json.loads(line)["id"] for told in lists for line in told.splitlines() if "test_set" in line}) == 1
    one, other = (open_choice(home) for home in (whole, killed))
    assert (other.run.result, other.asked.told) == (one.run.result, one.asked.told)
    assert one.run.result["openings"] == 1
    kept = [choice.run.folder / "kept" / "test.safetensors" for choice in (one, other)]
    assert kept[0].read_bytes() == kept[1].read_bytes()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"max_latency": "fast"}, "max_latency: 'fast' is no time such as 20ms"),
        ({"max_latency": "0ms"}, "max_latency: '0ms' is no time"),
        ({"max_params": "5X"}, "max_params: '5X' is not a number such as 5M"),
        ({"max_memory": "4"}, "max_memory: '4' is no amount of memory"),
        ({"time": -1.0}, "time: -1.0 is no limit"),
        ({"time": float("nan")}, "time: nan is no limit"),
        ({"model": "lenet5"}, "model: it is what is to be chosen"),
        ({"resume": "there", "time": "2h"}, "resume: a choice goes on with what it was asked, not with time"),
    ],
)
def test_what_cannot_be_meant_is_refused(given, told):
    data = None if "resume" in given else "digits"
    with pytest.raises(UsageError, match=told):
        striate.choose(data, quiet=True, **given)


def test_processes_of_torchrun_are_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="torchrun: these trainings get processes of their own"):
        striate.choose("digits", quiet=True)


def test_where_validation_tells_no_network_from_another_none_is_chosen(tmp_path):
    folder = photographs(tmp_path / "photos", each=8)
    asked = {"task": "anomaly", "task_options": {"good": "class 0"}, "runs": tmp_path / "runs", "quiet": True}
    with pytest.raises(UsageError, match="task: validation of anomaly holds good pictures alone"):
        striate.choose(folder, **asked)
    assert not (tmp_path / "runs").exists()


def test_a_folder_without_a_choice_is_told(tmp_path):
    with pytest.raises(RunError, match=r"no choice: there is no choice\.json in it"):
        striate.choose(resume=tmp_path, quiet=True)
