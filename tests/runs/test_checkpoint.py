import dataclasses
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from striate.base.errors import MachineError, RunError
from striate.runs import checkpoint
from striate.runs.checkpoint import Generation
from together import begun, ended


def generation(step: int, best: bool = True) -> Generation:
    made = torch.Generator().manual_seed(step)
    weights = {"a.weight": torch.randn(3, 4, generator=made), "a.count": torch.tensor(step)}
    optimizer = {"0.momentum": torch.randn(3, 4, generator=made)}
    return Generation(step, weights, optimizer, {"a.weight": torch.ones(2) * step} if best else None, {"epoch": step})


def equal(one: Generation | None, other: Generation) -> bool:
    return one is not None and all(
        getattr(one, field.name) == getattr(other, field.name)
        if field.name in {"step", "state"}
        else same(getattr(one, field.name), getattr(other, field.name))
        for field in dataclasses.fields(Generation)
    )


def same(one: checkpoint.Tensors | None, other: checkpoint.Tensors | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def steps(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def hurt(path: Path, parts: int = 64) -> Iterator[str]:
    """`path` flipped, cut and zeroed at every 64th part, one after the other, and whole again at the end."""
    whole = path.read_bytes()
    for part in range(parts):
        at = len(whole) * part // parts
        for name, data in {
            f"{path.name} flipped at {at}": whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :],
            f"{path.name} cut at {at}": whole[:at],
            f"{path.name} zeroed at {at}": whole[:at] + bytes(len(whole[at : at + 32])) + whole[at + 32 :],
        }.items():
            if data != whole:
                path.write_bytes(data)
                yield name
    path.write_bytes(whole)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    for best in (True, False):
        checkpoint.save(tmp_path, generation(7, best))
        found, notes = checkpoint.read_newest(tmp_path)
        assert equal(found, generation(7, best))
        assert notes == []


def test_two_generations_are_kept_and_the_newest_is_loaded(tmp_path: Path) -> None:
    for step in (1, 20, 999_999_999, 1_000_000_000):
        checkpoint.save(tmp_path, generation(step))
    assert steps(tmp_path) == ["step-1000000000", "step-999999999"]
    assert equal(checkpoint.read_newest(tmp_path)[0], generation(1_000_000_000))


def test_nothing_saved_is_nothing_to_resume(tmp_path: Path) -> None:
    assert checkpoint.read_newest(tmp_path / "none") == (None, [])
    (tmp_path / ".step-000000001.partial").mkdir()
    assert checkpoint.read_newest(tmp_path) == (None, [])


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "optimizer.safetensors", "best.safetensors", "state.json", "manifest.json"]
)
def test_any_damage_to_the_newest_steps_back_to_the_older_and_names_both(tmp_path: Path, name: str) -> None:
    for step in (10, 20):
        checkpoint.save(tmp_path, generation(step))
    stepped = 0
    for damage in hurt(tmp_path / "step-000000020" / name):
        found, notes = checkpoint.read_newest(tmp_path)
        if name == "manifest.json" and not notes:  # white space became other white space: nothing is lost
            assert equal(found, generation(20)), damage
            continue
        assert equal(found, generation(10)), damage
        assert [note.split()[0] for note in notes] == ["step-000000020", "step-000000010"]
        assert str(tmp_path / "step-000000020") in notes[0]
        stepped += 1
    assert stepped > 100
    (tmp_path / "step-000000020" / name).unlink()
    assert equal(checkpoint.read_newest(tmp_path)[0], generation(10))


