import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.base.errors import DataError, UsageError
from striate.data.masks import Legend, Seen, counted, legend, notes, seen_in_memory, settled, targets
from striate.data.targets import HeldMasks

BINARY = legend("0=background,255=cell", None, "classes")


def judged(meant: Legend, *masks: list[int], strict: bool = True) -> tuple[str, ...]:
    """The classes of masks of one row each."""
    seen = [
        (f"masks/{place}.png", seen_in_memory(np.array([mask], np.int32), meant)) for place, mask in enumerate(masks)
    ]
    return settled(meant, seen, "DATA", strict)


def refusal(meant: Legend, *masks: list[int], strict: bool = True) -> str:
    with pytest.raises(DataError) as caught:
        judged(meant, *masks, strict=strict)
    return str(caught.value)


ids = st.integers(0, 300)
names = st.sampled_from(["", "ground", "cell", "debris"])


@given(st.dictionaries(ids, names, min_size=2, max_size=20), st.data())
def test_every_value_of_a_map_gets_the_place_of_its_name(meaning: dict[int, str], data: st.DataObject) -> None:
    meant = Legend(tuple(meaning.items()))
    values = np.array(data.draw(st.lists(st.lists(st.sampled_from(list(meaning)), min_size=3, max_size=3), min_size=1)))
    places = meant.places(values)
    assert places.dtype == np.int32
    assert (np.array([*meant.classes, ""], object)[places] == np.vectorize(meaning.get, otypes=[object])(values)).all()
    assert pickle.loads(pickle.dumps(meant)) == meant  # noqa: S301


@given(st.lists(ids, min_size=1), ids)
def test_ids_are_places_but_for_the_one_to_ignore(values: list[int], ignore: int) -> None:
    given_ = np.array([values])
    assert (Legend().places(given_) == given_).all()
    assert (Legend(ignore=ignore).places(given_) == np.where(given_ == ignore, -1, given_)).all()


def test_each_value_above_0_is_an_object_of_one_class() -> None:
    values, meant = np.array([[0, 7, 7, 300, 9, -1]]), legend(None, 9, "objects")
    assert meant.classes == ("background", "object")
    assert meant.places(values).tolist() == [[0, 1, 1, 1, -1, 0]]
    assert meant.ids(values).tolist() == [[0, 7, 7, 300, 0, 0]]


def test_a_map_names_ids_or_colours_in_the_order_of_the_classes() -> None:
    meant = legend(" 3 = cell , 0=background,2=cell,255=", None, "classes")
    assert (meant.classes, meant.coloured) == (("cell", "background"), False)
    assert meant.places(np.array([[0, 2, 3, 255]])).tolist() == [[1, 0, 0, -1]]
    colours = legend("#000000=ground,#FF0000=cell", None, "classes")
    assert (colours.meaning, colours.coloured) == (((0, "ground"), (0xFF0000, "cell")), True)
    assert colours.told(0xFF0000) == "#ff0000"


@pytest.mark.parametrize(
    ("asked", "cause"),
    [
        (("0", None, "classes"), "'0' is no value of a mask with its class"),
        (("", None, "classes"), "'' is no value"),
        (("0=a,1=b,", None, "classes"), "'' is no value"),
        (("cell=1,ground=0", None, "classes"), "'cell=1' is no value"),
        (("#f00=a,#00f=b", None, "classes"), "'#f00=a' is no value"),
        (("0=a,1=b,1=c", None, "classes"), "'1=c': what its value means is said twice"),
        (("0=a,1=b", 1, "classes"), "'1=b': what its value means is said twice"),
        (("0=a,#ffffff=b", None, "classes"), "some values are colours and some are ids"),
        (("0=a,1=a", None, "classes"), "fewer than two classes"),
        (("#000000=a,#ffffff=b", 255, "classes"), "255 is an id, and the masks have colours"),
        (("0=a,1=b", None, "objects"), "every value above 0 is an object of its own"),
    ],
)
def test_a_map_that_cannot_be_meant_is_one_sentence(asked: tuple[str, int | None, str], cause: str) -> None:
    with pytest.raises(UsageError, match=cause):
        legend(*asked)  # type: ignore[arg-type]


@given(st.text(st.sampled_from("0123456789abf#=,- \n\0é"), max_size=30))
def test_any_text_is_a_map_or_one_sentence(text: str) -> None:
    try:
        meant = legend(text, None, "classes")
    except UsageError:
        return
    assert len(meant.classes) >= 2
    assert set(meant.table.values()) <= set(range(-1, len(meant.classes)))


def test_a_file_of_classes_says_the_same_and_a_map_goes_before_it() -> None:
    listed = [("0", "ground"), ("255", "cell")]
    assert legend(None, None, "classes", listed) == Legend(((0, "ground"), (255, "cell")))
    assert legend("0=a,1=b", None, "classes", listed).classes == ("a", "b")
    with pytest.raises(DataError, match=r"classes.csv: '256x=cell' is no value"):
        legend(None, None, "classes", [("256x", "cell")], "classes.csv")


def test_without_a_map_ids_are_classes_by_number() -> None:
    assert judged(Legend(), [0, 1], [0, 2]) == ("0", "1", "2")
    assert judged(Legend(), [0, 1, 3]) == ("0", "1", "2", "3"), "one that is missing keeps its place"
    assert judged(Legend(ignore=255), [0, 1, 255]) == ("0", "1")
    assert judged(Legend(), [0, 1, -1]) == ("0", "1"), "-1 counts nowhere"


