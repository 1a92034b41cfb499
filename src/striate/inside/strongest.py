"""The strongest activations of each map of a layer over any number of pictures, in memory that does not grow."""

from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from striate.data.picture.laid import Array

Whole = npt.NDArray[np.int64]


@final
class Strongest:
    """Of each map the highest activations that are positive, one a picture, (maps, top), the highest first.

    `pictures` are numbers of pictures, -1 where there are fewer; `looks` say which canvas of it, `cells` which cell of
    the map, counted along its rows. Of equal ones that of the earlier picture comes first.
    """

    def __init__(self, maps: int, top: int) -> None:
        self.values = np.zeros((maps, top), np.float32)
        self.pictures, self.looks, self.cells = (np.full((maps, top), -1, np.int64) for _ in range(3))
        self._last: tuple[int, Array, Whole, Whole] | None = None

    def take(self, picture: int, look: int, values: Array, cells: Whole) -> None:
        """The highest activation of each map for one canvas, and its cell; a picture's canvases follow each other."""
        if self._last is not None and self._last[0] == picture:
            _, before, looks, was = self._last
            more = values > before
            self._last = (picture, np.where(more, values, before), np.where(more, look, looks),
                          np.where(more, cells, was))  # fmt: skip
            return
        self.finish()
        self._last = picture, values, np.full(len(values), look), cells

    def finish(self) -> None:
        """After the last canvas."""
        if self._last is None:
            return
        picture, values, looks, cells = self._last
        self._last = None
        joined = np.concatenate([self.values, values[:, None]], 1)
        order = np.argsort(-joined, axis=1, kind="stable")[:, :-1]
        self.values = np.take_along_axis(joined, order, 1)
        new = {"pictures": np.full(len(values), picture), "looks": looks, "cells": cells}
        for name, each in new.items():
            held = np.concatenate([getattr(self, name), each[:, None]], 1)
            setattr(self, name, np.take_along_axis(held, order, 1))


class _Made(Exception):
    """What the layer made: nothing behind it is to be run."""

    def __init__(self, value: Tensor) -> None:
        self.value = value


@torch.no_grad()
def made_by(net: nn.Module, pictures: Tensor, layer: str, times: int) -> Tensor:
    """What a layer makes of pictures (n, channels, height, width) when it is called for the `times`-th time.

    The network stays in the mode that it is in, and goes no further than that layer.
    """
    left = times

    def stop(module: nn.Module, given: Any, made: Tensor) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise _Made(made)

    handle = net.get_submodule(layer).register_forward_hook(stop)
    try:
        net(pictures)
    except _Made as found:
        return found.value
    finally:
        handle.remove()
    raise AssertionError(f"{layer} is called less often than it was")


def highest(maps: Tensor) -> tuple[Array, Whole]:
    """Of maps (n, maps, height, width) the highest activation of each and its cell, (n, maps)."""
    values, cells = maps.flatten(2).max(2)
    return values.float().cpu().numpy(), cells.cpu().numpy()
