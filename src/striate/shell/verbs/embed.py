"""striate embed and between: pictures as vectors in a file and as points on a map, and what lies between two."""

import io
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from striate.base.errors import UsageError, encodable
from striate.base.foreign import missing_package
from striate.base.outputs import MARK as DRAWN
from striate.base.outputs import Output, known_by, marked
from striate.data.picture.pixels import PIXELS, check_most
from striate.shell.output import Device, Force, Json, print_json, tell
from striate.shell.verbs.runs import Folder, MaxPixels, none_read, opened_with, read_for, refuse_none

if TYPE_CHECKING:
    from striate.data.picture.laid import Pixels
    from striate.evaluate.vectors import Embedded
    from striate.runs.run import Run

# In every file of vectors or of a strip.
MARK = "written by striate"
# Pixels that a side of a picture in a strip has at least, and that part the given ones from the others.
LEAST, GAP = 64, 8


def embed(
    run: Folder,
    /,
    *pictures: str,
    out: Path | None = None,
    drawn: Annotated[Path | None, Parameter(name="--map")] = None,
    pool: Literal["mean", "none"] | None = None,
    max_pixels: MaxPixels = PIXELS,
    force: Force = False,
    json: Json = False,
    device: Device = "cpu",
) -> None:
    """Pictures as vectors: what a network holds of each before it answers. A sealed picture opens the test set.

    Example: striate embed runs/photos-resnet18-1 photos/ --out vectors.npz --map map.svg

    Parameters
    ----------
    pictures
        Files, folders and patterns; or a built-in set, a table, an archive or a data set.
    out
        NAME.npz, or NAME.parquet.
    drawn
        NAME.svg: the pictures on the first two principal components of their vectors, coloured by folder or class.
    pool
        mean: maps are averaged over their places; none: every number is kept, as of an autoencoder when left out.
    """
    refuse_none(pictures, f"striate embed {run}")
    if out is None and drawn is None:
        raise UsageError("out", "nothing would be written", "--out NAME.npz, or --map NAME.svg")
    _refuse_name("--out", out, ".npz", ".parquet")
    _refuse_name("--map", drawn, ".svg")
    check_most(max_pixels)
    from striate.base.screen import Screen

    with Screen(quiet=True) as screen:
        opened = opened_with(screen, run)
        outputs = [
            _output(option, path, mark, pictures, opened, force)
            for option, path, mark in (("--out", out, MARK), ("--map", drawn, DRAWN)) if path is not None
        ]  # fmt: skip
        found = opened.embed(
            pictures, pool=pool, max_pixels=max_pixels, device=device, progress=partial(screen.progress, "pictures")
        )
    failed = [(name, status) for name, status in zip(found.names, found.status, strict=True) if status != "ok"]
    notes = [*(f"{name}: {status}" for name, status in failed), *found.notes]
    for note in notes:
        tell(note, file=sys.stderr)
    if len(failed) == len(found.names):
        raise none_read(pictures[0], len(failed))
    pictured, numbers = found.vectors.shape
    _write(run, outputs, [_file(each.path, found, opened.name) for each in outputs],
           {"pictures": pictured, "numbers": numbers, "notes": notes}, json)  # fmt: skip


def between(
    run: Folder,
    one: str,
    other: str,
    /,
    *,
    out: Path,
    steps: int = 7,
    max_pixels: MaxPixels = PIXELS,
    force: Force = False,
    json: Json = False,
    device: Device = "cpu",
) -> None:
    """What an autoencoder's decoder makes of the codes between those of two pictures, as a strip.

    Example: striate between runs/digits-autoencoder-1 a.png b.png --out strip.png

    Parameters
    ----------
    one
        The picture that the strip begins with.
    other
        The picture that it ends with.
    out
        NAME.png.
    steps
        Pictures that are made, the first of the one's own code and the last of the other's.
    """
    if steps < 2:
        raise UsageError("steps", f"{steps} is out of range", "a number of at least 2")
    _refuse_name("--out", out, ".png")
    check_most(max_pixels)
    import striate

    opened = striate.open_run(run)
    output = _output("--out", out, MARK, (one, other), opened, force)
    made = opened.between(one, other, steps=steps, max_pixels=max_pixels, device=device)
    for note in (*opened.warnings, *made.notes):
        tell(note, file=sys.stderr)
    _write(run, [output], [_strip(made.pictures)], {"notes": list(made.notes)}, json)


