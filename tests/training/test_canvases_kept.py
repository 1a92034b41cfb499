"""A training whose canvases are kept on disk ends with the bits of one that decodes every time."""

from pathlib import Path
from typing import Any

import pytest

from small import Notes, data_of, digest, train
from striate.training.execution import Execution
from striate.training.train import resume_run

pytestmark = pytest.mark.slow
# A random crop is cut from a larger canvas, which is what is kept.
RECIPE: dict[str, Any] = {"model": "lenet5", "epochs": 3, "augment": "standard", "batch": 8}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRIATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "canvases"


class Killed(Notes):
    """Stops the training in its second epoch."""

    def progress(self, name: str, done: int, total: int, left: float | None = None) -> None:
        if name.startswith("epoch 2") and done == 1:
            raise KeyboardInterrupt


def test_with_kept_canvases_and_without_a_training_ends_with_the_same_bits(tmp_path: Path, cache: Path) -> None:
    data = data_of("folder", tmp_path)
    how = {"memory": "streamed", "workers": 0}
    without = train(tmp_path / "runs", data=data, execution=how, **RECIPE)
    assert not cache.exists()
    told = Notes()
    first = train(tmp_path / "runs", data=data, execution=how | {"canvases": 1 << 30}, listener=told, **RECIPE)
    assert len(list(cache.iterdir())) == 2  # of training, and of validation
    assert any(f"canvases are kept in {cache}" in each for each in told.said)
    again = train(tmp_path / "runs", data=data, execution=how | {"canvases": 1 << 30}, **RECIPE)
    few = train(tmp_path / "runs", data=data, execution=how | {"canvases": 1 << 15}, **RECIPE)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", data=data, execution=how | {"canvases": 1 << 30}, listener=Killed(), **RECIPE)
    (cut,) = (tmp_path / "cut").iterdir()
    resumed = resume_run(cut, Execution(canvases=1 << 30, memory="streamed", workers=0), Notes())
    assert {digest(run) for run in (without, first, again, few, resumed)} == {digest(without)}


def test_where_all_fits_into_memory_nothing_is_kept_on_disk(tmp_path: Path, cache: Path) -> None:
    told = Notes()
    train(tmp_path / "runs", execution={"canvases": 1 << 30}, listener=told, epochs=1)
    assert not cache.exists()
    assert any("all pictures fit into memory" in each for each in told.said)
