"""What claims about the shape of a small network train alike: few pictures, so that errors are many enough to count."""

from collections.abc import Mapping

from striate.claims.claim import Arm, Sweep


def small(arms: Mapping[str, Arm], rates: tuple[float, ...]) -> Sweep:
    """A quarter of the pictures is learned from, a quarter chooses the rate, and the other half is measured."""
    return Sweep(arms, rates, {"epochs": 10, "batch": 64, "fold": "1/2", "split": "50/50/0"})
