"""The page of a gallery: of each map its projections beside its patches."""

from striate.base.units import by
from striate.inside.gallery import Gallery
from striate.report import page

# Of the longer side of what is shown of a map.
LONGEST = 800


def render(found: Gallery, title: str) -> str:
    """The page as text."""
    maps = [(each, found.drawn(each)) for each in found.maps if each.units]
    return page.filled("gallery.html.j2", title=title, g=found, field=by(found.field), maps=maps, longest=LONGEST)
