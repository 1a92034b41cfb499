"""Pictures in, answers out: one network, several, one look or ten, always by the same road."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import striate
from small import photographs, train
from striate.base.errors import MachineError, StriateError, UsageError
from striate.data.load import read_samples
from striate.data.picture import decode
from striate.data.units import units_of
from striate.evaluate import rows
from striate.predictor import Predictor, together


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    photographs(folder / "photos")
    return folder


@pytest.fixture(scope="module")
def runs(home):
    """Two networks of different sizes, channels and means on the same pictures."""
    data = str(home / "photos")
    return (
        train(home / "runs", data=data, model="resnet20", size=32, batch=9, resize="crop", precision="float32"),
        train(home / "runs", data=data, model="lenet5", batch=9, precision="float32"),
    )


@pytest.fixture(scope="module")
def pictures(home):
    return sorted((home / "photos" / "class 1").iterdir())


def probabilities(predictions):
    return np.array([[dict(each.top)[f"class {k}"] for k in range(3)] for each in predictions])


def by_hand(run, path):
    """Softmax of the network on the canvas, with nothing of the predictor's."""
    (member,) = run.predictor.members
    ((canvas, _),) = member.preprocess.looks(path.read_bytes(), str(path))
    with torch.inference_mode():
        outputs = member.network(member.preprocess.normalise(torch.from_numpy(canvas)[None]))
    return torch.softmax(outputs.double(), 1)[0].numpy()


def test_a_prediction_is_the_network_on_the_canvas(runs, pictures):
    for run in runs:
        found = run.predict(pictures)
        np.testing.assert_allclose(probabilities(found), [by_hand(run, path) for path in pictures], atol=1e-6)


def test_an_ensemble_of_two_sizes_is_the_mean_of_their_probabilities(runs, pictures):
    first, second = (probabilities(run.predict(pictures)) for run in runs)
    both = probabilities(together([run.predictor for run in runs]).predict(pictures))
    np.testing.assert_allclose(both, (first + second) / 2, atol=1e-6)
    weighed = probabilities(together([run.predictor for run in runs], [3, 1]).predict(pictures))
    np.testing.assert_allclose(weighed, (3 * first + second) / 4, atol=1e-6)
    np.testing.assert_allclose(weighed.sum(1), 1)


def test_ten_crops_are_the_mean_over_the_corners_the_centre_and_their_mirrors(runs, pictures):
    run = runs[0]
    (member,) = run.predictor.members
    ten = run.predictor.looking("ten")
    side = round(32 * 8 / 7)
    for path, found in zip(pictures, probabilities(ten.predict(pictures)), strict=True):
        larger = dataclasses.replace(member.preprocess, size=side)
        ((canvas, _),) = larger.looks(path.read_bytes(), str(path))
        whole, last, middle = torch.from_numpy(canvas)[None], side - 32, (side - 32) // 2
        places = [(0, 0), (0, last), (last, 0), (last, last), (middle, middle)]
        crops = torch.cat([whole[:, :, y : y + 32, x : x + 32] for y, x in places])
        with torch.inference_mode():
            outputs = member.network(member.preprocess.normalise(torch.cat([crops, crops.flip(-1)])))
        np.testing.assert_allclose(found, torch.softmax(outputs.double(), 1).mean(0).numpy(), atol=1e-6)


def test_rows_and_predictions_come_by_the_same_road(runs, home, pictures):
    """Also where networks of two sizes answer together, in ten crops each."""
    samples = read_samples(str(home / "photos"))
    indices = np.flatnonzero(samples.targets.strata == 1)
    for predictor in (runs[1].predictor, together([run.predictor for run in runs]).looking("ten")):
        kept = rows.rows_anew(predictor, samples, indices)
        np.testing.assert_allclose(
            predictor.task.probabilities(kept[:, :-1]), probabilities(predictor.predict(pictures)), atol=1e-5
        )
        assert (kept[:, -1] == 1).all()


