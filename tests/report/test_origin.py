import pytest

from striate.report.origin import name_of, origin

FACTS = {
    "network": {"name": "lenet5", "options": {}, "parameters": 61706},
    "versions": {"machine": "AMD EPYC, 2 threads"},
    "began": "2026-11-29T12:43:07Z",
    "seconds": 3725.0,
    "command": "striate train digits --epochs 2",
}


def test_a_run_says_what_when_how_long_and_on_what() -> None:
    said, command = origin(FACTS)
    assert said == "lenet5, 61,706 parameters; began 2026-11-29 12:43 UTC; took 62 min in all; on AMD EPYC, 2 threads"
    assert command == "striate train digits --epochs 2"


def test_what_a_run_of_before_did_not_keep_is_left_out() -> None:
    assert origin({"network": {"name": "lenet5"}, "versions": {}}) == ("lenet5", "")


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("striate train /home/alice/pics --runs /home/alice/runs", "striate train …/pics --runs …/runs"),
        ("striate train '/home/alice b/p q' --mask-map=/home/alice/m", "striate train '…/p q' --mask-map=…/m"),
        ("striate train '~alice/pics'", "striate train …/pics"),
        (r"striate train 'C:\Users\alice\pics'", "striate train …/pics"),
        ("striate train 'o'\"'\"'alice' --batch 8", "striate train 'o'\"'\"'alice' --batch 8"),
        ("striate train --model-options.stem=/home/alice/x=y", "striate train --model-options.stem=…/x=y"),
        (
            "striate.train('/home/alice b/pics', model='lenet5', step_epochs=(1, 2), mirror=False)",
            "striate.train('…/pics', model='lenet5', step_epochs=(1, 2), mirror=False)",
        ),
        ("striate.train((pictures, labels), epochs=2)", "striate.train((pictures, labels), epochs=2)"),
        ("striate train 'not closed", ""),
        ("striate.train(/home/alice", ""),
        ("", ""),
    ],
)
def test_a_command_is_shown_without_the_folders_of_its_paths(command: str, shown: str) -> None:
    assert origin(FACTS | {"command": command})[1] == shown


def test_a_path_inside_a_folder_stays_as_it_is() -> None:
    assert name_of("photos/cats") == "photos/cats"
