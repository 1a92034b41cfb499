"""Exceptions of other people's code: what they say, where they come from, and which package is missing."""

import sys
import sysconfig
import traceback
from pathlib import Path

from striate.base.errors import MachineError, StriateError, UsageError

# Where the code of Python, of what is installed and of ours stands.
_ELSEWHERE = tuple(
    {*(sysconfig.get_path(name) for name in ("stdlib", "platlib", "purelib")), str(Path(__file__).parents[1])}
)
# Packages whose modules have another name.
PACKAGES = {
    "cv2": "opencv-python", "PIL": "pillow", "sklearn": "scikit-learn", "skimage": "scikit-image", "yaml": "pyyaml",
}  # fmt: skip


def missing_package(where: str, error: ImportError, extra: str = "") -> StriateError:
    """A module that is not installed, or that lacks what is imported from it, as a sentence; `extra` is what has it."""
    name = (error.name or "").partition(".")[0]
    if isinstance(error, ModuleNotFoundError) and name:
        package = f"'striate[{extra}]'" if extra else PACKAGES.get(name, name)
        return MachineError(where, f"it needs the package {name}, which is not installed", f"pip install {package}")
    return UsageError(
        where, f"it cannot be imported ({raised(error)})", f"another version of {name or 'what it imports'}"
    )


def raised(error: BaseException) -> str:
    """The class of an exception, the first line of what it says, and the place in the code of whoever is not Python."""
    text = str(error).strip()
    said = f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if not each.filename.startswith(("<", *_ELSEWHERE))]
    return f"{said}, in {own[-1].filename} line {own[-1].lineno}" if own else said


def is_foreign(error: BaseException) -> bool:
    """Whether the class of an exception is neither Python's, torch's nor our own."""
    room = type(error).__module__.partition(".")[0]
    return room not in ("torch", "striate") and room not in sys.stdlib_module_names
