"""The training loop: knows no task, no source and no number of processes.

Where it stands is (epoch, step); everything random follows from the seed and these, so a training that
is stopped anywhere and resumed ends with the same bits.
"""

import dataclasses
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn, final

import torch
from torch import Tensor

from striate.base import devices, durable, processes
from striate.base.declared import Count
from striate.base.errors import MachineError, RunError
from striate.base.options import Whole
from striate.base.randomness import key
from striate.base.words import many
from striate.data.feed import Batch, cut_batches
from striate.evaluate.rows import rows
from striate.predictor import Member, Predictor
from striate.runs import checkpoint
from striate.training import optimizers, sharing, told
from striate.training.balance import order_of
from striate.training.disk import Disk
from striate.training.execution import Epoch
from striate.training.machine import Clock
from striate.training.objective import Objective
from striate.training.pace import Pace
from striate.training.plan import Job, Listener
from striate.training.schedule import rate
from striate.training.signals import Stop
from striate.training.watch import Watch

# Seconds of steps after which is told how long the whole will take.
SOON = 3.0


@dataclass
class Progress:
    """Where a training stands; state.json of a generation."""

    epoch: Count = 0
    step: Count = 0
    done: Count = 0
    """Steps of this epoch."""
    loss_sum: float = 0.0
    partner_sum: float = 0.0
    parts: Whole = 1
    best_epoch: Count | None = None
    best_score: list[float] | None = None
    history: list[Mapping[str, float]] = field(default_factory=list)
    timings: Mapping[str, float] = field(default_factory=dict)
    watch: Count | None = None


def fit(job: Job, listener: Listener, stop: Stop, disk: Disk | None = None, clock: Clock | None = None) -> "Trainer":
    """Train until the last epoch, or until patience ends; resumes from the newest generation that verifies."""
    trainer = Trainer(job, listener, stop, disk, clock)
    trainer.restore()
    while not trainer.finished():
        trainer.epoch()
    trainer.save()
    trainer.tell_the_end()
    return trainer


