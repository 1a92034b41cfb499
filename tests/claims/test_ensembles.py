"""Ensembles: who is a member, and what they answer together."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from striate.claims import ensembles
from striate.claims.claim import Asked
from striate.runs import joined
from striate.runs.ensemble import ensemble
from striate.runs.joined import best_of
from striate.training.many import Ended
from trained_here import trained_here

SEEDS = (1000, 1001)
DIGITS = {"data": "digits", "size": 8}


def test_kinds_differ_in_their_network_alone_and_seeds_in_their_seed(tmp_path):
    asked = Asked(DIGITS, SEEDS, tmp_path)
    kinds, again = ensembles.KIND.recipes(asked), ensembles.AGAIN.recipes(asked)
    assert (len(kinds), len(again)) == (10, 8)
    told = [
        repr(dataclasses.asdict(each) | {"model": "", "model_options": {}, "size": 0, "seed": 0, "split_seed": 0})
        for each in (*kinds.values(), *again.values())
    ]
    assert len(set(told)) == 1
    for seed in SEEDS:
        own = {each.seed for name, each in again.items() if name.endswith(str(seed))}
        assert len(own - {seed}) == 4
        assert {each.split_seed for name, each in (kinds | again).items() if name.endswith(str(seed))} == {seed}


def test_before_there_is_a_folder_the_first_kind_stands_for_the_best():
    assert {each.model for each in ensembles.AGAIN.recipes(Asked(DIGITS, (0,), Path())).values()} == {"lenet5"}


@pytest.mark.slow
def test_it_runs_to_its_verdicts(tmp_path, monkeypatch):
    """Two kinds of little training; the second of a kind is of the one that validation has chosen."""
    asked = Asked(DIGITS, SEEDS, tmp_path / "runs")
    kinds = {kind: ensembles.KINDS[kind] for kind in ("lenet5", "alexnet_cifar10")}
    few = {**ensembles.FEW, "epochs": 3}
    monkeypatch.setattr(ensembles, "KINDS", kinds)
    monkeypatch.setattr(ensembles, "KIND", dataclasses.replace(ensembles.KIND, arms=kinds, common=few))
    again = {"again1": ensembles.AGAIN.arms["again1"]}
    monkeypatch.setattr(ensembles, "AGAIN", dataclasses.replace(ensembles.AGAIN, arms=again, common=few))
    ended = trained_here(ensembles.KIND, asked)
    ended |= trained_here(ensembles.AGAIN, asked)
    found = ensembles.CLAIM.questions(asked, ended)
    assert [each.one for each in found] == [f"an ensemble of 2 {each}" for each in ("kinds", "seeds", "kinds")]
    assert found[0].others == found[1].others
    assert (found[2].ones, found[2].others) == (found[0].ones, found[1].ones)
    assert all("the best member errs on" in each.failed for each in found)

    for place, seed in enumerate(SEEDS):
        members = [ended[f"{kind}-0.08-{seed}"].run for kind in kinds]
        best, more = best_of(members), ended[f"again1-0.08-{seed}"].run
        assert more.facts["network"] == best.facts["network"]
        assert more.facts["split"] == best.facts["split"]
        assert not all(value.equal(best.weights[key]) for key, value in more.weights.items())
        for question, pair in ((found[0], members), (found[1], [best, more])):
            rows = [run.kept["held"].rows for run in pair]
            chances = sum(np.exp(each[:, :-1]) / np.exp(each[:, :-1]).sum(1, keepdims=True) for each in rows)
            assert question.ones[place] == pytest.approx(100 * np.mean(chances.argmax(1) != rows[0][:, -1]))
    # the same as the ensemble that a person makes of them
    made = ensemble(members, "equal", joined.Asked(tmp_path / "made", True, "", print, lambda *told: None))
    assert found[0].ones[-1] == pytest.approx(100 * (1 - made.result["numbers"][0]["value"]))

    failed = ended | {"lenet5-0.08-1001": Ended("lenet5-0.08-1001", None, "no memory")}
    (question, *_) = ensembles.CLAIM.questions(asked, failed)
    assert math.isnan(question.ones[1])
    assert math.isfinite(question.ones[0])
    assert "no memory" in question.failed or "errs on" in question.failed
