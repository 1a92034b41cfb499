"""The gallery: the strongest units of each map, what they send back, and exactly the patches that they depend on."""

import json
import weakref
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import seeded
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import striate
from pictures import photo
from small import photographs, train
from striate.base.errors import DataError, RunError, UsageError
from striate.data.preprocess import Preprocess
from striate.inside import gallery as inside
from striate.inside.asked import Asked
from striate.inside.deconvnet import deconvnet
from striate.inside.strongest import Strongest, made_by
from striate.models.build import build
from striate.predictor import Member, Predictor
from striate.runs.openings import times_opened
from striate.tasks.classify import Classify
from striate.tasks.segment import Segment
from typed import call

SIDE = 20


def chain(channels=3):
    """A chain with overlapping pools, steps and padding; its maps are seldom dead."""
    net = nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(True),
        nn.MaxPool2d(2), nn.Conv2d(8, 5, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(5, 2),
    )  # fmt: skip
    for each in net.parameters():
        nn.init.normal_(each, std=0.4)
    return net


def looking(net, side=SIDE, channels=3, task=None, **way):
    way = Preprocess(side, channels, mean=(0.5,) * channels, deviation=(0.25,) * channels, **way)
    return Predictor((Member(net.eval(), way, task or Classify(("a", "b"))),))


def pictures(count, side=SIDE):
    return [photo(side, side, seed=number) for number in range(count)]


def canvas(predictor, pixels):
    (member,) = predictor.members
    return predictor.given(member, torch.from_numpy(member.preprocess.looks(pixels)[0][0][None]))


def until(net, layer, x):
    with torch.no_grad():
        return made_by(net, x, layer, 1)


