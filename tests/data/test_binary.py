"""Published sets in binary files, written on the spot as their pages describe them, against arrays."""

import gzip
import io
import pickle
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pictures import put
from striate.base.errors import DataError
from striate.data.load import read_samples
from striate.data.samples import Samples, digest_of

NAMES = b"airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"
Files = dict[str, bytes]


def pictures(count: int, height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), np.uint8)


def cifar(seed: int, count: int, *labels: int) -> bytes:
    planes = pictures(count, 32, 32, seed=seed).transpose(0, 3, 1, 2).reshape(count, -1)
    rows = [bytes(labels[:-1]) + bytes([(labels[-1] + place) % 10]) + row.tobytes() for place, row in enumerate(planes)]
    return b"".join(rows)


def cifar_10() -> Files:
    batches = {f"data_batch_{number}.bin": cifar(number, 8, number) for number in range(1, 6)}
    return {**batches, "test_batch.bin": cifar(6, 5, 3), "batches.meta.txt": NAMES, "readme.html": b"<html>"}


def cifar_100() -> Files:
    fine = b"".join(b"class %d\n" % number for number in range(100))
    return {
        "train.bin": cifar(1, 20, 7, 0), "test.bin": cifar(2, 5, 7, 0), "fine_label_names.txt": fine,
        "coarse_label_names.txt": b"a\nb\n",
    }  # fmt: skip


def stl_10() -> Files:
    files = {"class_names.txt": b"airplane\nbird\ncar\n", "unlabeled_X.bin": b"not read"}
    for seed, subset in enumerate(("train", "test")):
        files[f"{subset}_X.bin"] = pictures(6, 96, 96, seed=seed).transpose(0, 3, 2, 1).tobytes()
        files[f"{subset}_y.bin"] = bytes([1, 2, 3, 1, 2, 3])
    return files


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def mnist(prefix: str = "", mark: str = "t10k") -> Files:
    files = {}
    for seed, (part, count) in enumerate((("train", 20), (mark, 10))):
        files[f"{prefix}{part}-images-idx3-ubyte"] = idx(pictures(count, 28, 20, 1, seed)[..., 0])
        files[f"{prefix}{part}-labels-idx1-ubyte"] = idx(np.arange(count, dtype=np.uint8) % 10)
    return files


def folder(root: Path, files: Files) -> Path:
    for name, data in files.items():
        put(root / "set" / name, data)
    return root / "set"


