"""A layer of a network as a sheet, for one picture or none; a sealed one is an opening of the run's test set."""

import dataclasses
from dataclasses import dataclass
from typing import Any, final

import torch

from striate.base.errors import UsageError
from striate.base.words import many
from striate.inside import sheet as inside
from striate.inside.sheet import Scale, Sheet
from striate.inside.target import look, only
from striate.predictor import Predictor
from striate.runs import shown
from striate.runs.evaluation import Of
from striate.runs.sealed import Seal, given_to, unanswered


@final
@dataclass(frozen=True)
class Asked:
    """The layer and the numbers of filters or maps, all where there are none; see `inside.sheet`."""

    layer: str | None
    features: tuple[int, ...]
    scale: Scale


def sheet(predictor: Predictor, run: Of | None, picture: Any, asked: Asked, max_pixels: int, keep: str | None) -> Sheet:
    """Filters where there is no `picture`; what cannot be asked of a layer is refused before one is read.

    `keep`: what was typed or called, where the sheet is also kept in the run's folder for its page.
    """
    shown.refuse_elsewhere(keep, run)
    member, sealed = only(predictor, "sheet"), False
    if picture is None:
        made = inside.filters(member.network, asked.layer, asked.features, asked.scale)
    else:
        way = member.preprocess
        grey = torch.full((1, way.channels, *way.sides), 0.5)
        inside.activations(
            member.network, predictor.given(member, grey), asked.layer, asked.features, asked.scale
        )  # refused here, before anything is opened
        given = given_to(picture, predictor, max_pixels)
        if len(given.names) != 1:
            raise UsageError("picture", f"these are {many(len(given.names), 'picture')}, and a sheet is of one", "one")
        seal = None if run is None else Seal(predictor, run, given, "sheet")
        pixels, _ = look(member, (seal or given).read(0), given.names[0], max_pixels, ("picture", "a sheet"))
        canvas = predictor.given(member, torch.from_numpy(pixels[None]))
        made = inside.activations(member.network, canvas, asked.layer, asked.features, asked.scale)
        made = dataclasses.replace(made, notes=(*made.notes, *(seal.notes() if seal else ())))
        sealed = bool(seal and seal.met)
    if keep is None or run is None:
        return made
    return dataclasses.replace(made, notes=(*made.notes, _kept(run, made, keep, sealed)))


def _kept(run: Of, made: Sheet, command: str, sealed: bool) -> str:
    """Keep the sheet; what is to be said of that. A sealed picture waits until its test set has a result."""
    folder, _ = run
    if sealed and unanswered(run):
        return "nothing is kept: this picture is sealed, and the test set of this run has no result yet"
    picture = shown.Picture(made.picture, f"{made.of} of {made.layer}, {made.told}")
    return shown.kept(folder, "sheet", shown.Inside(f"The {made.of} of {made.layer}", command, (picture,)), 1024)
