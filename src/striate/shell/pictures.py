"""Answers that are pictures, written as PNG into a folder of their own: nothing that is there is written over."""

import base64
import io
import os
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

import numpy as np

from striate.base import durable, words
from striate.base.errors import Option, UsageError, printable

if TYPE_CHECKING:
    from striate.data.picture.laid import Array
    from striate.predictor import Prediction
    from striate.tasks.task import Task

Masks = Literal["ids", "colours"]


@final
@dataclass(frozen=True)
class Folder:
    """`classes` are those of masks, none where answers are pictures without classes."""

    path: Path
    classes: tuple[str, ...] = ()
    masks: Masks = "ids"
    overlays: bool = False

    def write(self, prediction: "Prediction") -> list[str]:
        """The answer under its picture's name, and beside it the picture with the answer over it; their paths."""
        picture = prediction.picture
        if picture is None:
            return []
        written = [self.put(prediction.file, "", self._image(picture))]
        if self.overlays:
            from striate.data.picture import decode
            from striate.data.picture.overlays import covered
            from striate.data.picture.pixels import MOST_PIXELS

            data = decode.read_bytes(Path(prediction.file), MOST_PIXELS)  # it was let in before it was answered
            own = decode.read(data, prediction.file, max_pixels=MOST_PIXELS).pixels
            written.append(self.put(prediction.file, "-overlay", image_of(covered(own, picture, len(self.classes)))))
        return written

    def legend(self) -> list[str]:
        """A table of the classes, beside their masks."""
        if not self.classes:
            return []
        from striate.data.picture.overlays import colours

        path, count = self._free("classes", ".csv"), len(self.classes)
        if self.masks == "ids":
            durable.write_csv(path, ("value", "class"), enumerate(self.classes))
        else:
            values = ["#" + bytes(each).hex() for each in colours(count)]
            durable.write_csv(path, ("colour", "class"), zip(values, self.classes, strict=True))
        return [str(path)]

    def _image(self, picture: "Array") -> Any:
        """Of ids (h, w) a palette, so that the numbers are kept and the colours seen; 16 bits of more than it holds."""
        if picture.ndim == 3:
            return image_of(picture)
        from striate.data.picture.overlays import colours

        if self.masks == "colours":
            return image_of(colours(len(self.classes))[picture])
        if picture.dtype != np.uint8:
            return image_of(picture.astype(np.uint16))
        image = image_of(picture)
        image.putpalette(colours(256).tobytes())
        return image

    def put(self, file: str, suffix: str, image: Any, title: str | None = None) -> str:
        """A picture under the name of the file that it belongs to; its path. `title`: of an SVG around the PNG."""
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        data = buffer.getvalue() if title is None else _in_svg(buffer.getvalue(), image.size, title)
        # a name that is as long as a file system allows leaves no room for the suffix
        path = self._free(words.fitting(Path(file).stem, 200) + suffix, ".png" if title is None else ".svg")
        durable.write(path, data)
        return str(path)

    def _free(self, stem: str, suffix: str) -> Path:
        """A name that comes twice is numbered."""
        path, number = self.path / f"{stem}{suffix}", 1
        while os.path.lexists(path):
            number += 1
            path = self.path / f"{stem}-{number}{suffix}"
        return path


def _in_svg(png: bytes, size: tuple[int, int], title: str) -> bytes:
    """Pixels stay pixels: an SVG that holds the picture as it is, and its words."""
    sides = 'width="{}" height="{}"'.format(*size)
    held = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
    inner = f'<title>{escape(printable(title))}</title><image {sides} href="{held}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {sides}>{inner}</svg>\n'.encode()


def folder(out: Path, task: "Task", masks: Masks | None, overlays: bool, force: bool) -> Folder:
    """The folder, made where there is none; a UsageError where it is somebody's, or the answers have none."""
    if not task.pictures:
        raise UsageError("out", "the answers of this run are no pictures", "--csv with the name of a file")
    for name in [name for name, asked in (("masks", masks), ("overlays", overlays)) if asked and not task.masked]:
        raise UsageError(name, "the answers of this run are pictures without classes", "leaving it out")
    made(out, force)
    return Folder(out, task.classes if task.masked else (), masks or "ids", overlays)


def made(out: Path, force: bool) -> None:
    """Make the folder where it is `free`."""
    free(out, force)
    durable.make_folder(out)


def free(out: Path, force: bool) -> None:
    """A UsageError where something is there that is no empty folder."""
    if os.path.lexists(out) and not (out.is_dir() and (force or not any(out.iterdir()))):
        hint = ("the name of a new folder, or ", Option("force", True))
        raise UsageError(f"--out {out}", "it is there, and no empty folder", hint)


def image_of(pixels: "Array") -> Any:
    from PIL import Image

    return Image.fromarray(pixels[:, :, 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels)
