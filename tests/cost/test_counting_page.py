"""docs/counting.md and docs/tables/counters.md: sums are right, numbers are the code's."""

import re
from pathlib import Path

import pytest

from striate.cost.count import count
from striate.models.build import build

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "counting.md"
TEXT = PAGE.read_text()
SHAPE = (3, 224, 224)
SUM = re.compile(r"(\d[\d,]*(?: [x+-] \d[\d,]*)+) = (\d[\d,]*)")


@pytest.fixture(scope="module")
def counters():
    """benchmarks/counters.py, which explains the other tools' numbers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import counters

        yield counters


@pytest.fixture(scope="module")
def explained(counters):
    return counters.explained(counters.read())


def whole(text):
    return int(text.replace(",", ""))


def numbers(text):
    """Those of five digits or more."""
    return {whole(each) for each in re.findall(r"\d{1,3}(?:,\d{3})+", text) if len(each) > 5}


def value(formula):
    """Of products and sums, products first."""
    total, sign = 0, 1
    for part in re.split(r" ([+-]) ", formula):
        if part in "+-":
            sign = 1 if part == "+" else -1
        else:
            product = 1
            for factor in part.split(" x "):
                product *= whole(factor)
            total += sign * product
    return total


def test_the_sums_are_right():
    sums = SUM.findall(TEXT)
    assert len(sums) > 15
    assert {formula: value(formula) for formula, _ in sums} == {formula: whole(total) for formula, total in sums}


def test_every_large_number_is_one_that_the_code_arrives_at(counters, explained):
    """Beside what examples print: counted, said by a tool when it was asked, or a sum of such numbers."""
    plain = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    known = {late_stride()}
    for name in ("resnet50", "resnet50_v1"):
        net = build(name)
        counted = count(net, SHAPE)
        known |= {getattr(counted, column) for column in COLUMNS} | set(counters.amounts(net, counted).values())
        known |= {row.macs for row in counted.rows}
    for line in (line for networks in explained for lines in networks.values() for line in lines):
        known |= {line.said, line.factor * line.ours}
    sums = SUM.findall(plain)
    for formula, total in sorted(sums, key=lambda each: len(numbers(each[0]))):  # small ones are terms of larger ones
        if numbers(formula) <= known:
            known.add(whole(total))
    assert numbers(plain) - known == set()


COLUMNS = (
    "params", "macs", "macs_valid", "additions", "comparisons", "transcendental", "activations", "outputs",
    "bytes_read", "bytes_written",
)  # fmt: skip


def late_stride():
    """Multiply-adds of TF-Slim's ResNet-50 without its classifier: each block's last unit has the stride."""
    total, channels, side = 112 * 112 * 64 * 7 * 7 * 3, 64, 56
    for block, (width, units) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for unit in range(units):
            after = side // 2 if unit == units - 1 and block < 3 else side
            total += side * side * channels * width + after * after * (9 * width * width + 4 * width * width)
            total += after * after * channels * 4 * width if unit == 0 else 0
            channels, side = 4 * width, after
    return total


def test_torchvision_prints_the_same_multiply_adds():
    weights = pytest.importorskip("torchvision.models").ResNet50_Weights.IMAGENET1K_V1
    assert weights.meta["_ops"] == pytest.approx(count(build("resnet50"), SHAPE).macs / 1e9, abs=5e-4)


def test_other_tools_numbers_are_explained_to_the_last_one(counters, explained):
    said = counters.read()
    for networks in explained:
        assert set(networks) == set(counters.NETWORKS)
        assert [(name, line) for name, lines in networks.items() for line in lines if line.left] == []
        assert all(networks.values())
    assert counters.PAGE.read_text() == counters.page(said, explained)
    assert " unexplained" not in counters.page(said, explained).split("## Parameters")[1]
