"""Sealed: of two data sets that differ in test pictures alone, nothing comes out differently before the opening.

What a network, a statistic, a decision or a page had seen of a test picture would show in some file.
"""

import csv
import dataclasses
import io
import json
import re
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

import small
import striate
from striate.claims import degradation
from striate.claims.claim import Asked as OfClaim
from striate.claims.claim import Runs, Sweep
from striate.claims.measures import training_loss
from striate.claims.verdict import Question
from striate.inside.explained import METHODS
from striate.report.explained import render
from striate.runs.run import open_run
from striate.runs.studied import Asked
from striate.runs.study import open_study
from striate.training import candidates

pytestmark = pytest.mark.slow
RECIPE = {"epochs": 1, "batch": 16, "size": 16, "model": "resnet20", "keep_sealed": True, "channels": 3}
# What tells when and where something was done, and which bytes the sealed pictures have.
APART = {
    "id", "began", "seconds", "timings", "command", "path", "root", "fingerprint", "test", "study", "report", "latency",
    "spent", "foreseen", "took", "within", "yardstick", "work",
}  # fmt: skip


def pictures(folder: Path, test: int) -> Path:
    """train/, val/ and test/ of three classes; `test` is the seed of the pictures in test/, which are brighter."""
    for subset, each, seed in (("train", 12, 1), ("val", 6, 2), ("test", 6, test)):
        numbers = np.random.default_rng(seed)
        for label in range(3):
            home = folder / subset / f"class {label}"
            home.mkdir(parents=True)
            for index in range(each):
                waves = (
                    np.sin(np.arange(16) * (label + 1) / 2 + index)[:, None] * 40 + 80 + 15 * (subset == "test") * test
                )
                pixels = np.clip(waves[..., None] + numbers.normal(0, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(home / f"{index:02d}.png")
    return folder


def trained(home: Path, data: Path, name: str, **recipe: object) -> Path:
    run = striate.train(data, runs=home / "made", quiet=True, cache=False, **{**RECIPE, **recipe})
    assert run is not None
    return run.folder.rename(home / name)


def training(home: Path, data: Path) -> None:
    """With augmentation, groups of near-duplicates, a temperature, what its layers do, vectors, and its page."""
    how = {"augment": "strong", "groups": "near", "task_options": {"calibrate": True}, "watch": 2}
    run = open_run(trained(home, data, "run", **how))
    assert run.task.temperature != 1.0
    answers = [each.top for each in run.predict(data / "val" / "class 0")]
    (home / "said.txt").write_text(str((run.evaluate().numbers, answers)))
    np.save(home / "vectors.npy", run.embed(data / "val").vectors)
    gallery = striate.gallery(run, layer="layer1.0.relu1", maps=2)
    np.save(home / "gallery.npy", gallery.picture)
    (home / "gallery.json").write_text(json.dumps(gallery.as_dict()))
    (home / "blocks.txt").write_text(str(striate.blocks(run, keep=True).blocks))
    striate.write_report(run)


def study(home: Path, data: Path) -> None:
    """Two networks, told apart, with the study's page; and the same two runs compared."""
    recipe = {**RECIPE, "data": str(data)}
    wanted = Asked(
        id="0" * 32, models=("resnet20", "plain20"), seeds=(0,), recipe=recipe, data="photos", task="classify",
        keep_sealed=True,
    )  # fmt: skip
    folder = small.study(home / "study", None, wanted).folder
    assert striate.study(resume=folder, threads=1, quiet=True).result is not None
    (home / "said.txt").write_text(str(striate.compare(*open_study(folder).runs.values())))


def folds(home: Path, data: Path) -> None:
    """A list of folds, all together, by which labels are doubted, with the pages of the list, a fold and the audit."""
    wanted = Asked(
        id="0" * 32, models=("resnet20",), seeds=(0,), folds=2, recipe={**RECIPE, "data": str(data)}, data="photos",
        task="classify", keep_sealed=True,
    )  # fmt: skip
    study = striate.study(resume=small.study(home / "study", None, wanted).folder, threads=1, quiet=True)
    held_out = striate.out_of_fold(*study.runs.values(), table=home / "held-out.csv")
    striate.write_report(next(iter(study.runs.values())))
    audit = striate.audit(study.folder, page=home / "audit.html", quiet=True)
    assert audit.suspects
    # what is near to what is asked of test pictures too, which finds leaks
    (home / "audit.json").write_text(json.dumps({**audit.as_dict(), "near": None}))
    (home / "said.txt").write_text(str(held_out))


def ensembles(home: Path, data: Path) -> None:
    """Of answers, weighted on validation, and of weights, with their pages; and what they answer when asked."""
    made = [trained(home, data, f"run {seed}", seed=seed, keep_epochs=2, epochs=2) for seed in (0, 1)]
    how = {"runs": home, "keep_sealed": True, "quiet": True}
    joined = [striate.ensemble(*made, weigh="validation", **how), striate.ensemble(made[0], average="weights", **how)]
    (home / "said.txt").write_text(str([run.evaluate().numbers for run in joined]))


def choice(home: Path, data: Path) -> None:
    """Two networks in a budget, and which one is taken."""
    limits = {"max_params": "65K", "epochs": 1, "batch": 16, "keep_sealed": True}
    with pytest.MonkeyPatch.context() as patch:  # who is the faster one is left to no other work of the machine
        patch.setattr(candidates.machine, "seconds", lambda net, *_, **__: {"": sum(map(len, net.parameters())) / 1e6})
        found = striate.choose(data, runs=home / "made", threads=1, quiet=True, **limits)
    (home / "said.txt").write_text(str((found.asked.answer, found.table())))


def looks_inside(home: Path, data: Path) -> None:
    """Maps of a training and a validation picture by every method, with checks, boxes and page, and those kept."""
    run = open_run(trained(home, data, "run"))
    shown = [next(data / line.name for line in run.lines if line.subset == subset) for subset in ("train", "val")]
    found = striate.explain(run, shown, method="all", box=True, keep="explained")
    assert {each.method for each in found} == set(METHODS)
    found += striate.explain(run, shown[1], method=["cam", "guided"], checks=True)
    told = [(each.status, each.of, each.layer, each.box, each.checks and each.checks.as_dict()) for each in found]
    (home / "said.txt").write_text(str(told))
    np.savez(home / "maps.npz", *(each.values for each in found if each.values is not None))
    (home / "explained.html").write_text(render(found, "Inside"))
    striate.write_report(run)


def landscape(home: Path, data: Path) -> None:
    """The loss around the weights and along the gradient, with their figures and the page."""
    run = open_run(trained(home, data, "run"))
    found = [striate.landscape(run, of=of, points=3, keep=True) for of in ("plane", "gradient")]
    striate.write_report(run)
    (home / "said.txt").write_text(str([(each.found, each.svg) for each in found]))


def claims(home: Path, data: Path) -> None:
    """A claim of two short trainings, with its record, figure and page."""
    sweep = Sweep({name: {"model": name} for name in ("plain20", "resnet20")}, (0.02,), {"epochs": 1, "batch": 16})

    def questions(asked: OfClaim, runs: Runs) -> list[Question]:
        return sweep.compared(asked, runs, "resnet20", "plain20", "training loss", training_loss, "times", -1)

    small_one = dataclasses.replace(degradation.CLAIM, sweeps=(sweep,), questions=questions)
    with mock.patch.object(degradation, "CLAIM", small_one):
        striate.claim("degradation", data, size=16, seeds=1, runs=home, jobs=1, threads=1, quiet=True)


# A row for each way that leads from data to something that is told; they may leave what they like in `home`.
WAYS = (training, study, folds, ensembles, choice, looks_inside, landscape, claims)


def everything(home: Path) -> dict[str, object]:
    """All that lies there by name, but for what is APART and the rows of sealed pictures."""
    found: dict[str, object] = {}
    for path in sorted(home.rglob("*")):
        name, held = str(path.relative_to(home)), path.read_bytes() if path.is_file() else b""
        if path.name in (".lock", "manifest.json"):  # the digests of what is compared here itself
            continue
        if path.suffix == ".json":
            found[name] = _apart(json.loads(held))
        elif path.suffix == ".csv":
            head, *rows = csv.reader(io.StringIO(held.decode()))
            told = [dict(zip(head, row, strict=True)) for row in rows]
            found[name] = [_apart(row) for row in told if row.get("subset") != "test"]
        elif path.suffix == ".html":
            found[name] = _of_page(held.decode())
        elif path.is_file():
            found[name] = held
    return found


def _of_page(page: str) -> object:
    """Its pictures and figures, and its words; numbers stand in other files, without the times that they took."""
    drawn = re.findall(r'src="[^"]+"|<svg.*?</svg>', page, flags=re.DOTALL)
    rest = re.sub(r'src="[^"]+"|<svg.*?</svg>|<code>.*?</code>|<style>.*?</style>', "", page, flags=re.DOTALL)
    return drawn, re.sub(r"\S*twin\d+|[\d.,:–]+|\b(s|ms|min)\b", "", rest)


def _apart(told: object) -> object:
    if isinstance(told, dict):
        return {key: _apart(value) for key, value in told.items() if key not in APART}
    if isinstance(told, str):
        return re.sub(r"\S*twin\d+", "", told)
    return [_apart(each) for each in told] if isinstance(told, list) else told


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Two data sets of equal names, equal training and validation pictures, and other test pictures."""
    homes = [tmp_path_factory.mktemp("twin") for _ in range(2)]
    return [pictures(home / "photos", test) for test, home in enumerate(homes, start=3)]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_nothing_that_is_left_before_the_opening_depends_on_a_test_picture(way, twins, tmp_path):
    left = []
    for place, data in enumerate(twins):
        home = tmp_path / f"home {place}"
        home.mkdir()
        way(home, data)
        left.append(everything(home))
    assert left[0].keys() == left[1].keys()
    assert [name for name in left[0] if left[0][name] != left[1][name]] == []
    assert not list(tmp_path.rglob("test-openings.jsonl"))


def test_what_is_left_after_the_opening_does(twins, tmp_path):
    """So that what is compared above is what would show it."""
    left = []
    for place, data in enumerate(twins):
        home = tmp_path / f"home {place}"
        home.mkdir()
        run = open_run(trained(home, data, "run"))
        shutil.copytree(run.folder, home / "sealed")
        run.evaluate(open_test=True)
        left.append(everything(home))
    other = {name for name in left[0] if left[0][name] != left[1].get(name)}
    assert {"run/result.json", "run/kept/test.safetensors", "run/predictions.csv"} <= other
    assert not any(name.startswith("sealed/") for name in other)
