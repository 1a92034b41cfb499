"""Pictures from what is given of them: the noise, the errors, and a whole training with its page and its answers."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import striate
from small import job, photographs, train, whole
from striate.base.errors import UsageError
from striate.data.feed import Batch
from striate.shell.cli import main
from striate.tasks import registry
from striate.tasks.similarity import ssim

pytestmark = pytest.mark.slow

PLAIN, NOISY, HOLED = (registry.task_named(name, (), {}, {}) for name in ("reconstruct", "denoise", "inpaint"))


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


def test_a_hole_is_grey_in_what_is_given_and_a_map_beside_it():
    before = batch(channels=3)
    found = HOLED.given(before, 3, 5)
    hole = found.targets["hole"]
    assert HOLED.channels(3) == (4, 3)
    assert torch.equal(found.targets["picture"], before.pictures)
    assert torch.equal(found.pictures[:, 3:], hole)
    assert torch.equal(found.pictures[:, :3], torch.where(hole > 0, 0.5, before.pictures))
    assert (hole.mean((1, 2, 3)) >= 0.25).all()


def answers_of(asked, seed=9):
    shape = asked.targets["picture"].shape
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 1.4 - 0.2


DISTANCES = {
    "squared": lambda one, other: np.mean((one - other) ** 2),
    "absolute": lambda one, other: np.mean(np.abs(one - other)),
    "ssim": lambda one, other: 1 - float(ssim(torch.from_numpy(one)[None], torch.from_numpy(other)[None])),
}


@pytest.mark.parametrize("distance", ["squared", "absolute", "ssim", "squared+ssim", "absolute+ssim"])
def test_the_loss_is_the_sum_of_the_distances_asked_for(distance):
    task = registry.task_named("denoise", (), {"loss_kind": distance}, {})
    asked = task.given(batch(), 0, 0)
    answers = answers_of(asked).requires_grad_()
    found = task.loss(answers, asked)
    pairs = list(zip(answers.detach().numpy(), batch().pictures.numpy(), strict=True))
    expected = [sum(DISTANCES[part](*pair) for part in distance.split("+")) for pair in pairs]
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5)
    found.sum().backward()
    assert torch.isfinite(answers.grad).all()


@pytest.mark.parametrize("weight", [1, 6])
def test_an_error_in_the_hole_counts_as_often_as_asked_for(weight):
    task = registry.task_named("inpaint", (), {"hole_weight": weight}, {})
    asked = task.given(batch(channels=3), 0, 0)
    answers = answers_of(asked)
    weights = np.broadcast_to(1 + (weight - 1) * asked.targets["hole"].numpy(), answers.shape)
    squared = (answers - batch(channels=3).pictures).numpy() ** 2
    expected = [np.average(one, weights=own) for one, own in zip(squared, weights, strict=True)]
    np.testing.assert_allclose(task.loss(answers, asked).numpy(), expected, rtol=1e-5)


def test_a_network_that_answers_the_middle_alone_is_asked_for_no_more():
    asked = HOLED.given(batch(side=12), 0, 0)
    answers = answers_of(asked)
    middle = asked.inside((8, 8))
    assert torch.equal(HOLED.loss(answers[..., 2:10, 2:10], asked), HOLED.loss(answers[..., 2:10, 2:10], middle))


@pytest.mark.parametrize("task", [NOISY, HOLED], ids=lambda task: task.name)
def test_rows_are_the_errors_of_what_is_said(task):
    asked = task.given(batch(channels=3), 0, 0)
    said = task.said(answers_of(asked))
    assert (float(said.min()), float(said.max())) == (0, 1)
    kept = task.kept(said, asked).numpy()
    true, hole = asked.targets["picture"].numpy(), asked.targets.get("hole")
    filled = said.numpy() if hole is None else np.where(hole.numpy() > 0, said.numpy(), true)
    pairs = list(zip(filled.astype(float), true.astype(float), strict=True))
    assert kept.dtype == np.float64
    np.testing.assert_allclose(kept[:, 0], [DISTANCES["squared"](*pair) for pair in pairs], rtol=1e-6)
    np.testing.assert_allclose(kept[:, 1], [DISTANCES["absolute"](*pair) for pair in pairs], rtol=1e-6)
    np.testing.assert_allclose(kept[:, 2], [1 - DISTANCES["ssim"](*pair) for pair in pairs], rtol=1e-6)
    if hole is not None:
        inside = [
            np.mean((one - other)[:, own > 0] ** 2) for (one, other), own in zip(pairs, hole.numpy()[:, 0], strict=True)
        ]
        np.testing.assert_allclose(kept[:, 3], inside, rtol=1e-6)
    alone = [task.kept(said[k : k + 1], asked[k : k + 1]).numpy()[0] for k in range(6)]
    assert np.array_equal(alone, kept), "of one picture as of many"
    assert task.fits(kept)
    for damaged in (kept[:, :-1], kept * [2, *np.ones(kept.shape[1] - 1)], -kept, kept * 0 - 1.1):
        assert not task.fits(damaged)


def test_the_best_answer_is_the_best_in_every_number():
    asked = HOLED.given(batch(), 0, 0)
    kept = HOLED.kept(asked.targets["picture"], asked)
    assert HOLED.summary(kept) == {"loss": 0, "PSNR": 100, "SSIM": 1, "PSNR in the hole": 100}
    names = [each.name for each in HOLED.measures(kept.numpy())]
    assert names == ["PSNR in the hole in dB", "PSNR in dB", "SSIM", "squared error", "absolute error"]
    assert [each.name for each in NOISY.measures(kept.numpy()[:, :3])] == names[1:]


def test_an_answer_comes_back_in_bytes():
    picture = np.random.default_rng(0).random((1, 12, 9), np.float32) * 1.2
    found = PLAIN.answer(picture, picture)
    assert (found.picture.shape, found.picture.dtype) == ((12, 9, 1), np.uint8)
    assert found.as_dict() == {"height": 12, "width": 9}
    assert (found.picture[..., 0] == np.rint(255 * np.clip(picture[0], 0, 1))).all()
    assert PLAIN.nothing().picture is None


def test_answers_of_several_networks_are_averaged():
    fields = torch.full((1, 8, 8), 0.2), torch.full((1, 8, 8), 0.6)
    torch.testing.assert_close(PLAIN.joined(fields, (3.0, 1.0), (PLAIN, PLAIN)), torch.full((1, 8, 8), 0.3))


@pytest.mark.parametrize("task", [NOISY, HOLED], ids=lambda task: task.name)
def test_of_a_large_picture_the_middle_is_shown_and_what_is_not_asked_is_shown_as_given(task):
    asked = task.given(batch(1, 300, channels=3), 0, 0)
    found = task.shown(np.zeros((3, 300, 300), np.float32), asked)
    assert {(part.shape, part.dtype.name) for part in found.values()} == {((192, 192, 3), "uint8")}
    assert list(found) == ["given", "answer", "truth"]
    true = np.rint(255 * asked.targets["picture"][0, :, 54:246, 54:246].numpy()).transpose(1, 2, 0)
    assert np.array_equal(found["truth"], true)
    if task is HOLED:
        hole = asked.targets["hole"][0, 0, 54:246, 54:246].numpy() > 0
        assert np.array_equal(found["answer"][~hole], true[~hole])
        assert not found["answer"][hole].any()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return striate.train("digits", task="denoise", epochs=3, runs=tmp_path_factory.mktemp("runs"))


def test_what_suits_the_tasks_own_network_is_not_given_to_another(run, tmp_path):
    assert run.recipe["model_options"] == {"width": 128, "norm": "batch"}
    own = job(tmp_path / "a", task="denoise", model_options={"norm": "none"}).recipe
    assert own.model_options == {"width": 128, "norm": "none"}
    assert job(tmp_path / "c", task="reconstruct").recipe.model_options == {}, "its bottleneck is what it is for"
    other = job(tmp_path / "b", task="denoise", model="unet_padded", model_options={"width": 4}, size=16).recipe
    assert other.model_options == {"width": 4}


def test_training_restores_more_than_the_noisy_picture_and_what_a_user_would_try(run):
    first, *_ = run.result["numbers"]
    rivals = {each["name"]: each["value"] for each in run.result["baselines"]}
    assert first["name"] == "PSNR in dB"
    assert [name.partition(",")[0] for name in rivals] == [
        "the given picture itself", "the mean training picture", "median filter", "Gaussian filter",
        "non-local means", "total variation",
    ]  # fmt: skip
    assert first["low"] > rivals["the mean training picture"]
    assert 12 < rivals["the given picture itself"] < 13  # noise of 0.3 cut to 0..1 on mostly black pictures
    assert (run.task, run.classes) == (NOISY, ())


def test_the_numbers_follow_from_the_rows_in_the_folder(run):
    from striate.evaluate.result import result

    rows = run.kept
    assert set(rows) == {"val", "test"}
    told = result(run.task, rows["test"].rows, "test")
    assert {key: run.result[key] for key in told} == told
    lines = (run.folder / "predictions.csv").read_text().splitlines()
    assert lines[0] == "sample,psnr,ssim,squared_error,absolute_error"
    assert len(lines) == 1 + len(rows["test"].rows) == 1 + run.result["n"]


def test_evaluating_again_gives_the_same_noise_and_so_the_same_numbers(run):
    again = run.evaluate(open_test=True)
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


def test_what_was_kept_of_pictures_is_shown_when_they_have_gone(tmp_path):
    data = photographs(tmp_path / "photos")
    run = train(tmp_path / "runs", data=str(data), task="inpaint", channels=3, batch=9, epochs=1)
    before = striate.write_report(run).read_text()
    data.rename(tmp_path / "moved")
    assert striate.write_report(run).read_text().count('title="true"') == before.count('title="true"') > 0


def test_what_cannot_be_joined_opens_no_test_set(run):
    before = (run.folder.parent / "test-openings.jsonl").read_bytes()
    with pytest.raises(UsageError, match="parts of a picture"):
        run.evaluate(open_test=True, views="ten")
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


@pytest.fixture(scope="module")
def filler(tmp_path_factory):
    home = tmp_path_factory.mktemp("filler")
    pictures = str(photographs(home / "photos"))
    return train(
        home / "runs", data=pictures, task="inpaint", model_options={"width": 4}, channels=3, batch=9, epochs=1
    )


def said_of(words, capsys):
    with pytest.raises(SystemExit) as left:
        main(words)
    told = capsys.readouterr()
    return left.value.code, told.out, told.err


def test_predict_fills_what_is_marked_and_changes_nothing_else(filler, tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (50, 61, 3), dtype=np.uint8)
    mask = np.zeros((50, 61), np.uint8)
    mask[10:30, 20:50] = 255
    for name, values in (("a.png", pixels), ("b.png", pixels[:40]), ("masks/a.png", mask), ("masks/b.png", mask)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(values).save(tmp_path / name)
    words = ["predict", str(filler.folder), str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--json"]
    code, out, _ = said_of([*words, "--out", str(tmp_path / "out"), "--holes", str(tmp_path / "masks")], capsys)
    rows = json.loads(out)["predictions"]
    assert (code, [row["status"] for row in rows]) == (
        0, ["ok", f"its mask {tmp_path}/masks/b.png is 61x50, and the picture 61x40"],
    )  # fmt: skip
    with Image.open(tmp_path / "out" / "a.png") as picture:
        filled = np.asarray(picture)
    assert np.array_equal(filled[mask == 0], pixels[mask == 0])
    assert (filled[mask > 0] != pixels[mask > 0]).mean() > 0.9
    answer = filler.predict(tmp_path / "a.png", holes=tmp_path / "masks" / "a.png")
    assert np.array_equal(answer.picture, filled)
    for picture, holes in ((pixels, mask), (Image.fromarray(pixels), mask > 0), (tmp_path / "a.png", mask)):
        assert np.array_equal(filler.predict(picture, holes=holes).picture, filled)
    assert [each.status for each in filler.predict([pixels, pixels[:40]], holes=mask)] == [
        "ok", "its mask is 61x50, and the picture 61x40",
    ]  # fmt: skip
    assert "no mask of its name" in filler.predict(pixels, holes=tmp_path / "masks").status
    with pytest.raises(UsageError, match="several marks"):
        filler.predict(pixels, holes=[mask, mask])


def test_a_hole_that_is_missing_or_means_nothing_is_told_before_anything_is_written(filler, run, tmp_path, capsys):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png")
    words = [str(tmp_path / "a.png"), "--out", str(tmp_path / "out")]
    code, _, err = said_of(["predict", str(filler.folder), *words], capsys)
    assert (code, err.count("\n")) == (2, 1)
    assert "nothing is marked to be filled" in err
    assert "--holes MASK.png" in err
    code, _, err = said_of(["predict", str(run.folder), *words, "--holes", str(tmp_path / "a.png")], capsys)
    assert (code, "the task denoise fills none" in err) == (2, True)
    assert not (tmp_path / "out").exists()


def test_evaluating_again_hides_the_same_and_fillings_stand_beside(filler):
    again = filler.evaluate(open_test=True)
    assert again.numbers["numbers"] == filler.result["numbers"]
    assert [each["name"] for each in filler.result["baselines"]] == [
        "the given picture itself", "the mean training picture", "mean of the rim", "nearest pixel",
        "biharmonic filling",
    ]  # fmt: skip


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
    with pytest.raises(UsageError, match="of 188 pixels nothing is left"):
        train(tmp_path / "runs", data=str(pictures), task="reconstruct", model="unet", size=188, batch=9, epochs=1)
    assert sorted((tmp_path / "runs").iterdir()) == before
