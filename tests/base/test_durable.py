import csv
import io
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base import durable, reading
from striate.base.errors import MachineError, RunError

FILES = {"weights.bin": bytes(range(256)) * 4, "state.json": b'{"step": 3}\n', "empty": b""}


def saved(root: Path) -> Path:
    durable.save_folder(root / "step", FILES)
    return root / "step"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def damages(data: bytes) -> list[tuple[str, bytes]]:
    """`data` flipped, cut and zeroed at every 64th part, and empty."""
    places = sorted({len(data) * part // 64 for part in range(64)})
    found = [("emptied", b"")]
    for at in places:
        found.append((f"flipped at {at}", data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]))
        found.append((f"cut at {at}", data[:at]))
        found.append((f"zeroed at {at}", data[:at] + bytes(len(data[at : at + 16])) + data[at + 16 :]))
    return [(name, new) for name, new in found if new != data]


def test_a_folder_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    assert durable.read_folder(saved(tmp_path)) == FILES
    assert names(tmp_path) == ["step"]
    assert names(tmp_path / "step") == sorted([*FILES, durable.MANIFEST])


def test_a_folder_saved_again_is_replaced_as_a_whole(tmp_path: Path) -> None:
    saved(tmp_path)
    durable.save_folder(tmp_path / "step", {"other": b"1"})
    assert durable.read_folder(tmp_path / "step") == {"other": b"1"}
    assert names(tmp_path / "step") == [durable.MANIFEST, "other"]


@pytest.mark.parametrize("name", ["weights.bin", "state.json"])
def test_damage_to_any_part_of_a_file_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path) / name
    for damage, data in damages(FILES[name]):
        path.write_bytes(data)
        with pytest.raises(RunError) as caught:
            durable.read_folder(tmp_path / "step")
        assert caught.value.where == str(path), damage
        assert ("bytes where" in caught.value.cause) == (len(data) != len(FILES[name]))
    path.write_bytes(FILES[name])
    assert durable.read_folder(tmp_path / "step") == FILES


def test_damage_to_the_manifest_never_gives_other_contents(tmp_path: Path) -> None:
    path = saved(tmp_path) / durable.MANIFEST
    whole = path.read_bytes()
    refused = 0
    for damage, data in damages(whole):
        path.write_bytes(data)
        try:
            assert durable.read_folder(tmp_path / "step") == FILES, damage
        except RunError:
            refused += 1
    assert refused > 120  # all but white space turned into other white space


@given(st.binary(max_size=200))
def test_any_bytes_as_manifest_are_a_manifest_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    (folder / durable.MANIFEST).write_bytes(data)
    try:
        assert durable.read_folder(folder) == {}
    except RunError:
        return
    assert json.loads(data) == {}


@pytest.mark.parametrize("size", ["1e999", "[" * 100_000, '"x"', "null", "-1"], ids=lambda size: size[:5])
def test_a_manifest_with_an_impossible_size_is_refused(tmp_path: Path, size: str) -> None:
    path = saved(tmp_path) / durable.MANIFEST
    path.write_text(f'{{"empty": {{"bytes": {size}, "sha256": "x"}}}}')
    with pytest.raises(RunError):
        durable.read_folder(tmp_path / "step")


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "..", "", "a/b", "a\0b", "a" * 300])
def test_a_manifest_cannot_point_out_of_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").write_bytes(b"")
    path = saved(tmp_path) / durable.MANIFEST
    entry = json.loads(path.read_text())["empty"]
    path.write_text(json.dumps({name: entry}))
    with pytest.raises(RunError):
        durable.read_folder(tmp_path / "step")


@pytest.mark.parametrize("name", ["weights.bin", durable.MANIFEST])
def test_a_link_in_a_saved_folder_is_refused_even_when_its_target_is_right(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path) / name
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError) as caught:
        durable.read_folder(tmp_path / "step")
    assert caught.value.where == str(path)


@pytest.mark.parametrize("name", ["weights.bin", durable.MANIFEST])
def test_a_missing_file_or_a_pipe_is_refused_without_waiting(tmp_path: Path, name: str) -> None:
    (saved(tmp_path) / name).unlink()
    with pytest.raises(RunError):
        durable.read_folder(tmp_path / "step")
    os.mkfifo(tmp_path / "step" / name)
    with pytest.raises(RunError):
        durable.read_folder(tmp_path / "step")


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from striate.base import durable, reading
from striate.base.errors import MachineError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
root = Path(sys.argv[1])
for save in (
    lambda: durable.write(root / "result.json", bytes(10_000)),
    lambda: durable.save_folder(root / "step", {"a": b"new", "b": bytes(10_000)}),
):
    try:
        save()
    except MachineError as error:
        print(error)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit of file sizes here")
