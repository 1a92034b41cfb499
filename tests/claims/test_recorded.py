"""What the docs and a list of claims say of recorded ones is what was recorded."""

import json
import math
import runpy
from pathlib import Path

import pytest

from striate.base.tables import Table
from striate.claims import recorded as records
from striate.claims.carried import Found
from striate.claims.catalogue import NAMES
from striate.claims.degradation import CLAIM
from striate.claims.recorded import Recorded, shortened
from striate.claims.verdict import Question, verdicts
from striate.claims.yardstick import yardstick
from striate.report import claim as report

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "benchmarks" / "results" / "claims"


@pytest.fixture(scope="module")
def docs():
    return runpy.run_path(str(ROOT / "docs" / "recorded_claims.py"))


def found(ones: tuple[float, ...] = (4.0, 4.1, 4.2), failed: str = "") -> Found:
    asked = [
        Question("both at rate 0.02", "training loss", "plain56", "plain20", ones, (1.0, 1.1, 0.9), "times", 1, 1.25),
        Question("both at rate 0.04", "error", "plain56", "plain20", ones, (math.nan,) * 3, "points", 1, 0.5, failed),
    ]
    beside = Table(("net", "so much"), [("plain56", "2e-11")], "Of one")
    return Found(CLAIM, verdicts(asked), (), (0, 1, 2), 12, "digits", "2026-11-30T07:12:00Z", 60.0, 100.0, "a machine",
                 "striate claims degradation", 0.5, 2, (beside,))  # fmt: skip


@pytest.mark.slow
def test_a_page_of_the_docs_is_made_of_the_records_and_of_nothing_else(docs, tmp_path):
    """Records as they are written, read back, with a section and a row; and the short of them for the package."""
    home = tmp_path / docs["PLACE"]
    home.mkdir(parents=True)
    report.write(found(failed="the reference did not train"), tmp_path / "claim")
    (tmp_path / "claim" / report.RECORD).rename(home / "degradation.json")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "claims.md").write_text(f"above\n{docs['START']}old\n{docs['END']}below\n")
    made = docs["files"](tmp_path)
    page = made["docs/claims.md"]
    assert page.startswith("above\n")
    assert page.endswith("below\n")
    assert "old" not in page.splitlines()
    assert "| [degradation](#degradation) | " in page
    assert "- **CONFIRMED**: plain56 has 4.11 times the training loss of plain20 (" in page
    assert "- **INCONCLUSIVE**: nothing can be said of the error" in page
    assert "2 verdicts of 1 claim" in page
    assert "Of one:\n\n| net | so much |\n| --- | ---: |\n| plain56 | 2e-11 |\n" in page
    short = json.loads(made["src/striate/claims/recorded.json"])
    assert short == {
        "degradation": {
            "verdicts": ["CONFIRMED", "INCONCLUSIVE"], "data": "digits", "seeds": 3, "trainings": 12, "work": 120.0,
            "yardstick": 0.5, "date": "2026-11-30",
        }
    }  # fmt: skip


def test_a_record_whose_words_are_not_those_of_its_numbers_is_refused(docs):
    record = found().as_dict()
    record["verdicts"][0]["word"] = "REFUTED"
    with pytest.raises(AssertionError, match="degradation: other verdicts"):
        list(docs["section"]("degradation", record))


def test_the_records_of_this_repository_are_of_claims_that_there_are():
    held = sorted(path.stem for path in RECORDS.glob("*.json"))
    assert set(held) <= set(NAMES)
    assert set(records.recorded()) == set(held)
    for name in held:
        found = json.loads((RECORDS / f"{name}.json").read_text())
        assert vars(records.recorded()[name]) | {"verdicts": [*records.recorded()[name].verdicts]} == shortened(found)
        assert found["claim"] == name
        assert (RECORDS / f"{name}.svg").read_text().startswith("<svg ")


def test_what_it_costs_here_goes_by_speed_trainings_at_once_and_seeds():
    held = Recorded(("CONFIRMED",), "digits", 5, 20, 400.0, 0.5, "2026-11-30")
    assert held.here(0.5, 1) == 400
    assert held.here(1.0, 4) == 200
    assert held.here(0.5, 2, seeds=10) == 400


@pytest.mark.slow
def test_the_list_tells_what_was_recorded_and_what_was_not(monkeypatch):
    held = Recorded(("CONFIRMED",), "digits", 5, 20, 400.0, 1e-9, "2026-11-30")
    monkeypatch.setattr(records, "NAMES", ("degradation",))
    monkeypatch.setattr(records, "recorded", dict)
    assert [each.seconds for each in records.listed()] == [None]
    monkeypatch.setattr(records, "recorded", lambda: {"degradation": held})
    (one,) = records.listed(jobs=2)
    assert one.recorded == held
    assert one.seconds is not None
    assert one.seconds > 200  # a machine that is slower than one of no time at all


@pytest.mark.slow
def test_the_yardstick_leaves_random_numbers_as_they_were():
    import torch

    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    assert yardstick() > 0
    assert torch.equal(torch.random.get_rng_state(), before)
