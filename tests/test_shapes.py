"""Canvases that are not square through the whole house: every task, and everything that is asked of a run."""

import numpy as np
import pytest
from PIL import Image

from small import Notes, digest, photographs, photographs_with_masks, train
from striate.base.errors import UsageError
from striate.face.finished import write_report
from striate.predictor import together
from striate.training.execution import Execution
from striate.training.recipe import read_toml, recipe_of
from striate.training.train import resume_run
from typed import call

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """24 high and 32 wide, and one that lies the other way."""
    folder = photographs(tmp_path_factory.mktemp("data") / "photos", each=12, side=24)
    first = folder / "class 0" / "01.png"
    Image.fromarray(np.asarray(Image.open(first)).transpose(1, 0, 2).copy()).save(first)
    return folder


def classify(runs, data, **recipe):
    how = recipe.pop("execution", {})
    given = {"model": "resnet20", "size": (16, 28), "epochs": 2, "batch": 12, "augment": "strong", "device": "cpu"}
    return train(runs, execution=how, data=str(data), **(given | recipe))


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    return classify(tmp_path_factory.mktemp("runs"), photos)


def test_a_run_says_what_it_saw_and_answers_in_every_way(run, photos, capsys):
    assert (run.recipe["size"], run.preprocess.sides) == ([16, 28], (16, 28))
    assert run.predictor.members[0].__repr__().endswith("3x16x28)")
    assert run.evaluate(photos).numbers["n"] == 36
    assert run.evaluate(views="ten").numbers["n"] == run.facts["split"]["val"]["n"]
    found = run.predict([photos / "class 0" / "01.png", Image.new("L", (5, 200)), np.zeros((9, 400, 3), np.uint8)])
    assert [each.status for each in found] == ["ok", "ok", "ok"]
    assert run.embed(photos / "class 1").vectors.shape == (12, 64)
    page = write_report(run, force=True)
    assert "16x28" in page.read_text()
    assert call(capsys, "runs", run.folder.parent)[0] == 0
    assert call(capsys, "evaluate", run.folder)[0] == 0


def test_memory_workers_and_a_kill_change_no_bit(run, photos, tmp_path):
    for place, how in enumerate(({"memory": "streamed", "workers": 1},)):
        assert digest(classify(tmp_path / str(place), photos, execution=how)) == digest(run)

    class Stops(Notes):
        def epoch(self, epoch):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classify(tmp_path / "killed", photos, listener=Stops(), execution={"save_every": 0.0})
    (folder,) = (tmp_path / "killed").iterdir()
    assert digest(resume_run(folder, Execution(), Notes())) == digest(run)


def test_another_run_begins_with_its_size(run, photos, tmp_path):
    begun = train(tmp_path, data=str(photos), weights=str(run.folder), epochs=1, batch=12)
    assert (begun.recipe["size"], begun.recipe["model"]) == ([16, 28], "resnet20")
    both = together([run.predictor, begun.predictor])
    assert both.predict(photos / "class 2" / "02.png").status == "ok"


def test_a_square_as_a_pair_is_the_same_training(photos, tmp_path):
    one, other = (
        classify(tmp_path / str(place), photos, size=size, epochs=1) for place, size in enumerate((20, (20, 20)))
    )
    assert digest(one) == digest(other)
    assert one.facts["preprocess"] == other.facts["preprocess"]
    assert one.recipe["size"] == other.recipe["size"] == 20


@pytest.mark.parametrize(
    ("task", "recipe"),
    [
        (
            "segment",
            {"model_options": {"width": 4}, "task_options": {"border": 5.0}, "augment": "elastic", "crop": 0.8},
        ),
        ("segment", {"model_options": {"width": 4}, "resize": "letterbox"}),
        ("segment", {"model": "unet", "model_options": {"width": 1}, "size": (204, 220), "batch": 3}),
        ("reconstruct", {"resize": "squash"}),
        ("inpaint", {"model_options": {"width": 4}, "task_options": {"critic": 0.05}}),
    ],
    ids=["tiles", "letterbox", "valid", "autoencoder", "inpaint"],
)
def test_an_answer_to_each_pixel_has_the_size_of_its_picture(task, recipe, tmp_path):
    data = photographs_with_masks(tmp_path / "pairs", count=12) if task == "segment" else photographs(tmp_path / "a")
    given = {"size": (32, 48), "epochs": 1, "batch": 6, "task": task, "device": "cpu"} | recipe
    found = train(tmp_path / "runs", data=str(data), **given)
    assert found.preprocess.sides == given["size"]
    picture = np.random.default_rng(0).integers(0, 256, (57, 41, 3), dtype=np.uint8)
    marked = {"holes": Image.new("L", (41, 57), 255)} if task == "inpaint" else {}
    answer = found.predict(picture, **marked)
    assert answer.picture.shape[:2] == (57, 41)
    if task == "reconstruct":
        one, other = sorted((data / "class 0").iterdir())[:2]
        assert found.between(one, other, steps=3).pictures.shape == (5, 32, 48, 1)
    assert (found.folder / "report.html").exists() or write_report(found).exists()


def test_what_is_typed_and_what_stands_in_a_file(tmp_path, capsys):
    for text, meant in (('"16x28"', (16, 28)), ("[16, 28]", (16, 28)), ('"28"', 28), ("[28, 28]", 28), ("28", 28)):
        (tmp_path / "recipe.toml").write_text(f'data = "digits"\nsize = {text}\n')
        assert read_toml(tmp_path / "recipe.toml").size == meant
    assert recipe_of(data="digits", size="16x28") == recipe_of(data="digits", size=[16, 28])
    for wrong, told in (
        ("16x", "no size"), ("16x28x3", "no size"), ("0x24", "0 is out of range"), ("24x5000", "5000 is out of range"),
        ("1.5", "no size"), ("wide", "no size"), ("-4", "-4 is out of range"), ("32x48", "takes no other size"),
    ):  # fmt: skip
        code, _, err = call(
            capsys, "train", "digits", "--model", "lenet5", f"--size={wrong}", "--runs", tmp_path / "no"
        )
        assert (code, told in err, ". Try: " in err) == (2, True, True), err
    assert not (tmp_path / "no").exists()
    with pytest.raises(UsageError, match="sides of 16 pixels and of 16"):
        train(tmp_path / "no", data="cells:number=12,size=64", size=(32, 40), epochs=1)


def test_pictures_of_one_wide_form_are_told_what_keeps_it(tmp_path):
    home = tmp_path / "wide"
    for label in range(2):
        (home / str(label)).mkdir(parents=True)
        for place in range(8):
            pixels = np.random.default_rng(8 * label + place).integers(0, 256, (36 + place % 2, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(home / str(label) / f"{place}.png")
    said = {}
    for name, recipe in (("square", {}), ("wide", {"size": (24, 43)}), ("fixed", {"model": "lenet5", "channels": 1})):
        listener = Notes()
        given = {"model": "resnet20", "size": 32 if name != "wide" else None, "epochs": 1, "batch": 4} | recipe
        train(
            tmp_path / "runs" / name,
            data=str(home),
            listener=listener,
            **{key: each for key, each in given.items() if each},
        )
        said[name] = [line for line in listener.said if "keeps their form" in line]
    assert said["square"] == [
        "pictures are 1.8 times as wide as high, and squashed to 32x32: --size 24x42 keeps their form"
    ]
    assert said["wide"] == said["fixed"] == []