def test_a_full_disk_leaves_the_old_files_whole_and_no_partial_ones(tmp_path: Path) -> None:
    durable.write(tmp_path / "result.json", b"old")
    saved(tmp_path)
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"{tmp_path / name}: {size} bytes could not be written (File too large)."
        " Try: a disk with room that you may write to"
        for name, size in (("result.json", "10,000"), ("step", "10,003"))
    ]
    assert names(tmp_path) == ["result.json", "step"]
    assert (tmp_path / "result.json").read_bytes() == b"old"
    assert durable.read_folder(tmp_path / "step") == FILES


@pytest.mark.parametrize("place", ["file/below.json", "none/below.json", "n" * 251 + ".json"])
def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MachineError):
        durable.write(tmp_path / place, b"data")
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("there", [True, False])
def test_what_a_link_points_to_is_written_and_the_link_stays(tmp_path: Path, there: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target.svg"
    if there:
        target.write_bytes(b"old")
    (tmp_path / "link.svg").symlink_to(Path("elsewhere") / "target.svg")
    durable.write(tmp_path / "link.svg", b"new")
    assert (tmp_path / "link.svg").is_symlink()
    assert target.read_bytes() == b"new"
    assert names(tmp_path / "elsewhere") == ["target.svg"]


def test_what_is_there_and_is_no_file_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "to the pipe").symlink_to("pipe")
    before = {path.name: path.lstat().st_mode for path in tmp_path.iterdir()}
    for path in (*tmp_path.iterdir(), Path("/dev/null"), Path(), Path("/"), tmp_path / "none" / ".."):
        with pytest.raises(MachineError):
            durable.write(path, b"data")
    assert {path.name: path.lstat().st_mode for path in tmp_path.iterdir()} == before
    assert Path("/dev/null").is_char_device()


def test_a_folder_is_made_once_and_a_file_in_its_place_is_a_sentence(tmp_path: Path) -> None:
    for _ in range(2):
        durable.make_folder(tmp_path / "one" / "two")
    (tmp_path / "file").write_bytes(b"")
    for place in ("file", "file/below", "n" * 300):
        with pytest.raises(MachineError, match="no folder can be made here"):
            durable.make_folder(tmp_path / place)


def test_a_leftover_of_a_killed_save_does_not_matter_and_what_is_a_users_stays(tmp_path: Path) -> None:
    """Leftovers of earlier versions have the name of what was saved; a link and other names are nobody's business."""
    (tmp_path / "elsewhere").mkdir()
    for name in (".step.partial", f".striate-{'0' * 16}.partial", ".step.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_bytes(b"half")
    users = (".notes.partial", ".result.json.old", ".striate-notes.partial", ".step.partial.zip")
    for name in (".result.json.partial", f".striate-{'1' * 16}.partial", *users):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / f".striate-{'2' * 16}.partial").symlink_to("elsewhere")
    assert durable.read_folder(saved(tmp_path)) == FILES
    durable.write_json(tmp_path / "result.json", {"a": [1, None, "ß"]})
    assert reading.read_json(tmp_path / "result.json", 2**20) == {"a": [1, None, "ß"]}
    durable.sweep(tmp_path, r"step|result\.json")
    link = f".striate-{'2' * 16}.partial"
    assert names(tmp_path) == sorted([*users, link, "elsewhere", "result.json", "step"])
    durable.sweep(tmp_path / "none", "step")


def test_a_file_of_a_user_with_the_name_of_a_leftover_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / ".table.csv.partial").write_bytes(b"mine")
    (tmp_path / ".other.csv.partial").symlink_to(".table.csv.partial")
    for name in ("table.csv", "other.csv"):
        durable.write(tmp_path / name, b"data")
    assert (tmp_path / ".table.csv.partial").read_bytes() == b"mine"
    assert names(tmp_path) == [".other.csv.partial", ".table.csv.partial", "other.csv", "table.csv"]


