import json
import re

import numpy as np
import pytest

import striate
from pictures import encode, put, scene, snapshot
from striate.shell.cli import main


def call(capsys, *words):
    with pytest.raises(SystemExit) as left:
        main(["audit", *map(str, words)])
    out, err = capsys.readouterr()
    return left.value.code, out, err


@pytest.fixture
def photos(tmp_path):
    root = tmp_path / "photos"
    for subset, first in (("train", 0), ("test", 100)):
        for place, label in enumerate(("cats", "dogs")):
            for seed in range(4):
                put(root / subset / label / f"{seed}.png", encode(scene(first + 50 * place + seed)))
    put(root / "train/dogs/a cat.jpg", encode(scene(2), "JPEG"))
    put(root / "test/dogs/leak.jpg", encode(scene(53), "JPEG"))
    put(root / "test/dogs/broken.png", encode(scene(9))[:2000])
    return root


def test_what_is_found_is_told_and_is_no_error(capsys, photos) -> None:
    before = snapshot(photos)
    code, out, _ = call(capsys, photos)
    assert code == 0
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in out.splitlines() if "\t" in line}
    assert rows["unreadable"][0] == "1"
    assert rows["leaks, near"] == ["2", "1 cluster in several subsets: test/dogs/leak.jpg = train/dogs/3.png"]
    assert rows["conflicts, near"][0] == "2"
    assert f"striate audit {photos} --page audit.html" in out
    assert snapshot(photos) == before


def test_json_is_the_last_line(capsys, photos, tmp_path) -> None:
    code, out, _ = call(capsys, photos, "--json", "--page", tmp_path / "a.html")
    told = json.loads(out.splitlines()[-1])
    assert (code, told["pictures"], told["sealed"]) == (0, 18, 9)
    assert told["page"] == str(tmp_path / "a.html")


def test_the_page_shows_no_sealed_picture_and_asks_for_nothing(capsys, photos, tmp_path) -> None:
    page = tmp_path / "audit.html"
    assert call(capsys, photos, "--page", page)[0] == 0
    text = page.read_text()
    assert not re.search(r"(src|href)=\"(?!data:image/png;base64,|#)", text)
    cards = re.findall(r"<figure>.*?</figure>", text, re.DOTALL)
    leak = next(card for card in cards if "leak.jpg" in card)
    assert (leak.count("<img"), leak.count(">sealed<")) == (1, 1)
    assert all(card.count("<img") + card.count('class="gone"') > 0 for card in cards)
    assert "9 test pictures are compared and counted, and not shown" in text
    assert "test/dogs/broken.png" in text


def test_a_page_replaces_a_page_and_no_other_file(capsys, photos, tmp_path) -> None:
    page = tmp_path / "audit.html"
    assert call(capsys, photos, "--page", page)[0] == 0
    assert call(capsys, photos, "--page", page)[0] == 0
    page.write_text("mine")
    code, _, err = call(capsys, photos, "--page", page)
    assert (code, page.read_text()) == (2, "mine")
    assert "--force" in err
    assert call(capsys, photos, "--page", page, "--force")[0] == 0
    own = photos / "train/cats/0.png"
    code, _, err = call(capsys, photos, "--page", own)
    assert (code, own.read_bytes()) == (2, encode(scene(0)))


@pytest.mark.parametrize(
    ("words", "code"), [(["nowhere"], 3), (["digits", "--force"], 2), (["digits", "--layout", "both"], 2)]
)
def test_what_cannot_be_meant_is_one_sentence(capsys, words, code) -> None:
    left, _, err = call(capsys, *words)
    assert left == code
    assert err.count("\n") == 1
    assert err.startswith("error[")


@pytest.mark.slow
def test_a_run_is_looked_through_with_its_own_split(tmp_path) -> None:
    pictures = [scene(seed, 32, 32) for seed in range(40)]
    for place, each in enumerate(pictures):
        put(tmp_path / "data" / "ab"[place % 2] / f"{place:02}.png", encode(each))
    run = striate.train(
        tmp_path / "data", model="lenet5", epochs=1, runs=tmp_path / "runs", quiet=True, size=32, keep_sealed=True
    )
    assert run is not None
    found = striate.audit(run.folder, quiet=True)
    assert found.subsets == ("train", "val", "test")
    assert found.counts.sum(0).tolist() == [sum(line.subset == name for line in run.lines) for name in found.subsets]
    assert np.array([run.lines[place].subset == "test" for place in found.sealed]).all()
