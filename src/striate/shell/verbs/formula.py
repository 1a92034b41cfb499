"""striate formula: multiply-adds over the sides of a picture."""

import sys

from striate.base.errors import UsageError
from striate.base.units import by
from striate.shell import asked
from striate.shell.output import Json, print_json, tell


def formula(
    model: asked.Model, /, *, input: asked.Input = None, model_options: asked.Options = None, json: Json = False
) -> None:
    """Multiply-adds as a formula: for any size, and for sides that all strides divide.

    Example: striate formula resnet50

    Example: striate formula torchvision.models:mobilenet_v2 --input 3xHx224

    Parameters
    ----------
    input
        CHANNELSxHEIGHTxWIDTH with letters for sides; 3xHxW, with the network's own channels, unless said otherwise.
    """
    from striate.survey import named

    if input is None and named.is_named(model):
        shape, _ = asked.sample(model, None, model_options)
        input = f"{named.shapes(shape)[0][0]}xHxW"
    shape, options = asked.sample(model, input, model_options, letters=True)
    if not named.letters(shape):
        raise UsageError(
            "--input", f"{input} has no letters", f"--input {named.shapes(shape)[0][0]}xHxW, or striate count"
        )
    if type(shape) is not tuple:
        cause = f"{input} has a name or a type, and a formula is over the sides of one picture"
        raise UsageError("--input", cause, f"--input {by(named.shapes(shape)[0])}")
    from striate.survey.formula import formulas

    every, stride, whole = named.asked(model, options, lambda net: formulas(net, shape))
    if isinstance(every, UsageError):
        tell(every.cause, file=sys.stderr)
        every = None
    if json:
        told = None if every is None else str(every)
        print_json({"multiply_adds": told, "multiple_of": stride, "multiply_adds_of_multiples": str(whole)})
        return
    if every is not None:
        tell(f"multiply-adds = {every}")
    if stride > 1:
        tell(f"for multiples of {stride}: {whole}")