def test_both_damaged_is_an_error_that_names_both(tmp_path: Path) -> None:
    for step in (10, 20):
        checkpoint.save(tmp_path, generation(step))
        (tmp_path / f"step-{step:09d}" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(RunError) as caught:
        checkpoint.read_newest(tmp_path)
    assert caught.value.where == str(tmp_path)
    assert "no generation verifies: step-000000020 is damaged" in caught.value.cause


def test_a_sound_folder_that_lacks_a_part_is_stepped_over(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, generation(10))
    checkpoint.save_best(tmp_path, generation(20).weights)
    (tmp_path / "best").rename(tmp_path / "step-000000020")
    found, notes = checkpoint.read_newest(tmp_path)
    assert equal(found, generation(10))
    assert "state.json is missing" in notes[0]


def test_after_stepping_back_the_next_saves_leave_two_sound_generations(tmp_path: Path) -> None:
    for step in (10, 20):
        checkpoint.save(tmp_path, generation(step))
    (tmp_path / "step-000000020" / "state.json").write_bytes(b"")
    for step in (12, 14):
        checkpoint.save(tmp_path, generation(step))
    assert steps(tmp_path) == ["step-000000012", "step-000000014"]
    assert checkpoint.read_newest(tmp_path)[1] == []


def test_the_best_weights_come_back_and_damaged_ones_are_stepped_over_and_named(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, generation(10))
    weights = generation(3).weights
    checkpoint.save_best(tmp_path, weights)
    found, place, notes = checkpoint.read_best(tmp_path)
    assert same(found, weights)
    assert (place, notes) == ("best", [])
    for _ in hurt(tmp_path / "best" / "weights.safetensors", 8):
        found, place, notes = checkpoint.read_best(tmp_path)
        assert same(found, generation(10).best)
        assert place == "step-000000010"
        assert notes[0].startswith("best is damaged and was stepped over")
        assert notes[-1] == "the weights chosen so far are those of step-000000010"


def test_before_the_first_epoch_ends_the_weights_are_those_of_the_step(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, generation(10, best=False))
    assert same(checkpoint.read_best(tmp_path)[0], generation(10).weights)


def test_without_weights_the_error_says_whether_there_were_none_or_they_are_damaged(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no weights are saved here"):
        checkpoint.read_best(tmp_path)
    checkpoint.save_best(tmp_path, generation(3).weights)
    (tmp_path / "best" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match="best is damaged"):
        checkpoint.read_best(tmp_path)
    shutil.rmtree(tmp_path / "best")
    checkpoint.save(tmp_path, generation(10))
    (tmp_path / "step-000000010" / "weights.safetensors").write_bytes(b"")
    with pytest.raises(RunError, match="no generation verifies"):
        checkpoint.read_best(tmp_path)


def test_weights_in_any_memory_layout_are_saved_by_their_values(tmp_path: Path) -> None:
    odd = {"a": torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last), "b": torch.randn(4, 3).T}
    checkpoint.save_best(tmp_path, odd)
    assert same(checkpoint.read_best(tmp_path)[0], odd)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell how much is used")
def test_weights_for_which_there_is_no_memory_are_a_sentence(tmp_path: Path) -> None:
    def saved() -> None:
        weights = {"weight": torch.zeros(2**28)}
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
        try:
            checkpoint.tensors_to_bytes(weights)
        except MachineError as error:
            (tmp_path / "said").write_text(str(error))

    assert ended([begun(saved)]) == [0]
    said = (tmp_path / "said").read_text()
    assert said.startswith("memory: 1,073,741,824 bytes more are needed to save the weights. Try:")


def test_a_partner_is_saved_with_the_network_and_never_taken_for_it(tmp_path: Path) -> None:
    plain, beside = generation(3), {"patches.weight": torch.ones(2, 2)}
    paired = dataclasses.replace(
        plain,
        best=plain.weights,
        optimizer={"momentum/a.weight": torch.zeros(3, 4), "momentum/partner.patches.weight": torch.zeros(2, 2)},
        partner=beside,
    )
    checkpoint.save(tmp_path, paired)
    assert equal(checkpoint.read_newest(tmp_path)[0], paired)
    assert equal(checkpoint.read_newest(tmp_path, paired.weights, partner=beside)[0], paired)
    assert same(checkpoint.read_best(tmp_path, paired.weights)[0], paired.best)
    for other in ({}, {"patches.weight": torch.ones(3, 2)}, {**beside, "more": torch.ones(1)}):
        with pytest.raises(RunError, match=r"partner\.safetensors: weights of another network"):
            checkpoint.read_newest(tmp_path, paired.weights, partner=other)


def test_a_generation_without_a_partner_is_none_of_a_training_with_one(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, generation(3))
    assert checkpoint.read_newest(tmp_path, partner={})[0] is not None
    with pytest.raises(RunError, match=r"partner\.safetensors is missing"):
        checkpoint.read_newest(tmp_path, partner={"patches.weight": torch.ones(2, 2)})


def test_moments_of_a_partner_that_is_not_there_are_refused(tmp_path: Path) -> None:
    odd = dataclasses.replace(
        generation(3, best=False), optimizer={"momentum/partner.patches.weight": torch.zeros(2, 2)}
    )
    checkpoint.save(tmp_path, odd)
    with pytest.raises(RunError, match="is of another network"):
        checkpoint.read_newest(tmp_path, odd.weights)