@pytest.mark.parametrize(
    ("masks", "cause", "hint"),
    [
        ([[0, 0, 0, 255]], "no classes 0, 1, 2 ...: 0 (75 %), 255 (25 %)", "mask_map='0=background,255=foreground'"),
        ([[0, 1], [2, 255]], "no classes 0, 1, 2 ...", "ignore=255, if 255 marks what is not to count"),
        ([[0, 64, 128, 192]], "0 (25 %), 64 (25 %), 128 (25 %), 192 (25 %)", "mask_map='0=class0,64=class1"),
        ([[1, 2], [3, 3]], "ids 1 to 3 and no 0, where classes count from 0", "mask_map='1=class0,2=class1,3=class2'"),
        ([[0, 0]], "every pixel that counts is 0", "masks of two classes"),
        ([[-2, 0, 1]], "values that are no classes", "mask_map='-2=class0"),
        ([[0] * 9 + [100, 200, 255]], "values that are no classes", "or masks without smoothed edges"),
        ([[*range(0, 400, 10)]], "0 (2.5 %), 10 (2.5 %)", "masks='objects' for ids of objects"),
        ([[*range(256), *[0] * 5000, *[255] * 5000]], "two classes with smoothed edges", "without smoothing"),
    ],
)
def test_M6_M9_values_that_are_no_classes_are_shown_with_what_to_try(
    masks: list[list[int]], cause: str, hint: str
) -> None:
    told = refusal(Legend(), *masks)
    assert cause in told
    assert hint in told


def test_M5_a_value_beyond_the_map_is_shown_with_its_share_and_its_first_mask() -> None:
    assert "whose values mean what they do in training" in refusal(BINARY, [0, 7], strict=False)
    told = refusal(BINARY, [0, 255], [0, 7])
    assert "values that the map does not name: 7 (25 %) of all pixels; first in masks/1.png" in told
    assert "7= without a name counts it nowhere" in told


def test_M10_colours_without_a_map_are_shown_as_a_map_to_fill_in() -> None:
    painted = Seen(("",), {0: 75, 0xFF0000: 25}, coloured=True)
    with pytest.raises(DataError, match="1 mask in colours, and nothing says which class each is: #000000") as caught:
        settled(Legend(), [("masks/a.png", painted)], "DATA", True)
    assert "mask_map='#000000=background,#ff0000=foreground'" in str(caught.value)
    with pytest.raises(DataError, match="their values are given otherwise"):
        settled(BINARY, [("masks/a.png", painted)], "DATA", True)


def test_M12_masks_in_which_nothing_counts_are_an_error_only_where_all_are() -> None:
    assert "no pixel of any mask counts" in refusal(Legend(ignore=0), [0, 0], [0])
    assert judged(Legend(ignore=0), [0, 0], strict=False) == ("0",)


def test_pictures_to_be_answered_on_need_not_have_every_class() -> None:
    assert judged(Legend(), [3, 3], strict=False) == ("0", "1", "2", "3")
    assert judged(BINARY, [0], strict=False) == ("background", "cell")
    assert "values that are no classes: -5 (50 %)" in refusal(Legend(), [-5, 1], strict=False)
    assert "2000000000 (50 %)" in refusal(Legend(), [0, 2_000_000_000], strict=False)


def test_a_single_class_is_nothing_to_learn_whatever_its_values_are_called() -> None:
    meant = legend("0=ground,1=ground,2=cell", None, "classes")
    assert "every pixel that counts is ground: nothing to tell apart" in refusal(meant, [0, 1])
    assert "every pixel that counts is object" in refusal(legend(None, None, "objects"), [3, 4])


def test_too_many_values_are_no_classes() -> None:
    many = np.arange(2000)[None]
    assert counted(many, Legend()) is None
    assert "masks='objects' for ids of objects" in refusal(Legend(), many[0].tolist())
    assert counted(many, legend(None, None, "objects")) == {0: 1, 1: 1999}


def test_M12_what_is_rare_or_absent_is_noted() -> None:
    masks = [[0, 0, 1, 255], [0, 0, 0, 255], [255] * 4, [0, 0, 0, 0], [0, 1, 2, 2]]
    meant = Legend(ignore=255)
    seen = [(f"{place}.png", seen_in_memory(np.array([mask]), meant)) for place, mask in enumerate(masks)]
    assert notes(meant, ("0", "1", "2"), seen, ("train", "train", "val", "val", "val")) == [
        "pixels by class: '0' 50 %, '1' 10 %, '2' 10 %; 30 % count nowhere",
        "1 mask in which nothing counts: 2.png",
        "2 masks of '0' alone: 1.png, 3.png",
        "train/ has no pixel of '2'",
    ]


def test_targets_tell_pictures_with_foreground_and_what_their_masks_mean() -> None:
    values = [np.array([[0, 255]]), np.array([[0, 0]])]
    seen = [seen_in_memory(each, BINARY) for each in values]
    made = targets(HeldMasks([BINARY.places(each) for each in values]), BINARY, BINARY.classes, seen, False)
    assert (made.strata.tolist(), made.present) == ([1, 0], (0, 1))
    other = legend("0=background,255=debris", None, "classes")
    again = targets(made.read, other, other.classes, seen, False)
    assert made.content(0) != again.content(0), "what a value means is part of the data"
