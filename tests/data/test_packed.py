"""Names and digests in arrays are the tuples that they were made of."""

import hashlib
import pickle
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from striate.data.packed import Digests, Names

TEXTS = st.lists(st.text(st.characters(codec=None) | st.characters(categories=["Cs"]), max_size=6), max_size=12)
DIGESTS = st.lists(st.binary(max_size=3).map(lambda data: hashlib.sha256(data).hexdigest()), max_size=12)


def same(packed, plain, places):
    assert packed == plain
    assert plain == packed
    assert list(packed) == list(plain)
    assert len(packed) == len(plain)
    assert [packed[place] for place in range(-len(plain), len(plain))] == [*plain, *plain]
    assert packed.take(places) == tuple(plain[place] for place in places)
    assert packed.take(np.array(places, np.int64)) == packed.take(places)
    assert packed.take(range(len(plain))) == plain
    assert packed[1:4] == plain[1:4]
    assert packed[::-2] == plain[::-2]
    assert packed[len(plain) :] == ()
    assert pickle.loads(pickle.dumps(packed)) == packed  # noqa: S301 - our own
    assert packed != (*plain, "0" * 64)
    assert (packed == plain[::-1]) == (plain == plain[::-1])
    assert type(packed).of(packed) is packed


@given(TEXTS, st.data())
def test_names_are_the_tuple_of_them(names, data):
    places = data.draw(st.lists(st.integers(0, len(names) - 1))) if names else []
    same(Names.of(names), tuple(names), places)


@given(DIGESTS, st.data())
def test_digests_are_the_tuple_of_them(digests, data):
    places = data.draw(st.lists(st.integers(0, len(digests) - 1))) if digests else []
    same(Digests.of(digests), tuple(digests), places)
    assert Digests.of(digests).keys.tolist() == [int(digest[:16], 16) for digest in digests]


def test_a_chunk_more_is_unpacked_as_well():
    names = tuple(f"{place}/é{place % 7}.png" for place in range(40_000))
    assert tuple(Names.of(names)) == names
    rows = np.random.default_rng(0).integers(0, 256, (40_000, 32), np.uint8)
    assert tuple(Digests(rows)) == tuple(row.tobytes().hex() for row in rows)


@given(
    st.lists(
        st.sampled_from([bytes(8) + bytes([k]) + bytes(23) for k in range(3)] + [bytes([k]) * 32 for k in range(3)])
    )
)
def test_digests_are_sorted_whole_also_where_their_first_64_bits_are_equal(rows):
    digests = Digests.joined(rows)
    order = digests.order().tolist()
    assert order == sorted(range(len(rows)), key=rows.__getitem__)
    told = [rows[place] == rows[before] for before, place in pairwise(order)]
    assert digests.repeat(np.array(order, np.int64)).tolist() == told
