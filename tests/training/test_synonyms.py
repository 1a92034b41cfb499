"""What others call the options: one table for the shell, a recipe in TOML and Python."""

import dataclasses
from pathlib import Path

import pytest

import striate
from striate.base.errors import UsageError
from striate.shell.cli import main
from striate.training.recipe import BESIDE, Recipe, read_toml
from striate.training.synonyms import DECIDED, SYNONYMS, called

KEYS = {each.name for each in dataclasses.fields(Recipe)}
ASKED = {
    "lr": "rate", "learning_rate": "rate", "pretrained": "weights", "img_size": "size", "imgsz": "size", "bs": "batch",
    "image_size": "size", "batch_size": "batch", "wd": "weight_decay", "n_epochs": "epochs", "num_epochs": "epochs",
    "arch": "model", "net": "model", "val_split": "split", "test_size": "split", "aug": "augment", "gpu": "device",
    "fp16": "precision", "amp": "precision", "early_stopping": "patience", "optim": "optimizer",
}  # fmt: skip
OF_COMMAND = {"num_workers": "workers", "output": "runs", "out_dir": "runs", "resume_from": "resume"}


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    return capsys.readouterr().err


def test_every_synonym_is_of_an_option_that_there_is_and_is_none_itself() -> None:
    assert set(SYNONYMS.values()) <= KEYS | set(BESIDE)
    assert not (SYNONYMS.keys() | DECIDED.keys()) & (KEYS | set(BESIDE))


@pytest.mark.parametrize(("word", "key"), (ASKED | OF_COMMAND).items())
def test_a_word_of_others_is_told_as_it_is_called_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, key: str
) -> None:
    typed = word.replace("_", "-")
    told = f"Try: --{key.replace('_', '-')}, as striate calls it"
    assert told in said(capsys, "train", "digits", f"--{typed}", "1")
    assert told in said(capsys, "train", "digits", f"--no-{typed}=1")
    (tmp_path / "recipe.toml").write_text(f"data = 'digits'\n{word} = 1\n")
    for ask in (lambda: read_toml(tmp_path / "recipe.toml"), lambda: striate.train("digits", **{word: 1})):
        with pytest.raises(UsageError) as error:
            ask()
        assert error.value.hint.startswith(f"{key!r}, as striate" if key in KEYS else f"--{key} of `striate train`")


def test_a_hint_names_nothing_where_nothing_is_near(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "train", "digits", "--foo", "1").endswith("Try: striate train --help\n")
    assert said(capsys, "train", "digits", "--no-foo").endswith("Try: striate train --help\n")
    assert said(capsys, "train", "digits", "--num-classes", "3").endswith("how many there are\n")
    assert said(capsys, "train", "digits", "epochs=3").endswith("Try: --epochs 3\n")
    assert said(capsys, "train", "--data-dir", "x").endswith("striate train DATA\n")
    assert said(capsys, "train", "digits", "--task", "xyzzy").endswith("Try: one of them\n")
    assert said(capsys, "train", "digits", "--model", "xyzzy").endswith("Try: a name that `striate models` lists\n")
    assert said(capsys, "count", "lenet5", "--batch-size", "3").endswith("Try: --batch, as striate calls it\n")
    assert said(capsys, "fit", "digits").endswith("Try: striate train\n")
    for words in ({"foo": 1}, {"model_options": {"xyzzy": 1}}, {"schedule": "xyzzy"}):
        with pytest.raises(UsageError) as error:
            striate.train("digits", **words)
        assert "nearest" not in error.value.hint
    assert called("--foo", KEYS) is None
