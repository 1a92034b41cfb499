import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.evaluate.holm import holm

shares = st.lists(st.floats(0, 1), max_size=12)


def test_the_steps_of_the_paper() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([]) == ()
    assert holm([0.2]) == (0.2,)


@given(shares, st.floats(0.001, 0.999))
def test_refused_is_what_the_stepwise_procedure_refuses(ps: list[float], level: float) -> None:
    """Holm 1979: the smallest is compared with level / m, the next with level / (m - 1), until one is not below."""
    refused = set()
    for step, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        if ps[place] * (len(ps) - step) > level:
            break
        refused.add(place)
    assert {place for place, p in enumerate(holm(ps)) if p <= level} == refused


@given(shares)
def test_it_lies_between_each_alone_and_bonferroni(ps: list[float]) -> None:
    assert all(p <= q <= min(1, p * len(ps)) + 1e-12 for p, q in zip(ps, holm(ps), strict=True))
