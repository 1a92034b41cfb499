import pytest

OWN = """
import torch
from torch import nn

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(10, 4)

    def forward(self, picture, numbers):
        return self.conv(picture).mean((2, 3)) + self.linear(numbers)

def dropping():
    rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]  # as many networks spread their rates over blocks
    return nn.Sequential(*map(nn.Dropout, rates), nn.Conv2d(3, 4, 3))

class Strided(nn.Linear):
    def __init__(self):
        super().__init__(4, 4)
        self.register_buffer("stride", torch.tensor(8.0))

    def forward(self, x):
        return super().forward(x) * float(self.stride)

class Branching(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 4), nn.Linear(4, 4))

    def forward(self, x):
        return self[1](x) if self[0](x).sum() > 0 else x

class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.table = nn.Conv2d(3, 4, 3), nn.Embedding(10, 4)

    def forward(self, picture, words):
        return self.conv(picture).mean((2, 3)) + self.table(words).mean(1)

class Deep(nn.Sequential):
    def __init__(self, deep: bool = True):
        super().__init__(*(nn.Linear(4, 4) for _ in range(3 if deep else 1)))

class Mine(Exception):
    pass

class Raising(nn.Module):
    def forward(self, x):
        raise Mine("own words")

class Picky(nn.Linear):
    def __init__(self):
        super().__init__(4, 4)

    def forward(self, x):
        if not x.is_meta:
            raise Mine("own words")
        return super().forward(x)

class Hooked(nn.Linear):
    def __init__(self):
        super().__init__(4, 4)
        self.register_forward_hook(lambda module, args, output: output * 2)

class Odd(nn.Module):
    def forward(self, picture):
        return torch.special.bessel_j0(picture)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The current folder is the user's own, with the module own_networks in it."""
    (tmp_path / "own_networks.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def quick_rates(tmp_path, monkeypatch):
    """Rates of this machine from short runs, kept apart from the user's."""
    from striate.cost import machine

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(machine, "SECONDS", 0.01)
    monkeypatch.setattr(machine, "SIDE", 64)
    monkeypatch.setattr(machine, "COPIED", 2**16)
