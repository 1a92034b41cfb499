"""Trainings of a claim in this process, which starts none for each."""

from collections.abc import Mapping

from small import Notes
from striate.claims.claim import Asked, Sweep
from striate.training.execution import Execution
from striate.training.many import Ended
from striate.training.train import start_run


def trained_here(sweep: Sweep, asked: Asked) -> Mapping[str, Ended]:
    """Into the folders where a list finds them done."""
    return {
        name: Ended(name, start_run(recipe, Execution(cache=False), Notes(), None, asked.folder / name))
        for name, recipe in sweep.recipes(asked).items()
    }