def test_several_scales_are_the_mean_over_canvases_of_these_sides(runs, pictures, home):
    run = runs[0]
    scales = (24, 32, 40)
    (member,) = run.predictor.members
    each = []
    for size in scales:
        way = dataclasses.replace(member.preprocess, size=size)
        canvases = [way.looks(path.read_bytes(), str(path))[0][0] for path in pictures]
        with torch.inference_mode():
            outputs = member.network(way.normalise(torch.from_numpy(np.stack(canvases))))
        each.append(torch.softmax(outputs.double(), 1).numpy())
    several = run.predictor.looking("one", scales)
    np.testing.assert_allclose(probabilities(several.predict(pictures)), np.mean(each, 0), atol=1e-6)
    assert len(several.looking("ten", (32,)).members) == 3
    own = run.predictor.looking("one", (32,)).predict(pictures[0])
    assert own == run.predict(pictures[0])
    told = run.evaluate(scales=scales).numbers
    assert (told["subset"], told["n"]) == ("val", run.facts["split"]["val"]["n"])
    assert not np.array_equal(run.evaluate(scales=scales).rows, run.evaluate().rows)


@pytest.mark.parametrize(
    ("which", "scale", "told"),
    [(1, 28, "no answer for a canvas of 28x28"), (0, 0, "0 is out of range"), (0, 5000, "5000 is out of range")],
)
def test_a_scale_that_a_network_has_no_answer_for_is_refused(runs, which, scale, told):
    with pytest.raises(UsageError, match=f"scales: .*{told}"):
        runs[which].predictor.looking("one", (scale, 32, 99))


def test_networks_that_answer_different_questions_are_not_joined(runs, home):
    photographs(home / "others", classes=2)
    other = train(home / "runs", data=str(home / "others"), model="lenet5", batch=9, epochs=1)
    with pytest.raises(UsageError, match="different questions"):
        striate.ensemble(runs[0], other, runs=home / "runs")
    for weights in ([1.0], [1.0, 0.0], [1.0, float("inf")]):
        with pytest.raises(UsageError, match="for 2 networks"):
            together([run.predictor for run in runs], weights)
    with pytest.raises(UsageError, match="none are given"):
        together([])


def test_one_picture_is_one_prediction_and_what_may_be_several_is_a_list(runs, pictures, monkeypatch):
    run, path = runs[1], next(path for path in pictures if path.suffix == ".png")
    one, pixels = run.predict(str(path)), np.asarray(Image.open(path))
    assert (one.file, one.status, len(one.top)) == (str(path), "ok", 3)
    monkeypatch.setenv("HOME", str(path.parent))
    for same in (path, f"~/{path.name}"):
        assert run.predict(same) == one
    for held in (Image.open(path), pixels, path.read_bytes()):
        assert run.predict(held) == dataclasses.replace(one, file="picture 1")
    for several in ([path], (path,), iter([str(path)]), np.array([str(path)]), f"{path.parent}/*{path.stem}.png"):
        assert run.predict(several) == [one]
    assert len(run.predict(path.parent)) == len(pictures)
    assert [each.file for each in run.predict([pixels, path, Image.open(path)])] == [
        "picture 1",
        str(path),
        "picture 3",
    ]
    np.testing.assert_allclose(probabilities(run.predict(np.stack([pixels] * 2))), probabilities([one] * 2), atol=1e-6)
    assert run.predict(path.parent / "none.png").status == "no such file"
    assert run.predict(b"nothing").status == "looks like text"
    assert run.predict([]) == []