def packed(root: Path, files: Files, suffix: str = ".tar.gz") -> Path:
    path = root / f"set{suffix}"
    with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(f"published-as/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def of(samples: Samples, subset: str) -> tuple[np.ndarray, list[str]]:
    places = [place for place, each in enumerate(samples.subsets or ()) if each == subset]
    labels = [samples.targets.classes[int(samples.targets.strata[place])] for place in places]
    return np.stack([np.asarray(samples.read(place)) for place in places]), labels


def test_CIFAR_10_is_read_as_its_page_says(tmp_path: Path) -> None:
    samples = read_samples(folder(tmp_path, cifar_10()))
    assert (len(samples), samples.source, samples.name, samples.in_memory) == (45, "binary", "set", True)
    train, labels = of(samples, "train")
    assert np.array_equal(train, np.concatenate([pictures(8, 32, 32, seed=seed) for seed in range(1, 6)]))
    names = NAMES.decode().split()
    assert labels == [names[(number + place) % 10] for number in range(1, 6) for place in range(8)]
    test, labels = of(samples, "test")
    assert np.array_equal(test, pictures(5, 32, 32, seed=6))
    assert labels == names[3:8]
    assert samples.names == tuple(sorted(samples.names))
    assert samples.digests[-1] == digest_of(train[-1])


def test_CIFAR_100_has_the_fine_labels(tmp_path: Path) -> None:
    samples = read_samples(folder(tmp_path, cifar_100()))
    assert samples.targets.classes == tuple(f"class {number}" for number in range(10))
    assert np.array_equal(of(samples, "train")[0], pictures(20, 32, 32, seed=1))


def test_STL_10_is_read_column_by_column(tmp_path: Path) -> None:
    samples = read_samples(folder(tmp_path, stl_10()))
    for seed, subset in enumerate(("train", "test")):
        seen, labels = of(samples, subset)
        assert np.array_equal(seen, pictures(6, 96, 96, seed=seed))
        assert labels == ["airplane", "bird", "car"] * 2
    assert samples.notes == ("the unlabelled pictures of STL-10 are not read",)


@pytest.mark.parametrize("form", ["plain", "gz", "both", "one file"])
def test_MNIST_is_read_packed_or_not(tmp_path: Path, form: str) -> None:
    files = mnist()
    if form == "gz":
        files = {f"{name}.gz": gzip.compress(data) for name, data in files.items()}
    if form == "both":
        files |= {f"{name}.gz": b"never opened" for name in files}
    root = folder(tmp_path, files)
    samples = read_samples(root / "train-images-idx3-ubyte" if form == "one file" else root)
    for seed, (subset, count) in enumerate((("train", 20), ("test", 10))):
        seen, labels = of(samples, subset)
        assert np.array_equal(seen, pictures(count, 28, 20, 1, seed))
        assert labels == [str(place % 10) for place in range(count)]
    assert samples.grey


def test_classes_of_IDX_files_are_named_by_a_file_beside_them(tmp_path: Path) -> None:
    names = ["shirt", "trousers", "jumper", "dress", "coat", "sandal", "blouse", "shoe", "bag", "boot"]
    samples = read_samples(folder(tmp_path, {**mnist(), "classes.txt": "\n".join(names).encode()}))
    assert of(samples, "test")[1] == names
    with pytest.raises(DataError, match=r"classes.txt: 1 name, and a label 9"):
        read_samples(folder(tmp_path, {**mnist(), "classes.txt": b"one"}))


def test_EMNIST_is_set_upright_and_has_its_letters(tmp_path: Path) -> None:
    mapping = "\n".join(f"{place} {65 + place} {97 + place}" for place in range(10)).encode()
    files = mnist("emnist-letters-", "test") | {"emnist-letters-mapping.txt": mapping}
    root = folder(tmp_path, files)
    samples = read_samples(root)
    seen, labels = of(samples, "test")
    assert np.array_equal(seen[..., 0], pictures(10, 28, 20, 1, 1)[..., 0].transpose(0, 2, 1))
    assert labels == [f"{chr(65 + place)}{chr(97 + place)}" for place in range(10)]
    assert "set upright" in samples.notes[0]
    folder(tmp_path, mnist("emnist-digits-", "test"))
    with pytest.raises(DataError, match="several sets: emnist-digits-, emnist-letters-") as caught:
        read_samples(root)
    assert "emnist-digits-test-images-idx3-ubyte" in caught.value.hint
    assert read_samples(root / "emnist-letters-train-images-idx3-ubyte").fingerprint == samples.fingerprint


@pytest.mark.parametrize("made", [cifar_10, cifar_100, stl_10], ids=["CIFAR-10", "CIFAR-100", "STL-10"])
def test_an_archive_is_the_same_data_as_its_folder(tmp_path: Path, made: Callable[[], Files]) -> None:
    whole = read_samples(folder(tmp_path, made()))
    for suffix in (".tar.gz", ".tgz", ".tar"):
        archive = packed(tmp_path, made(), suffix)
        before = sorted(tmp_path.rglob("*"))
        samples = read_samples(archive)
        assert (samples.fingerprint, samples.digests) == (whole.fingerprint, whole.digests)
        assert sorted(tmp_path.rglob("*")) == before


def change(files: Files, name: str, data: bytes | None) -> Files:
    return {key: value for key, value in {**files, name: data}.items() if value is not None}


@pytest.mark.parametrize(
    ("files", "cause"),
    [
        (change(cifar_10(), "data_batch_3.bin", b"x" * 3072), "data_batch_3.bin: 3,072 bytes, which are no pictures"),
        (change(cifar_10(), "data_batch_3.bin", b""), "data_batch_3.bin: 0 bytes"),
        (change(cifar_10(), "data_batch_3.bin", None), "no data_batch_3.bin"),
        (change(cifar_10(), "test_batch.bin", bytes([10]) + bytes(3072)), "a label 10 where there are 10 classes"),
        (change(cifar_10(), "batches.meta.txt", b"cat\ncat\n"), "batches.meta.txt: no names, or one name twice"),
        (change(cifar_100(), "test.bin", None), "no test.bin"),
        (change(stl_10(), "train_y.bin", bytes([1, 2])), "which are not 2 pictures of 27,648 bytes"),
        (change(stl_10(), "train_y.bin", bytes(6)), "a label 0; its labels begin at 1"),
        (change(stl_10(), "test_y.bin", bytes([4] * 6)), "a label 3 where there are 3 classes"),
        (change(mnist(), "train-labels-idx1-ubyte", None), "no train-labels-idx1-ubyte"),
        (change(change(mnist(), "train-labels-idx1-ubyte", None), "train-images-idx3-ubyte", None),
         "no train-images-idx3-ubyte"),
        (change(mnist(), "train-images-idx3-ubyte", idx(np.zeros((3, 2), np.uint8))), "not an IDX file of bytes in 3"),
        (change(mnist(), "train-images-idx3-ubyte", b""), "not an IDX file of bytes in 3"),
        (change(mnist(), "train-images-idx3-ubyte", struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 28) + b"x"),
         "1 bytes where its head says 2147483648 x 2147483648 x 28"),
        (change(mnist(), "train-images-idx3-ubyte", mnist()["train-images-idx3-ubyte"][:-1]), "11,199 bytes where its"),
        (change(mnist(), "train-images-idx3-ubyte", mnist()["train-images-idx3-ubyte"] + b"x"), "11,201 bytes where"),
        (change(mnist(), "t10k-labels-idx1-ubyte", idx(np.zeros(9, np.uint8))), "9 labels for 10 pictures"),
        (change(mnist(), "t10k-images-idx3-ubyte", idx(pictures(10, 28, 28, 1)[..., 0])), "training and test pictures"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_are_told_by_name(tmp_path: Path, files: Files, cause: str) -> None:
    with pytest.raises(DataError) as caught:
        read_samples(folder(tmp_path, files))
    assert cause in str(caught.value)


@pytest.mark.parametrize("share", [0.2, 0.9, 0.999])
def test_an_archive_that_is_cut_is_told(tmp_path: Path, share: float) -> None:
    path = packed(tmp_path, cifar_10())
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"set.tar.gz: cut or damaged"):
        read_samples(path)


def test_a_checksum_that_is_wrong_is_told(tmp_path: Path) -> None:
    files = {f"{name}.gz": gzip.compress(data) for name, data in mnist().items()}
    data = bytearray(files["train-images-idx3-ubyte.gz"])
    data[-6] ^= 1
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.gz: cut or damaged \(CRC"):
        read_samples(folder(tmp_path, change(files, "train-images-idx3-ubyte.gz", bytes(data))))
    path = packed(tmp_path, cifar_10())
    whole = bytearray(path.read_bytes())
    whole[-6] ^= 1
    path.write_bytes(whole)
    with pytest.raises(DataError, match=r"set.tar.gz: cut or damaged \(CRC"):
        read_samples(path)


def test_a_file_that_unpacks_to_more_than_it_may_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("striate.data.sources.binary.MOST_BYTES", 50_000)
    monkeypatch.setattr("striate.data.sources.binary._CHUNK", 10_000)
    files = {f"{name}.gz": gzip.compress(data) for name, data in mnist().items()}
    bomb = gzip.compress(idx(np.zeros((1000, 28, 20), np.uint8)))
    with pytest.raises(DataError, match="more than the 50,000 bytes"):
        read_samples(folder(tmp_path, change(files, "train-images-idx3-ubyte.gz", bomb)))
    with pytest.raises(DataError, match="more than the 50,000 bytes"):
        read_samples(packed(tmp_path, cifar_10()))


class Planted:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return Path("planted").write_text, ("was run",)


@pytest.mark.parametrize("names", [("data_batch_1", "batches.meta"), ("train", "test", "meta")])
@pytest.mark.parametrize("form", ["folder", "tar"])
def test_pickles_are_refused_and_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], form: str
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {name: pickle.dumps(Planted()) for name in names}
    path = folder(tmp_path, files) if form == "folder" else packed(tmp_path, files)
    with pytest.raises(DataError, match="of pickles, which can run code") as caught:
        read_samples(path)
    assert "binary version" in caught.value.hint
    assert not Path("planted").exists()


def test_an_archive_of_something_else_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="an archive in which no CIFAR"):
        read_samples(packed(tmp_path, {"cat/1.jpg": b"x"}))
    with pytest.raises(DataError, match=r"test_batch\.bin lies there twice"):
        read_samples(packed(tmp_path, {**cifar_10(), "again/test_batch.bin": b"x"}))
    for data in (b"", b"no tar at all", b"\x1f\x8bnor a gzip", zlib.compress(b"x")):
        with pytest.raises(DataError):
            read_samples(put(tmp_path / "x.tar.gz", data))
    with pytest.raises(DataError, match="no such file"):
        read_samples(tmp_path / "gone.tar.gz")


def test_subsets_that_share_a_picture_are_refused_or_stated(tmp_path: Path) -> None:
    files = cifar_10()
    files["test_batch.bin"] += files["data_batch_1.bin"][:3073]
    with pytest.raises(DataError, match="1 leaked file"):
        read_samples(folder(tmp_path, files))
    assert any("leaked file" in note for note in read_samples(tmp_path / "set", allow_leak=True).notes)


def test_they_have_no_masks_and_may_do_without_labels(tmp_path: Path) -> None:
    root = folder(tmp_path, mnist())
    assert read_samples(root, labelled=False).targets.kinds == {}
    with pytest.raises(DataError, match="no masks"):
        read_samples(root, masked=True)