@pytest.mark.parametrize("layer", ["1", "2", "4", "7"])
def test_each_unit_is_the_highest_of_its_map_in_its_picture_and_is_projected_as_a_deconvnet_does_alone(layer):
    predictor, given = looking(seeded(chain)), pictures(7)
    net = predictor.members[0].network
    found = striate.gallery(predictor, given, layer=layer, top=4)
    maps = torch.stack([until(net, layer, canvas(predictor, each))[0] for each in given])
    met = 0
    for shown in found.maps:
        highest = maps[:, shown.feature].flatten(1).max(1)
        order = sorted((place for place in range(7) if highest.values[place] > 0), key=lambda at: -highest.values[at])
        assert [unit.file for unit in shown.units] == [f"picture {at + 1}" for at in order[:4]]
        for unit, at in zip(shown.units, order, strict=False):
            assert unit.cell == divmod(int(highest.indices[at]), maps.shape[3])
            assert unit.activation == pytest.approx(float(highest.values[at]), abs=1e-5)
            alone = deconvnet(net, canvas(predictor, given[at]), layer=layer, feature=shown.feature)
            rows, columns = (slice(first, last + 1) for first, last in unit.box)
            np.testing.assert_allclose(unit.projection, alone.values[:, rows, columns], rtol=0, atol=1e-5)
            rest = alone.values.clone()
            rest[:, rows, columns] = 0
            assert not rest.any()  # nothing is sent beyond the field
            np.testing.assert_array_equal(unit.patch, given[at][rows, columns])
            met += 1
    assert met > 8


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_patch_is_exactly_what_its_unit_depends_on(data):
    layers, channels, side, left = [], 1, 24, 24
    for _ in range(data.draw(st.integers(1, 3))):
        kernel = data.draw(st.integers(1, min(3, left)))
        step, pad = data.draw(st.integers(1, kernel)), data.draw(st.integers(0, kernel // 2))
        layers += [nn.Conv2d(channels, 2, kernel, step, pad), nn.ReLU()]
        channels, left = 2, nn.Sequential(*layers)(torch.zeros(1, 1, side, side)).shape[2]
        if data.draw(st.booleans()) and left > 3:
            layers.append(nn.AvgPool2d(2, data.draw(st.integers(1, 2)), padding=data.draw(st.integers(0, 1))))
            left = nn.Sequential(*layers)(torch.zeros(1, 1, side, side)).shape[2]
    net = nn.Sequential(*layers)
    for each in net.parameters():  # positive, so that each pixel that is seen counts
        nn.init.uniform_(each, 0.1, 1)
    predictor = looking(net, side, 1)
    where = inside.place(predictor, predictor.members[0], Asked(str(len(layers) - 1)))
    cell = tuple(data.draw(st.integers(0, size - 1)) for size in where.shape[1:])
    x = torch.rand(1, 1, side, side).requires_grad_()
    (slope,) = torch.autograd.grad(net(x)[0, 0][cell], x)
    touched = slope[0, 0].nonzero()
    box, _ = where.box(cell)
    if not len(touched):  # a cell of padding alone sees nothing of the picture
        assert any(last < first for first, last in box)
        return
    assert box == tuple(zip(touched.amin(0).tolist(), touched.amax(0).tolist(), strict=True))


def test_batches_and_the_order_of_reading_change_nothing(monkeypatch):
    predictor, given = looking(seeded(chain)), pictures(9)
    found = striate.gallery(predictor, given, top=3)
    for name, value in (("AT_ONCE", 2), ("TOGETHER", 1)):
        monkeypatch.setattr(inside, name, value)
    other = striate.gallery(predictor, given, top=3)
    assert [[unit.file for unit in each.units] for each in found.maps] == [
        [unit.file for unit in each.units] for each in other.maps
    ]
    for one, two in product(*[[unit for each in every.maps for unit in each.units] for every in (found, other)]):
        if (one.file, one.activation) == (two.file, two.activation):
            np.testing.assert_allclose(one.projection, two.projection, atol=1e-5)


def test_no_more_canvases_are_held_than_a_network_sees_at_once(monkeypatch):
    monkeypatch.setattr(inside, "AT_ONCE", 3)
    predictor = looking(seeded(chain))
    (member,) = predictor.members
    where, held, most = inside.place(predictor, member, Asked("1")), [], []

    def looks():
        for number in range(20):
            one = member.preprocess.looks(photo(SIDE, SIDE, seed=number))[0][0].copy()
            held.append(weakref.ref(one))
            yield number, [one]
            del one
            most.append(sum(each() is not None for each in held))

    found = inside.searched(predictor, member, where, looks(), 4)
    assert found.values.shape == (6, 4)
    assert max(most) <= 6  # what was seen last, and what is gathered now


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.lists(st.integers(-2, 5), min_size=3, max_size=3), min_size=1, max_size=3), max_size=9),
    st.integers(1, 5),
)
def test_the_strongest_are_those_of_a_sort_one_a_picture(looks, top):
    """`looks`: of each picture, of each canvas, the highest activation of three maps."""
    found = Strongest(3, top)
    for picture, canvases in enumerate(looks):
        for look, values in enumerate(canvases):
            found.take(picture, look, np.array(values, np.float32), np.arange(3) + 10 * look)
    found.finish()
    for feature in range(3):
        best = [max(range(len(each)), key=lambda at, each=each: each[at][feature]) for each in looks]
        known = [(each[at][feature], picture, at) for picture, (each, at) in enumerate(zip(looks, best, strict=True))]
        wanted = sorted((one for one in known if one[0] > 0), key=lambda one: (-one[0], one[1]))[:top]
        here = found.pictures[feature] >= 0
        assert found.pictures[feature][here].tolist() == [picture for _, picture, _ in wanted]
        assert found.values[feature][here].tolist() == [value for value, _, _ in wanted]
        assert found.cells[feature][here].tolist() == [feature + 10 * look for _, _, look in wanted]


def test_a_planted_filter_finds_the_planted_pictures_and_its_projection_lights_the_shape():
    shape = torch.tensor([[0.0, 1, 0], [1, 1, 1], [0, 1, 0]])
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(2))
    net(torch.zeros(1, 1, SIDE, SIDE))
    with torch.no_grad():
        net[0].weight[:] = torch.stack([2 * shape - 1, -(2 * shape - 1)])[:, None]
        net[0].bias.zero_()
    given, rng = [], np.random.default_rng(0)
    for number in range(12):
        pixels = np.full((SIDE, SIDE), 128, np.uint8) + rng.integers(0, 20, (SIDE, SIDE)).astype(np.uint8)
        if number % 3 == 0:
            row, column = rng.integers(0, SIDE - 3, 2)
            pixels[row : row + 3, column : column + 3] = np.where(shape.numpy() > 0, 255 - number, 0)
        given.append(pixels)
    found = striate.gallery(looking(net, channels=1), given, layer="1", feature=0, top=4)
    units = found.maps[0].units
    assert [unit.file for unit in units] == ["picture 1", "picture 4", "picture 7", "picture 10"]
    for unit in units:
        assert ((unit.projection[0] > 0) == (shape.numpy() > 0)).all()
        assert unit.patch[1, 1, 0] > 240


