import base64
import html
import io
import re
import struct
import sys
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from material import digits_material
from PIL import Image

import striate
from pages import Page, images
from small import photographs
from striate.base.errors import MachineError, RunError, printable
from striate.base.sections import Card, Cards, Section, Seen
from striate.evaluate.numbers import number
from striate.evaluate.result import beside
from striate.report import figures
from striate.report.page import render, write
from striate.tasks.measures import Hits
from together import begun, ended

pytestmark = pytest.mark.slow

HOSTILE = (
    "<script>alert(1)</script>",
    "$x^2$",
    '"onerror=alert(1) x="',
    "a\u202egnp.exe",
    "N" * 10_000,
    "</style><img src=http://127.0.0.1/x>",
    "{{ 7 * 7 }}",
    "猫\x1b[31m",
    "\udcff&amp;",
)


def hostile_names(name: str) -> str:
    return name + HOSTILE[(int(name) if name.isdigit() else len(name)) % len(HOSTILE)]


def many_classes(count: int = 40) -> Any:
    draws = np.random.default_rng(0)
    matrix = draws.integers(0, 3, (count, count)) + np.diag(draws.integers(5, 30, count))
    names = [f"{index} {HOSTILE[index % len(HOSTILE)]}" for index in range(count)]
    return digits_material(
        matrix=matrix,
        classes=names,
        counts={"train": matrix.sum(axis=1).tolist()},
        filters=draws.normal(size=(64, 3, 7, 7)),
    )


@cache
def digits_page() -> str:
    return render(digits_material())


MATERIALS = {
    "digits": digits_material,
    "hostile": lambda: digits_material(rename=hostile_names),
    "many": many_classes,
}


@pytest.mark.parametrize("kind", MATERIALS)
def test_no_name_becomes_markup(kind: str) -> None:
    for tag, attributes in Page(render(MATERIALS[kind]())).tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form"}
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            address = attributes.get(name)
            assert address is None or address.startswith(("data:image/png;base64,", "#"))


def test_hostile_names_are_shown_as_they_are_spelled() -> None:
    page = render(digits_material(rename=hostile_names))
    text = html.unescape(re.sub("<[^>]*>", "", page))
    for index in range(9):
        assert printable(hostile_names(str(index)), 40) in text
    assert not set(page) & {"\u202e", "\x1b", "\udcff"}
    assert "N" * 200 not in page


def test_names_in_a_figure_are_text_not_formulas() -> None:
    page = render(many_classes())
    found = re.findall(r"<text[^>]*>(.*?)</text>", page)
    assert "1 $x^2$" in found
    assert "0 &lt;scri…script&gt;" in found
    assert all("<" not in text for text in found)


def test_policy_forbids_everything_but_own_pictures_and_styles() -> None:
    page = digits_page()
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert f'<meta http-equiv="Content-Security-Policy" content="{policy}">' in page
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in re.sub(r"url\(#\w+\)", "", page)


def test_confusion_and_counts_equal_the_material() -> None:
    material = digits_material()
    tables = Page(render(material)).tables
    cells = [row[1:] for row in tables["Confusion matrix"][2:]]
    assert np.array_equal(np.array(cells, int), material.sections[0].blocks[0].counts)
    head, total, *rows = tables["Pictures of each class"]
    assert head == ["class", "training", "validation", "test"]
    assert total == ["all", *(str(sum(counts)) for counts in material.counts.values())]
    shown = np.array([row[1:] for row in rows], int)
    assert np.array_equal(shown, np.array(list(material.counts.values())).T)


def test_most_frequent_confusions_are_the_largest_cells_off_the_diagonal() -> None:
    matrix = np.array([[9, 0, 4], [1, 8, 0], [0, 7, 2]])
    assert matrix.sum() == 31
    material = digits_material(matrix=matrix, classes=["a", "b", "c"], counts={"test": matrix.sum(axis=1).tolist()})
    rows = Page(render(material)).tables["Most frequent confusions"][1:]
    assert rows == [["c", "b", "7", "9"], ["a", "c", "4", "13"], ["b", "a", "1", "9"]]


def test_every_number_has_interval_n_subset_and_method() -> None:
    material = digits_material()
    head, *rows = [row for row in Page(render(material)).tables["All numbers"] if len(row) > 1]
    assert head == ["number", "value", "95 % interval", "n", "subset", "interval method"]
    assert len(rows) == len(material.result["numbers"]) + len(material.result["baselines"])
    assert all(all(row) for row in rows)
    first = material.result["numbers"][0]
    interval = f"{100 * first['low']:.1f} to {100 * first['high']:.1f} %"
    assert rows[0] == ["accuracy", f"{100 * first['value']:.1f} %", interval, "360", "test", "Wilson"]
    assert rows[-1][:2] == [
        "RBF support vector machine",
        f"{100 * material.result['baselines'][1]['value']:.1f} %",
    ]


