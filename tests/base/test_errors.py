import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import (
    DataError,
    Fault,
    HungUp,
    Interrupted,
    MachineError,
    Option,
    RunError,
    StriateError,
    Terminated,
    UsageError,
    near,
    nearest,
    printable,
)

# The exit codes are public: scripts ask for them. 129, 130 and 143 are 128 + SIGHUP, SIGINT, SIGTERM.
CODES = {
    UsageError: 2,
    DataError: 3,
    RunError: 4,
    MachineError: 5,
    Fault: 1,
    HungUp: 129,
    Interrupted: 130,
    Terminated: 143,
}


def test_each_kind_has_its_exit_code() -> None:
    assert {kind: kind.exit_code for kind in StriateError.__subclasses__()} == CODES
    assert len({kind.kind for kind in CODES}) == len(CODES)


@pytest.mark.parametrize("kind", CODES)
def test_the_message_is_where_cause_and_hint(kind: type[StriateError]) -> None:
    error = kind("a/b.png", "damaged", "fetch it again")
    assert str(error) == "a/b.png: damaged. Try: fetch it again"
    assert json.loads(json.dumps(error.as_dict())) == {
        "error": kind.kind,
        "where": "a/b.png",
        "cause": "damaged",
        "try": "fetch it again",
        "exit_code": CODES[kind],
    }


def test_an_option_in_a_hint_is_spelled_as_python_does_or_as_one_asks() -> None:
    error = UsageError("module 'a'", "no rule", (Option("unknown", "report"), ", or ", Option("training", False)))
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes)
    for each in (error, back):
        assert each.hint == each.as_dict()["try"] == "unknown='report', or training=False"
        assert str(each) == f"module 'a': no rule. Try: {each.hint}"
        assert each.told(lambda option: f"--{option.name} {option.value}") == "--unknown report, or --training False"


@given(st.sampled_from(list(CODES)), st.text(max_size=900), st.text(max_size=900), st.text(max_size=900))
def test_an_error_crosses_a_process_unchanged(kind: type[StriateError], where: str, cause: str, hint: str) -> None:
    error = kind(where, cause, hint)
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes)
    assert (type(back), str(back), back.as_dict()) == (kind, str(error), error.as_dict())


@given(st.text(st.characters(), max_size=300))
def test_what_is_printed_is_one_line_without_control_characters(text: str) -> None:
    shown = printable(text)
    assert shown.splitlines() in ([shown], [])
    shown.encode("utf-8")
    assert not set(shown) & {"\x1b", "\u202e", "\u2066", "\ufeff", "\0"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("caf\udce9", "caf\\xe9"),
        ("\ud800", "\\ud800"),
        ("two\nlines", "two\\nlines"),
        ("two\u2028or\u2029three", "two\\u2028or\\u2029three"),
        ("straße 猫 ok", "straße 猫 ok"),
        ("a" * 401, "a" * 400 + "..."),
        ("a" * 400, "a" * 400),
    ],
)
def test_odd_characters_are_spelled_out_and_long_text_is_cut(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_the_nearest_name_is_found_in_letters_of_any_case_and_none_where_none_is_near() -> None:
    names = ["learning_rate", "momentum", "epochs", "Cat"]
    assert nearest("learning_rte", names) == ["learning_rate"]
    assert nearest("CATS", names) == ["Cat"]
    assert nearest("epoch", iter(names), most=3)[0] == "epochs"
    assert nearest("zzz", names) == nearest("epoch", []) == []
    assert near("epoch", names, "another") == "'epochs'"
    assert near("zzz", names, "another") == "another"
