"""U-Net's concatenations bring places back, and elastic deformation makes few pictures do."""

from collections.abc import Mapping, Sequence
from typing import Any

from striate.claims.catalogue import DIGITS
from striate.claims.claim import Arm, Asked, Claim, Runs, Sweep
from striate.claims.measures import held
from striate.claims.verdict import Question
from striate.runs.run import Run

LEAST = 0.1  # intersection over union that an answer of hardly anything but background does not come to


def _arm(shortcut: str, **changes: Any) -> Arm:
    """On cells that are drawn anew for each seed, where no pictures with masks are asked for."""

    def arm(asked: Asked, seed: int) -> Mapping[str, Any]:
        own = {"data": f"cells:number=80,size=64,seed={seed}", "size": 64, "split": None, "split_seed": 0}
        return {
            "model": "unet_padded", "model_options": {"width": 8, "shortcut": shortcut}, **changes,
            **(own if asked.data["data"] == DIGITS else {}),
        }  # fmt: skip

    return arm


def least_missed(run: Run) -> float:
    """What is missing of an intersection over union of 1 on validation, least of all epochs."""
    return min(1 - epoch["val_IoU"] for epoch in run.epochs)


SWEEP = Sweep(
    {
        "unet": _arm("concatenate"),
        "unet_without_skips": _arm("none"),
        "unet_deformed": _arm("concatenate", elastic=0.02),
    },
    (0.05, 0.1, 0.2, 0.4),
    {"epochs": 30, "batch": 4, "fold": "1/2", "split": "75/25/0", "label_smoothing": None},
    least_missed,
)


def overlap(run: Run) -> float:
    """Intersection over union on what the fold holds out, in per cent, all its pixels counted together."""
    two = len(run.classes) == 2
    return 100 * held(run, f"{f'IoU of {run.classes[1]}' if two else 'mean IoU'} over the data set")


def answers(run: Run) -> str:
    """A gate: a network that finds nothing but the first class is no reference."""
    found = max(each["iou"]["value"] or 0.0 for each in (run.result or {})["classes"][1:])
    return "" if found >= LEAST else f"the reference finds hardly anything but background: IoU {found:.2f}"


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    of = "IoU on what the fold holds out"
    return [
        *SWEEP.compared(asked, runs, "unet", "unet_without_skips", of, overlap, "points", 1, answers),
        *SWEEP.compared(asked, runs, "unet_deformed", "unet", of, overlap, "points", 1, answers),
    ]


CLAIM = Claim(
    name="unet_skips",
    sentence="U-Net joins its way down to its way up at every level, and learns to segment from few pictures, "
    "the more so when they are deformed elastically.",
    source="study notes; Ronneberger et al. 2015, section 2 and 3.1",
    protocol="U-Net of width 8, with concatenations and without, and with elastic deformation of 0.02 of the side; 18 "
    "pictures of drawn cells, other ones for each seed, 30 epochs in batches of 4, measured on 24 others. Without "
    "concatenations there are 10 % fewer parameters and 20 % fewer multiply-adds. Pictures of your own need masks.",
    gate="the reference finds more than background: an IoU of at least 0.1",
    lesson="The way down says what is there and loses where; the concatenations carry that past it. Deforming makes "
    "other pictures of those there are, as far as such shapes occur.",
    questions=_questions,
    sweeps=(SWEEP,),
    pictures="drawn cells",
)
