"""striate gallery: what each map of a layer answers to most, as one picture and a page."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from striate.base.words import many
from striate.data.picture.pixels import PIXELS, check_most
from striate.shell.output import Device, Force, Json, Keep, print_json, print_table, tell
from striate.shell.verbs.runs import MaxPixels

if TYPE_CHECKING:
    from striate.inside.gallery import Gallery

PAGE, PICTURE = "gallery.html", "gallery"


def gallery(
    network: str,
    /,
    *pictures: str,
    layer: str | None = None,
    maps: int | None = None,
    feature: Annotated[tuple[int, ...], Parameter(negative="", show_default=False, consume_multiple=True)] = (),
    top: int = 9,
    patches: Annotated[bool, Parameter(negative="")] = False,
    weights: str | None = None,
    moved: Annotated[Path | None, Parameter(name="--data")] = None,
    out: Path = Path("gallery"),
    format: Literal["png", "svg"] = "png",
    keep: Keep = False,
    max_pixels: MaxPixels = PIXELS,
    force: Force = False,
    json: Json = False,
    device: Device = "cpu",
    command: Annotated[str, Parameter(parse=False)] = "",
) -> None:
    """What each map of a layer answers to most: its strongest units, projected, beside patches of pictures.

    Example: striate gallery runs/photos-resnet18-1 --layer layer1.0.relu1

    Parameters
    ----------
    network
        A run folder; or, with --weights, a network of the catalogue.
    pictures
        Files, folders and patterns: the training pictures of a run when left out. A sealed one opens the test set.
    layer
        Its name in the network: the deepest that a deconvnet comes back from when left out.
    maps
        How many of its maps, evenly apart: 16 when left out.
    feature
        The numbers of the maps instead, from 0.
    top
        Units of each map, one a picture.
    patches
        Without projections, for any layer that makes maps.
    weights
        Of a network of the catalogue: imagenet, a publisher's name, or a file that has at least the part up to there.
    moved
        Where the run's own pictures lie now.
    out
        The new or empty folder to write into.
    format
        Of the picture: an SVG holds the same pixels.
    """
    check_most(max_pixels)
    import striate
    from striate.base.screen import Screen
    from striate.shell import pictures as answered

    with Screen(quiet=True) as screen:
        answered.free(out, force)
        found = striate.gallery(
            network, list(pictures) or None, layer=layer, maps=maps, feature=feature, top=top, patches=patches,
            weights=weights, max_pixels=max_pixels, data=moved, keep=keep and command, device=device,
            progress=screen.progress,
        )  # fmt: skip
    for note in found.notes:
        tell(note, file=sys.stderr)
    written = _write(found, out, force, network, format)
    if json:
        print_json({"network": network, **found.as_dict(), "written": written, "page": str(out / PAGE)})
        return
    rows = [
        (each.feature, len(each.units), *((f"{each.units[0].activation:.4g}", each.units[0].file) if each.units else
                                          ("never active", ""))) for each in found.maps
    ]  # fmt: skip
    print_table(("map", "units", "highest", "in"), rows, right=(0, 1, 2))
    tell(f"{found.layer}: {many(found.count, 'picture')}, {written} and the page {out / PAGE}")


def _write(found: "Gallery", out: Path, force: bool, network: str, kind: Literal["png", "svg"]) -> str:
    """The picture's path; and the page."""
    from striate.report import gallery as drawn
    from striate.report import page
    from striate.shell import pictures as answered

    answered.made(out, force)
    title = f"What {found.layer} of {network} answers to"
    image = answered.image_of(found.picture)
    written = answered.Folder(out).put(PICTURE, "", image, title=title if kind == "svg" else None)
    page.output(out / PAGE, force).write(drawn.render(found, title).encode())
    return written
