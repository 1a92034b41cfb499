"""Images a second of a training step of a U-Net on a ResNet, beside segmentation_models_pytorch and a plain loop.

    python benchmarks/segment.py --write

All take turns in one process (A B C A B C ...), each on one fixed batch of equal size and with equal loss:
cross-entropy + Dice. striate's side is the step of its training loop with its defaults: bfloat16 autocast and
channels-last where the device is fast in it, uint8 pictures normalised within the step, a check that loss and gradient
are finite. The others are float32 loops as the documentation of segmentation_models_pytorch has them: its own Unet
with the same encoder, without weights; and striate's network.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from digits import machine, publish, spread, table
from train_step import MOMENTUM, RATE, Silent, Steps, rate

CLASSES = ("background", "cell")


@dataclass(frozen=True)
class Case:
    depth: int
    pixels: int
    batch: int

    def __str__(self) -> str:
        return f"U-Net on ResNet-{self.depth}, {self.pixels} pixels, batch {self.batch}"


CASES = (Case(18, 256, 8), Case(34, 256, 8), Case(18, 128, 16))


def plain_loss(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, and one less the Dice coefficient of each class over the batch."""
    shares, truth = scores.softmax(1), functional.one_hot(mask, len(CLASSES)).permute(0, 3, 1, 2).float()
    both, either = (shares * truth).sum((0, 2, 3)), shares.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    return functional.cross_entropy(scores, mask) + 1 - (2 * both / either.clamp(min=1)).mean()


def plain_steps(case: Case, net: nn.Module, device: torch.device, loss_of: Callable[..., torch.Tensor]) -> Steps:
    net = net.to(device).train()
    optimizer = torch.optim.SGD(net.parameters(), RATE, momentum=MOMENTUM)
    pictures, mask = torch.randn(case.batch, 3, case.pixels, case.pixels, device=device), masks(case).to(device)

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            loss_of(net(pictures), mask).backward()
            optimizer.step()

    return run


def masks(case: Case) -> torch.Tensor:
    """Squares, one in each quarter."""
    places = torch.arange(case.pixels) % (case.pixels // 2) > case.pixels // 4
    return (places[:, None] & places).long().expand(case.batch, -1, -1).contiguous()


def striate_steps(case: Case, device: torch.device, folder: Path) -> Steps:
    """`Trainer.step` on one batch that is already on the device; no augmentation."""
    import numpy as np

    import striate.training.plan as planning
    from striate.data.load import read_samples
    from striate.training import machine as machines
    from striate.training.loop import Trainer
    from striate.training.recipe import recipe_of
    from striate.training.signals import Stop

    count, side = 5 * case.batch, case.pixels
    noise = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    held: Any = (list(noise), [masks(case)[0].numpy().astype(np.uint8)] * count)
    recipe = recipe_of(
        data="arrays", model=f"unet_resnet{case.depth}", task="segment", size=side, batch=case.batch, rate=RATE,
        momentum=MOMENTUM, optimizer="sgd", nesterov=False, schedule="constant", warmup=0.0, augment="none",
        weight_decay=0.0, device=str(device), task_options={"loss_kind": "cross-entropy+dice"}, split="60/20/20",
    )  # fmt: skip
    execution = planning.Execution(runs=folder, memory="resident", workers=0)
    assert len(read_samples(held, masked=True)) == count
    job = planning.job_of(planning.plan_of(recipe, execution, Silent(), held), folder, execution, Silent())
    trainer = Trainer(job, Silent(), Stop())
    batch = next(iter(job.train.batches([job.units.within(job.split.train)[: case.batch]])))

    def run(steps: int) -> None:
        with machines.repeatable(job.machine.device):  # as in training; on a GPU it costs speed
            for _ in range(steps):
                trainer.step(batch, case.batch)

    return run


def row(case: Case, chosen: argparse.Namespace, device: torch.device) -> list[str]:
    """Two steps of warm-up a side, then in turns."""
    import segmentation_models_pytorch as smp

    from striate.models.build import build

    torch.manual_seed(0)
    dice, entropy = smp.losses.DiceLoss("multiclass"), nn.CrossEntropyLoss()
    theirs = smp.Unet(f"resnet{case.depth}", encoder_weights=None, in_channels=3, classes=len(CLASSES))
    own = build(f"unet_resnet{case.depth}", classes=len(CLASSES))
    print(*(f"{sum(each.numel() for each in net.parameters()):,}" for net in (theirs, own)), file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        sides = [
            plain_steps(case, theirs, device, lambda scores, mask: dice(scores, mask) + entropy(scores, mask)),
            plain_steps(case, own, device, plain_loss),
            striate_steps(case, device, Path(folder)),
        ]
        for run in sides:
            rate(run, 2, case, device)
        found = []
        for number in range(chosen.rounds):
            found.append([rate(run, chosen.steps, case, device) for run in sides])
            print(f"{case}: round {number + 1} of {chosen.rounds}: {found[-1]}", file=sys.stderr)
    smp_, plain, ours = zip(*found, strict=True)
    ratios = [spread([b / a for a, b in zip(other, ours, strict=True)], 2) for other in (smp_, plain)]
    print(f"{case}: {statistics.median(ours):.1f} images a second", file=sys.stderr)
    return [str(case), spread(smp_, 1), spread(plain, 1), spread(ours, 1), *ratios]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2, help="of a side before the next takes its turn")
    parser.add_argument("--quick", action="store_true", help="one round of one step, the smallest case")
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.rounds, chosen.steps = 1, 1
    device = torch.device(chosen.device)
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    import segmentation_models_pytorch as smp

    page = ["# A training step of a U-Net", "", f"{machine()}; on {device.type}: {on}", ""]
    page += [f"torch {torch.__version__}, segmentation_models_pytorch {smp.__version__}", ""]
    page += [f"`python {' '.join(sys.argv)}`", "", "Images a second, median of the rounds (least–most).", ""]
    rows = [row(case, chosen, device) for case in (CASES[-1:] if chosen.quick else CASES)]
    head = ["", "segmentation_models_pytorch, plain float32", "striate's network, plain float32", "striate"]
    publish("segment", [*page, table([*head, "to the first", "to the second"], rows)], chosen.write)


if __name__ == "__main__":
    main()