def test_a_unit_at_the_border_lies_in_its_tile_where_its_field_is_cut():
    net = nn.Sequential(nn.Conv2d(1, 1, 5, padding=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        net[0].weight.fill_(1.0)
        net[0].bias.fill_(100.0)
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    pixels[0, 0] = pixels[0, 1] = 255
    found = striate.gallery(looking(net, channels=1), pixels, layer="0", patches=True)
    (unit,) = found.maps[0].units
    (top, bottom), (left, right) = unit.box
    assert found.field == (5, 5)
    assert unit.patch.shape[:2] == (bottom - top + 1, right - left + 1)
    assert unit.at == (max(0, 2 - unit.cell[0]), max(0, 2 - unit.cell[1]))
    assert unit.projection is None


def test_maps_that_are_never_active_and_few_pictures_are_told():
    net = seeded(chain)
    with torch.no_grad():
        net[0].weight[2], net[0].bias[2] = 0.0, -1.0
    found = striate.gallery(looking(net), pictures(3), layer="1")
    assert [each.feature for each in found.maps if not each.units] == [2]
    assert "never active in 3 pictures: 1 map (2)" in found.notes
    assert "9 pictures of each map were asked for, and there are 3" in found.notes
    assert found.picture.shape[2] == 3


def residual():
    return looking(seeded(lambda: build("resnet20", classes=2)), 32)


def test_where_a_deconvnet_does_not_come_back_that_is_told_and_patches_are_shown_instead():
    with pytest.raises(UsageError, match=r"what enters .* is made by no module.* Try: patches=True"):
        striate.gallery(residual(), pictures(2), layer="layer2.0.relu")
    found = striate.gallery(residual(), pictures(3), layer="layer2.0.relu", patches=True, maps=4, top=2)
    assert [each.feature for each in found.maps] == [0, 8, 16, 24]
    assert not found.projected
    assert all(unit.patch.shape[0] <= found.field[0] for each in found.maps for unit in each.units)
    assert striate.gallery(residual(), pictures(2), maps=1).layer == "layer1.0.relu1"


@pytest.mark.parametrize(
    ("asked", "cause"),
    [
        ({"layer": "9.9"}, "'9.9' is no layer that makes maps"),
        ({"layer": "10"}, "'10' is no layer that makes maps"),
        ({"layer": "4", "feature": 8}, "4 has maps 0 to 7, and no 8"),
        ({"layer": "4", "feature": [1, -1]}, "4 has maps 0 to 7, and no -1"),
        ({"maps": 0}, "0 is too few"),
        ({"top": 0}, "0 is too few"),
        ({"maps": 3, "feature": 1}, "the maps are named already"),
        ({"top": 200, "maps": 4}, "more than the 576 that one gallery shows"),
        ({"patches": True}, "patches are of a layer that is named"),
        ({"weights": "imagenet"}, "a run has its own"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(asked, cause):
    with pytest.raises(UsageError, match=cause):
        striate.gallery(looking(seeded(chain)), pictures(2), **asked)


def test_pictures_are_asked_for_where_there_is_no_run_and_unreadable_ones_are_told(tmp_path):
    predictor = looking(seeded(chain))
    with pytest.raises(UsageError, match="only a run has pictures of its own"):
        striate.gallery(predictor)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    Image.fromarray(photo(SIDE, SIDE)).save(tmp_path / "good.png")
    found = striate.gallery(predictor, tmp_path, layer="1")
    assert found.count == 1
    assert any(note.endswith("bad.png: looks like text") for note in found.notes)
    with pytest.raises(DataError, match="of 1 picture none could be read"):
        striate.gallery(predictor, tmp_path / "bad.png", layer="1")


def test_of_a_picture_that_is_looked_at_in_tiles_the_strongest_of_all_counts_once():
    net = seeded(lambda: build("unet_padded", width=4, classes=2))
    predictor = looking(net, 32, task=Segment(("behind", "cell")), resize="tiles", whole=True, stride=16)
    found = striate.gallery(predictor, [photo(70, 50, seed=number) for number in range(3)], maps=4, top=9)
    for each in found.maps:
        assert len({unit.file for unit in each.units}) == len(each.units) <= 3


def test_weights_of_the_part_that_leads_to_the_layer_are_enough_and_others_are_refused(tmp_path):
    net = seeded(lambda: build("lenet5", activation="relu"))
    told = {"preprocess": '{"mean": [0.4], "deviation": [0.2]}'}
    for part in ("c1", "c3"):
        state = {key: value for key, value in net.state_dict().items() if key.startswith(f"{part}.")}
        save_file(state, tmp_path / f"{part}.safetensors", told)
    asked = {"weights": tmp_path / "c1.safetensors", "maps": 2}
    found = striate.gallery("lenet5", photo(40, 40), layer="c1", patches=True, **asked)
    assert found.field == (5, 5)
    for layer in (None, "c3", "c1_activation"):
        with pytest.raises(RunError, match=r"holds the weights of c1 alone. Try: .* a layer in c1"):
            striate.gallery("lenet5", photo(40, 40), layer=layer, **asked)
    with pytest.raises(RunError, match="it begins with c3, and what is before that has learned nothing"):
        striate.gallery("lenet5", photo(40, 40), layer="c3", weights=tmp_path / "c3.safetensors")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    photographs(home / "photos")
    options = {"model_options": {"activation": "relu"}, "batch": 9, "epochs": 1}
    return train(home / "runs", data=str(home / "photos"), model="lenet5", **options)


@pytest.mark.slow
def test_of_a_run_the_training_pictures_are_shown_and_a_sealed_one_is_an_opening(run):
    def opened():
        return times_opened(run.folder, run.facts["split"]["test"]["digest"])

    before, root = opened(), run.folder.parents[1] / "photos"
    trained, sealed = ({line.name for line in run.lines if line.subset == name} for name in ("train", "test"))
    found = striate.gallery(run, maps=4)
    assert {unit.file for each in found.maps for unit in each.units} <= trained
    assert (found.count, opened()) == (len(trained), before)
    moved = root.rename(root.parent / "moved")
    try:
        with pytest.raises(DataError, match="no such folder"):
            striate.gallery(run, maps=4)
        assert striate.gallery(run, maps=4, data=moved).as_dict() == found.as_dict()
        with pytest.raises(UsageError, match="others are named"):
            striate.gallery(run, [next(moved.rglob("*.png"))], data=moved)
    finally:
        moved.rename(root)
    with pytest.raises(UsageError, match="is no layer"):
        striate.gallery(run, [root / name for name in sealed], layer="nothing")
    assert opened() == before
    found = striate.gallery(run, [root / name for name in sealed], maps=2)
    assert opened() == before + 1
    assert any(f"{len(sealed)} are of this run's sealed test set" in note for note in found.notes)


@pytest.mark.slow
def test_the_command_writes_a_picture_and_a_page_and_nothing_over_another(run, tmp_path, capsys):
    words = ("gallery", run.folder, "--maps", 4, "--out", tmp_path / "out", "--json")
    code, said, _ = call(capsys, *words)
    told = json.loads(said.splitlines()[-1])
    assert code == 0
    assert [len(each["units"]) <= 9 for each in told["maps"]] == [True] * 4
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["gallery.html", "gallery.png"]
    page = (tmp_path / "out" / "gallery.html").read_text()
    assert page.count("<img") == sum(bool(each["units"]) for each in told["maps"])
    with Image.open(told["written"]) as image:
        assert image.width > 200
    assert call(capsys, *words)[0] == 2
    code, _, err = call(capsys, "gallery", run.folder, "--feature", "1.5", "--out", tmp_path / "none")
    assert code == 2
    assert "'1.5' is not a whole number" in err
    assert not (tmp_path / "none").exists()
