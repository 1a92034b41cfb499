"""The commands that list, count and compare networks, as a person types them."""

import csv
import io
import json
import re
from xml.etree import ElementTree

import pytest

from striate.base.outputs import marked
from typed import call, rows

pytestmark = pytest.mark.slow

PARAMETERS = {"lenet5": 61_706, "resnet18": 11_689_512, "vgg16": 138_357_544}


def test_models_have_their_numbers_and_a_budget_keeps_what_fits(capsys):
    code, out, _ = call(capsys, "models")
    listed = {row["name"]: row for row in rows(out)}
    assert code == 0
    assert len(listed) == 93
    assert {name: int(listed[name]["parameters"].replace(",", "")) for name in PARAMETERS} == PARAMETERS
    _, small, _ = call(capsys, "models", "--max-params", "1.5M", "--max-macs", "0.1G")
    kept = {row["name"] for row in rows(small)}
    assert kept == {
        name
        for name, row in listed.items()
        if int(row["parameters"].replace(",", "")) <= 1_500_000
        and int(row["multiply-adds"].replace(",", "")) <= 100_000_000
    }
    assert "lenet5" in kept
    assert "resnet110" not in kept


def test_models_by_family_and_by_pattern(capsys):
    names = [row["name"] for row in rows(call(capsys, "models", "--family", "vgg")[1])]
    assert names[:2] == ["vgg11", "vgg11_lrn"]
    assert all(name.startswith("vgg") for name in names)
    names = [row["name"] for row in rows(call(capsys, "models", "*50*v1")[1])]
    assert names == ["resnet50_v1", "seresnet50_v1"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--family", "resnets"), "there is no family resnets"),
        (("--max-params", "5 apples"), "'5 APPLES' is not a number|'5 apples' is not a number"),
        (("resnet5",), "no network has this name"),
        (("--max-params", "-5M"), "'-5M' is not a number.*Try: --max-params 5M"),
        (("timm:*", "--family", "vgg"), "--family: it changes nothing beside timm's names"),
        (("timm:*", "--max-params", "5M"), "--max-params: it changes nothing"),
    ],
)
def test_models_answers_what_it_cannot_mean_with_one_sentence(capsys, words, sentence):
    import re

    code, _, err = call(capsys, "models", *words)
    assert code == 2
    assert re.search(sentence, err)
    assert err.count("\n") == 1


def test_names_that_nothing_matches_are_told_by_what_was_asked(capsys):
    assert call(capsys, "models", "nosuch*")[2] == "no name matches nosuch*\n"
    assert call(capsys, "models", "resnet*", "--max-params", "1K")[2] == "no network is within these limits\n"


def test_one_of_timms_networks_is_shown_and_a_name_it_lacks_is_an_error(capsys):
    pytest.importorskip("timm")
    code, out, _ = call(capsys, "models", "timm:resnet18")
    assert code == 0
    assert "parameters 11,689,512, multiply-adds 1,814,073,344 for one picture" in out
    assert [row["layer"] for row in rows(out.partition("\n\n")[2])][-1] == "fc"
    for name in ("timm:resnet_18", "timm:"):
        code, out, err = call(capsys, "models", name)
        assert (code, out, err.count("\n")) == (2, "", 1)
    assert "timm:resnet18" in call(capsys, "models", "timm:resnet_18")[2]
    assert call(capsys, "models", "timm:nosuch*")[:2] == (0, "")


def test_one_model_stands_beside_its_paper(capsys):
    code, out, _ = call(capsys, "models", "googlenet")
    assert code == 0
    table = {row["layer"]: row for row in rows(out.partition("\n\n")[2])}
    # Table 1 prints 159K and 128M. 192*64 + 192*96 + 96*128*9 + 192*16 + 16*32*25 + 192*32 and 368 biases are:
    assert table["inception (3a)"]["parameters printed"] == "159K"
    assert table["inception (3a)"]["parameters here"] == "163,696"
    assert table["inception (3a)"]["multiply-adds printed"] == "128M"
    assert table["inception (3a)"]["multiply-adds here"] == "128,049,152"
    assert table["inception (3a)"]["output printed"] == table["inception (3a)"]["output here"] == "28x28x256"


