"""Sheets: filters with their norms, and what any layer makes of a picture, numbered as in the network."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from nets import Same, seeded
from PIL import Image
from torch import nn

import striate
from pictures import photo
from small import photographs, train
from striate.base.errors import UsageError
from striate.data.preprocess import Preprocess
from striate.inside.sheet import activations, filters
from striate.predictor import Member, Predictor
from striate.runs.openings import times_opened
from striate.tasks.classify import Classify
from typed import call


def test_filters_are_those_of_the_network_with_their_norms_and_dead_ones_told():
    net = seeded(lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 70, 3, bias=False)))
    with torch.no_grad():
        net[0].weight[3] = 0
    found = filters(net, None, (), "each")
    assert (found.layer, found.numbers, found.dead) == ("0", (0, 1, 2, 3, 4), (3,))
    np.testing.assert_array_equal(found.values, net[0].weight.detach().numpy())
    np.testing.assert_allclose(found.norms, net[0].weight.detach().flatten(1).norm(dim=1).numpy(), rtol=1e-6)
    assert found.notes == ("1 filter of 5 have norm 0",)
    deep = filters(net, "2", (69, 1), "all")
    assert (deep.numbers, deep.values.shape) == ((69, 1), (2, 5, 3, 3))
    np.testing.assert_array_equal(deep.values, net[2].weight.detach().numpy()[[69, 1]])
    assert len(deep.plate.tiles) == 10
    assert filters(net, "2", (), "each").notes == ("16 of 70 filters are shown",)


def test_the_filters_of_a_transposed_convolution_are_of_what_it_makes():
    up = seeded(lambda: nn.ConvTranspose2d(4, 6, 2, groups=2))
    found = filters(nn.Sequential(up), "0", (), "each")
    x = torch.zeros(1, 4, 1, 1)
    for place in range(4):
        x.zero_()[0, place] = 1
        made = (up(x) - up.bias[None, :, None, None]).detach().numpy()[0]
        group = place // 2
        wanted = found.values[3 * group : 3 * group + 3, place % 2]
        np.testing.assert_allclose(made[3 * group : 3 * group + 3], wanted, atol=1e-6)


def test_a_sheet_is_scaled_by_each_or_by_all():
    net = nn.Sequential(nn.Conv2d(1, 2, 3))
    with torch.no_grad():
        net[0].weight[0], net[0].weight[1] = 1.0, 0.1
    each, all_of_it = (filters(net, None, (), scale).plate.tiles for scale in ("each", "all"))
    assert [int(tile.max()) for tile in each] == [255, 255]
    assert [int(tile.max()) for tile in all_of_it] == [255, 140]


@pytest.mark.parametrize("how", ["modules", "in place", "used again", "a function"])
def test_activations_are_what_the_layer_made_before_anything_changed_it(how):
    net = seeded(lambda: Same(how))
    x = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    found = activations(net, x, "conv2", (), "each")
    first = torch.relu(net.conv1(x))
    np.testing.assert_allclose(found.values, net.conv2(first).detach().numpy()[0], atol=1e-6)
    np.testing.assert_allclose(found.means, found.values.mean((1, 2)), atol=1e-6)
    assert found.dead == tuple(number for number, each in enumerate(found.values) if each.max() <= 0)
    if how == "used again":
        last = activations(net, x, "relu1", (), "each")
        np.testing.assert_allclose(last.values, torch.relu(net.conv2(first)).detach().numpy()[0], atol=1e-6)


def test_a_block_is_a_layer_too_and_several_cells_are_taken_where_none_is_named():
    net = seeded(lambda: nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), nn.AdaptiveAvgPool2d(1)))
    x = torch.randn(1, 3, 8, 8)
    assert activations(net, x, None, (), "each").layer == "0.1"
    np.testing.assert_array_equal(activations(net, x, "0", (2,), "all").values, net[0](x).detach().numpy()[0, 2:3])


@pytest.mark.parametrize(
    ("asked", "cause"),
    [
        ({"layer": "conv9"}, "'conv9' is no layer"),
        ({"layer": "fc"}, r"fc makes numbers \(1, 4\), and no maps"),
        ({"layer": "relu1"}, "relu1 is not called"),
        ({"layer": "conv1", "feature": 6}, "conv1 has maps 0 to 5, and no 6"),
        ({"of": "filters"}, "filters are of no picture"),
        ({"of": "weights"}, "'weights' is none"),
        ({"scale": "none"}, "'none' is none"),
        ({"keep": True}, "this is no run"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(asked, cause):
    predictor = Predictor((Member(seeded(lambda: Same("a function")), Preprocess(16, 3), Classify(tuple("abcd"))),))
    with pytest.raises(UsageError, match=cause):
        striate.sheet(predictor, photo(16, 16), **asked)


def test_filters_of_what_is_no_convolution_are_refused():
    predictor = Predictor((Member(seeded(Same), Preprocess(16, 3), Classify(tuple("abcd"))),))
    with pytest.raises(UsageError, match="'fc' is no convolution"):
        striate.sheet(predictor, of="filters", layer="fc")
    with pytest.raises(UsageError, match="activations are of a picture, and none is given"):
        striate.sheet(predictor)
    with pytest.raises(UsageError, match="this network has no convolution"):
        filters(nn.Sequential(nn.Linear(2, 2)), None, (), "each")


@pytest.mark.slow
def test_the_command_writes_a_png_or_an_svg_and_a_sealed_picture_is_an_opening(tmp_path, capsys):
    photographs(tmp_path / "photos")
    run = train(tmp_path / "runs", data=str(tmp_path / "photos"), model="lenet5", batch=9, epochs=1)

    def opened():
        return times_opened(run.folder, run.facts["split"]["test"]["digest"])

    before, own = opened(), {line.subset: tmp_path / "photos" / line.name for line in run.lines}
    out = tmp_path / "maps.png"
    code, said, _ = call(capsys, "sheet", run.folder, own["train"], "--layer", "c3", "--out", out, "--json", "--keep")
    told = json.loads(said.splitlines()[-1])
    assert (code, opened()) == (0, before)
    assert told["numbers"] == list(range(16))
    with Image.open(out) as image:
        assert image.width > 100
    assert (run.folder / "inside" / "sheet").is_dir()
    assert call(capsys, "sheet", run.folder, own["test"], "--layer", "none", "--out", out)[0] == 2
    assert opened() == before
    assert call(capsys, "sheet", run.folder, own["test"], "--layer", "c3", "--out", out)[0] == 0
    assert opened() == before + 1
    drawn = tmp_path / "filters.svg"
    assert call(capsys, "sheet", run.folder, "--of", "filters", "--out", drawn)[0] == 0
    words = [each.text for each in ElementTree.parse(drawn).iter() if each.tag.endswith("text")]
    assert [word.split()[0] for word in words] == list(map(str, range(6)))
    (tmp_path / "mine.png").write_bytes(b"mine")
    assert call(capsys, "sheet", run.folder, "--of", "filters", "--out", tmp_path / "mine.png")[0] == 2
    assert (tmp_path / "mine.png").read_bytes() == b"mine"
    assert call(capsys, "sheet", run.folder, "--of", "filters", "--out", tmp_path / "a.jpg")[0] == 2
