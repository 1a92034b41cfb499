"""Images a second of a training step: striate's own step beside a plain loop over torchvision's ResNet-18.

Both sides take turns in one process, each on one fixed batch. striate's side is the step of its training loop
with its defaults: bfloat16 autocast and channels-last where the device is fast in it, uint8 pictures normalised
within the step, a check that loss and gradient are finite. The plain side is float32, nothing else.

    python benchmarks/train_step.py --write
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torchvision.models import resnet18

from digits import machine, publish, spread, table, versions

Steps = Callable[[int], None]  # does that many training steps

CLASSES = 10
RATE, MOMENTUM = 0.01, 0.9


@dataclass(frozen=True)
class Case:
    pixels: int
    batch: int

    def __str__(self) -> str:
        return f"ResNet-18, {self.pixels} pixels, batch {self.batch}"


CASES = (Case(224, 32), Case(32, 128), Case(32, 32))


def plain_steps(case: Case, device: torch.device, compiled: bool) -> Steps:
    """torchvision's network; at 32 pixels with a 3x3 stem and no pool, as striate's."""
    net: nn.Module = resnet18(num_classes=CLASSES)
    if case.pixels == 32:
        net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    net = net.to(device).train()
    optimizer = torch.optim.SGD(net.parameters(), RATE, momentum=MOMENTUM)
    loss_of, forward = nn.CrossEntropyLoss(), torch.compile(net) if compiled else net
    pictures = torch.randn(case.batch, 3, case.pixels, case.pixels, device=device)
    labels = torch.arange(case.batch, device=device) % CLASSES

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            loss_of(forward(pictures), labels).backward()
            optimizer.step()

    return run


def striate_steps(case: Case, device: torch.device, compiled: bool, folder: Path) -> Steps:
    """`Trainer.step` on one batch that is already on the device; no augmentation."""
    import numpy as np

    from striate.data.augment import PRESETS, Augmenter
    from striate.data.feed import open_feed
    from striate.data.preprocess import Measured, Preprocess
    from striate.data.sources.arrays import from_arrays
    from striate.data.splits import Split
    from striate.data.units import units_of
    from striate.models.build import build
    from striate.tasks.classify import Classify
    from striate.training import machine as machines
    from striate.training.loop import Trainer
    from striate.training.plan import Job
    from striate.training.recipe import FOR_PICTURES, recipe_of, resolve
    from striate.training.signals import Stop

    count, side, stem = case.batch, case.pixels, "32" if case.pixels == 32 else "224"
    recipe = recipe_of(
        data="noise", batch=count, rate=RATE, momentum=MOMENTUM, nesterov=False, schedule="constant",
        warmup=0.0, augment="none", weight_decay=0.0, label_smoothing=0.0, device=str(device), compile=compiled,
    )  # fmt: skip
    recipe = resolve(recipe, FOR_PICTURES)
    noise = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    samples = from_arrays(noise, np.arange(count) % CLASSES)
    chosen = machines.choose(recipe.device, recipe.precision)
    net = machines.channels_last(build("resnet18", classes=CLASSES, stem=stem), chosen).train()
    indices = np.arange(count)
    preprocess = Preprocess(size=side, channels=3, mean=(0.5,) * 3, deviation=(0.29,) * 3)
    measured = Measured(preprocess.mean, preprocess.deviation, ((0.0,) * 3,) * 3)
    units = units_of(samples)
    feed = open_feed(units, indices, preprocess, chosen.device, memory="resident")
    job = Job(
        recipe=recipe, data="noise", network={}, net=net, samples=samples,
        task=Classify(tuple(map(str, range(CLASSES)))), split=Split(indices, indices, indices), blank=preprocess,
        units=units, preprocess=preprocess,
        augmenter=Augmenter(PRESETS["none"], side, measured, recipe.seed), train=feed, val=feed,
        machine=chosen, checkpoints=folder, save_every=float("inf"), workers=0, chosen={}, grouped="", start=None,
        before=None, anew=(), tuning=None, keep_epochs=0, watch=False, partner=None,
    )  # fmt: skip
    trainer = Trainer(job, Silent(), Stop())
    batch = next(iter(feed.batches([indices])))

    def run(steps: int) -> None:
        with machines.repeatable(chosen.device):  # as in training; on a GPU it costs speed
            for _ in range(steps):
                trainer.step(batch, count)

    return run


class Silent:
    def say(self, text: str) -> None: ...

    def progress(self, name: str, done: int, total: int, left: float | None = None) -> None: ...

    def epoch(self, epoch: object) -> None: ...


def rate(run: Steps, steps: int, case: Case, device: torch.device) -> float:
    """Images a second over `steps` steps."""
    wait(device)
    start = time.perf_counter()
    run(steps)
    wait(device)
    return steps * case.batch / (time.perf_counter() - start)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def row(case: Case, chosen: argparse.Namespace, device: torch.device) -> list[str]:
    """Two steps of warm-up a side, then plain, striate, plain, striate ..."""
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        sides = [
            plain_steps(case, device, chosen.compile),
            striate_steps(case, device, chosen.compile, Path(folder)),
        ]
        for run in sides:
            rate(run, 2, case, device)
        pairs = []
        for number in range(chosen.pairs):
            pairs.append([rate(run, chosen.steps, case, device) for run in sides])
            print(f"{case}: pair {number + 1} of {chosen.pairs}: {pairs[-1]}", file=sys.stderr)
    plain, ours = ([pair[side] for pair in pairs] for side in (0, 1))
    return [str(case), spread(plain, 1), spread(ours, 1), spread([b / a for a, b in pairs], 2)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--compile", action="store_true", help="torch.compile on both sides")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3, help="of a side before the other takes its turn")
    parser.add_argument("--quick", action="store_true", help="one pair of one step, the smallest case")
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.pairs, chosen.steps = 1, 1
    device = torch.device(chosen.device)
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    page = ["# A training step of ResNet-18", "", f"{machine()}; on {device.type}: {on}", ""]
    page += [versions({"striate": sys.executable, "pytorch": sys.executable}), ""]
    page += [f"`python {' '.join(sys.argv)}`", "", "Images a second, median of the pairs (least–most).", ""]
    rows = [row(case, chosen, device) for case in (CASES[-1:] if chosen.quick else CASES)]
    head = ["", "torchvision, plain float32", "striate", "striate / torchvision"]
    publish("train_step", [*page, table(head, rows)], chosen.write)


if __name__ == "__main__":
    main()
