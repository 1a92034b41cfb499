"""Rows C1-C5 of the table of bad configurations, as far as they concern recipes."""

import dataclasses
import json
import math
import types
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from small import Notes
from striate.base.errors import UsageError
from striate.training import plan as planning
from striate.training.recipe import (
    FOR_CELLS,
    FOR_DIGITS,
    FOR_PICTURES,
    Recipe,
    read_toml,
    recipe_of,
    resolve,
    suiting,
)

FIELDS = {each.name: each for each in dataclasses.fields(Recipe)}
RANGED = [
    (name, end, limit)
    for name, each in FIELDS.items()
    for end in ("least", "most")
    if (limit := getattr(each.metadata["within"], end, math.inf)) < math.inf
]


def kinds(name: str) -> tuple[Any, ...]:
    declared = FIELDS[name].type
    return get_args(declared) if isinstance(declared, types.UnionType) else (declared,)


def refusal(**values: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        recipe_of(**{"data": "digits", **values})
    return caught.value


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, "utf-8")
    return path


def refused(path: Path, **changes: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read_toml(path, **changes)
    return caught.value


@pytest.mark.parametrize(("typo", "key"), [("learning_smoothing", "label_smoothing"), ("epoch", "epochs")])
def test_C1_an_unknown_key_is_told_the_nearest_one_and_its_line(tmp_path: Path, typo: str, key: str) -> None:
    assert key in refusal(**{typo: 1}).hint
    path = written(tmp_path, f"# a recipe\ndata = 'digits'\n\n  {typo} = 1\n")
    error = refused(path)
    assert error.where == f"{path}:4: {typo}"
    assert repr(key) in error.hint


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("rate", "1e-3", "'1e-3' is a str, not number"),
        ("epochs", 3.0, "3.0 is a float, not whole number"),
        ("epochs", True, "True is a bool, not whole number"),
        ("mirror", "yes", "'yes' is a str, not true or false"),
        ("mirror", 1, "1 is a int, not true or false"),
        ("model", 18, "18 is a int, not text"),
        ("depth", "8", "'8' is a str, not 8 or 16"),
        ("step_epochs", 30, "30 is a int, not list of numbers"),
        ("step_epochs", [1, "2"], "[1, '2'] is a list, not list of numbers"),
        ("model_options", "stem=32", "'stem=32' is a str, not table"),
        ("schedule", "cosin", "'cosin' is not one of cosine, one-cycle, step, constant"),
        ("depth", 12, "12 is not one of 8, 16"),
    ],
)
def test_C2_a_wrong_type_is_told_with_the_value_and_what_is_meant(name: str, value: Any, words: str) -> None:
    error = refusal(**{name: value})
    assert (error.where, error.cause) == (name, words)


@pytest.mark.parametrize(("name", "end", "limit"), RANGED)
def test_C3_every_range_holds_its_ends_and_refuses_what_lies_beyond(name: str, end: str, limit: float) -> None:
    whole = int in kinds(name)
    step = 1 if whole else 1e-6 * max(abs(limit), 1e-12)
    for value in (limit, limit - step if end == "least" else limit + step):
        typed = int(value) if whole else float(value)
        given_value = [typed] if name == "step_epochs" else typed
        if value == limit:
            assert getattr(recipe_of(data="digits", **{name: given_value}), name) in (typed, (typed,))
        else:
            error = refusal(**{name: given_value})
            assert error.where == name
            assert f"{typed} is out of range" == error.cause
            assert f"{limit:g}" in error.hint


@pytest.mark.parametrize("name", [name for name in FIELDS if float in kinds(name)])
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 10**400], ids=lambda value: str(value)[:6]
)
def test_C3_no_number_is_infinite_or_none(name: str, value: float) -> None:
    assert refusal(**{name: value}).where == name


def test_C3_numbers_in_a_list_are_checked_too() -> None:
    for value in (-1.0, float("nan"), float("inf"), 10**400):
        assert refusal(step_epochs=[30, value]).where == "step_epochs"


def test_a_step_schedule_needs_its_epochs_and_a_recipe_its_data() -> None:
    assert refusal(schedule="step").where == "step_epochs"
    assert refusal(split="60/40").where == "split"
    with pytest.raises(UsageError, match="a recipe needs data"):
        recipe_of(epochs=3)


@pytest.mark.parametrize(
    "text",
    [
        "data = 'digits'\nrate = 1\nrate = 2",
        "data = ",
        "rate = 1" + "0" * 5000,
        "model_options = " + "[" * 50_000,
        "data = 'digits\n'",
    ],
    ids=["duplicate key", "no value", "endless number", "endless nesting", "open text"],
)
def test_C4_what_is_not_toml_is_a_sentence_that_names_the_file(tmp_path: Path, text: str) -> None:
    error = refused(written(tmp_path, text))
    assert error.where == str(tmp_path / "recipe.toml")
    assert error.cause.startswith("not TOML")


