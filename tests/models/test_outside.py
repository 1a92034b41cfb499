"""Networks of timm under their own names: built, fitted, trained and reopened like the others."""

import json
import os
import subprocess
import sys
import warnings

import huggingface_hub
import pytest
import safetensors.torch
import timm
import torch
from server import serving

import small
import striate
from striate.base.errors import MachineError, RunError, UsageError
from striate.models import outside, weights
from striate.models.catalog import catalog, check_size, find, least_size, usual_size
from striate.models.entry import Weights

pytestmark = pytest.mark.slow

SMALL = "timm:resnet10t"


def test_names_are_timms_that_match_the_pattern():
    assert outside.names("timm:*resnet10t*") == ["timm:resnet10t"]
    assert [name[5:] for name in outside.names()] == timm.list_models()
    assert outside.names("timm:nothing*") == []


def test_an_entry_says_what_timms_configuration_says_and_no_more():
    # timm 1.0.31: resnet10t was trained at 176 pixels; vit_tiny_patch16_224 takes one size only.
    entry, fixed = find(SMALL), find("timm:vit_tiny_patch16_224")
    assert (entry.input, entry.fixed, str(entry.weights)) == ((3, 176, 176), False, "timm:resnet10t.c3_in1k")
    assert (fixed.least, fixed.fixed) == (224, True)
    assert (usual_size(SMALL), least_size(SMALL)) == (176, 32)
    assert "not told by timm" in str(entry)
    assert "32 pixels is assumed" in str(entry)
    assert json.loads(json.dumps(entry.as_dict()))["name"] == SMALL
    assert find("timm:resnet50.a2_in1k").weights == Weights("timm", "resnet50", "a2_in1k")
    assert SMALL not in catalog()


@pytest.mark.parametrize("name", ["timm:efficientnet_b0", "timm:inception_v4", "timm:vit_tiny_patch16_224"])
def test_every_kind_of_configuration_becomes_an_entry(name):
    with torch.device("meta"):
        net = striate.build(name, classes=5, channels=1)
        side = usual_size(name)
        assert net.eval()(torch.empty(2, 1, side, side)).shape == (2, 5)


def test_equal_seeds_build_timms_own_bits():
    torch.manual_seed(4)
    ours = striate.build(SMALL, classes=6, channels=1, dropout=0.25, drop_path_rate="0.1")
    torch.manual_seed(4)
    theirs = timm.create_model("resnet10t", num_classes=6, in_chans=1, drop_rate=0.25, drop_path_rate=0.1)
    assert str(ours) == str(theirs)
    assert ours.drop_rate == 0.25
    assert all(torch.equal(value, theirs.state_dict()[key]) for key, value in ours.state_dict().items())


def test_a_fixed_network_takes_the_side_it_is_built_for():
    name = "timm:vit_tiny_patch16_224"
    with pytest.raises(UsageError, match="224"):
        check_size(name, 64, 64)
    check_size(name, 64, 64, img_size="64")
    with torch.device("meta"):
        net = striate.build(name, img_size="64", classes=2).eval()
        assert net(torch.empty(1, 3, 64, 64)).shape == (1, 2)


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("timm:resnt50", {}, r"timm:resnet50, timm:resnet50\w or timm:resnet50\w"),
        ("timm:", {}, "timm has no network of this name"),
        ("timm:../../etc/passwd", {}, "timm has no network of this name"),
        ("timm:hf-hub:timm/resnet18.a1_in1k", {}, "timm has no network of this name"),
        ("timm:resnet50.a9_in1k", {}, r"timm:resnet50\.\w+, timm:resnet50\.\w+ or timm:resnet50\.\w+"),
        (SMALL, {"shortcut": "A"}, "timm refuses .*shortcut"),
        (SMALL, {"pretrained": True}, "pretrained: timm would read files by itself"),
        (SMALL, {"checkpoint_path": "x.pth"}, "checkpoint_path: timm would read"),
        (SMALL, {"architecture": "vgg16"}, "stands for architecture=resnet10t"),
        (SMALL, {"classes": 0}, "whole number of at least 1"),
        (SMALL, {"channels": "many"}, "whole number of at least 1"),
        (SMALL, {"dropout": 1.5}, "from 0 to below 1"),
    ],
)
def test_a_wrong_name_or_option_is_answered_by_a_sentence(name, options, sentence):
    with pytest.raises(UsageError, match=sentence):
        striate.build(name, **options)


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | environment
    )


def test_without_timm_one_sentence_says_what_to_install():
    code = "import sys; sys.modules['timm'] = None; import striate; striate.build('timm:resnet10t')"
    done = python(code)
    last = done.stderr.strip().splitlines()[-1]
    assert "MachineError: timm: cannot be used here" in last
    assert last.endswith("Try: pip install 'striate[zoo]'")
    # The catalogue does without.
    done = python(f"{code.partition('import striate')[0]} import striate; striate.build('lenet5')")
    assert done.returncode == 0, done.stderr


def test_names_of_the_catalogue_import_neither_timm_nor_torch():
    code = "import sys; from striate.models.catalog import find; from striate.models import outside; find('resnet18')\n"
    done = python(code + "assert not {'timm', 'torch', 'torchvision', 'huggingface_hub'} & set(sys.modules)")
    assert done.returncode == 0, done.stderr


# ---- weights


