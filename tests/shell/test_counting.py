"""striate count, memory, latency, formula and draw: what they refuse, and what their answers are beside the table."""

import json
import os
import re

import pytest

from striate.cost import machine
from striate.cost.machine import Rates
from typed import call, rows

LETTERS = ("--input", "3xHxW")
# What count was asked before it had verbs beside it, and what answers now.
OLD = {
    ("--fits", "1GB"): "striate memory MODEL --within",
    ("--measure",): "striate latency MODEL",
    ("--again",): "striate latency MODEL --again",
    ("--device", "cuda"): "striate latency MODEL --device",
    ("--draw", "a.svg"): "striate draw MODEL --to",
    ("--draw=a.svg",): "striate draw MODEL --to",
    ("--curve", "a.svg"): "striate memory MODEL --curve",
    ("--seen", "a.svg"): "striate draw MODEL --of field",
    ("--why",): "--show why",
    ("--stages",): "--show stages",
    ("--operators",): "--show operators",
    LETTERS: "striate formula resnet18 --input 3xHxW",
}


@pytest.mark.parametrize(("words", "answer"), OLD.items(), ids=lambda words: " ".join(words))
def test_an_old_word_is_answered_with_the_new_one(capsys, tmp_path, monkeypatch, words, answer):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "count", "resnet18", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"Try: {answer}" in err
    assert not list(tmp_path.glob("*.svg"))


@pytest.mark.parametrize("verb", ["count", "memory", "latency", "formula", "draw"])
def test_help_fits_a_screen(capsys, verb):
    out = call(capsys, verb, "--help")[1]
    assert f"Example: striate {verb}" in out
    assert out.count("\n") <= 45


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("count", "--json", "--format", "csv"), "asks for another form than --format csv"),
        (("draw", "--to", "TEXT"), "does not end in .svg. Try: --to NAME.svg"),
        (("draw", "--to", "."), "does not end in .svg"),
        (("draw", "--to", ""), "does not end in .svg"),
        (("memory", "--curve", "curve.png"), "does not end in .svg. Try: --curve NAME.svg"),
        (("draw", "--to", "no/such/folder.svg"), "no file can be written there.*Try: a folder that exists"),
        (("memory", "--within", "24"), "no amount of memory"),
        (
            ("memory", "--within", "99999999999999TB"),
            "--within: '99999999999999TB' is more memory than any machine has",
        ),
        (("memory", "--within", "9" * 400 + "TB"), "--within: '9999"),
        (("memory", "--within", "-3GB"), "--within: '-3GB' is no amount of memory"),
        (("count", "--batch", "1.5"), "'1.5' is not a whole number"),
        (("count", "--model-options.channels", "x"), "channels: 'x' is not a whole.*--model-options.channels 3"),
        (("count", "--model-options.weights", "imagenet"), "counting needs no weights"),
        (("count", "--model-options.zero-init", "x"), "zero_init: 'x' is not one of.*--model-options.zero_init true"),
        (("count", "--input", "3x16x16"), "or --model-options.stem 32$"),
        (("formula", "--input", "CxHxW"), "channels are a number"),
        (("count", "--optimizer", "adamw"), "without --training"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence_in_the_shells_own_spelling(
    capsys, tmp_path, monkeypatch, words, sentence
):
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, words[0], "resnet18", *words[1:])
    assert code in (2, 5), err
    assert re.search(sentence, err.splitlines()[0]), err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*.*g"))


def test_hyphens_in_options_of_a_network_are_accepted(capsys):
    words = ("count", "resnet18", "--show", "stages")
    told = [
        call(capsys, *words, *option)
        for option in (
            ("--model-options.zero_init", "false"),
            ("--model-options.zero-init", "false"),
            ("--model-options.zero-init=false",),
        )
    ]
    assert told[0] == told[1] == told[2]
    assert told[0][0] == 0


@pytest.mark.skipif(os.name == "nt", reason="no such files there")
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_not_replaced_by_a_picture(capsys, tmp_path, make):
    path = tmp_path / "net.svg"
    make(path)
    kind = path.stat().st_mode
    code, _, err = call(capsys, "draw", "lenet5", "--to", str(path))
    assert (code, err.count("\n")) == (5, 1)
    assert path.stat().st_mode == kind


def test_a_picture_of_pixels_needs_one_picture(capsys, own):
    code, _, err = call(capsys, "draw", "own_networks:Two", "--input", "3x8x8,10", "--of", "field", "--to", "seen.svg")
    assert (code, err.count("\n")) == (2, 1)
    assert "--of field: it needs one picture, and the input is 3x8x8, 10" in err


