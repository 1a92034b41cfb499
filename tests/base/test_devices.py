import pytest
import torch

from striate.base import devices
from striate.base.errors import MachineError


def test_a_device_that_is_not_there_is_refused_with_those_that_are() -> None:
    there = ["auto", "cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(MachineError, match="'mps' is not on this machine") as caught:
        devices.named("mps")
    assert str(caught.value).endswith(f"Try: one of {', '.join(there)}")


def test_apples_device_is_taken_where_it_is_there_and_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.named("mps") == torch.device("mps")
    assert devices.named("auto").type != "mps"
    assert devices.exact(devices.named("mps")) == torch.device("cpu")  # it has no float64


@pytest.mark.parametrize(
    ("said", "lacking"),
    [
        ("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: 8 bytes", True),
        ("could not create a primitive", True),  # oneDNN, under a limit of addresses
        ("could not create a primitive descriptor for the convolution forward propagation primitive", False),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_what_lacks_memory_is_told_from_what_cannot_be_computed(said, lacking):
    assert devices.out_of_memory(RuntimeError(said)) is lacking
