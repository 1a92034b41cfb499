"""Published weights: found, fetched once and checked, read without running code, fitted by rules that are told."""

import copy
import hashlib
import os
import pickle
import re
import socket
import struct
import sys
import warnings

import pytest
import safetensors.torch
import timm
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from server import serving
from torch import nn

import small
import striate
from striate.base.errors import MachineError, RunError, StriateError, UsageError
from striate.models import published as fetching
from striate.models import weights
from striate.models.catalog import catalog, find

pytestmark = pytest.mark.slow

PUBLISHED = [name for name, entry in catalog().items() if entry.weights]
TORCHVISION = [name for name in PUBLISHED if find(name).weights.publisher == "torchvision"]
CHAINS = [name for name in PUBLISHED if not find(name).weights.part]


@pytest.fixture
def server():
    with serving() as each:
        yield each


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of torch."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def theirs():
    """torchvision's ResNet-18 with weights and statistics that no network starts with."""
    torch.manual_seed(5)
    net = torchvision.models.resnet18()
    for key, value in net.state_dict().items():
        if "bn" in key or "downsample.1" in key:
            value.copy_(torch.rand_like(value.float()) + 0.5)
    return net.eval()


def built(name, *sentences, **options):
    """`striate.build`, which must say these sentences and no other."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        net = striate.build(name, **options)
    assert len(said) == len(sentences), [str(each.message) for each in said]
    for each, sentence in zip(said, sentences, strict=True):
        assert re.search(sentence, str(each.message)), each.message
        assert each.category is UserWarning
        assert each.filename == __file__
    return net.eval()


def pth(state, path):
    torch.save(state, path)
    return path


def picture(side=64, channels=3, seed=1):
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(seed))


# ---- what is published


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_network_that_says_so_has_published_weights_and_tells_their_pictures(name):
    where = weights.published(name)
    assert where.place.startswith(("https://", "hf://"))
    assert len(where.mean) == len(where.deviation) == 3
    assert where.crop <= where.resize
    assert where.place.startswith("hf://") or len(where.sha256) >= 8
    assert hash(where) == hash(copy.copy(where))


def test_what_is_published_is_what_torchvision_says():
    # torchvision 0.29.2, ResNet50_Weights and Inception_V3_Weights.
    best, first = weights.published("resnet50"), weights.published("resnet50", "IMAGENET1K_V1")
    assert (best.tag, best.sha256, best.crop, best.resize) == ("IMAGENET1K_V2", "11ad3fa6", 224, 232)
    assert (first.tag, first.sha256, first.crop, first.resize) == ("IMAGENET1K_V1", "0676ba61", 224, 256)
    assert first.accuracy == {"acc@1": 76.130, "acc@5": 92.862}
    assert (first.mean, first.deviation) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert first.interpolation == "bilinear"
    assert (weights.published("inception_v3").crop, weights.published("inception_v3").resize) == (299, 342)


def test_what_is_published_is_what_timm_says():
    # timm 1.0.31: seresnet50's default tag, crop 0.95 of the resized side.
    where, other = weights.published("seresnet50"), weights.published("seresnet50", "a3_in1k")
    assert (where.tag, where.place) == ("a1_in1k", "hf://timm/seresnet50.a1_in1k/model.safetensors")
    assert (where.crop, where.resize, where.interpolation) == (224, 235, "bicubic")
    assert other.place == "hf://timm/seresnet50.a3_in1k/model.safetensors"
    # No copy on the hub: the address, with the hash in the file's name.
    legacy = weights.published("timm:legacy_seresnet50")
    assert (legacy.sha256, legacy.place.rpartition("/")[2]) == ("ce0d4300", "se_resnet50-ce0d4300.pth")


@pytest.mark.parametrize(
    ("name", "which", "sentence"),
    [
        ("resnet50", "IMAGENET1K_V9", "IMAGENET1K_V1, IMAGENET1K_V2"),
        ("seresnet50", "a9", "a1_in1k"),
        ("plain18", "imagenet", "none that load here are published for plain18"),
    ],
)
def test_weights_that_are_not_published_are_answered_with_those_that_are(name, which, sentence):
    with pytest.raises(UsageError, match=sentence):
        striate.build(name, weights=which)


# ---- fitting


@pytest.mark.parametrize("name", CHAINS)
def test_the_publishers_keys_and_shapes_fit_every_network_that_says_so(name):
    publisher, theirs = find(name).weights.publisher, find(name).weights.name
    with torch.device("meta"):
        if publisher == "timm":
            net = timm.create_model(theirs)
        else:
            net = torchvision.models.get_model(theirs, init_weights=False) if "inc" in theirs or "goo" in theirs else (
                torchvision.models.get_model(theirs))  # fmt: skip
        fit = weights._fit(striate.build(name), net.state_dict())
    assert (fit.problems, fit.notes) == ((), ())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_of_torchvisions_gives_torchvisions_answers(suffix, theirs, tmp_path):
    path = tmp_path / f"resnet18{suffix}"
    (torch.save if suffix == ".pth" else safetensors.torch.save_file)(theirs.state_dict(), path)
    x = picture()
    assert torch.equal(built("resnet18", weights=path)(x), theirs(x))
    assert torch.equal(built("resnet18", weights=str(path))(x), theirs(x))


def test_the_old_keys_of_densenet_are_read(tmp_path):
    net = torchvision.models.densenet121().eval()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12]\.)", r"\1.\2", key): v for key, v in net.state_dict().items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old  # as densenet121-a639ec97.pth has them
    x = picture()
    assert torch.equal(built("densenet121", weights=pth(old, tmp_path / "old.pth"))(x), net(x))


def test_timms_file_gives_timms_answers(tmp_path):
    net = timm.create_model("seresnet50").eval()
    safetensors.torch.save_file(net.state_dict(), tmp_path / "se.safetensors")
    x = picture(48)
    torch.testing.assert_close(built("seresnet50", weights=tmp_path / "se.safetensors")(x), net(x))


def test_other_classes_get_a_fresh_last_layer_and_keep_all_others(theirs, tmp_path):
    path = pth(theirs.state_dict(), tmp_path / "r.pth")
    torch.manual_seed(3)
    net = built("resnet18", "^fc starts anew: the file has 1,000 classes, the network 7$", weights=path, classes=7)
    torch.manual_seed(3)
    fresh = striate.build("resnet18", classes=7).state_dict()
    for key, value in net.state_dict().items():
        assert torch.equal(value, fresh[key] if key.startswith("fc.") else theirs.state_dict()[key]), key


@given(k=st.integers(1, 5), channels=st.integers(1, 9), seed=st.integers(0, 99))
@settings(max_examples=60)
def test_a_picture_with_equal_channels_gets_the_same_answer_for_any_number_of_channels(k, channels, seed):
    filters = torch.randn(4, k, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    grey = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(seed + 1), dtype=torch.float64)
    before = nn.functional.conv2d(grey.expand(-1, k, -1, -1), filters)
    adapted = weights.with_channels(filters, channels)
    after = nn.functional.conv2d(grey.expand(-1, channels, -1, -1), adapted)
    torch.testing.assert_close(after, before)
    assert adapted.abs().sum((0, 2, 3)).all()  # every channel counts
    if k == channels:
        assert torch.equal(adapted, filters)


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_a_network_for_other_channels_answers_a_grey_picture_as_before(channels, theirs, tmp_path):
    path = pth(theirs.state_dict(), tmp_path / "r.pth")
    says = f"^conv1 has 3 input channels in the file and {channels} here"
    net = built("resnet18", says, weights=path, channels=channels)
    grey = picture(channels=1)
    torch.testing.assert_close(
        net(grey.expand(-1, channels, -1, -1)), theirs(grey.expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "epoch": 3, "best": torch.tensor(3.0)},
        lambda state: {"model": {f"module.{key}": value for key, value in state.items()}},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": {f"model._orig_mod.{key}": value for key, value in state.items()}},
        lambda state: {key: value for key, value in state.items() if "num_batches_tracked" not in key},
        lambda state: dict(reversed(state.items())),
        lambda state: {key: nn.Parameter(value, requires_grad=False) for key, value in state.items()},
    ],
    ids=["checkpoint", "model, parallel", "parallel", "compiled", "no counters", "reversed", "parameters"],
)
def test_wrapped_state_dicts_are_found(wrap, theirs, tmp_path):
    net = built("resnet18", weights=pth(wrap(theirs.state_dict()), tmp_path / "r.pth"))
    x = picture()
    assert torch.equal(net(x), theirs(x))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_brought_to_the_networks(dtype, theirs, tmp_path):
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in theirs.state_dict().items()}
    net = built("resnet18", f"stored as {str(dtype)[6:]} are", weights=pth(state, tmp_path / "r.pth"))
    assert {value.dtype for value in net.parameters()} == {torch.float32}
    assert torch.equal(net.fc.weight, theirs.fc.weight.to(dtype).float())


@pytest.mark.parametrize(("name", "theirs"), [("googlenet_bn", "googlenet"), ("inception_v3", "inception_v3")])
def test_auxiliary_heads_of_one_side_alone_are_left_out_or_start_anew(name, theirs, tmp_path):
    make = getattr(torchvision.models, theirs)
    with_heads = make(init_weights=False).eval()
    without = make(init_weights=False, aux_logits=False).eval()
    without.load_state_dict({k: v for k, v in with_heads.state_dict().items() if not k.lower().startswith("aux")})
    both, one = (pth(net.state_dict(), tmp_path / f"{i}.pth") for i, net in enumerate((with_heads, without)))
    x = picture(80)
    heads = "aux1, aux2" if theirs == "googlenet" else "AuxLogits"
    for net in (
        built(name, weights=both),
        built(name, f"^{heads} of the file has no place here", weights=both, aux=False),
        built(name, f"^{heads} is not in the file and starts anew", weights=one),
    ):
        torch.testing.assert_close(net(x), with_heads(x), rtol=1e-4, atol=1e-4)
    built(name, r"^[aA]ux.*fc.* starts anew: the file has 1,000 classes, the network 4", weights=both, classes=4)


@pytest.mark.parametrize("name", ["googlenet_bn", "inception_v3"])
def test_a_published_file_in_the_hand_is_told_to_need_its_transform(name, tmp_path):
    theirs = find(name).weights.name
    net = getattr(torchvision.models, theirs)(init_weights=False, transform_input=True).eval()
    path = pth(net.state_dict(), tmp_path / f"{theirs}-0cc3c7bd.pth")
    x = picture(80)
    told = "torchvision trained with transform_input=True; here it is "
    without = built(name, told + "False", weights=path)
    built_with = built(name, told + "True", weights=path, transform_input=True)
    with torch.no_grad():  # logits of random weights hardly differ from picture to picture: compare the differences
        wrong, right = ((each(x) - net(x)).norm() for each in (without, built_with))
    assert right < wrong / 100


def test_an_encoder_takes_the_file_that_the_whole_network_does_not(theirs, tmp_path):
    encoder = nn.Sequential(*list(striate.build("resnet18").named_children())[0:0])
    for name, child in list(striate.build("resnet18").named_children())[:8]:
        encoder.add_module(name, child)
    net = nn.Sequential()
    net.add_module("encoder", encoder)
    net.add_module("decoder", nn.Conv2d(512, 2, 1))
    path = tmp_path / "r.safetensors"  # its keys are in the order of the alphabet
    safetensors.torch.save_file(theirs.state_dict(), path)
    before = net.decoder.weight.clone()
    said = weights.load(net.eval(), path, part="encoder")
    assert said == (
        "encoder alone has them; the other layers start anew",
        "fc of the file has no place there and is left out",
    )
    trunk = nn.Sequential(*list(theirs.children())[:8]).eval()
    x = picture()
    assert torch.equal(net.encoder(x), trunk(x))
    assert torch.equal(net.decoder.weight, before)
    # Of a file of the whole network its own keys alone are taken.
    whole = pth(net.state_dict(), tmp_path / "whole.pth")
    assert weights.load(net, whole, part="encoder")[1] == "decoder of the file is left out"


def test_weights_of_a_part_load_by_naming_it_and_the_error_says_so(tmp_path):
    theirs, features = striate.build("vgg11_bn", classes=3), tmp_path / "features.safetensors"
    state = {key: value for key, value in theirs.state_dict().items() if key.startswith("features.")}
    safetensors.torch.save_file(state, features)
    alone = pth({key.removeprefix("features."): value for key, value in state.items()}, tmp_path / "alone.pth")
    whole = pth(theirs.state_dict(), tmp_path / "whole.pth")
    net = striate.build("vgg11_bn", classes=2)
    for path in (features, alone):
        with pytest.raises(RunError, match="another network") as caught:
            weights.load(net, path)
        assert caught.value.hint == "part='features': features alone takes them, and all else starts anew"
    before = {key: value.clone() for key, value in net.state_dict().items()}
    for path in (features, alone, whole):
        net.load_state_dict(before)
        found = weights.put(net, weights.read(path), path, part="features")
        assert found.said[0] == "features alone has them; the other layers start anew"
        assert found.anew == ("classifier.0", "classifier.3", "classifier.6")
        for key, value in net.state_dict().items():
            assert torch.equal(value, (state if key.startswith("features.") else before)[key]), key
    assert "classifier.0, classifier.3, classifier.6 of the file are left out" in found.said


@pytest.mark.parametrize("harm", ["a key less", "another shape", "no such part", "of nothing"])
def test_a_part_that_is_not_whole_or_not_there_is_a_sentence(tmp_path, harm):
    state = {key: value for key, value in striate.build("lenet5").state_dict().items() if key.startswith("c3.")}
    if harm == "a key less":
        state.pop("c3.bias")
    elif harm == "another shape":
        state["c3.bias"] = torch.zeros(9)
    path = pth(state, tmp_path / "part.pth")
    given = (
        {"part": "c3"} if harm == "of nothing" else {"weights": path, "part": "c4" if harm == "no such part" else "c3"}
    )
    with pytest.raises((RunError, UsageError)) as caught:
        striate.build("lenet5", **given)
    told = {
        "a key less": "1 missing: bias", "another shape": "bias (9 in the file, 16 here)",
        "no such part": "part: the network has no part 'c4'", "of nothing": "part: c3 of which weights",
    }  # fmt: skip
    assert told[harm] in str(caught.value)


@pytest.mark.parametrize("name", [name for name in PUBLISHED if find(name).weights.part])
def test_every_segmentation_network_that_says_so_takes_a_classifiers_file(name):
    theirs, part = find(name).weights.name, find(name).weights.part
    with torch.device("meta"):
        state = torchvision.models.get_model(theirs).state_dict()
        fit = weights._fit(striate.build(name).get_submodule(part), state, part)
    assert fit.problems == ()
    assert len(fit.notes) == 2


# ---- what does not fit


def test_weights_of_another_network_are_named_and_change_nothing(theirs, tmp_path):
    other = pth(torchvision.models.resnet34().state_dict(), tmp_path / "r34.pth")
    net = striate.build("resnet18")
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(RunError, match=r"without a place: layer1\.2\.conv1\.weight") as caught:
        weights.load(net, other)
    assert caught.value.hint == "resnet34, which it fits"
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_missing_and_misshapen_keys_are_named(theirs, tmp_path):
    state = theirs.state_dict()
    del state["layer1.0.bn1.weight"]
    with pytest.raises(RunError, match=r"1 missing: layer1\.0\.bn1\.weight"):
        striate.build("resnet18", weights=pth(state, tmp_path / "a.pth"))
    with pytest.raises(RunError, match=r"conv1\.weight \(64x3x7x7 in the file, 64x3x3x3 here\)"):
        striate.build("resnet18", stem="32", weights=pth(theirs.state_dict(), tmp_path / "b.pth"))


def test_a_file_without_a_last_layer_leaves_the_networks_own(theirs, tmp_path):
    state = {key: value for key, value in theirs.state_dict().items() if not key.startswith("fc.")}
    net = built("resnet18", "^fc is not in the file and starts anew$", weights=pth(state, tmp_path / "t.pth"))
    x = picture()
    assert torch.equal(net[:8](x), nn.Sequential(*list(theirs.children())[:8])(x))
    state.pop("layer4.1.conv2.weight")
    with pytest.raises(RunError, match="3 missing"):
        striate.build("resnet18", weights=pth(state, tmp_path / "u.pth"))


@pytest.mark.parametrize("classes", [9, 1000])
def test_a_layer_in_the_middle_is_never_taken_for_the_last(classes, theirs, tmp_path):
    state = theirs.state_dict()
    state["layer4.1.conv2.weight"] = torch.zeros(500, 512, 3, 3)
    with pytest.raises(RunError, match=r"of another shape: layer4\.1\.conv2\.weight"):
        striate.build("resnet18", classes=classes, weights=pth(state, tmp_path / "c.pth"))


def test_a_network_without_storage_takes_no_weights(theirs, tmp_path):
    path = pth(theirs.state_dict(), tmp_path / "r.pth")
    with torch.device("meta"), pytest.raises(UsageError, match="meta"):
        striate.build("resnet18", weights=path)


# ---- files that are damaged, or made to harm


class Harm:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_with_code_in_it_is_refused_and_the_code_never_runs(zipped, theirs, tmp_path):
    harm = tmp_path / "harm"
    state = {**theirs.state_dict(), "x": Harm(harm)}
    torch.save(state, tmp_path / "bad.pth", _use_new_zipfile_serialization=zipped)
    (tmp_path / "worse.pth").write_bytes(pickle.dumps(Harm(harm), protocol=2))
    (tmp_path / "newer.pth").write_bytes(pickle.dumps(Harm(harm), protocol=4))
    for name in ("bad.pth", "worse.pth", "newer.pth"):
        with pytest.raises(RunError, match=r"(\((posix|os|nt)\.mkdir\)|else than tensors), which could run") as caught:
            striate.build("resnet18", weights=tmp_path / name)
        assert "weights_only" not in str(caught.value)  # torch's message advises to load it all the same
        assert name == "newer.pth" or "mkdir" in str(caught.value)
        with pytest.raises(RunError):
            weights.read((tmp_path / name).rename(tmp_path / "posing.safetensors"))
    assert not harm.exists()


def test_a_pickled_network_is_refused(theirs, tmp_path):
    with pytest.raises(RunError, match=r"torchvision\.models\.resnet\.ResNet.* state dict alone"):
        striate.build("resnet18", weights=pth(theirs, tmp_path / "net.pth"))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.00001, 0.001, 0.5, 0.999])
def test_a_file_cut_short_is_told_so(suffix, share, theirs, tmp_path):
    path = tmp_path / f"r{suffix}"
    (torch.save if suffix == ".pth" else safetensors.torch.save_file)(theirs.state_dict(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(RunError, match=r"damaged or cut short|neither a safetensors nor") as caught:
        striate.build("resnet18", weights=path)
    assert str(path) in str(caught.value)


@given(st.binary(max_size=300), st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02", struct.pack("<Q", 20) + b"{"]))
@settings(max_examples=150)
def test_no_bytes_make_reading_fail_otherwise_than_by_a_sentence(tmp_path_factory, data, start):
    path = tmp_path_factory.getbasetemp() / "any.pth"
    path.write_bytes(start + data)
    with pytest.raises(RunError):
        weights.read(path)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_text("<!DOCTYPE html><title>Not found</title>"), "is a web page, not weights"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1"), "neither a safetensors nor"),
        (lambda path: None, "no such file"),
        (lambda path: os.mkfifo(path), "no such file"),
        (lambda path: torch.save([1, 2], path), "a list where a state dict should be"),
        (lambda path: torch.save({}, path), "a dict where a state dict should be"),
        (lambda path: torch.save({"a": 1.0}, path), "a float under 'a'"),
        (lambda path: torch.save({1: torch.ones(1)}, path), "a Tensor under 1"),
        (lambda path: torch.save({"a": torch.ones(1).expand(10**12)}, path), "claims more numbers"),
        (lambda path: torch.save({"a": torch.eye(3).to_sparse()}, path), "not an ordinary tensor"),
        (lambda path: torch.save({"a": torch.ones(2, dtype=torch.complex64)}, path), "not an ordinary tensor"),
        (lambda path: torch.save({"a": torch.tensor([1.0, float("nan")])}, path), "not finite"),
        (lambda path: path.mkdir(), "manifest"),
    ],
)  # fmt: skip
def test_what_is_not_weights_is_told_by_its_name(make, sentence, tmp_path):
    make(tmp_path / "w.pth")
    with pytest.raises(StriateError, match=sentence) as caught:
        striate.build("resnet18", weights=tmp_path / "w.pth")
    assert "w.pth" in str(caught.value)


def test_a_checkpoint_that_holds_itself_ends(tmp_path):
    loop = {}
    loop["model"] = loop
    torch.save(loop, tmp_path / "loop.pth")
    with pytest.raises(RunError):
        weights.read(tmp_path / "loop.pth")


# ---- weights of striate's own, in and out


def test_a_run_folder_gives_its_chosen_weights(tmp_path):
    run = small.train(tmp_path, epochs=1)
    net = built("lenet5", weights=run.folder)
    assert all(torch.equal(v, run.network.state_dict()[k]) for k, v in net.state_dict().items())
    file = run.folder / "checkpoints" / "best" / "weights.safetensors"
    built("lenet5", weights=file)
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(RunError, match="sha256"):
        striate.build("lenet5", weights=run.folder)


def test_saved_weights_load_here_and_in_torchvision_bit_for_bit(tmp_path):
    net = striate.build("resnet18").to(memory_format=torch.channels_last)
    weights.save(net, tmp_path / "mine.safetensors", network="resnet18")
    other = torchvision.models.resnet18()
    other.load_state_dict(safetensors.torch.load_file(tmp_path / "mine.safetensors"), strict=True)
    again = built("resnet18", weights=tmp_path / "mine.safetensors")
    for key, value in net.state_dict().items():
        assert torch.equal(value, other.state_dict()[key])
        assert torch.equal(value, again.state_dict()[key])
    with safetensors.safe_open(tmp_path / "mine.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt", "network": "resnet18", "writer": "striate"}


# ---- fetching


def torchvision_publishes(monkeypatch, server, name, net):
    """torchvision's registry, with the address of a server on this machine that has `net`'s weights."""
    path = pth(net.state_dict(), fetching.Path(os.environ["TORCH_HOME"]).parent / "source.pth")
    chosen = torchvision.models.get_model_weights(name).DEFAULT
    monkeypatch.setattr(chosen.value, "url", server.publish(name, path.read_bytes()))
    return server.files[f"/{chosen.url.rpartition('/')[2]}"]


def test_published_weights_are_fetched_once_checked_and_fitted(server, cache, monkeypatch, theirs):
    torchvision_publishes(monkeypatch, server, "resnet18", theirs)
    x = picture()
    which = "^resnet18 has the weights torchvision:resnet18, IMAGENET1K_V1, from resnet18-.*pth$"
    assert torch.equal(built("resnet18", which, weights="imagenet")(x), theirs(x))
    assert torch.equal(built("resnet18", which, weights="IMAGENET1K_V1")(x), theirs(x))
    built("resnet18", which, "conv1 has 3", "fc starts anew", weights="imagenet", classes=3, channels=1)
    assert [method for method, _ in server.asked] == ["GET"]
    assert [path.name for path in cache.iterdir()] == [path[1:] for path in server.files]


def test_published_weights_of_inception_come_with_their_transform(server, cache, monkeypatch):
    net = torchvision.models.googlenet(init_weights=False, transform_input=True).eval()
    torchvision_publishes(monkeypatch, server, "googlenet", net)
    x, which = picture(80), "googlenet_bn has the weights"
    on = built("googlenet_bn", which, "transform_input=True; here it is True", weights="imagenet")
    torch.testing.assert_close(on(x), net(x), rtol=1e-4, atol=1e-4)
    off = "transform_input=True; here it is False"
    built("googlenet_bn", which, off, "conv1.conv has 3", weights="imagenet", channels=1)
    built("googlenet_bn", which, off, weights="imagenet", transform_input=False)


def test_a_damaged_copy_in_the_cache_is_fetched_again(server, cache):
    where = published_at(server.publish("net", b"weights" * 1000))
    path = weights.fetch(where)
    path.write_bytes(b"half of it")
    assert weights.fetch(where).read_bytes() == b"weights" * 1000
    assert len(server.asked) == 2
    path.write_bytes(b"half of it")
    server.files.clear()
    with pytest.raises(MachineError, match="404"):
        weights.fetch(where)


def published_at(url):
    sha256 = re.search(r"-([0-9a-f]{8})\.", url)
    return weights.Published("test", "", url, sha256[1] if sha256 else "", (0.0,), (1.0,), 1, 1, "bilinear")


def left(cache):
    return list(cache.iterdir()) if cache.exists() else []


def test_a_page_in_the_files_place_is_not_kept(server, cache):
    url = server.publish("net", b"weights" * 1000)
    server.files = dict.fromkeys(server.files, b"<html>log in to the hotel's network</html>")
    with pytest.raises(RunError, match="is not the file that was published"):
        weights.fetch(published_at(url))
    assert left(cache) == []


@pytest.mark.parametrize("cut", [0, 3000])
def test_a_connection_that_breaks_leaves_nothing_and_is_told(cut, server, cache):
    url, server.cut = server.publish("net", b"weights" * 1000), cut
    with pytest.raises(MachineError, match=f"broke after {cut:,}.*a network connection, or that file put at"):
        weights.fetch(published_at(url))
    assert left(cache) == []
    server.cut = None
    assert weights.fetch(published_at(url)).stat().st_size == 7000


def test_a_server_that_falls_silent_is_not_waited_for_long(cache, monkeypatch):
    monkeypatch.setattr(fetching, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(MachineError, match=r"connection .*timed out"):
        weights.fetch(published_at(f"http://127.0.0.1:{silent.getsockname()[1]}/net-00000000.pth"))
    assert left(cache) == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/net-00000000.pth", "https://nowhere.invalid/net-00000000.pth"])
def test_no_connection_is_a_sentence_that_says_where_the_file_would_go(url, cache):
    with pytest.raises(MachineError, match="no connection") as caught:
        weights.fetch(published_at(url))
    assert str(cache / "net-00000000.pth") in caught.value.hint


def test_a_cache_that_cannot_be_written_is_told(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(MachineError, match="TORCH_HOME"):
        weights.fetch(published_at(server.publish("net", b"weights")))


def test_a_local_file_address_works_as_an_address(cache, tmp_path):
    data = b"weights" * 9
    path = tmp_path / f"net-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    path.write_bytes(data)
    assert weights.fetch(published_at(path.as_uri())).read_bytes() == data


@pytest.mark.parametrize(
    ("value", "path"),
    [("imagenet", False), ("IMAGENET1K_V2", False), ("a1_in1k", False), ("x.pth", True), ("runs/digits-1", True),
     ("./imagenet", True)],
)  # fmt: skip
def test_names_and_paths_are_told_apart(value, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "imagenet").mkdir()  # a folder of pictures of that name changes nothing
    assert weights.is_path(value) is path


def test_without_the_extra_its_command_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(MachineError, match=r"pip install 'striate\[zoo\]'"):
        striate.build("resnet18", weights="imagenet")
