"""docs/run_pages.py: a page is typed in order, and what does not work as printed is named."""

import os
import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = runpy.run_path(str(ROOT / "docs" / "run_pages.py"))
GOOD = """\
```sh
cd .. && mkdir -p deeper && cd deeper
word=kept  # and not lost
cat > lines.txt <<END
first
END
cat \\
  lines.txt
```

```console
$ echo $word; cat lines.txt
kept
first
$ seq 3
1
...
```

```toml
# recipe.toml
epochs = 3
```

```python
from pathlib import Path

epochs = Path("recipe.toml").read_text().split()[-1]
```

```python
>>> epochs
'3'

```

<!-- not run: needs a network -->
```sh
exit 7
```

```text
exit 8
```
"""


def typed(text, folder):
    folder.mkdir()
    return PAGES["run"]("page.md", text, folder, dict(os.environ))


@pytest.mark.slow
def test_a_page_is_typed_in_order_and_what_is_left_out_is_told(tmp_path):
    assert typed(GOOD, tmp_path / "deeper") == ["page.md:39: exit 7: needs a network"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("```sh\ntrue\nls nowhere\n```\n", r"page.md:3: ls nowhere\nexit code 2\n    ls: .*nowhere"),
        ("```sh\nif\n```\n", r"page.md:2: if\nexit code \d+\n(?s:.*)syntax error"),
        ("```sh\nexit 3\n```\n", r"page.md:2: exit 3\nexit code 3"),
        ("```console\n$ echo 1\n2\n```\n", r"page.md:2: echo 1\nthe page shows\n    2\nbut this is printed:\n    1"),
        ("\n```python\none = 1\none / 0\n```\n", r"page.md:3: (?s:.*)\"page.md\", line 4.*(?s:.*)ZeroDivisionError"),
        ("```python\n>>> 1\n2\n```\n", r"page.md:2: (?s:.*)Expected:\s+2\s+Got:\s+1"),
        ("```toml\nepochs = 3\n```\n", r"page.md:2: the first line names no file"),
        ("```\nls\n```\n", r"page.md:1: a block is one of sh, .*, this is ''"),
    ],
)
def test_what_does_not_work_as_printed_is_named(text, told, tmp_path):
    with pytest.raises(PAGES["Failed"]) as failed:
        typed(text, tmp_path / "page")
    assert re.match(told, str(failed.value)), str(failed.value)


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name)
def test_every_block_says_what_is_done_with_it(page):
    found = list(PAGES["blocks"](page.read_text()))
    assert 2 * len(found) == len(re.findall("^```", page.read_text(), re.MULTILINE))
    assert {block.kind for block in found} <= set(PAGES["KINDS"])
