"""Looking inside a run, or a network of the catalogue with weights."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from striate.base.errors import Option, RunError, UsageError
from striate.base.paths import path_of
from striate.data.picture.pixels import PIXELS
from striate.face.asked import call, kept_as, opened_run, written

if TYPE_CHECKING:
    from striate.inside.explained import Explained
    from striate.predictor import Predictor
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
    from striate.base import devices
    from striate.inside.explained import question
    from striate.predictor import Predictor
    from striate.runs import explaining

    asked = question(method, label, layer, feature, checks=checks, box=box)
    keywords = {
        "method": method,
        "label": label,
        "layer": layer,
        "feature": feature,
        "checks": checks or None,
        "box": box or None,
    }
    kept = kept_as(keep, call("explain", [written(network), "pictures"], keywords))
    place = devices.named(device)
    if isinstance(network, str) and not _is_run(network):
        predictor = _published(network, weights).on(place)
        return explaining.explain(predictor, None, pictures, asked, max_pixels, progress, kept)
    if weights is not None:
        raise UsageError("weights", "a run has its own", "leaving it out")
    if isinstance(network, Predictor):
        return explaining.explain(network.on(place), None, pictures, asked, max_pixels, progress, kept)
    run = opened_run(network)
    of = run.folder, run.facts
    return explaining.explain(run.predictor.on(place), of, pictures, asked, max_pixels, progress, kept)


def _is_run(network: str) -> bool:
    """Whether this is the path of a run: a bare word that is no folder is the name of a network."""
    return not network.startswith("timm:") and (os.sep in network or os.path.lexists(path_of(network)))


def _published(name: str, weights: str | os.PathLike[str] | None) -> Predictor:
    """A network of the catalogue as its weights expect pictures; its classes are numbers."""
    import torch

    from striate.data.preprocess import Preprocess
    from striate.models.build import build
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
        net = build(name, weights=weights).eval()
    told, channels = expected_by(entry, os.fspath(weights)), entry.input[0]
    if told is None:
        cause = "this file does not say what pictures its weights expect"
        raise RunError(os.fspath(weights), cause, 'a .safetensors file with the metadata "preprocess"')
    way = Preprocess(usual_size(entry), channels, "crop", told.mean, told.deviation)
    with torch.no_grad():
        answers = net(torch.zeros(1, channels, *way.sides)).shape[1]
    return Predictor((Member(net, way, registry.task_named(entry.task, tuple(map(str, range(answers))), {}, {})),))
