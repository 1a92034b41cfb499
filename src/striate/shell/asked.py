"""What the verbs about one network are asked: the same arguments, with the same words of help."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from striate.base.errors import Option, UsageError
from striate.base.outputs import MARK, Output, known_by, marked
from striate.shell.output import tell

Model = Annotated[
    str,
    Parameter(
        help="A catalogue name, timm:NAME, or a function that gives a module: torchvision.models:mobilenet_v2, "
        "mynet.py:Net. That runs the code there."
    ),
]
Input = Annotated[
    str | None,
    Parameter(help="CHANNELSxHEIGHTxWIDTH of one sample; several: 3x32x32,10:int64 or picture=3x32x32,words=10:int64."),
]
Batch = Annotated[int, Parameter(help="Samples at once.")]
Precision = Annotated[Literal["float32", "bfloat16"], Parameter(help="bfloat16 is autocast: weights stay float32.")]
Training = Annotated[bool, Parameter(help="The whole step: forward, loss, backward, optimizer.", negative="")]
Optimizer = Annotated[
    Literal["sgd", "momentum", "adamw"] | None, Parameter(help="Of the training step; momentum unless said otherwise.")
]
Options = Annotated[dict[str, str] | None, Parameter(help="Options of the network, as --model-options.stem 32.")]
Shape = tuple[Any, ...] | Mapping[str, tuple[Any, ...]]


def sample(
    model: str, input: str | None, options: dict[str, str] | None, batch: int = 1, *, letters: bool = False
) -> tuple[Shape, dict[str, Any]]:
    """The shape of one sample and the builder's options; what cannot be meant is refused before anything is counted."""
    from striate.survey import named

    if batch < 1:
        raise UsageError("batch", f"{batch} samples cannot be counted", "--batch 1 or more")
    given = dict(options or {})
    if "weights" in given and named.is_named(model):
        raise UsageError("--model-options.weights", "counting needs no weights", "leaving it out")
    shape, given = named.sample(model, input, given)
    if not letters and named.letters(shape):
        raise UsageError(
            "--input", f"letters in {input!r} stand for any side", f"striate formula {model} --input {input}"
        )
    return shape, given


def step(training: bool, optimizer: str | None, precision: str) -> dict[str, Any]:
    """What is counted of a network, as keywords of `count`."""
    if optimizer is not None and not training:
        raise UsageError("--optimizer", "it changes nothing without --training", "--training as well")
    return {"training": training, "optimizer": optimizer or "momentum", "autocast": precision == "bfloat16"}


def drawn(option: str, path: Path, force: bool) -> Output:
    """The SVG file that is to be written, checked; its name says what it is."""
    if path.suffix.lower() != ".svg":
        cause = "an SVG file is written, and this name does not end in .svg"
        raise UsageError(f"{option} {path}", cause, f"{option} NAME.svg")
    output = Output(f"{option} {path}", path, known_by(MARK), force=force)
    output.check()
    return output


def write(output: Output, svg: str) -> None:
    output.write(marked(svg))
    tell(f"wrote {output.path}", file=sys.stderr)


def typed(option: Option) -> str:
    """An option of a hint as it is typed here."""
    name = f"--{option.name.replace('_', '-')}"
    if option.table:
        value = str(option.value).lower() if isinstance(option.value, bool) else option.value
        return f"--{option.table.replace('_', '-')}.{option.name} {value}"
    if isinstance(option.value, bool):
        return name if option.value else f"leaving out {name}"
    return f"{name} {shlex.quote(str(option.value))}"
