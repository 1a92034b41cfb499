import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base import durable, reading, utf8
from striate.base.errors import RunError, encodable, escaped

ANY = st.text(st.characters(exclude_categories=()), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
)


def refuse_surrogates(value):
    """What a strict parser does."""
    if isinstance(value, str):
        value.encode("utf-8")
    for each in value if isinstance(value, list) else [*value, *value.values()] if isinstance(value, dict) else ():
        refuse_surrogates(each)
    return value


@given(VALUES)
def test_any_value_is_read_back_as_it_was_and_strict_parsers_read_it_too(value):
    written = durable.to_json(value)
    assert json.loads(written, object_hook=utf8.restored) == value
    refuse_surrogates(json.loads(written))


def test_a_file_keeps_names_that_are_not_utf8(tmp_path):
    value = {"path": "/d/caf\udce9 \ud800", "names": ["\udcff", "café"], "literal": r"caf\xe9"}
    durable.write_json(tmp_path / "a.json", value)
    assert reading.read_json(tmp_path / "a.json", 1000) == value


@pytest.mark.parametrize("odd", ["\\q", "\\", "\\x1", "\\N{DIGIT ONE}", "é", "\\udce9 é"])
def test_what_no_name_is_written_as_is_refused(tmp_path, odd):
    (tmp_path / "a.json").write_text(json.dumps({"name": {"not UTF-8": odd}}), "utf-8")
    with pytest.raises(RunError, match="cannot be read"):
        reading.read_json(tmp_path / "a.json", 1000)


@given(VALUES)
def test_what_other_programs_are_given_has_no_lone_surrogate(value):
    refuse_surrogates(utf8.readable(value))


@pytest.mark.parametrize(
    ("text", "shown"), [("caf\udce9", r"caf\xe9"), ("é\ud800", r"é\ud800"), ("\x1b", "\x1b"), ("👩", "👩")]
)
def test_only_what_is_not_utf8_is_spelled_out(text, shown):
    assert encodable(text) == shown


@given(st.text(max_size=3000))
def test_nothing_is_cut_where_names_count(text):
    assert len(escaped(text)) >= len(text)
