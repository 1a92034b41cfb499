"""striate sheet: the filters of a layer, or what it makes of a picture, numbered, as PNG or SVG."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from striate.base.errors import UsageError
from striate.base.outputs import MARK as DRAWN
from striate.base.outputs import Output, known_by, marked
from striate.base.units import by
from striate.base.words import many
from striate.data.picture.pixels import PIXELS, check_most
from striate.shell.output import Device, Force, Json, Keep, print_json, tell
from striate.shell.verbs.runs import MaxPixels

if TYPE_CHECKING:
    from striate.inside.sheet import Sheet

# In every PNG of a sheet.
MARK = "a sheet of striate's"


def sheet(
    network: str,
    picture: str | None = None,
    /,
    *,
    of: Literal["activations", "filters"] = "activations",
    layer: str | None = None,
    feature: Annotated[tuple[int, ...], Parameter(negative="", show_default=False, consume_multiple=True)] = (),
    scale: Literal["each", "all"] = "each",
    weights: str | None = None,
    out: Path = Path("sheet.png"),
    keep: Keep = False,
    max_pixels: MaxPixels = PIXELS,
    force: Force = False,
    json: Json = False,
    device: Device = "cpu",
    command: Annotated[str, Parameter(parse=False)] = "",
) -> None:
    """What a layer makes of a picture, map by map, or its filters, numbered. A sealed picture opens the test set.

    Example: striate sheet runs/photos-resnet18-1 new/flower-0.jpg --layer layer1 --out maps.png

    Example: striate sheet runs/photos-resnet18-1 --of filters --out filters.svg

    Parameters
    ----------
    network
        A run folder; or, with --weights, a network of the catalogue.
    picture
        A file; filters are of none.
    layer
        Its name in the network; when left out the first convolution, or the last layer with maps of several cells.
    feature
        The numbers of the filters or maps, from 0: all that a sheet holds when left out.
    scale
        Drawn each by its own strongest weight or activation, or all by one.
    weights
        Of a network of the catalogue: imagenet, a publisher's name, or a file that has at least the part up to there.
    out
        NAME.png or NAME.svg.
    """
    if out.suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"--out {out}", "its name does not end in .png or .svg", "--out NAME.png or NAME.svg")
    check_most(max_pixels)
    vector = out.suffix.lower() == ".svg"
    inputs = [] if picture is None else [("the pictures", Path(picture))]
    output = Output(f"--out {out}", out, known_by(DRAWN if vector else MARK), inputs, force)
    output.check()
    import striate

    found = striate.sheet(
        network, None if picture is None else [picture], of=of, layer=layer, feature=feature, scale=scale,
        weights=weights, max_pixels=max_pixels, keep=keep and command, device=device,
    )  # fmt: skip
    for note in found.notes:
        tell(note, file=sys.stderr)
    output.write(marked(found.svg()) if vector else _png(found))
    if json:
        print_json({"network": network, **found.as_dict(), "written": str(out)})
        return
    what = many(len(found.numbers), "filter" if of == "filters" else "map")
    tell(f"{found.layer}: {what} of {by(found.values.shape[1:])}, {found.told}")
    tell(f"wrote {out}")


def _png(found: "Sheet") -> bytes:
    import io

    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    known, buffer = PngInfo(), io.BytesIO()
    known.add_text("Software", MARK)
    Image.fromarray(found.picture).save(buffer, "PNG", pnginfo=known)
    return buffer.getvalue()
