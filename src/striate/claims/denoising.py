"""The denoising autoencoder: does it restore, and are its features better than the plain one's?"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from striate.claims.claim import Asked, Claim, Measure, Runs, Sweep
from striate.claims.measures import own_pictures
from striate.claims.pictures import labelled
from striate.claims.verdict import TIMES, Question
from striate.data.packed import Digests
from striate.data.picture.laid import Array
from striate.data.samples import Indices
from striate.evaluate import vectors
from striate.network import inside
from striate.runs.run import Run
from striate.tasks import linear
from striate.tasks.corruption import noisy

NOISE = 0.3
# The gate: what the plain one leaves of the squared error of the mean training picture, on clean pictures.
LEFT = 0.5
SWEEP = Sweep(
    {
        "autoencoder": {"task": "reconstruct"},
        "denoising_autoencoder": {"task": "denoise", "task_options": {"noise": NOISE}},
    },
    (0.001, 0.002, 0.004, 0.008, 0.016, 0.032),
    {
        "model": "autoencoder", "model_options": {"norm": "batch"}, "resize": "squash", "optimizer": "adamw",
        "nesterov": True, "label_smoothing": None, "epochs": 40,
    },
)  # fmt: skip


def pictures_of(run: Run, subset: str) -> tuple[Array, Sequence[str]]:
    """The canvases of a subset, uint8 (n, channels, height, width), and the digest of each picture."""
    split, samples = own_pictures(run)
    places: Indices = split.named[subset]
    looks = (run.preprocess.looks(samples.read(place), samples.read.where(place)) for place in places.tolist())
    return np.stack([canvas for ((canvas, _),) in looks]), list(Digests.of(samples.digests).take(places))


def with_noise(clean: Array) -> Tensor:
    """In 0..1, (n, channels, height, width), the same for every network."""
    pictures = torch.from_numpy(clean).float() / 255
    return noisy(pictures, "gaussian", NOISE, 0, 0, np.arange(len(clean)))


def restored(run: Run, given: Tensor) -> Tensor:
    """In 0..1; of canvases in 0..1, of which noise may have left it."""
    predictor, (member, *_) = run.predictor, run.predictor.members
    with torch.inference_mode():
        parts = [predictor.outputs(member, part) for part in torch.split(given, predictor.at_once)]
    return inside(torch.cat(parts), member.preprocess).clamp(0, 1)


def squared(answers: Tensor, clean: Array) -> float:
    return float((answers.double() - torch.from_numpy(clean) / 255).square().mean())


def noisy_error(run: Run) -> float:
    """The mean squared error of what is made of noisy pictures that the fold holds out."""
    clean, _ = pictures_of(run, "held")
    return squared(restored(run, with_noise(clean)), clean)


def given_error(run: Run) -> float:
    """That of the noisy pictures themselves, within 0..1."""
    clean, _ = pictures_of(run, "held")
    return squared(with_noise(clean).clamp(0, 1), clean)


def learned(run: Run) -> str:
    """The gate: what is wrong with a plain autoencoder as a reference."""
    clean, mean = pictures_of(run, "held")[0], pictures_of(run, "train")[0].mean(0, keepdims=True)
    left = squared(restored(run, torch.from_numpy(clean).float() / 255), clean)
    left /= squared(torch.from_numpy(mean / 255).expand(clean.shape), clean)
    return "" if left <= LEFT else f"the plain autoencoder leaves {left:.0%} of the mean picture's error"


def probe_error(labels: dict[str, int]) -> Measure:
    """The error in per cent, on what the fold holds out, of a linear classifier that is given codes of clean pictures.

    It learns from those of the training pictures; `labels` are classes by digest.
    """

    def measure(run: Run) -> float:
        (codes, classes), (asked, truth) = (_codes(run, subset, labels) for subset in ("train", "held"))
        return 100 * float((linear.answers(codes, classes, asked) != truth).mean())

    return measure


def _codes(run: Run, subset: str, labels: dict[str, int]) -> tuple[Array, Indices]:
    clean, digests = pictures_of(run, subset)
    known = [place for place, digest in enumerate(digests) if digest in labels]
    found = vectors.of_canvases(run.predictor, ((place, clean[place]) for place in known), "none")
    return np.stack([found[place] for place in known]), np.array([labels[digests[place]] for place in known])


def _questions(asked: Asked, runs: Runs) -> Sequence[Question]:
    samples, places = labelled(asked, "for a classifier of codes", 1)
    of = Digests.of(samples.digests).take(places)
    labels = dict(zip(of, samples.targets.strata[places].tolist(), strict=True))
    one = "denoising_autoencoder"
    best, error = SWEEP.best(asked, runs, one), "squared error on noisy pictures"
    restored, given = (SWEEP.of(asked, runs, one, best, each) for each in (noisy_error, given_error))
    failed, probe = SWEEP.failed(asked, runs, one, best), "linear classifier's error by codes"
    pair = asked, runs, one, "autoencoder"
    return [
        Question(
            f"at its best rate, {best:g}", error, one, "the noisy picture itself", restored, given, "times", -1,
            TIMES, failed,
        ),
        *SWEEP.compared(*pair, error, noisy_error, "times", -1, learned),
        *SWEEP.compared(*pair, probe, probe_error(labels), "points", -1, learned),
    ]  # fmt: skip


CLAIM = Claim(
    name="denoising",
    sentence="A denoising autoencoder restores noisy pictures, and learns better features than a plain one.",
    source="study notes; Vincent et al. 2008",
    protocol=f"The convolutional autoencoder with batch normalisation learns to give back pictures, or pictures with "
    f"Gaussian noise of {NOISE} without it. Both are asked to restore the same noisy pictures, and a linear classifier "
    "is given the codes that each has of clean ones.",
    gate=f"the plain autoencoder leaves at most {LEFT:.0%} of the mean picture's squared error on clean pictures",
    lesson="How well a network gives back clean pictures is not how well it restores noisy ones: measure what you "
    "need. Whether codes are better is a question of its own: ask it of a task that uses them.",
    questions=_questions,
    sweeps=(SWEEP,),
)