def _refuse_name(option: str, path: Path | None, *suffixes: str) -> None:
    """What is no name of a file that can be written, before anything is imported or read."""
    suffix = None if path is None else path.suffix.lower()
    if suffix not in (None, *suffixes):
        wanted = " or ".join(f"NAME{each}" for each in suffixes)
        raise UsageError(f"{option} {path}", f"its name does not end in {' or '.join(suffixes)}", f"{option} {wanted}")
    if suffix == ".parquet":
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError as error:
            raise missing_package(f"{option} {path}", error, "data") from None


def _output(option: str, path: Path, mark: str, pictures: Sequence[str], run: "Run", force: bool) -> Output:
    """A file that is to be written, checked."""
    from striate.data.sources.address import is_address
    from striate.data.sources.folder import list_pictures

    named = [each for each in pictures if not is_address(each)]
    output = Output(f"{option} {path}", path, known_by(mark), read_for(named, list_pictures(named), [run]), force)
    output.check()
    return output


def _write(run: Path, outputs: Sequence[Output], files: Sequence[bytes], told: dict[str, Any], json: bool) -> None:
    for output, data in zip(outputs, files, strict=True):
        output.write(data)
    if json:
        print_json({"run": str(run), **told, "written": [str(each.path) for each in outputs]})
        return
    for each in outputs:
        tell(f"wrote {each.path}")


def _file(path: Path, found: "Embedded", run: str) -> bytes:
    """The bytes of a file of vectors or of their map, by its name."""
    if path.suffix.lower() == ".svg":
        from striate.evaluate.vectors import plane
        from striate.survey.charts import points

        kept = [place for place, status in enumerate(found.status) if status == "ok"]
        places, shares = plane(found.vectors[kept])
        return marked(points(places.tolist(), [found.labels[place] for place in kept], shares))
    names, labels, status = (list(map(encodable, each)) for each in (found.names, found.labels, found.status))
    mark, buffer = f"{MARK} {encodable(run)}".encode(), io.BytesIO()
    if path.suffix.lower() == ".npz":
        import numpy as np

        np.savez(buffer, by=np.bytes_(mark), names=names, labels=labels, status=status, vectors=found.vectors)
        return buffer.getvalue()
    import pyarrow
    from pyarrow import parquet

    flat = pyarrow.array(found.vectors.ravel())
    missing = pyarrow.array([each != "ok" for each in status])
    vectors = pyarrow.FixedSizeListArray.from_arrays(flat, found.vectors.shape[1], mask=missing)
    table = pyarrow.table({"name": names, "label": labels, "status": status, "vector": vectors})
    parquet.write_table(table.replace_schema_metadata({"by": mark}), buffer)
    return buffer.getvalue()


def _strip(pictures: "Pixels") -> bytes:
    """Pictures beside each other as one PNG, the first and last apart."""
    import numpy as np
    from PIL.PngImagePlugin import PngInfo

    from striate.data.picture.four import image_of

    larger = -(-LEAST // min(pictures.shape[1:3]))
    pictures = pictures.repeat(larger, 1).repeat(larger, 2)
    gap = np.full((pictures.shape[1], GAP, pictures.shape[3]), 255, np.uint8)
    first, *middle, last = pictures
    row = np.concatenate([first, gap, *middle, gap, last], 1)
    known, buffer = PngInfo(), io.BytesIO()
    known.add_text("Software", MARK)
    image_of(row).save(buffer, "PNG", pnginfo=known)
    return buffer.getvalue()