def test_whether_it_beats_each_baseline_is_said_the_strongest_first() -> None:
    result = digits_material().result
    one = Hits("accuracy", np.arange(360) < 341)
    rivals = [Hits("majority class", np.arange(360) < 37), Hits("RBF support vector machine", np.arange(360) < 345)]
    told = {**result, "numbers": [number(one, "test").as_dict()], "baselines": beside(one, rivals, "test")}
    said = Page(render(digits_material(result=told))).lists["beside"]
    assert [each.split(" on the same")[0] for each in said] == [
        "It cannot be told apart from the RBF support vector machine",
        "It beats the majority class",
    ]
    assert 'id="beside"' not in digits_page()  # of before it was kept


def test_class_rows_show_the_numbers_of_the_result() -> None:
    material = digits_material()
    rows = Page(render(material)).tables["Numbers of each class"][1:]
    for row, record in zip(rows, material.result["classes"], strict=True):
        assert row[:3] == [
            record["class"],
            str(record["support"]),
            f"{100 * record['recall']['value']:.1f} %",
        ]
        assert [int(row[index]) for index in (4, 7, 10)] == [
            record[name]["n"] for name in ("recall", "precision", "f1")
        ]


def test_a_class_that_was_never_answered_has_an_undefined_precision() -> None:
    material = digits_material()
    nothing = {"value": None, "n": 0, "subset": "test", "low": None, "high": float("nan"), "method": "Wilson"}
    rows = [{**material.result["classes"][0], "precision": nothing}, *material.result["classes"][1:]]
    page = render(digits_material(result={**material.result, "classes": rows}))
    assert Page(page).tables["Numbers of each class"][1][5:8] == ["undefined", "none", "0"]


def test_a_picture_that_has_gone_is_a_sentence_in_its_place() -> None:
    page = render(digits_material(gone=True))
    assert page.count("this picture cannot be shown: no such file") == 24
    assert "truth <b>" in page


def test_validation_result_says_that_there_is_no_test_set() -> None:
    page = render(digits_material(subset="val"))
    assert "There is no test set." in page
    assert "pictures also chose the epoch" in page
    assert "Test accuracy" not in page
    assert "There is no test set." not in digits_page()


def test_openings_of_the_test_set_are_told() -> None:
    assert "opened once" in digits_page()
    assert "opened 3 times" in render(digits_material(openings=3))
    result = {key: value for key, value in digits_material().result.items() if key != "openings"}
    with pytest.raises(RunError, match="lacks 'openings'"):
        render(digits_material(result=result))


def test_a_line_that_was_not_recorded_is_not_in_the_key() -> None:
    rows = [{**row, "train_accuracy": None} for row in digits_material().epochs]
    page = render(digits_material(epochs=rows))
    heading, figure = re.findall(r"<h3>(Accuracy.*?)</h3>(<svg.*?</svg>)", page)[0]
    assert re.findall(r'<span class="key (\w+)">', heading) == ["validation"]
    assert "var(--second)" in figure
    assert "var(--first)" not in figure


def test_two_perfect_networks_can_be_drawn_close_up() -> None:
    material = digits_material()
    sure = {**material.result["numbers"][0], "value": 1.0, "low": 1.0, "high": 1.0}
    page = render(digits_material(result={**material.result, "numbers": [sure], "baselines": [sure]}))
    assert "close up" in page


def test_unmeasured_and_infinite_losses_leave_a_gap() -> None:
    rows = [
        {"epoch": 1, "rate": 0.1, "train_loss": float("inf"), "val_loss": None},
        {"epoch": 2, "rate": 0.1, "train_loss": 0.5, "val_loss": None},
    ]
    page = render(digits_material(epochs=rows, best_epoch=2))
    assert 'aria-label="Loss by epoch"' in page
    assert 'aria-label="Accuracy by epoch"' not in page
    assert Page(page).tables["Every epoch"][1] == ["1", "0.1", "inf", "–"]


def test_many_classes_make_a_small_page_of_the_worst() -> None:
    count = 800
    matrix = 3 * np.eye(count, dtype=int)
    matrix[7, 7], matrix[7, 432] = 1, 2
    names = [f"class number {index}" for index in range(count)]
    counts = {"train": [9] * 700 + [4] * 100, "test": [3] * count}
    page = render(digits_material(matrix=matrix, classes=names, counts=counts))
    assert len(page) < 300_000
    tables = Page(page).tables
    worst = tables["Numbers of each class"][1:]
    assert len(worst) == 50
    assert [row[0] for row in worst[:1]] == ["class number 7"]
    assert [row[1] for row in tables["Pictures of each class"][2:]] == ["4"] * 50
    assert tables["Pictures of each class"][1] == ["all", "6700", "2400"]
    assert tables["Most frequent confusions"][1:] == [["class number 7", "class number 432", "2", "3"]]
    text = " ".join(re.sub("<[^>]*>", "", page).split())
    assert "The 50 of 800 with the lowest recall. All of them are in result.json." in text
    assert "The 50 of 800 classes with the fewest. All of them are in split.csv." in text
    assert "Each point stands for 2 × 2 classes" in text


