"""Which samples are learned from, which choose the epoch, which a fold holds out and which are sealed, as a recipe asks
for it."""

import dataclasses

from striate.base.errors import Option, UsageError
from striate.base.words import many, some
from striate.data import splits
from striate.data.groups import straddling
from striate.data.samples import Samples
from striate.data.sources.assigned import assigned, names_table
from striate.data.splits import Split
from striate.tasks.task import Task
from striate.training import effects
from striate.training.recipe import Recipe


def divided(asked: Recipe, samples: Samples, task: Task) -> tuple[Recipe, Samples, Split]:
    """The samples cut, as the recipe or the data say; with the recipe's shares filled in, and what is to be said.

    A UsageError where the recipe seals a test set that there is not.
    """
    given, notes = samples.subsets, list(samples.notes)
    table = asked.split is not None and names_table(asked.split)
    if table:
        given, said = assigned(str(asked.split), samples, asked.allow_leak)
        notes += said
        effects.refuse_seed(asked, given)
    fold = None if asked.fold is None else splits.fold_of(asked.fold)
    if asked.split is None and (fold or "val" not in (given or ())):
        asked = dataclasses.replace(asked, split=splits.USUAL)
    shares = splits.shares(splits.USUAL if table or asked.split is None else asked.split)
    may_learn = task.may_learn(samples.targets)
    split = splits.cut(samples, shares, asked.split_seed, may_learn, given=given, allow_leak=asked.allow_leak)
    if fold is not None:
        if "val" in (given or ()):
            notes.append("what the data call train and val is dealt into folds together; each cuts a validation anew")
        split = splits.with_fold(samples, split, fold, shares, asked.split_seed, may_learn)
    elif asked.keep_sealed and not len(split.test):
        cause = f"{samples.name} has no test set to leave closed"
        raise UsageError("keep_sealed", cause, (Option("keep_sealed", False),))
    if parted := straddling(samples, given or ()):
        notes.append(f"{many(len(parted), 'group')} in several subsets: {some(parted, 3)}")
    return asked, dataclasses.replace(samples, notes=tuple(notes)), split