@pytest.mark.parametrize("model", [0, 1])
def test_a_picture_in_memory_is_answered_in_any_mode_and_stays_as_it_is(runs, pictures, tmp_path, model):
    colours = Image.open(next(path for path in pictures if path.suffix == ".png"))
    for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"):
        image = Image.new("I;16", (9, 8), 40_000) if mode == "I;16" else colours.convert(mode)
        before = image.tobytes(), image.mode, image.size, dict(image.info)
        found = runs[model].predict(image)
        assert (found.status, found.file) == ("ok", "picture 1"), mode
        assert (image.tobytes(), image.mode, image.size, dict(image.info)) == before, mode
    grey = np.asarray(colours.convert("L"))
    held = grey.copy()
    answers = {runs[model].predict(each).answer for each in (grey, grey[:, :, None], np.asfortranarray(grey))}
    assert answers == {runs[model].predict(colours.convert("L")).answer}
    assert np.array_equal(grey, held)


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        (torch.zeros(3, 8, 8), "pictures: a Tensor is no picture"),
        ([torch.zeros(8, 8, 3, dtype=torch.uint8)], "picture 1: a Tensor is no picture"),
        (np.zeros((8, 8, 3), np.float32), r"picture 1: float32 \(8, 8, 3\) is no picture"),
        (np.zeros((3, 8, 8), np.uint8), r"picture 1: uint8 \(3, 8, 8\) is no picture"),
        ([np.zeros((8, 8, 4), np.uint8)], r"picture 1: uint8 \(8, 8, 4\) is no picture"),
        (np.zeros((0, 8), np.uint8), r"picture 1: uint8 \(0, 8\) is no picture"),
        (np.zeros((8, 8), np.int64), r"picture 1: int64 \(8, 8\) is no picture"),
        (7, "pictures: a int is no picture"),
        (None, "pictures: a NoneType is no picture"),
        ([np.zeros((8, 8), np.uint8), None], "picture 2: a NoneType is no picture"),
        ([[1, 2]], "picture 1: a list is no picture"),
    ],
)
def test_what_is_no_picture_is_told_with_what_is_one(runs, given, cause):
    for asked in (runs[1].predict, runs[1].predictor.predict, runs[1].embed):
        if asked == runs[1].embed and getattr(given, "shape", None) == (3, 8, 8) and isinstance(given, np.ndarray):
            continue  # three grey pictures, as training takes them
        with pytest.raises(StriateError, match=rf"^{cause}\. Try: a path, a PIL picture or a uint8 array"):
            asked(given)


def test_a_predictor_needs_no_folder(runs, pictures, tmp_path):
    """The network, its preprocessing and its task in hand are all there is to it."""
    (member,) = runs[1].predictor.members
    answer = Predictor((member,)).predict([pictures[0], tmp_path / "missing.png"])
    assert Predictor((member,)).predict(pictures[0]) == Predictor((member,)).predict([str(pictures[0])])[0]
    assert [each.status == "ok" for each in answer] == [True, False]
    assert answer[1].as_dict() == {
        "file": str(tmp_path / "missing.png"), "status": "no such file", "label": None, "probability": None, "top": [],
    }  # fmt: skip
    assert decode.read(pictures[0].read_bytes()).pixels.shape == (40, 48, 3)


def test_answering_leaves_a_network_in_the_mode_it_was_in(runs, pictures):
    (member,) = runs[0].predictor.members
    member.network.train()
    try:
        before = [buffer.clone() for buffer in member.network.buffers()]
        runs[0].predictor.predict(pictures[:2])
        assert member.network.training
        assert all(map(torch.equal, before, member.network.buffers()))
    finally:
        member.network.eval()


def test_each_network_of_an_ensemble_keeps_its_own_temperature(runs, pictures):
    def settled(run, temperature):
        predictor = run.predictor
        return predictor.learned(dataclasses.replace(predictor.task, temperature=temperature)).calibrated()

    sharp, even = settled(runs[0], 0.2), settled(runs[1], 20.0)
    expected = (probabilities(sharp.predict(pictures)) + probabilities(even.predict(pictures))) / 2
    for one in (together([sharp, even]), together([even, sharp])):
        np.testing.assert_allclose(probabilities(one.predict(pictures)), expected, atol=1e-6)


def test_what_several_have_settled_together_is_the_temperature_of_all(runs, pictures):
    both = together([run.predictor for run in runs])
    settled = both.learned(dataclasses.replace(both.task, temperature=2.0))
    logits = np.log(probabilities(both.predict(pictures))) / 2
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(probabilities(settled.calibrated().predict(pictures)), expected, rtol=1e-5)
    assert probabilities(settled.predict(pictures)).tolist() == probabilities(both.predict(pictures)).tolist()


