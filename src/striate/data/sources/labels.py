"""Labels as texts, from tables and what is like them: the classes that they name."""

import os
import re
from collections.abc import Sequence

from striate.base.errors import DataError
from striate.data.listing import one_name_each

# What programs write where nothing is said, in any case.
UNSAID = frozenset({"", "nan", "none", "null", "na", "n/a"})
_FRACTION = re.compile(r"-?\d+\.0*")


def classes_of(where: object, said: Sequence[str], merge: bool) -> tuple[tuple[int, ...], tuple[str, ...], list[str]]:
    """The place of each label among the classes, these, and what is to be told."""
    labels = sorted(set(said), key=os.fsencode)
    notes, merged = _odd_labels(where, labels), one_name_each(where, labels, merge)
    classes = tuple(dict.fromkeys(merged.values()))
    place = {label: classes.index(merged[label]) for label in merged}
    return tuple(place[label] for label in said), classes, notes


def _odd_labels(where: object, labels: Sequence[str]) -> list[str]:
    """What is to be said of labels that a program made odd; a DataError where two of them are one number."""
    whole = {label: label.partition(".")[0] for label in labels if _FRACTION.fullmatch(label)}
    if twice := [label for label, number in whole.items() if number in labels]:
        cause = f"labels {whole[twice[0]]!r} and {twice[0]!r} are one number"
        raise DataError(where, cause, "one way to write it; pandas adds .0 to a column where some are missing")
    notes = (
        [f"labels such as {next(iter(whole))!r} are taken as they are written, for names of classes"] if whole else []
    )
    if below := [label for label in labels if re.fullmatch(r"-\d+(\.0*)?", label)]:
        notes.append(f"label {below[0]!r} is a class like any other; lines that mean no label are to be left out")
    return notes