def test_why_and_a_drawing_are_json_too(capsys):
    found = json.loads(call(capsys, "count", "lenet5", "--show", "why", "--json")[1])["rows"]
    assert {row["module"]: row["why"] for row in found}["c3"][0].endswith("10*10*16 * 5*5*6 = 240,000")
    drawn = json.loads(call(capsys, "draw", "alexnet", "--json")[1])
    assert drawn["title"] == "alexnet"
    assert [55, 55, 96] in [layer["shape"] for layer in drawn["layers"]]


def test_an_operator_without_a_rule_is_told_whatever_the_answer(capsys, own):
    words = ("count", "own_networks:Odd", "--input", "3x8x8")
    assert "Try: --unknown report, to list" in call(capsys, *words)[2]
    for answer in ((), *(("--show", show) for show in ("stages", "operators", "why")), ("--format", "csv")):
        code, out, err = call(capsys, *words, "--unknown", "report", *answer)
        assert code == 0
        assert (out + err).count("NOT COUNTED: aten.special_bessel_j0") == 1


def test_hooks_of_a_network_are_told_and_run_when_asked(capsys, own):
    words = ("count", "own_networks:Hooked", "--input", "4")
    assert "1 hook left out, of own_networks:Hooked" in call(capsys, *words)[1].splitlines()
    _, out, _ = call(capsys, *words, "--hooks", "--json")
    found = json.loads(out)
    assert (found["hooks"], found["additions"]) == ({}, 4 + 4)


@pytest.mark.parametrize("verb", ["count", "memory", "draw"])
def test_a_look_at_a_constant_is_answered_though_the_network_is_built_without_memory(capsys, own, verb):
    code, out, err = call(capsys, verb, "own_networks:Strided", "--input", "4")
    assert (code, err) == (0, "")
    assert verb != "count" or "forward: 16 multiply-adds" in out


def test_a_look_at_the_input_is_refused_or_ends_the_count_there(capsys, own):
    words = ("count", "own_networks:Branching", "--input", "4")
    code, _, err = call(capsys, *words)
    assert (code, err.count("\n")) == (2, 1)
    assert "the network (Branching): what it computes depends on the values in a tensor" in err
    assert "Try: --unknown report, which counts what comes before" in err
    code, out, _ = call(capsys, *words, "--unknown", "report")
    assert code == 0
    assert "forward: 16 multiply-adds" in out
    assert "NOT COUNTED: the rest (the network (Branching): what it computes depends on" in out
    for answer in (("--show", "stages"), ("--show", "why"), ("--format", "csv")):
        code, _, err = call(capsys, *words, "--unknown", "report", *answer)
        assert (code, err.count("NOT COUNTED: the rest")) == (0, 1)
    found = json.loads(call(capsys, *words, "--unknown", "report", "--json")[1])
    assert found["macs"] == 16
    assert found["stopped"].startswith("the network (Branching)")


@pytest.mark.parametrize("typed", ["3x8x8,5:int64", "words=5:int64,picture=3x8x8"])
def test_whole_numbers_and_names_are_typed_in_every_verb(capsys, own, typed):
    words = ("own_networks:Words", "--input", typed)
    found = json.loads(call(capsys, "count", *words, "--json")[1])
    assert (found["macs"], len(found["inputs"])) == (3888, 2)
    for verb in ("memory", "draw"):
        code, _, err = call(capsys, verb, *words)
        assert (code, err) == (0, "")
    assert call(capsys, "memory", *words, "--training", "--within", "1MB")[0] == 0
    code, _, err = call(capsys, "latency", *words)
    assert (code, err.splitlines()[0]) == (0, "inputs of int64 are noughts")
    code, _, err = call(capsys, "formula", *words)
    assert (code, err.count("\n")) == (2, 1)
    assert "has no letters" in err
    code, _, err = call(capsys, "draw", *words, "--of", "field")
    assert (code, err.count("\n")) == (2, 1)
    assert "--of field: it needs one picture" in err


def test_a_type_is_a_type_of_the_input(capsys, own):
    code, _, err = call(capsys, "formula", "own_networks:dropping", "--input", "3xHxW:float32")
    assert (code, err.count("\n")) == (2, 1)
    assert "has a name or a type, and a formula is over the sides of one picture" in err
    code, _, err = call(capsys, "draw", "own_networks:dropping", "--input", "3x8x8:float64", "--of", "field")
    assert "--of field: it needs one picture, and the input is 3x8x8:float64" in err


def test_options_of_a_network_of_ones_own_are_read_and_a_file_is_a_place(capsys, own):
    for place in ("own_networks:Deep", "own_networks.py:Deep", "./own_networks.py:Deep"):
        words = ("count", place, "--input", "4", "--json", "--model-options.deep")
        assert [json.loads(call(capsys, *words, each)[1])["macs"] for each in ("yes", "False")] == [48, 16]
        code, _, err = call(capsys, *words, "perhaps")
        assert (code, err.count("\n")) == (2, 1)
        assert "Try: --model-options.deep" in err
    assert "That runs the code there" in " ".join(call(capsys, "count", "--help")[1].replace("│", " ").split())


