"""The run folder: written while training, read by everything after."""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from striate.base import devices, durable, reading, words
from striate.base.errors import MachineError, Option, RunError, UsageError
from striate.base.paths import path_of
from striate.base.reading import DAMAGED
from striate.data import preprocess
from striate.data.load import Data
from striate.data.picture import decode
from striate.data.picture.pixels import PIXELS
from striate.data.preprocess import Views
from striate.data.sources.address import in_full
from striate.evaluate.result import result
from striate.evaluate.vectors import Between, Embedded, Pool
from striate.models.catalog import check_size
from striate.network import network_for
from striate.predictor import Member, Predictor, together
from striate.runs import checkpoint, embedding, evaluation, predicting, schema, subsets
from striate.runs.evaluation import Evaluation
from striate.runs.kept import Kept, answered_by, read_kept
from striate.runs.listed import folders, look, status_of
from striate.runs.sealed import Sealed
from striate.runs.subsets import Line
from striate.tasks import registry
from striate.tasks.task import Task

MEMBERS = "members"

# Bytes of the data's name in a folder's: with the network's, file systems take 255.
MOST_OF_NAME = 150


@final
@dataclass(frozen=True)
class Run:
    """A run folder and the facts of its run.json."""

    folder: Path
    facts: Mapping[str, Any]

    def __fspath__(self) -> str:
        """So that a run is taken wherever its folder is."""
        return str(self.folder)

    def __repr__(self) -> str:
        return repr(look(self.folder, self.facts))

    def _repr_html_(self) -> str:
        return look(self.folder, self.facts)._repr_html_()

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def status(self) -> str:
        """running, stopped by a signal, failed, done; or killed, when it says running and no process holds it."""
        return status_of(self.folder, self.facts)

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The recipe with everything filled in."""
        return dict(self.facts["recipe"])

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.facts["classes"])

    @property
    def result(self) -> Mapping[str, Any] | None:
        """result.json, or None while there is none; a RunError when it, or the run, is damaged."""
        if self.facts["status"] == "damaged":
            raise RunError(self.folder / "run.json", self.facts["cause"], DAMAGED)
        there = os.path.lexists(self.folder / "result.json")
        return schema.read_result(self.folder, self.facts) if there else None

    @property
    def epochs(self) -> list[dict[str, float]]:
        """epochs.csv, a dict per row, none of what was made of other runs; a RunError when it cannot be read."""
        return [] if schema.joined(self.facts) else schema.read_epochs(self.folder)

    @property
    def preprocess(self) -> preprocess.Preprocess:
        return preprocess.from_dict(self.facts["preprocess"], self.folder / "run.json")

    @property
    def task(self) -> Task:
        return registry.from_dict(self.facts["task"], self.folder / "run.json")

    @property
    def lines(self) -> list[Line]:
        """split.csv, a line for each picture; a RunError when it cannot be read."""
        return subsets.lines(self.folder, self.facts)

    @property
    def kept(self) -> dict[str, Kept]:
        """The rows that were kept, by subset: "val", "held" of a fold, "test"; a RunError when they cannot be read."""
        return read_kept(self.folder, self.facts, self.lines)

    @property
    def warnings(self) -> list[str]:
        """What a user of its answers should know."""
        if self.several:
            named = zip(self.facts[MEMBERS], self.members, strict=True)
            return [f"{told['run']}: {warning}" for told, (run, _) in named for warning in run.warnings]
        then, notes = self.facts["versions"]["decoder"], [*self.facts.get("earlier", []), *self._chosen[1]]
        if then != decode.DECODER:
            notes.append(f"trained with {then}, this is {decode.DECODER}: pixels may differ slightly")
        if self.preprocess.version < preprocess.TWO_PASSES and not then.startswith("pillow 12."):
            notes.append(
                "trained when pictures were resized in an order of Pillow's choice; now they are resized across and "
                "then down: some pixels of tall pictures may differ by one level"
            )
        if self.status != "done":
            notes.append(f"this training is {self.status}, not done")
        return notes

    @property
    def several(self) -> bool:
        """Whether it is an ensemble, whose networks lie in members/."""
        return bool(self.facts.get(MEMBERS))

    @cached_property
    def members(self) -> tuple[tuple["Run", float], ...]:
        """Who answers, and with what share: the run itself, or the members of an ensemble.

        A RunError where one is damaged, or is not the one whose answers were measured.
        """
        if not self.several:
            return ((self, 1.0),)
        found = []
        for told in self.facts[MEMBERS]:
            folder = self.folder / MEMBERS / told["folder"]
            reading.refuse_link(folder)
            run = open_run(folder)
            if run.several or checkpoint.digest(run.weights) != told["sha256"]:
                raise RunError(folder, "not the network whose answers were measured", DAMAGED)
            found.append((run, float(told["weight"])))
        return tuple(found)

    def _refuse_several(self) -> None:
        """A RunError of an ensemble, for what means one network."""
        if self.several:
            cause = f"an ensemble of {words.many(len(self.facts[MEMBERS]), 'network')}, and this takes one"
            raise RunError(self.folder, cause, f"the run of one of them, such as {self.facts[MEMBERS][0]['run']}")

    @cached_property
    def _chosen(self) -> tuple[checkpoint.Tensors, list[str]]:
        """The chosen weights, and what is to be said of them."""
        self._refuse_several()
        with torch.device("meta"):  # what is saved is compared before anything is as large as it says
            like = self._fresh().state_dict()
        expected = answered_by(self.folder) if self.facts["status"] == "done" else None
        weights, _, notes = checkpoint.read_best(self.folder / "checkpoints", like, expected)
        return weights, notes

    @property
    def weights(self) -> checkpoint.Tensors:
        """The chosen weights, or of a training that is not done the best until now."""
        return self._chosen[0]

    def _fresh(self) -> nn.Module:
        """The network that run.json names, of the catalogue and of options that its builder declares."""
        network = self.facts["network"]
        try:
            check_size(network["name"], *self.preprocess.sides, **network["options"])
            return network_for(network["name"], self.task, self.preprocess.channels, network["options"])
        except UsageError as error:
            raise RunError(self.folder / "run.json", f"network: {error.where}: {error.cause}", DAMAGED) from None

    @cached_property
    def predictor(self) -> Predictor:
        """The network with its chosen weights, its preprocessing and its task; of an ensemble all of them."""
        if self.several:
            shares = [share for _, share in self.members]
            return together([run.predictor for run, _ in self.members], shares).learned(self.task)
        weights, net = self._chosen[0], self._fresh()
        net.load_state_dict(dict(weights))
        return Predictor((Member(net.eval(), self.preprocess, self.task),))

    @property
    def calibrated(self) -> Predictor:
        """The predictor with probabilities by the temperature that validation has settled: a UsageError without one."""
        predictor, val = self.predictor, self.kept.get("val")
        if self.several and val is None:
            cause = "its members share no validation pictures that would settle a temperature"
            raise UsageError("calibrated", cause, "leaving it out")
        if val is not None and len(predictor.members) == 1:  # a run of before has its rows, and no temperature yet
            predictor = predictor.learned(predictor.task.settled(val.rows))
        return predictor.calibrated()

    @property
    def network(self) -> nn.Module:
        """The network with its chosen weights, in eval mode; a RunError of an ensemble, which has several."""
        self._refuse_several()
        return self.predictor.members[0].network

    def predict(
        self,
        pictures: Any,
        *,
        top: int | None = None,
        holes: Any = None,
        max_pixels: int = PIXELS,
        calibrated: bool = False,
        device: str = "cpu",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Any:
        """As `Predictor.predict`: the Prediction of one picture, or a list of them.

        `calibrated`: a classifier's probabilities by the temperature that validation has settled. Sealed pictures are
        an opening of the test set, which the last one's `notes` say.
        """
        predictor = (self.calibrated if calibrated else self.predictor).on(devices.named(device))
        return predicting.predict(
            predictor, self.sealed, pictures, top=top, holes=holes, max_pixels=max_pixels, progress=progress
        )

    @cached_property
    def sealed(self) -> Sealed:
        """Which digests are of its test set's pictures."""
        return Sealed(self.folder, self.facts)

    def embed(
        self,
        pictures: Any,
        *,
        pool: Pool | None = None,
        max_pixels: int = PIXELS,
        device: str = "cpu",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Embedded:
        """Each picture as a vector: what its network holds of it before it answers.

        `pictures` as for `predict`, or a built-in set, or (pictures, labels) in memory. The bottleneck of a network
        that has one, else what enters its last layer. `pool`: "mean" averages maps over their places, "none" keeps
        every number; as a rule the code of an autoencoder is kept. A sealed picture is an opening of the test set.
        """
        self._refuse_several()
        predictor = self.predictor.on(devices.named(device))
        return embedding.embed(predictor, (self.folder, self.facts), pictures, pool, max_pixels, progress)

    def between(
        self, first: Any, last: Any, *, steps: int = 7, max_pixels: int = PIXELS, device: str = "cpu"
    ) -> Between:
        """What an autoencoder's decoder makes of `steps` codes from one picture's to another's, between the two."""
        self._refuse_several()
        predictor = self.predictor.on(devices.named(device))
        return embedding.between(predictor, (self.folder, self.facts), [first, last], steps, max_pixels)

    def evaluate(
        self,
        data: Data | None = None,
        *,
        open_test: bool = False,
        moved: Data | None = None,
        views: Views = "one",
        scales: Sequence[int] = (),
        max_pixels: int | None = None,
        workers: int | None = None,
        device: str | None = None,
    ) -> Evaluation:
        """Numbers on labelled pictures, or, without any, on this run's own validation set, or what its fold holds out.

        `open_test`: on its test set, opened once more and counted; what is answered of one that was left sealed is
        kept, and is the run's result from then on. What was kept of validation answers at once; `moved`, `views`,
        `scales` and `device` have it answered anew.

        `moved`: where this run's own data lie now, or these data where they were in memory. `views`: "ten" looks at ten
        crops of each picture; `scales`: at canvases of these sides. `max_pixels`: the most of another picture that are
        read.
        """
        if data is not None and (moved is not None or open_test):
            cause = "other pictures, and this run's own" + (" test set" if open_test else "") + " at once"
            raise UsageError("data", cause, "either of them")
        if data is None and max_pixels is not None:
            raise UsageError("max_pixels", "this run's own pictures are read as in training", "leaving it out")
        once, notes = views == "one" and not scales, []
        if data is None and not open_test and not self.facts["split"][subsets.own(self.facts)]["n"]:
            cause = f"{self.name} has no validation pictures that all its members share"
            raise UsageError("open_test", cause, (Option("open_test", True), ", or labelled pictures"))
        if data is None and not open_test and once and moved is None and device is None:
            try:
                subset = subsets.own(self.facts)
                if kept := self.kept.get(subset):
                    sealed = self.facts["split"]["test"]["n"]
                    groups = subsets.groups_of(self.lines, kept.samples)
                    return Evaluation({**result(self.task, kept.rows, subset, groups), "sealed": sealed}, kept.rows)
            except RunError as error:
                notes.append(
                    f"what was kept of {words.subset(subset)} pictures is damaged ({error.cause}): it is answered anew"
                )
        predictor = self.predictor.looking(views, scales).on(devices.named(device or "cpu"))
        own = self.folder, self.facts
        if data is not None:
            return evaluation.on_others(predictor, own, data, workers, max_pixels or PIXELS)
        if open_test:
            evaluation.refuse_closed(own, self.status)
        before = self.result if open_test and once else None
        place = in_full(moved) if isinstance(moved, str | os.PathLike) else moved
        found = evaluation.on_own(predictor, own, workers, place, open_test, before)
        return dataclasses.replace(found, notes=(*notes, *found.notes))


def open_run(folder: str | os.PathLike[str]) -> Run:
    """The run in `folder`; a RunError when there is none, when its run.json is damaged, or of a newer format."""
    path = path_of(folder)
    return Run(path, schema.read_facts(path))


def list_runs(root: str | os.PathLike[str] = "runs") -> list[Run]:
    """Every run in `root`, by name; one that cannot be opened has the status "damaged"."""
    return [_open_or_damaged(path) for path in folders(path_of(root)) if os.path.lexists(path / "run.json")]


def _open_or_damaged(path: Path) -> Run:
    try:
        return open_run(path)
    except RunError as error:
        return Run(path, {"status": "damaged", "cause": error.cause})


def create(root: Path, data: str, what: str) -> Path:
    """A new folder `root`/DATA-WHAT-N; two processes never get the same. Some file systems know no colon in names."""
    name = f"{words.fitting(re.sub('[:/@]', '-', data), MOST_OF_NAME)}-{what.replace(':', '-')}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        numbers = [
            int(found[1]) for path in root.iterdir() if (found := re.fullmatch(rf"{re.escape(name)}-(\d+)", path.name))
        ]
        number = max(numbers, default=0) + 1
        while True:
            try:
                (root / f"{name}-{number}").mkdir()
                return root / f"{name}-{number}"
            except FileExistsError:
                number += 1
    except OSError as error:
        raise MachineError(
            root, f"no run folder can be made here ({error.strerror})", "--runs with a folder of yours"
        ) from None


def write_facts(folder: Path, facts: Mapping[str, Any]) -> Run:
    """Write run.json and give the run back."""
    durable.write_json(folder / "run.json", {**facts, "format": schema.FORMAT})
    return open_run(folder)