def test_count_prints_rows_that_add_up(capsys):
    code, out, _ = call(capsys, "count", "lenet5", "--batch", "2", "--format", "csv")
    assert code == 0
    table = list(csv.DictReader(io.StringIO(out)))
    assert sum(int(row["macs"]) for row in table) == 2 * 416_520
    assert sum(int(row["params"]) for row in table) == 61_706
    assert json.loads(call(capsys, "count", "lenet5", "--json")[1])["macs"] == 416_520
    assert "| c1 |" in call(capsys, "count", "lenet5", "--format", "markdown")[1]
    assert "10*10*16 * 5*5*6 = 240,000" in call(capsys, "count", "lenet5", "--show", "why")[1]


def test_count_of_stages_adds_up_too(capsys):
    _, out, _ = call(capsys, "count", "resnet18", "--show", "stages")
    stages = {row["stage"]: row for row in rows(out)}
    numbers = {name: int(row["multiply-adds"].replace(",", "")) for name, row in stages.items()}
    assert numbers.pop("total") == sum(numbers.values()) == 1_814_073_344
    assert "layer3" in stages


def test_count_of_operators_adds_up(capsys):
    table = rows(call(capsys, "count", "lenet5", "--show", "operators")[1])
    numbers = {row["operator"]: int(row["multiply-adds"].replace(",", "")) for row in table}
    assert numbers["convolution"] == 117_600 + 240_000
    assert sum(numbers.values()) == 416_520


def test_a_network_without_a_printed_table_shows_its_own_children(capsys):
    table = rows(call(capsys, "models", "preact_resnet18")[1].partition("\n\n")[2])
    assert [row["layer"] for row in table if row["layer"].startswith("layer")] == [
        "layer1",
        "layer2",
        "layer3",
        "layer4",
    ]


def test_count_takes_options_sizes_and_functions_of_python(capsys):
    def total(*words):
        return json.loads(call(capsys, "count", *words, "--json")[1])["macs"]

    assert total("resnet18", "--model-options.stem", "32", "--input", "3x32x32") == 555_422_720 + 512 * 990
    assert total("resnet20", "--input", "1x32x32") == 40_551_040 - 2 * 9 * 16 * 1024
    assert total("torchvision.models:mobilenet_v2", "--input", "3x224x224") == 300_774_272


def test_a_formula_is_of_any_size(capsys):
    for words in ((), ("--input", "3xHxW")):
        _, out, _ = call(capsys, "formula", "resnet50", *words)
        assert out.splitlines()[1] == "for multiples of 32: 81456*H*W + 2048000"


def test_memory_says_which_batch_fits(capsys):
    code, out, _ = call(capsys, "memory", "lenet5", "--training", "--within", "64MiB", "--json")
    assert code == 0
    fit = json.loads(out)
    assert fit["peak"] <= fit["budget"] == 64 * 2**20
    more = json.loads(call(capsys, "count", "lenet5", "--training", "--batch", str(fit["batch"] + 1), "--json")[1])
    assert more["peak_bytes"] > fit["budget"]


@pytest.mark.parametrize("training", [(), ("--training",)])
def test_memory_tells_the_peak_that_count_finds(capsys, training):
    words = ("lenet5", "--batch", "3", *training)
    told = json.loads(call(capsys, "memory", *words, "--json")[1])
    assert told["peak"] == sum(told["memory"]["kinds"].values())
    assert f"{told['peak']:,} bytes at the peak" in call(capsys, "memory", *words)[1]
    if training:
        assert json.loads(call(capsys, "count", *words, "--json")[1])["peak_bytes"] == told["peak"]
    there = json.loads(call(capsys, "memory", *words, "--device", "cuda", "--json")[1])
    assert there["peak"] > told["peak"] - told["memory"]["kinds"]["borrowed"]  # of a CPU alone it is known