def test_probabilities_are_calibrated_where_that_is_asked_for_and_no_answer_changes(runs, pictures):
    run = runs[0]
    plain, sure = run.predict(pictures), run.predict(pictures, calibrated=True)
    assert run.task.temperature != 1
    assert not run.task.calibrate
    assert [each.label for each in plain] == [each.label for each in sure]
    logits = np.log(probabilities(plain)) / run.task.temperature
    np.testing.assert_allclose(probabilities(sure), np.exp(logits) / np.exp(logits).sum(1, keepdims=True), rtol=1e-5)
    assert probabilities(run.predict(pictures)).tolist() == probabilities(plain).tolist()


def test_a_run_of_before_is_calibrated_by_what_it_kept_of_validation(runs, pictures, tmp_path):
    """Its run.json has the temperature 1."""
    folder = tmp_path / "before"
    shutil.copytree(runs[0].folder, folder)
    facts = json.loads((folder / "run.json").read_text())
    facts["task"]["temperature"] = 1.0
    (folder / "run.json").write_text(json.dumps(facts))
    before = striate.open_run(folder)
    assert before.task.temperature == 1
    assert probabilities(before.predict(pictures)).tolist() == probabilities(runs[0].predict(pictures)).tolist()
    expected = probabilities(runs[0].predict(pictures, calibrated=True))
    assert probabilities(before.predict(pictures, calibrated=True)).tolist() == expected.tolist()
    shutil.rmtree(folder / "kept")
    with pytest.raises(UsageError, match="settled a temperature"):
        striate.open_run(folder).predict(pictures, calibrated=True)


def test_as_many_looks_as_fit_are_answered_together(runs):
    predictor = runs[0].predictor
    assert predictor.at_once == 256
    assert predictor.looking("ten").at_once == 2**19 // (37 * 37 * 10)
    (member,) = predictor.members
    large = dataclasses.replace(member, preprocess=dataclasses.replace(member.preprocess, size=2000))
    assert Predictor((large,)).at_once == 1


class Greedy(torch.nn.Module):
    """A network that answers no more than so many rows at once."""

    def __init__(self, net, most):
        super().__init__()
        self.net, self.most, self.rows = net, most, []

    def forward(self, pictures):
        if len(pictures) > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
        self.rows.append(len(pictures))
        return self.net(pictures)


def greedy(predictor, most):
    members = (dataclasses.replace(each, network=Greedy(each.network, most)) for each in predictor.members)
    return dataclasses.replace(predictor, members=tuple(members))


@pytest.mark.parametrize(("views", "most"), [("one", 2), ("ten", 10)])
def test_what_does_not_fit_into_memory_is_answered_in_parts_of_whole_pictures(runs, home, pictures, views, most):
    plenty = together([run.predictor for run in runs]).looking(views)
    little = greedy(plenty, most)
    samples = read_samples(home / "photos")
    indices, sources = np.arange(7), [rows._read(each, plenty, samples, np.arange(7), 0) for each in plenty.members]
    said = []
    found = rows.rows(little, units_of(samples), indices, sources, say=said.append)
    torch.testing.assert_close(found, rows.rows(plenty, units_of(samples), indices, sources), rtol=0, atol=1e-5)
    assert said[-1] == f"out of memory: pictures are now answered {2 if views == 'one' else 1} at a time"
    assert set(little.members[0].network.rows) <= {1, 2, 10}
    np.testing.assert_allclose(
        probabilities(little.predict(pictures)), probabilities(plenty.predict(pictures)), atol=1e-6
    )


def test_a_single_picture_that_does_not_fit_is_a_sentence(runs, pictures):
    with pytest.raises(MachineError, match="not even one picture at a time fits"):
        greedy(runs[0].predictor, 0).predict(pictures)


def test_larger_pictures_are_read_where_it_is_asked_for(runs, home):
    (home / "large").mkdir()
    Image.new("1", (7300, 7300)).save(home / "large" / "a.png")
    lenet, large = runs[1], home / "large"
    assert lenet.predict(large)[0].status == "7,300 x 7,300 pixels, more than 52,000,000 (see --max-pixels)"
    assert lenet.predict(large, max_pixels=53_290_000)[0].status == "ok"
    with pytest.raises(UsageError, match="max_pixels: 1 is out of range"):
        lenet.predict(large, max_pixels=1)
    with pytest.raises(UsageError, match="max_pixels: this run's own pictures are read as in training"):
        lenet.evaluate(max_pixels=60_000_000)
