"""A user's hooks are left out and told, or they run like everything else; torch's own always run."""

import json
import warnings

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from striate.base.errors import UsageError
from striate.cost.count import count


def net():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))


def twice(module, args, output):
    return output * 2


def hooked():
    made = net()
    made[0].register_forward_hook(twice)
    made[3].register_forward_pre_hook(lambda module, args: (args[0] @ torch.ones(144, 144),))
    made[3].register_full_backward_hook(lambda *_: None)
    made[3].weight.register_hook(lambda gradient: gradient)
    return made


def test_hooks_that_are_left_out_are_told():
    found = count(hooked(), (3, 8, 8))
    assert (found.hooks, found.left_out) == (2, {"0": 1, "3": 1})
    assert "2 hooks left out, of 0, 3" in str(found).splitlines()
    assert json.loads(found.to_json())["hooks"] == {"0": 1, "3": 1}
    assert found.rows == count(net(), (3, 8, 8)).rows
    assert count(net(), (3, 8, 8)).hooks == 0
    assert "hook" not in str(count(net(), (3, 8, 8)))


def test_hooks_of_the_backward_pass_count_in_training():
    assert count(hooked(), (3, 8, 8), training=True).left_out == {"0": 1, "3": 3}
    assert count(hooked(), (3, 8, 8), training=True, hooks=True).left_out == {"3": 2}


@pytest.mark.parametrize("training", [False, True])
def test_hooks_run_when_asked_and_are_booked_on_their_module(training):
    plain, found = (count(made, (3, 8, 8), training=training, hooks=True) for made in (net(), hooked()))
    rows = {(row.module, row.kind): row for row in found.rows}
    assert rows["0", "mul"].additions == 144 * (2 if training else 1)
    assert rows["3", "mm"].macs == 144 * 144 * (2 if training else 1)
    assert rows["3", "Linear"].params == 290
    usual = [row for row in found.rows if row.kind not in ("mul", "mm", "ones")]
    assert [(row.module, row.kind, row.params) for row in usual] == [
        (row.module, row.kind, row.params) for row in plain.rows
    ]
    assert {row.kind: row.phases.get("optimizer") for row in usual} == {
        row.kind: row.phases.get("optimizer") for row in plain.rows
    }
    assert found.macs == sum(row.macs for row in found.rows)


def test_a_hook_that_is_a_method_runs_on_the_twin_and_the_network_is_as_it_was():
    class Noted(nn.Linear):
        def __init__(self):
            super().__init__(4, 4)
            self.seen = []
            self.register_forward_hook(self.note)

        def note(self, module, args, output):
            self.seen.append(tuple(output.shape))

    made = Noted()
    assert count(made, (4,), hooks=True).hooks == 0
    assert made.seen == []
    assert len(made._forward_hooks) == 1


def test_a_hook_that_goes_wrong_names_its_module():
    made = net()
    made[0].register_forward_hook(lambda module, args, output: output.sum().item())
    with pytest.raises(UsageError, match=r"depends on the values"):
        count(made, (3, 8, 8), hooks=True)


def test_a_function_that_is_also_a_hook_stays_what_it_is():
    class Doubled(nn.Linear):
        def __init__(self):
            super().__init__(4, 4)
            self.also = twice
            self.register_forward_hook(twice)

        def forward(self, x):
            return self.also(self, (), super().forward(x))

    assert count(Doubled(), (4,)).additions == 4 + 4


def test_hooks_of_every_module_are_not_told_of_a_count_unless_asked():
    seen = []
    handle = register_module_forward_hook(lambda module, args, output: seen.append(module))
    try:
        found = count(net(), (3, 8, 8))
        assert (seen, found.left_out) == ([], {"every module": 1})
        count(net(), (3, 8, 8), hooks=True)
        assert len(seen) == 5
        net()(torch.zeros(1, 3, 8, 8))
        assert len(seen) == 10
    finally:
        handle.remove()


@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
def test_torchs_own_hooks_run_and_are_booked_on_their_module(norm):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = norm(nn.Linear(4, 5))
    found = count(made, (4,))
    assert found.hooks == 0
    assert {row.module for row in found.rows} == {""}
    assert "loss" not in {row.kind for row in found.rows}
    assert next(row for row in found.rows if row.kind == "Linear").params == found.params
