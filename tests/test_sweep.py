"""benchmarks/sweep.py: one pass of one network by both counters."""

from pathlib import Path

import pytest
from torch import nn

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("training", [False, True])
def test_a_difference_is_explained_to_the_last_multiply_add(monkeypatch, training):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import sweep

    def make():
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, groups=4), nn.Flatten(), nn.Linear(64, 2))
        return sweep.Built("tiny", net.to("meta"), ((3, 8, 8),))

    found = sweep.one("tiny", make, training=training)
    assert (found.error, found.failed, found.left) == ("", "", 0)
    # 6x6 and 4x4 positions; the weight gradient of four groups counts four times, for a batch of two
    assert found.macs == (36 * 27 * 4 + 16 * 9 * 4 + 64 * 2 if not training else 2 * (2 * 3888 + 3 * 576 + 3 * 128))
    assert found.pytorch - found.macs == (2 * 3 * 576 if training else 0)
