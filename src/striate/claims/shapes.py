"""What claims about the shape of a small network train alike: few pictures, so that errors are many enough to count."""

from collections.abc import Mapping

from striate.claims.claim import Arm, Sweep

RATES = (0.025, 0.05, 0.1, 0.2)


def small(arms: Mapping[str, Arm]) -> Sweep:
    """A quarter of the pictures is learned from, a quarter chooses the rate, and the other half is measured."""
    return Sweep(arms, RATES, {"epochs": 15, "batch": 64, "fold": "1/2", "split": "50/50/0"})
