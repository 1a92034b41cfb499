"""Pictures of noise with one shape planted somewhere, and a small network that is trained on the spot to tell which."""

import numpy as np
import torch
from nets import seeded
from torch import nn
from torch.nn import functional

SIDE, SHAPE = 24, 8
SHAPES = np.zeros((3, SHAPE, SHAPE), np.float32)
SHAPES[0, 3:5], SHAPES[0, :, 3:5] = 1, 1  # a cross
SHAPES[1] = 1  # a ring
SHAPES[1, 2:-2, 2:-2] = 0
SHAPES[2, ::2] = 1  # stripes


def planted(count, seed):
    """Pictures (count, 3, 24, 24), the shape of each, and its box (left, top, right, bottom)."""
    draw = np.random.default_rng(seed)
    pictures = draw.normal(0, 0.4, (count, 3, SIDE, SIDE)).astype(np.float32)
    labels, boxes = draw.integers(0, len(SHAPES), count), []
    for picture, label in zip(pictures, labels, strict=True):
        top, left = draw.integers(0, SIDE - SHAPE + 1, 2)
        picture[:, top : top + SHAPE, left : left + SHAPE] += SHAPES[label] * draw.uniform(1, 2, (3, 1, 1))
        boxes.append((left, top, left + SHAPE, top + SHAPE))
    return torch.from_numpy(pictures), torch.from_numpy(labels), np.array(boxes)


SHALLOW = (8, "pool", 16, "pool", 16)
DEEP = (8, 8, "pool", 12, 12, "pool", 16, 16, 16, 16)


def chain(widths):
    """Convolutions with max pools between, and an end of global average pooling."""
    layers, given = [], 3
    for made in widths:
        if made == "pool":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(given, made, 3, padding=1, bias=False), nn.BatchNorm2d(made), nn.ReLU()]
            given = made
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(given, len(SHAPES)))


def trained(widths, steps=120):
    net, (pictures, labels, _) = seeded(lambda: chain(widths)).train(), planted(800, seed=1)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    for step in range(steps):
        batch = torch.arange(step * 50, step * 50 + 50) % len(pictures)
        loss = functional.cross_entropy(net(pictures[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


def lies_in(strength, box):
    """Whether the strongest place lies in a box: the pointing game of Zhang et al. 2016, section 4.1."""
    row, column = np.unravel_index(strength.argmax(), strength.shape)
    left, top, right, bottom = box
    return left <= column < right and top <= row < bottom
