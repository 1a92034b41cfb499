"""striate explain: what in a picture a network's answer rests on, as pictures and a page."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from striate.base.errors import DataError, UsageError
from striate.base.words import many
from striate.data.picture.pixels import PIXELS, check_most
from striate.shell.output import Device, Force, Json, Keep, print_json, print_table, tell
from striate.shell.verbs.runs import MaxPixels, refuse_none

if TYPE_CHECKING:
    from striate.inside.explained import Explained

Method = Literal["deconvnet", "cam", "grad-cam", "guided", "integrated", "smooth", "occlusion", "all"]
PAGE = "explained.html"


def explain(
    network: str,
    /,
    *pictures: str,
    method: Annotated[tuple[Method, ...], Parameter(negative="", show_default=False, consume_multiple=True)] = (),
    label: str | None = None,
    layer: str | None = None,
    feature: int | None = None,
    checks: Annotated[bool, Parameter(negative="")] = False,
    box: Annotated[bool, Parameter(negative="")] = False,
    weights: str | None = None,
    out: Path = Path("explained"),
    format: Literal["png", "svg"] = "png",
    keep: Keep = False,
    max_pixels: MaxPixels = PIXELS,
    force: Force = False,
    json: Json = False,
    device: Device = "cpu",
    command: Annotated[str, Parameter(parse=False)] = "",
) -> None:
    """What in each picture a network's answer rests on, as PNG and a page. A sealed picture opens the test set.

    Example: striate explain runs/photos-resnet18-1 new/ --method grad-cam deconvnet

    Parameters
    ----------
    network
        A run folder; or, with --weights, a network of the catalogue.
    pictures
        Files, folders and patterns.
    method
        One or several, or all; cam when left out, and where it does not serve, grad-cam.
    label
        The class that is explained: the one that is answered when left out.
    layer
        The layer that grad-cam or a deconvnet looks at, by its name in the network.
    feature
        The number of the deconvnet's feature map, from 0: the strongest when left out.
    checks
        Whether each map is to be trusted: some hundred passes more.
    box
        Draw and tell the box that a cam or grad-cam map makes, in pixels of the picture.
    weights
        Of a network of the catalogue: imagenet, a publisher's name, or a file.
    out
        The new or empty folder to write into.
    format
        Of the pictures: an SVG holds the same pixels, with their words as its title.
    """
    refuse_none(pictures, f"striate explain {network}")
    if "all" in method and len(method) > 1:
        raise UsageError("method", "all, and others besides", "all alone")
    check_most(max_pixels)
    import striate
    from striate.base.screen import Screen
    from striate.shell import pictures as answered

    with Screen(quiet=True) as screen:
        answered.free(out, force)
        found = striate.explain(
            network, list(pictures), method=method[0] if method == ("all",) else method, label=label, layer=layer,
            feature=feature, checks=checks, box=box, weights=weights, max_pixels=max_pixels, keep=keep and command,
            device=device, progress=lambda done, total: screen.progress("pictures", done, total),
        )  # fmt: skip
    notes = [note for each in found for note in each.notes]
    for note in notes:
        tell(note, file=sys.stderr)
    if not any(each.values is not None for each in found):
        raise DataError(found[0].file, found[0].status, "JPEG, PNG or other pictures, or another method")
    written = _write(found, out, force, network, format)
    from striate.report.explained import advantages

    gains = advantages(found)
    if not json:
        _print(found, written, gains, box)
        tell(f"{many(sum(map(bool, written)), 'picture')} and the page {out / PAGE}")
        return
    told = [
        {"file": each.file, "method": each.method, "status": each.status, "of": each.of, "layer": each.layer,
         "box": each.box if box else None, "checks": each.checks and each.checks.as_dict(), "written": file}
        for each, file in zip(found, written, strict=True)
    ]  # fmt: skip
    page = str(out / PAGE)
    print_json({"network": network, "explained": told, "over_pictures": gains, "page": page, "notes": notes})


def _print(
    found: "list[Explained]", written: Sequence[str | None], gains: Sequence[Mapping[str, Any]], box: bool
) -> None:
    """A row for each map, what its checks say, and what these say over all pictures."""
    from striate.report.explained import corners

    rows = [
        (each.file, each.method, each.of, each.layer, *([corners(each.box)] if box else []), file or each.status)
        for each, file in zip(found, written, strict=True)
    ]
    print_table(("file", "method", "of", "layer", *(["box"] if box else []), "written"), rows)
    for each in found:
        if each.checks is not None:
            tell(f"{each.file}, {each.method}:")
            for line in each.checks.told():
                tell(f"  {line}")
    for gain in gains:
        tell(gain["told"])


def _write(
    found: "list[Explained]", out: Path, force: bool, network: str, kind: Literal["png", "svg"]
) -> list[str | None]:
    """The path of each picture, None where there is none; and the page."""
    from striate.report import explained, page
    from striate.shell import pictures as answered

    answered.made(out, force)
    folder = answered.Folder(out)
    written = [
        None
        if each.picture is None
        else folder.put(
            each.file,
            f"-{each.method}",
            answered.image_of(each.picture),
            title=f"{each.method} of {each.of}" if kind == "svg" else None,
        )
        for each in found
    ]
    page.output(out / PAGE, force).write(explained.render(found, f"Inside {network}").encode())
    return written
