"""Claims on gradients of fresh networks: what is measured, by hand, and what each of them asks."""

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from striate.claims import vanishing_gradient, worded
from striate.claims.catalogue import find
from striate.claims.claim import Asked
from striate.claims.gradients import PICTURES, Beginning, arriving, beginning, through_blocks
from striate.claims.vanishing_gradient import SETTINGS
from striate.claims.verdict import verdicts

pytestmark = pytest.mark.slow
ASKED = Asked({"data": "digits", "size": 8}, (1000,), Path("nowhere"))


@pytest.fixture(scope="module")
def begun() -> Beginning:
    return beginning(ASKED, 1000)


def loss_of(begun: Beginning, net: nn.Module) -> float:
    with torch.no_grad():
        return float(nn.functional.cross_entropy(net(begun.batch.pictures), begun.batch.targets["label"]))


def nudged(begun: Beginning, net: nn.Module, which: int, place: tuple[int, ...], by: float) -> float:
    other = copy.deepcopy(net)
    with torch.no_grad():
        [each for each in other.modules() if isinstance(each, nn.Conv2d)][which].weight[place] += by
    return loss_of(begun, other)


def test_the_gradient_is_how_the_loss_of_training_pictures_changes(begun):
    """Two weights moved a little, either way; then root mean squares from the gradients themselves."""
    net = begun.network("plain20", {"activation": "tanh"})
    share = arriving(begun, net)
    convolutions = [each for each in net.modules() if isinstance(each, nn.Conv2d)]
    assert len(begun.batch) == PICTURES
    for which in (0, -1):
        gradient = convolutions[which].weight.grad
        assert gradient.dtype == torch.float64
        place = tuple(int(each) for each in torch.nonzero(gradient.abs() == gradient.abs().max())[0])
        slope = (nudged(begun, net, which, place, 1e-5) - nudged(begun, net, which, place, -1e-5)) / 2e-5
        assert slope == pytest.approx(float(gradient[place]), rel=1e-4)
    first, last = (float(convolutions[which].weight.grad.pow(2).mean()) for which in (0, -1))
    assert share == pytest.approx(math.sqrt(first / last))


def test_the_factor_of_a_block_is_that_of_its_own_jacobian(begun):
    """The first block: the gradient at its input from a pass that begins there."""
    net = begun.network("preact_resnet20", {"norm": "none"})
    factors = through_blocks(begun, net)
    assert len(factors) == 7  # three a stage, and two of them change shape
    stem = net.relu(net.bn1(net.conv1(begun.batch.pictures))).detach().requires_grad_()
    made = net.layer1[0](stem)
    made.retain_grad()
    rest = net[list(dict(net.named_children())).index("layer1") :]
    answer = nn.Sequential(*rest[0][1:], *rest[1:])(made)
    nn.functional.cross_entropy(answer, begun.batch.targets["label"]).backward()
    assert factors[0] == pytest.approx(float(stem.grad.norm() / made.grad.norm()), rel=1e-9)


def test_a_block_without_its_branch_hands_the_gradient_on_as_it_is(begun):
    net = begun.network("resnet20", {"norm": "none", "zero_init": True})
    *factors, last = through_blocks(begun, net)
    assert factors == pytest.approx([1.0] * 6, rel=1e-12)
    assert last < 1  # the activation after the last addition is closed where x is 0


def test_a_seed_draws_weights_and_pictures_and_another_seed_others(begun):
    again, other = beginning(ASKED, 1000), beginning(ASKED, 1001)
    assert torch.equal(again.batch.pictures, begun.batch.pictures)
    assert not torch.equal(other.batch.pictures, begun.batch.pictures)
    first, second, third = (each.network("resnet20", {}).conv1.weight for each in (begun, again, other))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


@pytest.mark.whole
@pytest.mark.parametrize(
    ("name", "many"), [("vanishing_gradient", len(SETTINGS)), ("shortcut_gradient", 4), ("gradient_at_least_one", 8)]
)
def test_each_claim_comes_to_its_verdicts_without_a_training(name, many, tmp_path):
    claim = find(name)
    assert not claim.sweeps
    asked = Asked(ASKED.data, (1000, 1001, 1002), tmp_path)
    found = verdicts(claim.questions(asked, {}))
    assert len(found) == many
    assert all(math.isfinite(each.effect) and not each.question.failed for each in found)
    assert list(tmp_path.iterdir()) == []


def test_beside_them_stands_what_arrives_in_every_family_with_every_activation(begun, monkeypatch):
    monkeypatch.setattr(vanishing_gradient, "DEPTHS", (20,))
    (table,) = find("vanishing_gradient").beside(ASKED, {}, ())
    assert [row[0] for row in table.rows] == ["plain20", "resnet20", "preact_resnet20"]
    for row in table.rows:
        for told, cell in zip(table.head[1:], row[1:], strict=True):
            activation, norm = told.removesuffix(" norm").split(", ")
            net = begun.network(row[0], {"activation": activation, "norm": "none" if norm == "no" else norm})
            assert cell == worded.times(arriving(begun, net))


def test_sigmoids_fade_and_a_gate_says_so_where_they_do_not(begun, monkeypatch):
    from striate.claims import shortcut_gradient as claim

    assert claim._failed(begun) == ""
    monkeypatch.setattr(claim, "HALF", 1e-9)
    assert "do not vanish" in claim._failed(begun)
