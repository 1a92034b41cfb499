"""Pictures from what is given of them: the noise, the errors, and a whole training with its page and its answers."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import striate
from small import photographs, train, whole
from striate.base.errors import UsageError
from striate.data.feed import Batch
from striate.data.picture.laid import Laid
from striate.shell.cli import main
from striate.tasks import registry
from striate.tasks.reconstruct import Reconstruct

pytestmark = pytest.mark.slow

PLAIN, NOISY = (registry.task_named(name, (), {}, {}) for name in ("reconstruct", "denoise"))


def batch(count=6, side=8, channels=1, seed=0, indices=None):
    pictures = torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed))
    indices = np.arange(count) if indices is None else indices
    return Batch(indices, pictures, {}, (whole(side, side),) * count)


def test_a_whole_picture_is_given_as_it_is_and_is_the_target():
    before = batch()
    found = PLAIN.given(before, 3, 5)
    assert found.pictures is before.pictures
    assert found.targets["picture"] is before.pictures


def test_noise_has_the_asked_deviation_and_the_target_is_clean():
    before = batch(200, 16)
    found = NOISY.given(before, 3, 5)
    noise = (found.pictures - before.pictures).numpy()
    assert torch.equal(found.targets["picture"], before.pictures)
    assert noise.std() == pytest.approx(0.3, rel=0.02)
    assert abs(noise.mean()) < 4 * 0.3 / np.sqrt(noise.size)


@given(st.permutations(range(6)), st.integers(0, 9), st.integers(0, 9))
def test_the_noise_of_a_picture_depends_on_seed_epoch_and_its_index_alone(order, seed, epoch):
    whole_batch = NOISY.given(batch(), seed, epoch)
    order = np.array(order)
    clean = batch().pictures[torch.from_numpy(order)]
    moved = NOISY.given(Batch(order, clean, {}, (whole(8, 8),) * 6), seed, epoch)
    assert torch.equal(moved.pictures, whole_batch.pictures[torch.from_numpy(order)])
    assert not torch.equal(NOISY.given(batch(), seed, epoch + 1).pictures, whole_batch.pictures)


def test_loss_and_rows_are_the_errors_of_each_picture():
    asked = NOISY.given(batch(), 0, 0)
    answers = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(9)) * 1.4 - 0.2
    expected = ((answers - batch().pictures) ** 2).numpy().reshape(6, -1).mean(1)
    np.testing.assert_allclose(NOISY.loss(answers, asked).numpy(), expected, rtol=1e-6)
    kept = NOISY.kept(answers, asked).numpy()
    difference = np.clip(answers.numpy(), 0, 1) - batch().pictures.numpy()
    assert kept.dtype == np.float64
    np.testing.assert_allclose(kept[:, 0], (difference**2).reshape(6, -1).mean(1), rtol=1e-6)
    np.testing.assert_allclose(kept[:, 1], np.abs(difference).reshape(6, -1).mean(1), rtol=1e-6)


def test_an_answer_comes_back_in_the_size_of_its_picture():
    picture = np.random.default_rng(0).random((1, 12, 12), np.float32)
    (found,) = PLAIN.answers(picture[None], [Laid((24, 36), (12, 12), (0.5, 1 / 3))])
    assert (found.picture.shape, found.picture.dtype) == ((24, 36, 1), np.uint8)
    assert found.as_dict() == {"height": 24, "width": 36}
    (same,) = PLAIN.answers(picture[None], [whole(12, 12)])
    assert (same.picture[..., 0] == np.rint(255 * picture[0])).all()
    assert PLAIN.nothing().picture is None


def test_answers_of_several_networks_are_averaged_on_the_first_canvas():
    field = torch.full((1, 8, 8), 0.2), torch.full((1, 4, 4), 0.6)
    at = Laid((16, 16), (8, 8), (0.5, 0.5)), Laid((16, 16), (4, 4), (0.25, 0.25))
    joined = PLAIN.joined(field, at, (3.0, 1.0), (PLAIN, PLAIN))
    torch.testing.assert_close(joined, torch.full((1, 8, 8), 0.3))
    with pytest.raises(UsageError, match="parts of a picture"):
        PLAIN.joined(field, (at[0], Laid((16, 16), (4, 4), (0.5, 0.5))), (1.0, 1.0), (PLAIN, PLAIN))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return striate.train("digits", task="denoise", epochs=8, runs=tmp_path_factory.mktemp("runs"))


def test_training_restores_more_than_the_noisy_picture_and_the_mean(run):
    first, *_ = run.result["numbers"]
    rivals = {each["name"]: each["value"] for each in run.result["baselines"]}
    assert first["name"] == "PSNR in dB"
    assert set(rivals) == {"the given picture itself", "the mean training picture"}
    assert first["low"] > max(rivals.values()) + 2
    assert 12 < rivals["the given picture itself"] < 13  # noise of 0.3 cut to 0..1 on mostly black pictures
    assert (run.task, run.classes) == (Reconstruct(), ())


def test_the_numbers_follow_from_the_rows_in_the_folder(run):
    from striate.evaluate.result import result

    rows = run.kept
    assert set(rows) == {"val", "test"}
    told = result(run.task, rows["test"].rows, "test")
    assert {key: run.result[key] for key in told} == told
    lines = (run.folder / "predictions.csv").read_text().splitlines()
    assert lines[0] == "sample,psnr,squared_error,absolute_error"
    assert len(lines) == 1 + len(rows["test"].rows) == 1 + run.result["n"]


def test_evaluating_again_gives_the_same_noise_and_so_the_same_numbers(run):
    again = run.evaluate()
    assert again.numbers["numbers"] == run.result["numbers"]
    assert again.numbers["openings"] > run.result["openings"]


def test_the_page_shows_each_picture_as_given_restored_and_true(run):
    page = (run.folder / "report.html").read_text()
    for word in ("given", "restored", "true"):
        assert page.count(f'title="{word}"') == 12
    before = (run.folder.parent / "test-openings.jsonl").read_bytes()
    striate.write_report(run)
    assert (run.folder / "report.html").read_text() == page
    assert (run.folder.parent / "test-openings.jsonl").read_bytes() == before


def test_a_picture_that_has_gone_is_a_sentence_beside_what_was_kept(tmp_path):
    data = photographs(tmp_path / "photos")
    run = train(tmp_path / "runs", data=str(data), task="denoise", channels=3, batch=9, epochs=1)
    data.rename(tmp_path / "moved")
    page = striate.write_report(run).read_text()
    assert page.count("this picture cannot be shown: no such file") == page.count('title="given"') > 0
    assert 'title="true"' not in page


def test_what_cannot_be_joined_opens_no_test_set(run):
    before = (run.folder.parent / "test-openings.jsonl").read_bytes()
    with pytest.raises(UsageError, match="parts of a picture"):
        run.evaluate(views="ten")
    assert (run.folder.parent / "test-openings.jsonl").read_bytes() == before


def test_predict_writes_pictures_of_the_given_sizes_and_never_over_others(run, tmp_path, capsys):
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 33), dtype=np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    words = ["predict", str(run.folder), str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--json"]
    with pytest.raises(SystemExit) as left:
        main([*words, "--out", str(tmp_path / "out")])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert left.value.code == 0
    assert found["written"] == [str(tmp_path / "out" / "a.png")]
    assert [(row["status"] == "ok", row["height"], row["width"]) for row in found["predictions"]] == [
        (True, 20, 33), (False, None, None),
    ]  # fmt: skip
    with Image.open(tmp_path / "out" / "a.png") as picture:
        assert picture.size == (33, 20)
    with pytest.raises(SystemExit) as left:
        main([*words, "--out", str(tmp_path / "out")])
    assert left.value.code == 2
    assert "no empty folder" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main([*words, "--top", "3"])
    assert left.value.code == 2
    assert "lists no classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["--task", "denoise", "--model", "lenet5"], "a network to classify"),
        (["--task", "denoise", "--label-smoothing", "0.1"], "means nothing to the task"),
        (["--task", "denoise", "--mixup", "0.2"], "not mixed"),
        (["--task", "denoise", "--task-options.noise", "-1"], "not a number of at least 0"),
        (["--task", "reconstruct", "--task-options.noise", "0.1"], "no such option"),
        (["--task", "denoize"], "'denoise'"),
        (["--model", "autoencoder", "--task", "classify"], "a network to reconstruct"),
    ],
)
def test_what_means_nothing_to_the_task_is_refused_in_one_sentence(capsys, tmp_path, words, cause):
    with pytest.raises(SystemExit) as left:
        main(["train", "digits", "--runs", str(tmp_path), *words])
    err = capsys.readouterr().err
    assert (left.value.code, err.count("\n")) == (2, 1), err
    assert cause in err


def test_colour_pictures_in_one_folder_need_no_labels(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for place, path in enumerate(sorted(photographs(tmp_path / "photos").rglob("*.*"))):
        (pictures / f"{place}{path.suffix}").write_bytes(path.read_bytes())
    for model in ("autoencoder", "unet_padded"):
        options = {"width": 4} if model == "unet_padded" else {}
        run = train(
            tmp_path / "runs", data=str(pictures), task="reconstruct", model=model, model_options=options, channels=3,
            size=32, batch=9, epochs=1,
        )  # fmt: skip
        (answer,) = run.predict([pictures / "1.png"])
        assert answer.picture.shape == (40, 48, 3)
    before = sorted((tmp_path / "runs").iterdir())
    with pytest.raises(UsageError, match="unet answers 4x4 of a picture of 188x188"):
        train(tmp_path / "runs", data=str(pictures), task="reconstruct", model="unet", size=188, batch=9, epochs=1)
    assert sorted((tmp_path / "runs").iterdir()) == before, "refused before anything was read"
