"""What a page holds."""

import base64
import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Every tag with its attributes, the rows of text of the table in each labelled region, items by list."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.rows: list[list[str]] | None = None
        self.cell: list[str] | None = None
        self.lists: dict[str, list[str]] = {}
        self.item: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.tags.append((tag, found))
        if found.get("role") == "region":
            self.rows = self.tables.setdefault(str(found["aria-label"]), [])
        if tag == "ul" and "id" in found:
            self.item = self.lists.setdefault(str(found["id"]), [])
        if tag == "li" and self.item is not None:
            self.item.append("")
        if tag == "tr" and self.rows is not None:
            self.rows.append([])
        if tag in ("td", "th"):
            self.cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self.cell is not None and self.rows is not None:
            self.rows[-1].append("".join(self.cell).strip())
            self.cell = None
        if tag == "table":
            self.rows = None
        if tag == "ul":
            self.item = None

    def handle_data(self, data: str) -> None:
        if self.cell is not None:
            self.cell.append(data)
        if self.item:
            self.item[-1] += data.strip()


def images(page: str) -> list[bytes]:
    return [base64.b64decode(found) for found in re.findall(r'"data:image/png;base64,\s*([^"]+)"', page)]
