"""striate memory: the bytes that live at the peak, and the largest batch that fits."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from striate.base.errors import UsageError
from striate.base.units import parse_bytes
from striate.shell import asked
from striate.shell.output import Amount, Force, Json, print_json, refuse_force, tell_lines

if TYPE_CHECKING:
    from striate.cost.memory import Peak


def memory(
    model: asked.Model,
    /,
    *,
    input: asked.Input = None,
    batch: Annotated[int | None, Parameter(help="Samples at once; 1 unless said otherwise.")] = None,
    within: Amount = None,
    training: asked.Training = False,
    optimizer: asked.Optimizer = None,
    precision: asked.Precision = "float32",
    device: Literal["cpu", "cuda"] = "cpu",
    curve: Path | None = None,
    model_options: asked.Options = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """The most bytes that live at once, of inference or of a training step; or the largest batch that fits.

    Example: striate memory resnet50 --training --batch 32

    Example: striate memory resnet50 --training --within 24GiB

    Parameters
    ----------
    within
        Find the largest batch that fits into this memory: 24GiB or 8GB.
    device
        Whose memory: a GPU's allocator hands out larger blocks.
    curve
        Write the living bytes over the pass to this SVG file.
    """
    refuse_force(force, curve)
    how = asked.step(training, optimizer, precision) | {"device": device}
    output = None if curve is None else asked.drawn("--curve", curve, force)
    if within is not None and batch is not None:
        raise UsageError(f"--batch {batch}", "it changes nothing beside --within, which finds one", "one of the two")
    budget = None if within is None else parse_bytes(within, "--within")
    shape, options = asked.sample(model, input, model_options, 1 if batch is None else batch)
    from striate.cost.budget import largest_batch, peak_of
    from striate.survey import named

    what = f"{model}, {'training step' if training else 'inference'}"
    peak: Peak | None
    if budget is None:
        peak = named.asked(model, options, lambda net: peak_of(net, shape, batch or 1, **how))
        told, facts = f"{what}, batch of {batch or 1:,}\n{peak}", {"batch": batch or 1, "memory": peak.as_dict()}
    else:
        fit = named.asked(model, options, lambda net: largest_batch(net, shape, budget, **how))
        told, facts, peak = f"{what}. {fit}", {"batch": fit.batch, "budget": fit.budget}, fit.peak
    if output is not None and peak is not None:
        from striate.cost.curve import curve_figure

        asked.write(output, curve_figure(peak))
    if json:
        of = "training step" if training else "inference"
        print_json({"model": model, "of": of, "peak": peak.bytes if peak else None, **facts})
    else:
        tell_lines(str(told))
