"""Looking inside a run, or a network of the catalogue with weights."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from striate.base.errors import Option, RunError, UsageError
from striate.base.paths import path_of
from striate.data.load import Data
from striate.data.picture.pixels import PIXELS
from striate.face.asked import call, kept_as, opened_run, written

if TYPE_CHECKING:
    from torch import nn

    from striate.inside.explained import Explained
    from striate.inside.gallery import Gallery
    from striate.inside.sheet import Scale, Sheet
    from striate.predictor import Predictor, Progress
    from striate.runs.evaluation import Of
    from striate.runs.run import Run


def explain(
    network: str | os.PathLike[str] | Run | Predictor,
    pictures: Any,
    *,
    method: str | Sequence[str] | None = None,
    label: str | None = None,
    layer: str | None = None,
    feature: int | None = None,
    checks: bool = False,
    box: bool = False,
    weights: str | os.PathLike[str] | None = None,
    max_pixels: int = PIXELS,
    keep: bool | str = False,
    device: str = "cpu",
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Explained]:
    """What in each picture a network's answer rests on: an `Explained` for each picture and method, in order.

    `network` is a run, whose sealed pictures are an opening of its test set; or a Predictor; or a name of the catalogue
    or `timm:NAME`, with `weights`: "imagenet", a publisher's name, or a file. `pictures` as for `Run.embed`.

    `method`: "deconvnet", "cam", "grad-cam", "guided", "integrated", "smooth", "occlusion", a list of them, or "all";
    CAM or, where that does not serve, Grad-CAM when None. `label`: the class that is explained, the answered one when
    None. `layer`: of Grad-CAM or a deconvnet; `feature`: the deconvnet's map, from 0. A UsageError, with the reason,
    for a network that a method does not serve. `checks`: of each map whether it is to be trusted, which takes some
    hundred passes more; `box`: that of a CAM or Grad-CAM is drawn into its picture. `keep`: the pictures also in the
    run's folder, for its page; a text is what that page says was typed. No sealed picture is kept until the test set
    has a result.
    """
    from striate.inside.explained import question
    from striate.runs import explaining

    asked = question(method, label, layer, feature, checks=checks, box=box)
    of_maps = {"checks": checks or None, "box": box or None}
    keywords = {"method": method, "label": label, "layer": layer, "feature": feature, **of_maps}
    kept = kept_as(keep, call("explain", [written(network), "pictures"], keywords))
    predictor, run = _looked_into(network, weights, device)
    return explaining.explain(predictor, run, pictures, asked, max_pixels, progress, kept)


def gallery(
    network: str | os.PathLike[str] | Run | Predictor,
    pictures: Any = None,
    *,
    layer: str | None = None,
    maps: int | None = None,
    feature: int | Sequence[int] | None = None,
    top: int = 9,
    patches: bool = False,
    weights: str | os.PathLike[str] | None = None,
    max_pixels: int = PIXELS,
    data: Data | None = None,
    keep: bool | str = False,
    device: str = "cpu",
    progress: Progress = lambda name, done, total: None,
) -> Gallery:
    """What each map of a layer answers to most: its `top` strongest units, one a picture, as a `Gallery`.

    Each unit is projected by a deconvnet, alone, beside the patch that it depends on: Zeiler and Fergus 2014, Figure 2.
    `network` as for `explain`; of `weights` in a file the part up to the layer is enough. `pictures` as for
    `Run.embed`: the training pictures of a run when None; sealed ones are an opening of its test set.

    `layer`: a module's name, the deepest that a deconvnet comes back from when None. `feature`: numbers of maps from 0;
    otherwise `maps` of them evenly apart, 16 when None. `patches`: without projections, for any layer that makes maps.
    `data`: where the run's own pictures lie now. `keep` as for `explain`.
    """
    from striate.inside.asked import Asked

    features = (feature,) if isinstance(feature, int) else tuple(feature or ())
    asked = Asked(layer, maps, features, top, patches)
    from striate.predictor import Predictor
    from striate.runs import galleries

    if pictures is None and (isinstance(network, Predictor) or (isinstance(network, str) and not _is_run(network))):
        raise UsageError("pictures", "none are given, and only a run has pictures of its own", "some pictures")
    if data is not None and pictures is not None:
        raise UsageError("data", "it is where the run's own pictures lie, and others are named", "one of the two")
    keywords = {"layer": layer, "maps": maps, "feature": feature, "top": top, "patches": patches or None}
    kept = kept_as(keep, call("gallery", [written(network), *(["pictures"] if pictures is not None else [])], keywords))
    predictor, run = _looked_into(network, weights, device, layer)
    return galleries.gallery(predictor, run, pictures, asked, max_pixels, progress, kept, data)


def sheet(
    network: str | os.PathLike[str] | Run | Predictor,
    picture: Any = None,
    *,
    of: Literal["activations", "filters"] = "activations",
    layer: str | None = None,
    feature: int | Sequence[int] | None = None,
    scale: Scale = "each",
    weights: str | os.PathLike[str] | None = None,
    max_pixels: int = PIXELS,
    keep: bool | str = False,
    device: str = "cpu",
) -> Sheet:
    """A layer as a `Sheet`: what it makes of one picture, or its filters, each numbered as in the network.

    `network` and `keep` as for `explain`, `weights` as for `gallery`; a sealed picture is an opening. `layer`: any
    module's name; when None the first convolution for filters, the last with maps of several cells for activations.
    `feature`: numbers of filters or maps, from 0. `scale`: drawn "each" by its own strongest weight or activation, or
    "all" by one.
    """
    for name, value, known in (("of", of, ("activations", "filters")), ("scale", scale, ("each", "all"))):
        if value not in known:
            raise UsageError(name, f"{value!r} is none", f"one of {', '.join(known)}")
    if (of == "filters") != (picture is None):
        given = "filters are of no picture" if of == "filters" else "activations are of a picture, and none is given"
        hint = "leaving it out" if of == "filters" else ("a picture, or ", Option("of", "filters"))
        raise UsageError("picture", given, hint)
    from striate.runs import sheets

    features = (feature,) if isinstance(feature, int) else tuple(dict.fromkeys(feature or ()))
    keywords = {"of": of, "layer": layer, "feature": feature, "scale": scale}
    told = [written(network), *(["picture"] if picture is not None else [])]
    kept = kept_as(keep, call("sheet", told, keywords))
    predictor, run = _looked_into(network, weights, device, layer)
    return sheets.sheet(predictor, run, picture, sheets.Asked(layer, features, scale), max_pixels, kept)


def _looked_into(
    network: str | os.PathLike[str] | Run | Predictor,
    weights: str | os.PathLike[str] | None,
    device: str,
    until: str | None = None,
) -> tuple[Predictor, Of | None]:
    """What looks, and the run that it is of; of a network of the catalogue at least what leads to a layer."""
    from striate.base import devices
    from striate.predictor import Predictor

    place = devices.named(device)
    if isinstance(network, str) and not _is_run(network):
        return _published(network, weights, until).on(place), None
    if weights is not None:
        raise UsageError("weights", "a run has its own", "leaving it out")
    if isinstance(network, Predictor):
        return network.on(place), None
    run = opened_run(network)
    return run.predictor.on(place), (run.folder, run.facts)


def _is_run(network: str) -> bool:
    """Whether this is the path of a run: a bare word that is no folder is the name of a network."""
    return not network.startswith("timm:") and (os.sep in network or os.path.lexists(path_of(network)))


def _published(name: str, weights: str | os.PathLike[str] | None, until: str | None) -> Predictor:
    """A network of the catalogue as its weights expect pictures; its classes are numbers."""
    import torch

    from striate.data.preprocess import Preprocess
    from striate.models.catalog import find, usual_size
    from striate.predictor import Member, Predictor
    from striate.tasks import registry
    from striate.training.initial import expected_by

    entry = find(name)
    kind, _ = registry.found(registry.learning(entry.task))
    if kind.masked or not kind.labelled:
        raise UsageError(
            f"model {name}", f"a network to {entry.task}, and those with published weights classify", "a run"
        )
    if weights is None:
        hint = (Option("weights", "imagenet"), ", a file of weights, or a run")
        raise UsageError(f"model {name}", "without weights it has learned nothing that could be looked at", hint)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # which weights were meant is what was asked for
        net = _filled(name, weights, until).eval()
    told, channels = expected_by(entry, os.fspath(weights)), entry.input[0]
    if told is None:
        cause = "this file does not say what pictures its weights expect"
        raise RunError(os.fspath(weights), cause, 'a .safetensors file with the metadata "preprocess"')
    way = Preprocess(usual_size(entry), channels, "crop", told.mean, told.deviation)
    with torch.no_grad():
        answers = net(torch.zeros(1, channels, *way.sides)).shape[1]
    return Predictor((Member(net, way, registry.task_named(entry.task, tuple(map(str, range(answers))), {}, {})),))


def _filled(name: str, weights: str | os.PathLike[str], until: str | None) -> nn.Module:
    """With all its weights, or those of its first part where that holds the layer `until`."""
    from striate.models.build import build

    try:
        return build(name, weights=weights)
    except RunError as error:
        part = next((str(option.value) for option in error.options if option.name == "part"), None)
        if part is None:
            raise
        if until is None or not f"{until}.".startswith(f"{part}."):
            hint = f"those of the whole network; of a gallery or a sheet a layer in {part}, by name"
            raise RunError(error.where, f"holds the weights of {part} alone", hint) from None
    net = build(name, weights=weights, part=part)
    if next(child for child, module in net.named_children() if any(True for _ in module.parameters())) != part:
        cause = f"it begins with {part}, and what is before that has learned nothing"
        raise RunError(os.fspath(weights), cause, "weights from the first layer on")
    return net