def says(*sentences, **options):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        net = striate.build(**options)
    assert [str(each.message)[: len(sentence)] for each, sentence in zip(said, sentences, strict=True)] == [*sentences]
    return net.eval()


def test_a_file_of_timms_fits_other_classes_and_channels(tmp_path):
    theirs = timm.create_model("resnet10t").eval()
    path = tmp_path / "r.safetensors"
    safetensors.torch.save_file(theirs.state_dict(), path)
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(says(name=SMALL, weights=path)(x), theirs(x))
    grey = torch.randn(2, 1, 64, 64)
    first = says("conv1.0 has 3 input channels", name=SMALL, weights=path, channels=1)
    torch.testing.assert_close(first(grey), theirs(grey.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)
    head = says("fc starts anew: the file has 1,000 classes, the network 7", name=SMALL, weights=path, classes=7)
    assert torch.equal(head.forward_features(x), theirs.forward_features(x))


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "r.pth"
    torch.save(timm.create_model("resnet14t").state_dict(), path)
    with pytest.raises(RunError, match="timm cannot use these weights"):
        striate.build(SMALL, weights=path)


def test_what_timm_resamples_is_resampled(tmp_path):
    name, theirs = "vit_tiny_patch16_224", timm.create_model("vit_tiny_patch16_224", img_size=64)
    safetensors.torch.save_file(theirs.state_dict(), tmp_path / "v.safetensors")
    net = says(name=f"timm:{name}", weights=tmp_path / "v.safetensors", img_size=32)
    # Positions are resampled from 4x4 to 2x2 cells, and the class token keeps its own.
    assert net.pos_embed.shape == (1, 5, 192)
    assert torch.equal(net.pos_embed[:, 0], theirs.pos_embed[:, 0])
    assert torch.equal(net.blocks[3].attn.qkv.weight, theirs.blocks[3].attn.qkv.weight)


FILE = "/timm/resnet10t.c3_in1k/resolve/main/model.safetensors"


def point(monkeypatch, address):
    constants = huggingface_hub.constants
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", address)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub on this machine with timm's file, and an empty cache; its settings are read when it is imported."""
    with serving() as server:
        point(monkeypatch, server.address)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        server.files[FILE] = safetensors.torch.save(timm.create_model("resnet10t").state_dict())
        yield server


def damage(cache):
    blob = next(cache.rglob("blobs/*"))
    blob.chmod(0o644)
    data = blob.read_bytes()
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def test_timms_published_file_is_fetched_once_from_the_hub_and_fitted(hub):
    which = f"{SMALL} has the weights timm:resnet10t, c3_in1k, from model.safetensors"
    net = says(which, name=SMALL, weights="imagenet")
    published = safetensors.torch.load(hub.files[FILE])
    assert all(torch.equal(value, published[key]) for key, value in net.state_dict().items())
    says(which, "conv1.0 has 3", "fc starts anew", name=SMALL, weights="c3_in1k", classes=3, channels=1)
    assert hub.asked.count(("GET", FILE)) == 1


def test_a_damaged_copy_in_the_hubs_cache_is_fetched_again(hub, tmp_path):
    where = weights.published(SMALL)
    weights.fetch(where)
    damage(tmp_path)
    assert weights.fetch(where).read_bytes() == hub.files[FILE]
    assert hub.asked.count(("GET", FILE)) == 2


def test_without_a_connection_the_cache_serves_until_it_is_damaged(hub, tmp_path, monkeypatch):
    where = weights.published(SMALL)
    weights.fetch(where)
    point(monkeypatch, "http://127.0.0.1:9")
    weights.fetch(where)
    damage(tmp_path)
    with pytest.raises(MachineError, match=r"no connection .*a network connection, or weights=PATH"):
        weights.fetch(where)


def test_a_file_that_the_hub_does_not_have_is_told(hub):
    hub.files.clear()
    with pytest.raises(MachineError, match="404"):
        weights.fetch(weights.published(SMALL))


def test_the_hubs_own_settings_are_respected(hub, tmp_path):
    code = "from striate.models import weights; print(weights.fetch(weights.published('timm:resnet10t')))"
    settings = {"HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home")}
    done = python(code, **settings)
    assert done.stdout.startswith(str(tmp_path / "home")), done.stderr
    assert hub.asked.count(("GET", FILE)) == 1


def test_offline_by_setting_is_respected(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(MachineError, match="cannot be fetched"):
        weights.fetch(weights.published(SMALL))
    assert hub.asked == []


# ---- training


def test_a_network_of_timms_is_trained_reopened_and_used(tmp_path):
    photographs = small.photographs(tmp_path / "photographs", each=12)
    trained = small.train(tmp_path / "runs", data=str(photographs), model=SMALL, epochs=1, size=40, batch=8)
    run = striate.open_run(trained.folder)
    assert run.facts["network"]["name"] == SMALL
    assert isinstance(run.network, type(timm.create_model("resnet10t")))
    assert run.predict([str(photographs / "class 0" / "00.jpg")])[0].status == "ok"
    again = says(name=SMALL, classes=3, weights=run.folder)
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in run.network.state_dict().items())


def test_the_library_of_the_extra_is_named_when_it_is_broken(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MachineError, match=r"huggingface_hub: .*striate\[zoo\]"):
        weights.fetch(weights.published(SMALL))