@pytest.mark.parametrize("swept", [True, False])
def test_what_stands_aside_after_a_kill_between_two_renames_is_read_and_gets_its_name_back(
    tmp_path: Path, swept: bool
) -> None:
    saved(tmp_path).rename(tmp_path / ".step.old")
    assert durable.read_folder(tmp_path / "step") == FILES
    assert durable.saved_folders(tmp_path, "step") == [tmp_path / "step"]
    if swept:
        durable.sweep(tmp_path, "step")
        assert (names(tmp_path), durable.read_folder(tmp_path / "step")) == (["step"], FILES)
    durable.save_folder(tmp_path / "step", {"a": b"new"})
    assert (names(tmp_path), durable.read_folder(tmp_path / "step")) == (["step"], {"a": b"new"})


SAVE = """
import sys
from pathlib import Path
from striate.base import durable
from striate.base.errors import MachineError
try:
    durable.save_folder(Path(sys.argv[1], "step"), {"a": b"new"})
except MachineError:
    sys.exit(5)
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_what_cannot_be_removed_stops_no_save(tmp_path: Path) -> None:
    """However often the same name is saved again."""
    command = ["strace", "-qq", "-o", os.devnull, "-e", "trace=unlinkat", "-e", "inject=unlinkat:error=EBUSY"]
    saved(tmp_path)
    for _ in range(3):
        done = subprocess.run([*command, sys.executable, "-B", "-c", SAVE, str(tmp_path)], capture_output=True)
        assert (done.returncode, durable.read_folder(tmp_path / "step")) == (0, {"a": b"new"}), done.stderr
    durable.sweep(tmp_path, "step")
    assert names(tmp_path) == ["step"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_file_system_that_syncs_no_folders_is_written_to_all_the_same(tmp_path: Path) -> None:
    """The third and fourth sync of this save are those of folders."""
    command = ["strace", "-qq", "-o", os.devnull, "-e", "trace=fsync", "-e", "inject=fsync:error=EINVAL:when=3+"]
    done = subprocess.run([*command, sys.executable, "-B", "-c", SAVE, str(tmp_path)], capture_output=True, text=True)
    assert (done.returncode, durable.read_folder(tmp_path / "step")) == (0, {"a": b"new"}), done.stderr


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("fault", ["error=EIO", "error=ENOSPC", "signal=SIGKILL", "retval=0"])
@pytest.mark.parametrize("call", ["rename:when=1", "rename:when=2"])
def test_a_save_over_an_older_one_loses_neither_by_a_fault_in_its_renames(
    tmp_path: Path, call: str, fault: str
) -> None:
    command = ["strace", "-qq", "-o", os.devnull, "-e", "trace=rename", "-e", f"inject={call}:{fault}"]
    saved(tmp_path)
    done = subprocess.run([*command, sys.executable, "-B", "-c", SAVE, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == (-9 if "KILL" in fault else 5), done.stderr
    assert durable.read_folder(tmp_path / "step") == FILES
    durable.save_folder(tmp_path / "step", {"a": b"new"})
    durable.sweep(tmp_path, "step")
    assert (names(tmp_path), durable.read_folder(tmp_path / "step")) == (["step"], {"a": b"new"})


@pytest.mark.parametrize("data", [b"{", b"\xff", b"", b"[" * 100_000], ids=["cut", "not text", "empty", "deep"])
def test_a_json_file_that_cannot_be_read_is_a_sentence_that_names_it(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "run.json").write_bytes(data)
    for name in ("run.json", "none.json"):
        with pytest.raises(RunError) as caught:
            reading.read_json(tmp_path / name, 2**20)
        assert caught.value.where == str(tmp_path / name)


def test_numbers_that_json_lacks_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        durable.write_json(tmp_path / "result.json", float("nan"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0"])
def test_no_cell_of_a_table_is_a_formula(text: str) -> None:
    for row in csv.reader(io.StringIO(durable.to_csv((text, "b"), [(text, -1.5)]))):
        assert not row[0].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row[1] == "-1.5"


@given(st.lists(st.lists(st.text('ab,"\n\r\t=+-@ é\u202e', max_size=4), min_size=1, max_size=3), max_size=5))
def test_lines_that_are_joined_as_they_are_are_those_of_the_writer(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([durable._cell(value) for value in row] for row in [["a"], *rows])
    assert durable.to_csv(["a"], rows) == text.getvalue()


def test_commas_quotes_and_lines_stay_in_their_cell() -> None:
    assert list(csv.reader(io.StringIO(durable.to_csv(("a",), [('x,"y"',), ("two\nlines",)])))) == [
        ["a"],
        ['x,"y"'],
        ["two\\nlines"],
    ]
