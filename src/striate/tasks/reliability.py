"""What a page says of how well a classifier knows how sure it may be: its reliability diagram (Guo et al. 2017)."""

from collections.abc import Mapping
from typing import Any

from striate.base import words
from striate.base.sections import NumberTable, Reliability, Section
from striate.data.picture.laid import Array
from striate.tasks.measures import Calibration

PARTS = 10


def calibration(probabilities: Array, targets: Array) -> Calibration:
    """Of the likeliest class: probabilities (n, classes), true classes (n,)."""
    right = probabilities.argmax(1) == targets
    return Calibration("expected calibration error", probabilities.max(1), right)


def section(curves: Mapping[str, Calibration], result: Mapping[str, Any]) -> Section:
    """`curves` by what they are called, and result.json, which has their errors."""
    told = result["calibration"]
    why = (
        f"The {words.subset(result['subset'])} pictures in ten equal parts: how sure the network was, and how "
        "many answers were right. Below the diagonal it is too sure. Error: the expected calibration error, the root "
        f"of the mean square of the gaps less what luck opens ({told['before']['method']})."
    )
    if "after" in told:
        flatters = " itself, which flatters" if result["subset"] == "val" else ""
        why += f" Calibrated: with temperature {told['temperature']:.3g}, settled on validation{flatters}."
    lines = {
        name: tuple(
            (float(curve.confidence[part].mean()), int(curve.right[part].sum()), len(part))
            for part in curve.parts(min(PARTS, len(curve.right)))
        )
        for name, curve in curves.items()
    }
    errors = [(name, result["n"], {"error": told[key]}) for name, key in zip(curves, ("before", "after"), strict=False)]
    table = NumberTable(("probabilities", "pictures"), ("error",), errors)
    return Section("calibration", "Calibration", why, (Reliability(lines), table))


def errors(result: Mapping[str, Any]) -> str:
    """Top-1 and top-5 error in a sentence, of more than five classes."""
    told = [
        f"{each['name']} {100 * each['value']:.2f} % ({100 * each['low']:.2f} to {100 * each['high']:.2f})"
        for each in result.get("errors", ())
        if each["value"] is not None
    ]
    return f" As papers print it: {', '.join(told)}." if told else ""
