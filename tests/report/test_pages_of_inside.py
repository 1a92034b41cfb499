"""Pages that show the inside of networks, opened in a browser at the width of a desk and of a telephone."""

from pathlib import Path

import pytest
from PIL import Image

import striate
from small import photographs, train
from striate.report import blocks
from striate.shell.cli import main

pytestmark = [pytest.mark.slow, pytest.mark.browser]
METHODS = ("cam", "grad-cam", "guided", "smooth")
# Pixels that letters are high at least, as a reader's own.
LEAST = 12
# Of each piece of text the size of its letters on the screen: within a drawing as that is enlarged or shrunk.
SIZES = """() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
    while (walker.nextNode()) {
        const parent = walker.currentNode.parentElement, words = walker.currentNode.textContent.trim();
        if (!words || !parent.getClientRects().length || parent.closest('details:not([open])')) continue;
        const size = parseFloat(getComputedStyle(parent).fontSize), within = parent.closest('figure > svg');
        const scale = within ? within.getScreenCTM().a : 1;
        if (!parent.closest('svg') || within) found.push([words.slice(0, 40), size * scale]);
    }
    return found;
}"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A run, with a page of several methods, figures of its own, and all of them kept for its report."""
    home = tmp_path_factory.mktemp("home")
    data = photographs(home / "photos")
    run = train(home / "runs", data=str(data), model="resnet20", model_options={"se": 16}, batch=9, epochs=1, size=16)
    folder, names = run.folder, [line.name for line in run.lines if line.subset == "val"]
    long = "a name that is very long and has nowhere to break"
    Image.new("RGB", (300, 40), (90, 120, 10)).save(home / f"{long}{long}.png")
    (home / "broken.jpg").write_bytes(b"no picture")
    pictures = [*(data / name for name in names[:2]), *sorted(home.glob("*.*g"))]
    words = ["explain", folder, *pictures, "--method", *METHODS, "--keep", "--out", home / "explained"]
    with pytest.raises(SystemExit, match="0"):
        main(list(map(str, words)))
    words = ["gallery", folder, "--layer", "layer1.0.relu1", "--maps", "2", "--keep", "--out", home / "gallery"]
    with pytest.raises(SystemExit, match="0"):
        main(list(map(str, words)))
    (home / "blocks.svg").write_text(blocks.blocks(striate.blocks(run, keep=True)))
    (home / "gates.svg").write_text(blocks.gates(striate.gates(run, keep=True)))
    striate.write_report(run)
    (folder / "report.html").rename(home / "report.html")
    return home


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("name", ["explained/explained.html", "gallery/gallery.html", "report.html"])
def test_a_page_is_whole_fits_and_can_be_read(browser, home: Path, name: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((home / name).as_uri())
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [(home / name).as_uri()]
    pictures = page.evaluate("Array.from(document.images, each => [each.alt, each.naturalWidth, each.width])")
    assert len(pictures) >= (2 if "gallery" in name else 12)
    assert [alt for alt, natural, shown in pictures if not natural or not shown] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate(SIZES)
    assert len(sizes) > 8
    assert [(words, size) for words, size in sizes if size < LEAST] == []
    # what was drawn on its own is shown as large as it was drawn: its letters are 14 pixels high
    drawn = page.evaluate("Array.from(document.querySelectorAll('.drawn img'), each => each.width / each.naturalWidth)")
    assert len(drawn) == (2 if name == "report.html" else 0)
    assert all(share > 0.99 for share in drawn)
    page.close()


@pytest.mark.parametrize("name", ["blocks.svg", "gates.svg"])
def test_a_figure_stands_alone_by_day_and_by_night(browser, home: Path, name: str) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto((home / name).as_uri())
        sizes = page.evaluate(
            "Array.from(document.querySelectorAll('text'), each => parseFloat(getComputedStyle(each).fontSize)"
            " * each.getScreenCTM().a)"
        )
        assert len(sizes) > 10
        assert min(sizes) >= LEAST
        found.append(page.evaluate("getComputedStyle(document.querySelector('rect')).fill"))
    assert found == ["rgb(255, 255, 255)", "rgb(21, 23, 26)"]
    page.close()