@pytest.mark.parametrize("place", ["own_networks:Deep", "own_networks.py:Deep"])
def test_a_place_is_never_trained(capsys, own, tmp_path, place):
    (tmp_path / "own_networks.py").write_text("raise SystemError('it was run')")
    code, _, err = call(capsys, "train", "digits", "--model", place)
    assert (code, err.count("\n")) == (2, 1)
    assert f"model {place}: a place in Python is counted and measured, and never trained" in err


@pytest.mark.parametrize(
    "words",
    [
        ("count", "own_networks:Raising"),
        ("memory", "own_networks:Raising"),
        ("draw", "own_networks:Raising"),
        ("latency", "own_networks:Raising"),
        ("latency", "own_networks:Picky"),
    ],
)
def test_an_exception_of_the_networks_own_is_a_sentence_with_its_place(capsys, own, tmp_path, words):
    code, _, err = call(capsys, *words, "--input", "4")
    assert (code, err.count("\n")) == (2, 1)
    assert f"model {words[1]}: its own code raised Mine: own words, in " in err
    line = int(err.partition("own_networks.py line ")[2].partition(".")[0])
    assert "raise Mine" in (tmp_path / "own_networks.py").read_text().splitlines()[line - 1]


def rates_of(monkeypatch, **changed):
    """Rates that are given and not measured; what they were asked for."""
    asked = []
    fast = {"float32": 1e15, "bfloat16": 1e15, "memory": 1e15} | changed

    def rates(device="cpu", *, again=False):
        asked.append(again)
        return Rates("machine", 1, **fast)

    monkeypatch.setattr(machine, "rates", rates)
    return asked


def test_rates_that_are_too_low_are_told_and_measured_again_when_asked(capsys, monkeypatch):
    rates_of(monkeypatch)
    assert "too low" not in call(capsys, "latency", "lenet5")[2]
    rates_of(monkeypatch, float32=1e3)
    code, out, err = call(capsys, "latency", "lenet5", "--again")
    assert code == 0
    assert err.count("\n") == 1
    assert "the rates of this machine are too low, for lenet5 took less than the least time" in err
    assert "--again" in err
    assert float(rows(out.partition("\n")[2])[-1]["reached %"].replace(",", "")) > 100


def test_again_measures_the_rates_again(capsys, monkeypatch):
    asked = rates_of(monkeypatch)
    call(capsys, "latency", "lenet5")
    call(capsys, "latency", "lenet5", "--again")
    assert asked == [False, True]


def test_bfloat16_is_measured_under_autocast_with_its_own_rate(capsys, monkeypatch):
    import torch

    rates_of(monkeypatch, bfloat16=1e6)
    kinds = []
    linear = torch.nn.functional.linear

    def watched(given, *more):
        if given.device.type == "cpu":  # and not of the pass that counts
            kinds.append(torch.is_autocast_enabled("cpu"))
        return linear(given, *more)

    monkeypatch.setattr(torch.nn.functional, "linear", watched)
    least = {}
    for precision in ("float32", "bfloat16"):
        kinds.clear()
        _, out, _ = call(capsys, "latency", "lenet5", "--precision", precision)
        least[precision] = float(rows(out.partition("\n")[2])[0]["least ms"].replace(",", ""))
        assert set(kinds) == {precision == "bfloat16"}
    assert least["bfloat16"] == pytest.approx(1e3 * 117_600 / 1e6)  # multiply-adds of c1
    assert least["float32"] < 1


def test_a_gpu_that_is_not_there_is_told_without_what_count_does_not_take(capsys, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    code, _, err = call(capsys, "latency", "lenet5", "--device", "cuda")
    assert (code, err.count("\n")) == (5, 1)
    assert "Try: --device cpu" in err
    assert "auto" not in err


def test_where_no_formula_holds_for_all_sizes_the_one_for_multiples_is_told(capsys, tmp_path, monkeypatch):
    """A pool that rounds up over its padding: at even sides both ways are one."""
    pool = "nn.Sequential(nn.MaxPool2d(2, 2, 1, ceil_mode=True), nn.Conv2d(3, 4, 3))"
    (tmp_path / "rounding_up.py").write_text(f"from torch import nn\n\ndef net():\n    return {pool}\n")
    monkeypatch.chdir(tmp_path)
    code, out, err = call(capsys, "formula", "rounding_up:net", *LETTERS)
    assert (code, out) == (0, "for multiples of 2: 27*H*W - 54*H - 54*W + 108\n")
    assert "no single formula holds for all sizes" in err
    _, out, _ = call(capsys, "formula", "rounding_up:net", *LETTERS, "--json")
    assert json.loads(out)["multiply_adds"] is None
