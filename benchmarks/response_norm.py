"""What local response normalisation costs: processor seconds of a training step of the four-layer network, with it by
without, in turns on one core, in bfloat16 with batches of 128 grey pictures.

    python benchmarks/response_norm.py
"""

import time

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from digits import spread
from striate.models.build import build

PAIRS, BEFORE = 21, 3


def step(net: nn.Module, optimizer: torch.optim.Optimizer, pictures: torch.Tensor, labels: torch.Tensor) -> float:
    """One training step; its processor seconds, which do not grow where others use the machine."""
    started = time.process_time()
    with torch.autocast("cpu", torch.bfloat16):
        answers = net(pictures)
    optimizer.zero_grad()
    cross_entropy(answers.float(), labels).backward()
    optimizer.step()
    return time.process_time() - started


def ratios(side: int) -> list[float]:
    pictures, labels = torch.randn(128, 1, side, side), torch.arange(128) % 10
    pictures = pictures.contiguous(memory_format=torch.channels_last)
    both = []
    for lrn in (True, False):
        net = build("alexnet_cifar10", channels=1, lrn=lrn, init="he").to(memory_format=torch.channels_last)
        both.append((net, torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)))
    seconds = [[step(*each, pictures, labels) for each in both] for _ in range(BEFORE + PAIRS)]
    return [one / other for one, other in seconds[BEFORE:]]


if __name__ == "__main__":
    torch.set_num_threads(1)
    for side in (8, 32):
        print(f"{side} pixels: {spread(ratios(side), 1)} times")
