"""How fast a core of this machine trains: so that what a claim took elsewhere tells what it will take here."""

import time

import torch
from torch import nn

from striate.models.build import build
from striate.training import machine as machines

STEPS, TIMES = 10, 3


def yardstick() -> float:
    """Seconds of a fixed number of training steps of a fixed small network in one thread: the least of three times."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with machines.repeatable(torch.device("cpu")):
            return _least()
    finally:
        torch.set_num_threads(threads)


def _least() -> float:
    machine = machines.choose("cpu", "auto")
    machine.seed(0)
    network = machines.channels_last(build("resnet20", classes=10, channels=1), machine).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    pictures, labels = torch.randn(128, 1, 8, 8), torch.arange(128) % 10

    def steps(count: int) -> float:
        began = time.monotonic()
        for _ in range(count):
            optimizer.zero_grad()
            with machine.autocast():
                loss = nn.functional.cross_entropy(network(pictures), labels)
            torch.autograd.backward(loss)
            optimizer.step()
        return time.monotonic() - began

    steps(2)
    return min(steps(STEPS) for _ in range(TIMES))