def test_latency_measures_every_layer(capsys):
    _, out, _ = call(capsys, "latency", "lenet5")
    table = rows(out.partition("\n")[2])
    assert [row["module"] for row in table[:2]] == ["c1", "c1_activation"]
    assert all(float(row["measured ms"]) >= 0 for row in table)


@pytest.mark.parametrize("verb", ["count", "latency"])
@pytest.mark.parametrize(("function", "size"), [("Two", "3x8x8,10"), ("dropping", "3x8x8")])
def test_a_network_of_ones_own_is_counted_and_measured(capsys, own, function, size, verb):
    code, out, err = call(capsys, verb, f"own_networks:{function}", "--input", size)
    assert code == 0, err
    assert "Conv2d" in out


def test_letters_are_for_the_sides_of_one_picture(capsys, own):
    code, _, err = call(capsys, "formula", "own_networks:Two", "--input", "3xHxW,10")
    assert (code, err.count("\n")) == (2, 1)
    assert "letters" in err


@pytest.mark.parametrize(
    "words",
    [
        ("draw", "lenet5", "--to"),
        ("draw", "lenet5", "--of", "field", "--to"),
        ("memory", "lenet5", "--training", "--curve"),
        ("memory", "lenet5", "--within", "1MiB", "--curve"),
    ],
)
def test_pictures_are_written(capsys, tmp_path, words):
    path = tmp_path / "picture.svg"
    code, _, err = call(capsys, *words, str(path))
    assert (code, f"wrote {path}" in err) == (0, True)
    assert ElementTree.fromstring(path.read_text()).tag.endswith("svg")


def test_draw_is_for_a_terminal_too(capsys):
    _, out, _ = call(capsys, "draw", "alexnet")
    assert "55x55x96" in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("latency", "lenet5", "--training"), "--training"),
        (("memory", "lenet5", "--within", "1GiB", "--batch", "8"), "--batch"),
        (("memory", "lenet5", "--optimizer", "adamw"), "--optimizer"),
        (("count", "lenet5", "--optimizer", "adamw"), "--optimizer"),
        (("formula", "lenet5", "--input", "1xHxW"), "32x32 and no other size"),
        (("formula", "resnet18", "--input", "3x64x64"), "no letters"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(capsys, words, named):
    code, _, err = call(capsys, *words)
    assert code == 2
    assert named in err


@pytest.mark.parametrize("show", ["layers", "stages", "operators", "why"])
def test_all_that_count_shows_has_every_form(capsys, show):
    words = ("count", "lenet5", "--show", show)
    rows = json.loads(call(capsys, *words, "--json")[1])["rows"]
    assert len(rows) >= 3
    table = list(csv.DictReader(io.StringIO(call(capsys, *words, "--format", "csv")[1])))
    assert len(table) == len(rows)
    assert "| --- |" in call(capsys, *words, "--format", "markdown")[1]


def test_times_are_json_too(capsys):
    assert len(json.loads(call(capsys, "latency", "lenet5", "--json")[1].splitlines()[-1])["rows"]) >= 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("resnt50",), "no network has this name"),
        (("vgg16", "--input", "3x16x16"), "needs sides of at least 32"),
        (("alexnet", "--input", "3x224x224"), "takes no other size"),
        (("resnet18", "--input", "3x-4x8"), "is not a side"),
        (("resnet18", "--input", "224"), "CHANNELSxHEIGHTxWIDTH|cannot take"),
        (("lenet5", "--model-options.width", "2"), "has no such option"),
        (("nowhere.at.all:thing", "--input", "3x8x8"), "cannot be built"),
        (("torchvision.models:resnet18",), "no published size"),
        (("lenet5", "--batch", "0"), "batch"),
    ],
)
def test_count_answers_what_it_cannot_mean_with_one_sentence(capsys, words, sentence):
    import re

    code, _, err = call(capsys, "count", *words)
    assert code == 2, err
    assert re.search(sentence, err), err
    assert err.count("\n") == 1