def test_a_single_mistake_among_many_classes_is_a_point_of_the_picture() -> None:
    matrix = np.eye(961, dtype=int)
    matrix[600, 41] = 1
    drawn = str(figures.confusion(matrix, [str(index) for index in range(961)], "many"))
    data = re.search(r'base64,\s*([^"]+)"', drawn)
    assert data is not None
    shade = np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1]))).convert("RGBA"))
    orange = (shade[..., 3] > 0) & (shade[..., 0] > shade[..., 2])
    places = np.argwhere(orange) * 961 / len(shade)
    assert len(places) > 0
    assert np.abs(places - (600, 41)).max() < 6


def test_thousands_of_epochs_are_a_table_of_some_with_the_best_and_the_last() -> None:
    rows = [{"epoch": epoch, "rate": 0.1, "train_loss": 1 / epoch} for epoch in range(1, 3002)]
    shown = [
        int(row[0]) for row in Page(render(digits_material(epochs=rows, best_epoch=1000))).tables["Every epoch"][1:]
    ]
    assert shown == sorted([*range(7, 3002, 7), 1000, 3001])


def curves(outlier: float, epochs: int = 60) -> np.ndarray:
    """Losses that fall, (series, epochs), with a first one of training's own."""
    falling = np.exp(-np.arange(epochs) / 6) + 0.1
    return np.stack([np.concatenate([[outlier], falling[1:]]), falling])


@pytest.mark.parametrize("sign", [1, -1])
def test_an_axis_is_not_stretched_by_one_epoch_that_lies_far_away(sign: int) -> None:
    low, high = sorted(sign * np.array(figures.ends(sign * curves(50))))
    assert (low, high) == pytest.approx((curves(50)[:, 1:].min(), curves(50)[:, 1:].max()))
    late = curves(1.1)
    late[1, 40] = 20
    assert figures.ends(sign * late) == pytest.approx(tuple(sorted(sign * np.array([0.1, 1.1]))), rel=1e-3)


@pytest.mark.parametrize("values", [curves(1.1), curves(3.0), curves(50, 3), curves(np.nan), curves(1)[:, :1]])
def test_a_curve_that_falls_and_a_short_one_keep_the_whole_axis(values: np.ndarray) -> None:
    assert figures.ends(values) == (np.nanmin(values), np.nanmax(values))


def test_what_lies_beyond_the_axis_is_an_arrow_with_its_value() -> None:
    epochs = [{"epoch": place + 1, "train_loss": one, "val_loss": two} for place, (one, two) in enumerate(curves(50).T)]
    page = render(digits_material(epochs=epochs))
    figure = re.findall(r"<h3>Loss.*?(<svg.*?</svg>)", page)[0]
    texts = re.findall(r"<text[^>]*>(.*?)</text>", figure)
    assert "50 in epoch 1" in texts
    assert max(float(text) for text in texts if re.fullmatch(r"[\d.]+", text) and "." in text) < 2
    assert "in epoch" not in " ".join(re.findall(r"<text[^>]*>(.*?)</text>", digits_page()))


def test_the_top_says_where_the_run_comes_from_and_a_remark_stands_with_the_curves() -> None:
    page = render(
        digits_material(origin="lenet5; began", command="striate train <b>", remarks=["Training lies above."])
    )
    assert '<p class="soft" id="origin">lenet5; began.</p>' in page
    assert "<code>striate train &lt;b&gt;</code>" in page
    assert "<p>Training lies above.</p>" in page.partition('id="training"')[2].partition("<section")[0]
    assert "<code>" not in render(digits_material(command=""))


def test_pictures_are_small_and_carry_no_metadata() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 200, 3), np.uint8)
    large = Section("seen", "Seen", "", (Cards((Card((Seen(pixels),), (), "a.jpg"),)),))
    found = images(render(digits_material(sections=[large]))) + images(render(many_classes()))
    assert len(found) > 60
    for data in found:
        assert max(Image.open(io.BytesIO(data)).size) <= 96
        place, kinds = 8, []
        while place < len(data):
            length, kind = struct.unpack(">I4s", data[place : place + 8])
            kinds.append(kind)
            place += 12 + length
        assert set(kinds) <= {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}


