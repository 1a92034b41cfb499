"""`striate claims` as it is typed: names, pictures, stopping and going on, and what it leaves."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

import striate
from small import photographs
from striate.base.errors import UsageError
from striate.claims import catalogue, degradation
from striate.claims.arithmetic import facts
from striate.claims.claim import Claim, Sweep
from striate.claims.measures import training_loss
from typed import call

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("claims")]
TINY = Sweep(
    {name: {"model": "alexnet_cifar10", "dropout": dropout} for name, dropout in (("whole", None), ("dropped", 0.5))},
    (0.01,),
    {"epochs": 2, "batch": 16, "channels": 1},
)


def small() -> Claim:
    """The example with two arms of two epochs."""

    def questions(asked, runs):
        return TINY.compared(asked, runs, "dropped", "whole", "training loss", training_loss, "times", 1)

    return dataclasses.replace(degradation.CLAIM, sweeps=(TINY,), questions=questions, seeds=3)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("claims")
    photographs(home / "photos", each=12)
    return home


@pytest.fixture
def _tiny(monkeypatch):
    monkeypatch.setattr(degradation, "CLAIM", small())


def asked(home: Path, *more: object) -> list[object]:
    return ["claims", "degradation", "--data", home / "photos", "--size", 16, "--runs", home / "runs",
            "--jobs", 2, "--threads", 1, *more]  # fmt: skip


@pytest.mark.usefixtures("_tiny")
def test_a_claim_goes_on_from_fewer_seeds_and_leaves_its_record_figure_and_page(home, capsys):
    code, out, _ = call(capsys, *asked(home, "--time", "0.01s"))
    assert code == 0
    assert "are enough for 1 of 3 seeds" in out
    assert "INCONCLUSIVE: nothing can be said of the training loss of dropped and whole: 1 seed, and 3 are" in out
    folder = home / "runs" / "claims" / "photos-degradation"
    ids = {path.parent.name: json.loads(path.read_text())["id"] for path in folder.glob("*/run.json")}
    assert sorted(ids) == ["dropped-0.01-0", "whole-0.01-0"]

    code, out, _ = call(capsys, *asked(home, "--json"))
    assert code == 0
    told = json.loads(out.splitlines()[-1])
    assert told["failed"] == {}
    (claim,) = told["claims"]
    assert claim["seeds"] == [0, 1, 2]
    assert claim["trainings"] == 6
    after = {path.parent.name: json.loads(path.read_text())["id"] for path in folder.glob("*/run.json")}
    assert len(after) == 6
    assert {name: after[name] for name in ids} == ids  # these were not trained again

    found = json.loads((folder / "found.json").read_text())
    assert found == {key: value for key, value in claim.items() if key not in ("folder", "report")}
    assert " ".join(sorted(found)) == (
        "began beside claim command data format gate jobs lesson machine protocol seconds seeds sentence source "
        "trained trainings verdicts work yardstick"
    )
    (verdict,) = found["verdicts"]
    for key, arm in (("ones", "dropped"), ("others", "whole")):
        rows = [(folder / f"{arm}-0.01-{seed}" / "epochs.csv").read_text().splitlines() for seed in range(3)]
        losses = [float(dict(zip(row[0].split(","), row[-1].split(","), strict=True))["train_loss"]) for row in rows]
        assert verdict["question"][key] == losses
    assert found["work"] > 0
    assert found["yardstick"] > 0
    assert found["jobs"] == 2
    page = (folder / "report.html").read_text()
    assert found["sentence"] in page
    assert f"<b>{verdict['word']}</b>: dropped has " in page
    assert str(home) not in page
    assert (folder / "figure.svg").read_text().startswith("<svg ")

    facts = [json.loads(path.read_text()) for path in folder.glob("*/run.json")]
    assert [each["split"]["test"]["n"] for each in facts] == [0] * 6  # no test set is made
    assert not list(home.rglob("test-openings.jsonl"))


@pytest.mark.usefixtures("_tiny")
def test_from_python_it_is_the_same(home):
    found = striate.claim("degradation", home / "photos", size=16, runs=home / "runs", jobs=2, threads=1, quiet=True)
    assert [each.question.one for each in found.verdicts] == ["dropped"]
    assert found.command.startswith("striate.claim('degradation', data=")


def test_without_a_name_what_is_exact_is_told_and_the_others_are_listed(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(catalogue, "NAMES", ("degradation",))
    monkeypatch.setattr("striate.claims.recorded.NAMES", ("degradation",))
    code, out, _ = call(capsys, "claims", "--json")
    told = json.loads(out.splitlines()[-1])
    assert code == 0
    assert [each["sentence"] for each in told["facts"]] == [each.sentence for each in facts()]
    assert [each["name"] for each in told["listed"]] == ["degradation"]
    assert told["claims"] == []
    page = (tmp_path / "runs" / "claims" / "arithmetic" / "report.html").read_text()
    assert all(name in page for name in ("60,965,224", "120,422,400", "loose"))
    code, out, _ = call(capsys, "claims")
    assert code == 0
    assert "1 claim; one of them: striate claims degradation" in out
    assert "GoogLeNet has 3 % of VGG&#39;s" in page


BAD = [
    (["nothing"], 2, "claim: there is none called 'nothing'"),
    (["degradatoin"], 2, "Try: degradation"),
    (["degradation", "nothing"], 2, "claim: there is none called 'nothing'"),
    (["degradation", "--seeds", "0"], 2, "seeds: 0 is out of range"),
    (["degradation", "--size", "0"], 2, "size: 0 is out of range"),
    (["degradation", "--size", "9999"], 2, "size: 9999 is out of range"),
    (["degradation", "--time", "soon"], 2, "time: 'soon' is no time such as 20ms"),
    (["degradation", "--time", "0s"], 2, "time: '0s' is no time"),
    (["--time", "5m"], 2, "--time: nothing is trained without a name"),
    (["degradation", "--data", "nowhere"], 3, "nowhere"),
    (["degradation", "--data", "empty"], 3, "empty"),
    (["degradation", "--data", "photos", "--runs", "photos/runs"], 2, "runs"),
    (["degradation", "--jobs", "0"], 2, "jobs"),
]


@pytest.mark.parametrize(("words", "code", "told"), BAD, ids=[" ".join(words) for words, _, _ in BAD])
def test_what_cannot_be_meant_is_one_sentence_and_leaves_nothing(
    home, tmp_path, capsys, monkeypatch, words, code, told
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "photos").symlink_to(home / "photos")
    left, _, err = call(capsys, "claims", *words)
    assert left == code
    (line,) = err.splitlines()
    assert re.match(r"error\[\w+\]: ", line)
    assert told in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "photos"]


@pytest.mark.usefixtures("_tiny")
def test_a_claim_that_fails_is_named_and_the_rest_go_on(home, capsys, monkeypatch):
    def broken(asked, runs):
        raise UsageError("size", "too small for it", "a larger one")

    names = {"broken": dataclasses.replace(small(), name="broken", sweeps=(), questions=broken)}
    usual = catalogue.find
    monkeypatch.setattr(catalogue, "NAMES", ("broken", "degradation"))
    monkeypatch.setattr(catalogue, "find", lambda name: names.get(name) or usual(name))
    words = asked(home, "--json")
    code, out, err = call(capsys, "claims", "broken", *words[1:])
    told = json.loads(out.splitlines()[-2])
    assert code == 4
    assert told["failed"]["broken"]["cause"] == "too small for it"
    assert [each["claim"] for each in told["claims"]] == ["degradation"]
    assert "broken: size: too small for it" in err


def test_pictures_in_memory_are_refused():
    with pytest.raises(UsageError, match="pictures that have a name"):
        striate.claim("degradation", ([], []), quiet=True)