def test_C4_bytes_that_are_no_text_and_files_above_1_mb_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "data = 'digits'\n#")
    path.write_bytes(path.read_bytes().ljust(1_000_000, b"x"))
    assert read_toml(path) == recipe_of(data="digits")
    path.write_bytes(path.read_bytes() + b"x")
    assert "larger than 1 MB" in refused(path).cause
    path.write_bytes(b"data = '\xff'")
    assert "not TOML" in refused(path).cause
    assert refused(tmp_path / "none.toml").cause == "no such file"
    assert refused(tmp_path).cause == "no such file"


def test_C5_a_relative_path_starts_at_the_file_and_a_home_is_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my pictures").mkdir()
    for data, expected in {
        "my pictures": str(tmp_path / "my pictures"),
        "./none yet": str(tmp_path / "none yet"),
        "../beside": str(tmp_path / "../beside"),
        "/data/cats": "/data/cats",
        "~/cats": str(tmp_path / "home" / "cats"),
        "digits": "digits",
    }.items():
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        found = read_toml(written(tmp_path, f"data = '{data}'"))
        assert Path(found.data) == Path(expected)
    assert read_toml(written(tmp_path, "data = 'my pictures'"), data="elsewhere").data == "elsewhere"


def test_C5_a_built_in_name_stays_whatever_lies_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    assert read_toml(written(tmp_path, "data = 'digits'")).data == "digits"
    assert read_toml(written(tmp_path, "data = './digits'")).data == str(tmp_path / "digits")


def test_changes_win_over_the_file_and_their_errors_do_not_blame_it(tmp_path: Path) -> None:
    path = written(tmp_path, "data = 'digits'\nrate = 0.1\n[model_options]\nstem = 32\n")
    found = read_toml(path, rate=0.2)
    assert (found.rate, found.model_options) == (0.2, {"stem": 32})
    assert refused(path, rate=-1).where == "rate"


def test_an_error_in_a_table_names_its_line(tmp_path: Path) -> None:
    assert refused(written(tmp_path, "[split]\na = 1\n[x]\n\n")).where == f"{tmp_path / 'recipe.toml'}:3: x"


def test_silence_is_filled_in_and_words_are_kept() -> None:
    filled = resolve(recipe_of(data="digits", epochs=3, mirror=True), FOR_DIGITS)
    assert (filled.epochs, filled.mirror, filled.model) == (3, True, FOR_DIGITS["model"])
    assert resolve(recipe_of(data="digits"), FOR_DIGITS).mirror is False  # a mirrored 2 is no digit


@pytest.mark.parametrize("suggested", [FOR_DIGITS, FOR_PICTURES, FOR_CELLS], ids=["digits", "photographs", "cells"])
def test_what_is_suggested_is_itself_a_recipe(suggested: dict[str, Any]) -> None:
    options = suggested.get("model_options", {})  # which `resolve` leaves alone: they are of one network
    assert recipe_of(data="digits", **suggested) == resolve(recipe_of(data="digits", model_options=options), suggested)


def test_what_is_suggested_goes_by_the_data() -> None:
    assert suiting("digits") is FOR_DIGITS
    assert suiting("cells") is suiting("cells:size=64,seed=2") is FOR_CELLS
    assert suiting("cellos") is suiting("./cells") is FOR_PICTURES


values = st.fixed_dictionaries(
    {"data": st.text(min_size=1)},
    optional={
        "epochs": st.integers(1, 100_000),
        "rate": st.one_of(st.integers(1, 100), st.floats(1e-12, 100)),
        "mirror": st.booleans(),
        "step_epochs": st.lists(st.floats(0, 1e6), max_size=4),
        "model_options": st.dictionaries(st.text(), st.one_of(st.text(), st.booleans(), st.floats(0, 1))),
        "channels": st.integers(1, 16),
    },
)


@given(values)
def test_a_recipe_comes_back_from_json(values: dict[str, Any]) -> None:
    recipe = recipe_of(**values)
    assert recipe_of(**json.loads(json.dumps(dataclasses.asdict(recipe)))) == recipe
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.epochs = 9  # type: ignore[misc]


@pytest.mark.parametrize(
    ("asked", "options"),
    [
        ({"model": "unet_padded"}, {"width": 16}),
        ({"model": "unet_padded", "model_options": {"norm": "none"}}, {"width": 16, "norm": "none"}),
        ({"model": "unet_padded", "model_options": {"width": 8}}, {"width": 8}),
        ({"model": "unet_resnet18"}, {}),
        ({}, {"width": 128, "norm": "batch"}),  # an autoencoder, whose width is another thing
    ],
)
def test_options_that_suit_the_data_or_the_task_are_given_to_networks_of_their_kind(
    asked: dict[str, Any], options: dict[str, Any]
) -> None:
    recipe = recipe_of(data="cells:number=5,size=32", task="denoise", device="cpu", **asked)
    plan = planning.plan_of(recipe, planning.Execution(), Notes())
    assert plan.recipe.model_options == plan.network["options"] == options
    assert plan.recipe.channels == 1
