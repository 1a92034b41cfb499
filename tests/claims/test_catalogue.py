"""Every claim that stands in the package is listed, once, and says what a claim has to say."""

import ast
from pathlib import Path

import pytest

import striate.claims
from striate.base.errors import UsageError
from striate.claims.catalogue import NAMES, find


def test_every_file_with_a_claim_is_listed_once() -> None:
    files = Path(striate.claims.__file__).parent.glob("*.py")
    claims = [path.stem for path in files if _assigns_claim(path)]
    assert sorted(NAMES) == sorted(claims)


def _assigns_claim(path: Path) -> bool:
    assigned = (each for each in ast.parse(path.read_text()).body if isinstance(each, ast.Assign))
    return any(isinstance(to, ast.Name) and to.id == "CLAIM" for each in assigned for to in each.targets)


@pytest.mark.parametrize("name", NAMES)
def test_a_claim_has_the_name_of_its_file_and_every_sentence(name: str) -> None:
    claim = find(name)
    assert claim.name == name
    assert claim.source
    assert claim.sentence[:1].isupper()
    for sentence in (claim.sentence, claim.protocol, claim.lesson):
        assert sentence.endswith(".")
    assert claim.seeds >= 5 or not claim.sweeps
    assert claim.gate or not claim.sweeps


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"there is none called 'degradatoin'\. Try: degradation"):
        find("degradatoin")
    with pytest.raises(UsageError, match="which lists them"):
        find("../verdict")