def test_compare_prints_one_table_and_writes_two_charts(capsys, tmp_path):
    folder = tmp_path / "charts"
    code, out, _ = call(
        capsys, "compare", "alexnet_owt", "googlenet_bn", "resnet18", "--batch", "4", "--to", str(folder)
    )
    assert code == 0
    table = {row["network"]: row for row in rows(out)}
    assert table["resnet18"]["multiply-adds"] == "1,814,073,344"
    assert table["resnet18"]["field"] == "435x435"
    assert table["resnet18"]["published top-1 error"] == "30.24 %"  # 100 - 69.758, torchvision's metadata
    assert all(re.fullmatch(r"[\d,.e-]+", row["measured ms"]) for row in table.values())
    for name in ("bubbles.svg", "layers.svg"):
        text = (folder / name).read_text()
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert "googlenet_bn" in text


def test_compare_without_measuring_runs_nothing(capsys, tmp_path):
    _, out, _ = call(capsys, "compare", "resnet20", "lenet5", "--no-measure", "--to", str(tmp_path), "--json")
    compared = json.loads(out)["compared"]
    assert [row["measured"] for row in compared] == [None, None]
    assert not (tmp_path / "bubbles.svg").exists()  # neither has an error on ImageNet
    assert (tmp_path / "layers.svg").exists()


def test_compare_without_names_is_a_usage_error(capsys):
    code, _, err = call(capsys, "compare")
    assert code == 2
    assert "none are named" in err


def test_compare_leaves_a_file_that_it_does_not_write(capsys, tmp_path):
    (tmp_path / "bubbles.svg").write_bytes(marked("<svg>of another comparison</svg>"))
    before = (tmp_path / "bubbles.svg").read_bytes()
    code, _, err = call(capsys, "compare", "lenet5", "--no-measure", "--to", str(tmp_path))
    assert code == 0
    assert (tmp_path / "bubbles.svg").read_bytes() == before
    assert f"the one in {tmp_path} is not of this comparison" in err


@pytest.mark.parametrize("place", ["file", "file/below", "n" * 300])
def test_compare_refuses_a_folder_that_cannot_be_before_it_counts(capsys, tmp_path, monkeypatch, place):
    from striate.survey import compared

    monkeypatch.setattr(compared, "compare", None)  # calling it would be a TypeError
    (tmp_path / "file").write_text("kept")
    code, out, err = call(capsys, "compare", "lenet5", "--to", str(tmp_path / place))
    assert (code, out, err.count("\n")) == (5, "", 1)
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("lenet",), "no network has this name"),
        (("lenet5", "--batch", "0"), "0 samples cannot be counted"),
        (("lenet5", "--batch", "1.5"), "'1.5' is not a whole number"),
        (("resnet18", "--input", "3xHxW"), "compared at one size"),
    ],
)
def test_compare_answers_what_it_cannot_mean_with_one_sentence(capsys, tmp_path, words, sentence):
    code, _, err = call(capsys, "compare", *words, "--to", str(tmp_path / "charts"))
    assert (code, err.count("\n")) == (2, 1)
    assert sentence in err


def test_compare_measures_a_network_of_two_inputs(capsys, own, tmp_path):
    code, out, err = call(capsys, "compare", "own_networks:Two", "--input", "3x8x8,10", "--to", str(tmp_path))
    assert code == 0, err
    (row,) = rows(out)
    assert row["input"] == "3x8x8, 10"
    assert re.fullmatch(r"[\d,.e-]+", row["measured ms"])


def test_compare_tells_rates_that_are_too_low_and_measures_them_again_when_asked(capsys, tmp_path, monkeypatch):
    from striate.cost import machine

    asked = []

    def rates(device, *, again):
        asked.append(again)
        return machine.Rates("machine", 1, 1e3, 1e3, 1e3)

    monkeypatch.setattr(machine, "rates", rates)
    words = ("compare", "lenet5", "resnet20", "--batch", "1", "--to", str(tmp_path))
    assert (
        "for lenet5 and resnet20 took less than the least time: measure them again with --again"
        in (call(capsys, *words)[2])
    )
    assert "too low" not in call(capsys, *words, "--again", "--no-measure")[2]
    assert asked == [False, True]