@final
class Trainer:
    """One training under way: the network, its optimizer and where it stands."""

    def __init__(
        self, job: Job, listener: Listener, stop: Stop, disk: Disk | None = None, clock: Clock | None = None
    ) -> None:
        self.job, self.progress = job, Progress(parts=job.recipe.accumulate)
        self.best: dict[str, Tensor] | None = None
        self.disk, self._clock = disk or Disk(listener), clock or Clock()
        self._listener, self._stop, self._saved_at = listener, stop, time.monotonic()
        recipe, net = job.recipe, job.net
        self._named = optimizers.named(net, job.partner)
        if job.tuning is not None:
            job.tuning.begin(net)
        parts = [(list(self._named.values()), 1.0)] if job.tuning is None else job.tuning.groups(self._named)
        self._parameters = [each for parameters, _ in parts for each in parameters if each.requires_grad]
        self._optimizer = optimizers.optimizer_of(parts, recipe)
        self._average = optimizers.Average(net, recipe.ema) if recipe.ema else None
        objective: Any = Objective(net, job.task, job.machine, job.partner)
        self._objective = torch.compile(objective) if recipe.compile else objective
        self._train, self._val = (job.units.within(indices) for indices in (job.split.train, job.split.val))
        self._steps_per_epoch = len(cut_batches(self._train, job.batch))
        self._pace = Pace(len(self._val) / job.batch / 3)  # forward alone is a third of a step's work
        self._told_time, self._since = False, 0
        self._watch = Watch(job, self._steps_per_epoch * (recipe.epochs or 0), listener.say)

    # An epoch

    def finished(self) -> bool:
        progress, recipe = self.progress, self.job.recipe
        waited = progress.epoch - 1 - (progress.best_epoch or 0)
        return progress.epoch >= (recipe.epochs or 0) or waited >= (recipe.patience or math.inf)

    def epoch(self) -> None:
        """The steps of an epoch that are still to do, then validation and the choice of the best."""
        job, progress, began = self.job, self.progress, time.monotonic()
        groups = cut_batches(order_of(job, self._train, progress.epoch), job.batch)[progress.done :]
        mixes, accumulate = job.augmenter.mixes, job.recipe.accumulate
        shares = [group[sharing.read(len(group), job.machine, accumulate, mixes)] for group in groups]
        self.set_out()
        self._pace.begin()
        read = job.train.batches([share % len(job.units) for share in shares])
        for group, share, batch in zip(groups, shares, read, strict=True):
            loss, beside = self.step(dataclasses.replace(batch, indices=share), len(group))
            progress.loss_sum += processes.summed(loss, job.machine.device)
            if job.partner is not None:
                progress.partner_sum += processes.summed(beside, job.machine.device)
            progress.done, progress.step = progress.done + 1, progress.step + 1
            self._pace.stepped()
            if self._pace.seconds >= SOON:
                self._tell_time()
            name = f"epoch {progress.epoch + 1} of {job.recipe.epochs}"
            self._listener.progress(name, progress.done, self._steps_per_epoch, self._left())
            self._between()
        self._end_epoch(time.monotonic() - began)

    def set_out(self) -> None:
        """The network as this epoch trains it."""
        job = self.job
        job.net.train()
        if job.tuning is not None:
            job.tuning.enter(job.net, job.tuning.learning(self.progress.epoch, job.recipe.epochs or 1))

    def _end_epoch(self, seconds: float) -> None:
        job, progress = self.job, self.progress
        net = self._average.net if self._average else job.net
        for buffer in job.net.buffers():  # statistics are of each process's own pictures; the first one's are kept
            processes.take_from_first(buffer)
        if self._average:
            self._average.take_buffers(job.net)
        predictor = Predictor((Member(net, job.preprocess, job.task),), job.machine.bfloat16)
        watched = partial(self._listener.progress, f"validating epoch {progress.epoch + 1} of {job.recipe.epochs}")
        kept = rows(
            predictor, job.units, self._val, [job.val], between=self._between, say=self._listener.say, progress=watched
        )
        summary = job.task.summary(kept)
        if not all(map(math.isfinite, summary.values())):
            self._not_finite("validation gave " + ", ".join(f"{name} {value:g}" for name, value in summary.items()))
        score = list(job.task.score(summary))
        if progress.best_score is None or score > progress.best_score:
            progress.best_score, progress.best_epoch = score, progress.epoch
            self.best = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
        row = {
            "epoch": progress.epoch + 1,
            "steps": progress.step,
            "rate": rate(job.recipe, progress.step - 1, self._steps_per_epoch),
            "train_loss": progress.loss_sum / len(self._train),
            **({} if job.partner is None else {"train_partner": progress.partner_sum / len(self._train)}),
            **{f"val_{name}": value for name, value in summary.items()},
            "seconds": round(seconds, 3),
        }
        progress.history.append(row)
        if job.machine.first:
            self.disk.write("epochs.csv", self._write_epochs)
        if job.machine.first and job.keep_epochs:
            ended, weights = progress.epoch + 1, net.state_dict()
            self.disk.insist("epoch", lambda: checkpoint.save_epoch(job.checkpoints, ended, weights, job.keep_epochs))
        progress.epoch, progress.done = progress.epoch + 1, 0
        progress.loss_sum = progress.partner_sum = 0.0
        self._pace.validated()
        if job.machine.first:
            self._tell_time()
            best = progress.history[progress.best_epoch or 0]
            left = 0.0 if self.finished() else self._left()
            self._listener.epoch(Epoch(row, best, job.recipe.epochs or 0, job.task.shares, left))

    def tell_the_end(self) -> None:
        """Where it ended before its last epoch, why; and what was striking, where it was watched."""
        self._watch.tell_the_end()
        ended, best = self.progress.epoch, (self.progress.best_epoch or 0) + 1
        if self.job.machine.first and ended < (self.job.recipe.epochs or 0):
            waited = many(ended - best, "epoch")
            self._listener.say(f"ended by patience after epoch {ended}: {waited} without a better one than {best}")

    def _left(self) -> float:
        """Seconds until the last epoch is validated."""
        epochs = (self.job.recipe.epochs or 0) - self.progress.epoch
        return self._pace.left(epochs * self._steps_per_epoch - self.progress.done, epochs)

    def _tell_time(self) -> None:
        """Once, how long the whole takes."""
        if self._told_time or not self.job.machine.first:
            return
        self._told_time = True
        pictures = len(self._train) / self._steps_per_epoch
        self._listener.say(told.time(self.job, self._pace, pictures, self._left(), self._since))

    # A step

    def step(self, batch: Batch, whole: int) -> tuple[float, float]:
        """One step on this process's share of a batch of `whole` pictures; the summed loss, and the partner's.

        The share is what `sharing.read` names. Out of memory in any process: all work through theirs in twice as many
        parts, so that the batch stays what it was.
        """
        while True:
            try:
                if (found := self._step(batch, whole)) is not None:
                    return found
            except (MemoryError, RuntimeError) as error:
                if not devices.out_of_memory(error):
                    raise
                if self.job.machine.world > 1:  # others have taken the step
                    raise MachineError(
                        "model", "the optimizer's own numbers do not fit into memory", "--optimizer sgd"
                    ) from error
            self._halve(whole)

    def _step(self, batch: Batch, whole: int) -> tuple[float, float] | None:
        """None, and nothing is changed, where memory lacks in one of several processes."""
        job, progress = self.job, self.progress
        self._watch.begin(progress.step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate(job.recipe, progress.step, self._steps_per_epoch) * group["share"]
        total = self._own_gradients(batch, whole) if job.machine.world == 1 else self._gradients(batch, whole)
        if total is None:
            return None
        gradients = self._found()
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        value, beside = total.tolist()
        if not math.isfinite(value + beside) or not math.isfinite(float(norm)):
            names = [job.units.name(index % len(job.units)) for index in batch.indices]
            listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            self._not_finite(
                f"the loss is {value + beside:g} and the gradient's norm {float(norm):g}; the batch was {listed}"
            )
        with self._watch.updating():
            if job.recipe.clip is not None:
                torch.nn.utils.clip_grads_with_norm_(self._parameters, job.recipe.clip, norm)
            self._optimizer.step()
        if self._average:
            self._average.update(progress.step)
        self._watch.end(progress.epoch + 1)
        return value, beside

    def _found(self) -> list[Tensor]:
        return [parameter.grad for parameter in self._parameters if parameter.grad is not None]

    def _gradients(self, batch: Batch, whole: int) -> Tensor | None:
        """Those of all processes added up in each, and the losses of this one; None where memory lacks in any."""
        total = flat = None
        try:
            total = self._own_gradients(batch, whole)
            flat = torch.cat([each.flatten() for each in self._found()])
        except sharing.Lacking:  # as all know already
            return None
        except (MemoryError, RuntimeError) as error:
            if not devices.out_of_memory(error):
                raise
        if processes.any_says(flat is None, self.job.machine.device) or flat is None:
            return None
        processes.add_up(flat)
        gradients = self._found()
        for gradient, summed in zip(gradients, torch.split(flat, [each.numel() for each in gradients]), strict=True):
            gradient.copy_(summed.view(gradient.shape))
        return total

    def _own_gradients(self, batch: Batch, whole: int) -> Tensor:
        """The part of the whole batch's gradients that this process's pictures have; their loss and the partner's."""
        job, machine, mixes = self.job, self.job.machine, self.job.augmenter.mixes
        # the compiler draws its own numbers, whose rows none can take
        machine.seed(key(job.recipe.seed, "dropout", self.progress.step, machine.rank if job.recipe.compile else 0))
        self._optimizer.zero_grad()
        total = torch.zeros(2, device=machine.device)
        for piece in sharing.pieces(whole, machine, job.recipe.accumulate, self.progress.parts, mixes):
            with sharing.together(piece, machine, job.recipe), self._watch.passing(piece.count):
                loss = self._loss(batch[piece.start : piece.start + piece.rows + mixes])[:, : piece.count].sum(1)
            torch.autograd.backward(loss.sum() * (1 / whole))
            total[: len(loss)] += loss.detach()
        return total

    def _loss(self, part: Batch) -> Tensor:
        """The losses of a part of a batch: changed, given as the task gives it, normalised, perhaps mixed."""
        job, epoch = self.job, self.progress.epoch
        given = job.task.given(job.augmenter(part, epoch), job.recipe.seed, epoch)
        pictures = job.preprocess.normalise(given.pictures)
        mixed: tuple[Any, ...] = ()
        if job.augmenter.mixes:
            given, other = given[:-1], given[1:]
            pictures, weight = job.augmenter.mix(pictures[:-1], pictures[1:], given.indices, epoch)
            mixed = (other, weight)
        if job.machine.bfloat16:
            pictures = pictures.contiguous(memory_format=torch.channels_last)
        losses: Tensor = self._objective(dataclasses.replace(given, pictures=pictures), *mixed)
        return losses

    def _halve(self, whole: int) -> None:
        if self.progress.parts >= sharing.most(whole, self.job.machine, self.job.recipe.accumulate):
            raise MachineError("batch", "not even one picture at a time fits into memory", "a smaller size or network")
        self.progress.parts *= 2
        self._optimizer.zero_grad()
        devices.give_back(self.job.machine.device)
        self._listener.say(
            f"out of memory: each batch of {self.job.batch} is now worked through in {self.progress.parts} parts; "
            "batch normalisation sees the parts"
        )

    def _not_finite(self, cause: str) -> NoReturn:
        raise RunError(
            f"epoch {self.progress.epoch + 1}, step {self.progress.step}",
            cause,
            f"a lower rate, or --clip 1; the last good weights are kept in {self.job.checkpoints}",
        )

    # Saving

    def _between(self) -> None:
        """Between steps: save when it is time, stop when a signal asked for it."""
        asked = processes.any_says(self._stop.by is not None, self.job.machine.device)
        if asked or time.monotonic() - self._saved_at >= self.job.save_every:
            self.save()
        if asked:
            raise self._stop.error(self.job.checkpoints.parent, saved=not self.disk.failing)

    def save(self) -> None:
        """A new generation; the first failure is told and survived, the second in a row is not."""
        self._saved_at = time.monotonic()
        self._clock.mark("training")
        if self.job.machine.first:
            self._watch.save(self.disk)  # before the generation whose steps it tells of
            self.disk.save("generation", self._write_generation)

    def _write_epochs(self) -> None:
        history = self.progress.history
        table = (list(each.values()) for each in history)
        durable.write_csv(self.job.checkpoints.parent / "epochs.csv", list(history[0]), table)

    def _write_generation(self) -> None:
        state = dataclasses.asdict(self.progress) | {"timings": self._clock.seconds, "watch": self._watch.every}
        averages = self._average.tensors() if self._average else {}
        partner = self.job.partner
        generation = checkpoint.Generation(
            step=int(state.pop("step")),
            weights=self.job.net.state_dict(),
            optimizer=optimizers.tensors(self._optimizer, self._named) | averages,
            best=self.best,
            state=state,
            partner=None if partner is None else partner.state_dict(),
        )
        checkpoint.save(self.job.checkpoints, generation)

    def restore(self) -> None:
        """Take up the newest generation that verifies, or write the first one."""
        like, partner = self.job.net.state_dict(), self.job.partner
        beside = {} if partner is None else partner.state_dict()
        generation, notes = checkpoint.read_newest(self.job.checkpoints, like, Progress, beside)
        if generation is None:
            notes = [*notes, *told.before(self.job, self._steps_per_epoch)]
        else:
            self.progress = Progress(step=generation.step, **generation.state)
            self._since = self.progress.epoch
            notes = [
                *notes,
                f"goes on in epoch {self._since + 1} of {self.job.recipe.epochs}, after step {generation.step:,}",
            ]
        step = str(self.progress.step)
        if processes.from_first(step) != step:
            raise RunError(self.job.checkpoints, "the processes read different generations", "a disk that all share")
        if self.job.machine.first:
            for note in notes:
                self._listener.say(note)
        if generation is None:
            self.save()
            return
        self.job.net.load_state_dict(generation.weights)
        if partner is not None:
            partner.load_state_dict(generation.partner or {})
        optimizers.restore(self._optimizer, self._named, generation.optimizer)
        if self._average:
            self._average.restore(generation.optimizer)
        self.best = None if generation.best is None else dict(generation.best)
        self._clock.add(self.progress.timings)
        self._watch.go_on(self.progress.watch, self.progress.step)
