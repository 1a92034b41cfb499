"""Small networks that do one thing in different ways."""

import torch
from torch import nn
from torch.nn import functional


def picture(*shape, seed=1):
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed))


def seeded(make, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make().eval()


def of(label):
    """The score of a class."""
    return lambda outputs: outputs[:, label]


class Same(nn.Module):
    """Two convolutions and a linear layer, rectified in one of several ways that come to the same."""

    def __init__(self, how="modules", pooled=True):
        super().__init__()
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Linear(6, 4)
        self.relu1, self.relu2 = nn.ReLU(how == "in place"), nn.ReLU(how == "in place")
        if how == "used again":
            self.relu2 = self.relu1
        self.how = how

    def rectified(self, x, module):
        if self.how == "a function":
            return functional.relu(x)
        if self.how == "a function in place":
            functional.relu_(x)
            return x
        return module(x)

    def forward(self, x):
        x = self.rectified(self.conv1(x), self.relu1)
        x = self.rectified(self.conv2(x), self.relu2)
        return self.fc(x.mean((2, 3)))


WAYS = ("modules", "in place", "used again", "a function", "a function in place")