def test_each_filter_is_normalised_by_itself() -> None:
    weights = np.stack([np.linspace(-1, 1, 27), np.linspace(5, 500, 27), np.full(27, 3.0)]).reshape(3, 3, 3, 3)
    shown = []
    for uri in figures.filters(weights):
        image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
        assert image.mode == "RGB"
        shown.append(np.asarray(image))
    assert shown[0].min() == 0
    assert shown[0].max() == 255
    assert np.array_equal(shown[0], shown[1])
    assert not shown[2].any()
    # Weights rise by channel, then row, then column: 255 * (0, 9, 18) / 26 and 255 * (0, 1, 2) / 26, rounded.
    assert shown[0][0, 0].tolist() == [0, 88, 177]
    assert shown[0][0, :, 0].tolist() == [0, 10, 20]


@pytest.mark.parametrize(
    "path",
    ["/home/alice/pictures", "/home/alice b/pictures", "C:\\Users\\alice\\pictures", "~/alice/pictures"],
)
def test_no_path_from_the_root_is_shown(path: str) -> None:
    recipe = {"data": path} if not path.startswith("~") else {}
    notes = [f"2 files of {path.replace('alice b', 'alice')}/cats were skipped."]
    page = render(digits_material(recipe=recipe, notes=notes))
    assert "alice" not in page
    assert "pictures" in page


def test_equal_material_gives_an_equal_page_whatever_the_users_style() -> None:
    page = digits_page()
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"text.usetex": True, "font.size": 30.0, "axes.facecolor": "red"}):
        assert render(digits_material()) == page
    assert dict(matplotlib.rcParams) == before


def test_ids_are_unique() -> None:
    ids = [attributes["id"] for _, attributes in Page(render(many_classes())).tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_pyplot_is_never_loaded() -> None:
    def rendered() -> None:
        render(digits_material())
        sys.exit("matplotlib.figure" not in sys.modules or "matplotlib.pyplot" in sys.modules)

    assert ended([begun(rendered)]) == [0]


def test_a_failed_rendering_leaves_the_old_page(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write(digits_material(), path)
    old = path.read_bytes()
    assert old.startswith(b"<!doctype html>")
    result = {key: value for key, value in digits_material().result.items() if key != "numbers"}
    with pytest.raises(RunError, match="lacks 'numbers'"):
        write(digits_material(result=result), path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_a_page_that_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    (path / "in the way").mkdir(parents=True)
    with pytest.raises(MachineError, match=r"report\.html: it is a folder"):
        write(digits_material(), path)
    assert list(tmp_path.iterdir()) == [path]


def look(browser: Any, path: Path, width: int) -> Any:
    """The page, opened, with nothing missing, nothing said by the browser and nothing asked from elsewhere."""
    said: list[str] = []
    asked: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    sizes = page.evaluate("Array.from(document.images, image => image.naturalWidth * image.naturalHeight)")
    assert len(sizes) > 20
    assert min(sizes) > 0
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert said == []
    assert page.locator("#headline").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("figure svg text").first.bounding_box()["height"] > 5
    return page


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("kind", MATERIALS)
def test_page_opens_in_a_browser(browser: Any, tmp_path: Path, kind: str, width: int) -> None:
    path = tmp_path / "report.html"
    write(MATERIALS[kind](), path)
    page = look(browser, path, width)
    assert page.locator("#headline").inner_text() == "Test accuracy"
    page.close()


@pytest.mark.browser
def test_what_scrolls_shows_it_has_a_name_and_takes_the_keys(browser: Any, tmp_path: Path) -> None:
    write(digits_material(), tmp_path / "report.html")
    page = look(browser, tmp_path / "report.html", 400)
    found = page.evaluate(
        "[...document.querySelectorAll('body *')].filter(each => each.scrollWidth > each.clientWidth + 1"
        " && getComputedStyle(each).overflowX != 'visible' && each.clientWidth).map(each => [each.tabIndex,"
        " each.getAttribute('aria-label'), getComputedStyle(each).backgroundAttachment])"
    )
    assert {"All numbers", "Numbers of each class"} <= {label for _, label, _ in found}
    assert {index for index, *_ in found} == {0}
    assert {attachment for *_, attachment in found} == {", ".join(["local"] * 4 + ["scroll"] * 4)}
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 with its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    page.close()


@pytest.mark.browser
def test_the_report_of_a_real_training_opens_and_shows_its_result(browser: Any, tmp_path: Path) -> None:
    data = photographs(tmp_path / "photos")
    run = striate.train(data, model="resnet20", epochs=2, batch=16, size=32, runs=tmp_path / "runs")
    page = look(browser, run.folder / "report.html", 1280)
    text = page.locator("body").inner_text()
    assert f"{100 * run.result['numbers'][0]['value']:.1f} %" in text
    assert "RBF support vector machine" in text
    assert str(tmp_path) not in page.content()
    page.close()
