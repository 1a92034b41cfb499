"""LeNet-5 on the handwritten digits: striate beside the libraries that people train small networks with.

Part `seconds`: from process start to a test number, each library as its competent user would write it.
Part `steps`: milliseconds a training step, no augmentation, no validation.
Every measurement is a process of its own; the peers take turns (A B C ... A B C ...).

    python benchmarks/digits.py --rounds 5 --write
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

BATCH = 64
ROTATE, SCALE, SHIFT = 10, 0.1, 1 / 16  # striate's "light": degrees, relative, share of the side; at most
SMOOTHING = 0.1  # of the labels, in part `seconds`
WARM_EPOCHS, TIMED_EPOCHS = 3, 20  # of 17 steps each
RATE = {"sgd": 0.02, "adamw": 0.002}  # constant, in part `steps`
PEAK_RATE = 0.005  # of AdamW's one cycle, in part `seconds`


@dataclass(frozen=True)
class Job:
    """What one child does. `bare` trains on fixed float pictures and nothing else."""

    data: str
    steps: int  # an epoch
    seed: int
    epochs: int
    bare: bool
    optimizer: str = "adamw"


@dataclass(frozen=True)
class Outcome:
    """`accuracy` on the test subset; `ends` is the clock after each training epoch, in seconds."""

    accuracy: float | None
    ends: list[float]


# The data, the same file for all.


def write_data(path: Path) -> int:
    """Pictures as uint8 32x32, labels, and striate's own split of them; returns the steps of an epoch."""
    import numpy as np

    from striate.data.preprocess import Preprocess
    from striate.data.sources.builtin import digits
    from striate.data.splits import cut, shares

    samples = digits()
    split = cut(samples, shares("60/20/20"), 0)
    shape = Preprocess(size=32, channels=1)
    pictures = np.stack([shape.looks(samples.read(index))[0][0][0] for index in range(len(samples))])
    parts = {"train": split.train, "validation": split.val, "test": split.test}
    np.savez(path, pictures=pictures, labels=samples.targets.strata, **parts)
    return -(-len(split.train) // BATCH)


def read_data(job: Job) -> list[tuple[Any, Any]]:
    """(pictures uint8 (n, 32, 32), labels int64 (n,)) of train, validation and test."""
    import numpy as np

    with np.load(job.data) as file:
        pictures, labels = file["pictures"], file["labels"]
        return [(pictures[file[part]], labels[file[part]]) for part in ("train", "validation", "test")]


# What the peers on plain PyTorch share.


def lenet5() -> Any:
    """61,706 parameters, as striate builds it."""
    from torch import nn

    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


class Pictures:
    """A map-style data set of PIL pictures, the form that torchvision's own digit sets give."""

    def __init__(self, pictures: Any, labels: Any, transform: Callable[[Any], Any]) -> None:
        from PIL import Image

        self.pictures, self.labels = [Image.fromarray(p) for p in pictures], labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(self.pictures[index]), self.labels[index]


def loaders(job: Job) -> list[Any]:
    """DataLoaders of train, validation and test; no workers, which cost more than they bring here."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    if job.bare:
        pictures, labels = tensors(job)
        return [DataLoader(TensorDataset(pictures, labels), BATCH, shuffle=True)]
    from torchvision.transforms import InterpolationMode, v2

    plain = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    affine = v2.RandomAffine(ROTATE, (SHIFT, SHIFT), (1 - SCALE, 1 + SCALE), interpolation=InterpolationMode.BILINEAR)
    train, *others = read_data(job)
    return [
        DataLoader(Pictures(*train, v2.Compose([affine, *plain])), BATCH, shuffle=True),
        *(DataLoader(Pictures(*other, v2.Compose(plain)), 256) for other in others),
    ]


def tensors(job: Job) -> tuple[Any, Any]:
    """The training pictures as float32 (1077, 1, 32, 32) and their labels."""
    import torch

    pictures, labels = read_data(job)[0]
    return torch.from_numpy(pictures).float().div(255).unsqueeze(1), torch.from_numpy(labels)


def optimizers(job: Job, net: Any) -> tuple[Any, Any]:
    """Optimizer and one-cycle schedule; `bare` has no schedule."""
    from torch import optim

    if job.optimizer == "sgd":
        return optim.SGD(net.parameters(), RATE["sgd"], momentum=0.9), None
    optimizer = optim.AdamW(net.parameters(), RATE["adamw"])
    if job.bare:
        return optimizer, None
    return optimizer, optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=job.steps * job.epochs)


def criterion(job: Job) -> Any:
    from torch import nn

    return nn.CrossEntropyLoss(label_smoothing=0.0 if job.bare else SMOOTHING)


def right_share(net: Any, loader: Any) -> float:
    import torch

    net.eval()
    with torch.inference_mode():
        right = sum((net(pictures).argmax(1) == labels).sum().item() for pictures, labels in loader)
    return right / len(loader.dataset)


# The peers: one function each.


def in_memory(job: Job) -> Outcome:
    import torch

    torch.manual_seed(job.seed)
    pictures, labels = tensors(job)
    batches = list(zip(pictures.split(BATCH), labels.split(BATCH), strict=True))
    return plain_loop(job, batches, [])


def pytorch(job: Job) -> Outcome:
    import torch

    torch.manual_seed(job.seed)
    train, *others = loaders(job)
    return plain_loop(job, train, others)


def plain_loop(job: Job, train: Any, others: Sequence[Any]) -> Outcome:
    net, loss_of, ends = lenet5(), criterion(job), []
    optimizer, schedule = optimizers(job, net)
    for _ in range(job.epochs):
        net.train()
        for pictures, labels in train:
            optimizer.zero_grad()
            loss_of(net(pictures), labels).backward()
            optimizer.step()
            if schedule:
                schedule.step()
        ends.append(time.perf_counter())
        if others:
            right_share(net, others[0])
    return Outcome(right_share(net, others[1]) if others else None, ends)


def accelerate(job: Job) -> Outcome:
    from accelerate import Accelerator
    from accelerate.utils import set_seed

    set_seed(job.seed)
    accelerator, net, loss_of, ends = Accelerator(cpu=True), lenet5(), criterion(job), []
    train, *others = loaders(job)
    optimizer, schedule = optimizers(job, net)
    net, optimizer, train, schedule, *others = accelerator.prepare(net, optimizer, train, schedule, *others)
    for _ in range(job.epochs):
        net.train()
        for pictures, labels in train:
            optimizer.zero_grad()
            accelerator.backward(loss_of(net(pictures), labels))
            optimizer.step()
            if schedule:
                schedule.step()
        ends.append(time.perf_counter())
        if others:
            right_share(net, others[0])
    return Outcome(right_share(net, others[1]) if others else None, ends)


def lightning(job: Job) -> Outcome:
    import lightning as L

    L.seed_everything(job.seed, verbose=False)
    train, *others = loaders(job)
    ends: list[float] = []

    class Digits(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.loss_of = lenet5(), criterion(job)

        def training_step(self, batch: Any, index: int) -> Any:
            pictures, labels = batch
            return self.loss_of(self.net(pictures), labels)

        def on_train_epoch_end(self) -> None:
            ends.append(time.perf_counter())

        def measure(self, batch: Any, name: str) -> None:
            pictures, labels = batch
            right = (self.net(pictures).argmax(1) == labels).float().mean()
            self.log(name, right, batch_size=len(labels))

        def validation_step(self, batch: Any, index: int) -> None:
            self.measure(batch, "validation")

        def test_step(self, batch: Any, index: int) -> None:
            self.measure(batch, "test")

        def configure_optimizers(self) -> Any:
            optimizer, schedule = optimizers(job, self.net)
            if not schedule:
                return optimizer
            return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=job.epochs,
        enable_model_summary=False,
        limit_val_batches=0 if job.bare else None,
        **silent,
    )
    module = Digits()
    trainer.fit(module, train, others[0] if others else None)
    if not others:
        return Outcome(None, ends)
    return Outcome(trainer.test(module, others[1], verbose=False)[0]["test"], ends)


def fastai(job: Job) -> Outcome:
    from functools import partial

    import numpy as np
    from fastai.vision import all as fv

    fv.set_seed(job.seed)
    ends: list[float] = []

    class Clock(fv.Callback):
        def after_train(self) -> None:
            ends.append(time.perf_counter())

    if job.bare:
        pictures = list(zip(*tensors(job), strict=True))
        dls = fv.DataLoaders(
            fv.DataLoader(pictures, bs=BATCH, shuffle=True), fv.DataLoader(pictures[:1], bs=1), device="cpu"
        )
        opt = partial(fv.SGD, mom=0.9) if job.optimizer == "sgd" else partial(fv.Adam, decouple_wd=True)
        learn = fv.Learner(dls, lenet5(), loss_func=fv.CrossEntropyLossFlat(), opt_func=opt, cbs=Clock())
        with learn.no_bar(), learn.no_logging():
            learn.fit(job.epochs, RATE[job.optimizer])
        return Outcome(None, ends)

    parts = read_data(job)
    pictures, labels = (np.concatenate(column) for column in zip(*parts, strict=True))
    validation, test = np.cumsum([len(part[1]) for part in parts[:2]]).tolist()  # where they begin
    block = fv.DataBlock(
        blocks=(fv.ImageBlock(fv.PILImageBW), fv.CategoryBlock(vocab=list(range(10)))),
        get_x=lambda index: pictures[index],
        get_y=lambda index: int(labels[index]),
        splitter=fv.IndexSplitter(range(validation, test)),
        batch_tfms=fv.aug_transforms(
            do_flip=False, max_rotate=ROTATE, min_zoom=1 - SCALE, max_zoom=1 + SCALE,
            max_lighting=0, max_warp=0, p_affine=1, pad_mode="zeros",
        ),
    )  # fmt: skip
    dls = block.dataloaders(range(test), bs=BATCH, num_workers=0, device="cpu")
    learn = fv.Learner(
        dls,
        lenet5(),
        loss_func=fv.LabelSmoothingCrossEntropyFlat(SMOOTHING),
        metrics=fv.accuracy,
        cbs=Clock(),
    )
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(job.epochs, PEAK_RATE)
        loader = dls.test_dl(range(test, len(labels)), with_labels=True)
        return Outcome(learn.validate(dl=loader)[1], ends)


def keras(job: Job) -> Outcome:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras as k

    k.utils.set_random_seed(job.seed)
    ends: list[float] = []
    train, validation, test = ((p[..., None] / 255.0, k.utils.to_categorical(y, 10)) for p, y in read_data(job))
    fill = {"fill_mode": "constant"}
    augment = [
        k.layers.RandomRotation(ROTATE / 360, **fill),
        k.layers.RandomZoom(SCALE, **fill),
        k.layers.RandomTranslation(SHIFT, SHIFT, **fill),
    ]
    net = [
        *(k.layers.Conv2D(6, 5, activation="tanh"), k.layers.AveragePooling2D(2)),
        *(k.layers.Conv2D(16, 5, activation="tanh"), k.layers.AveragePooling2D(2), k.layers.Flatten()),
        *(k.layers.Dense(120, activation="tanh"), k.layers.Dense(84, activation="tanh"), k.layers.Dense(10)),
    ]
    model = k.Sequential([k.layers.Input((32, 32, 1)), *([] if job.bare else augment), *net])
    steps = job.steps * job.epochs
    rate = k.optimizers.schedules.CosineDecay(
        PEAK_RATE / 25, steps - steps // 4, warmup_target=PEAK_RATE, warmup_steps=steps // 4
    )
    if job.optimizer == "sgd":
        optimizer = k.optimizers.SGD(RATE["sgd"], momentum=0.9)
    else:
        optimizer = k.optimizers.AdamW(RATE["adamw"] if job.bare else rate, weight_decay=0.01)
    loss = k.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.0 if job.bare else SMOOTHING)
    clock = k.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter()))
    model.compile(optimizer, loss, metrics=[] if job.bare else ["accuracy"])
    checked = None if job.bare else validation
    model.fit(*train, batch_size=BATCH, epochs=job.epochs, validation_data=checked, verbose=0, callbacks=[clock])
    return Outcome(None if job.bare else model.evaluate(*test, verbose=0)[1], ends)


def striate(job: Job, precision: str = "auto") -> Outcome:
    """Only for `steps`; `seconds` runs the shell command, as its user would.

    `seconds` of epochs.csv are those of the training steps, without validation.
    """
    import csv
    from itertools import accumulate

    import striate as package

    settings = {"augment": "none", "schedule": "constant", "warmup": 0.0, "label_smoothing": 0.0}
    settings |= {"optimizer": job.optimizer, "rate": RATE[job.optimizer]}
    settings |= {"nesterov": False} if job.optimizer == "sgd" else {}
    os.chdir(Path(job.data).parent)  # the temporary folder takes the run
    run = package.train(
        "digits",
        model="lenet5",
        seed=job.seed,
        epochs=job.epochs,
        batch=BATCH,
        precision=precision,
        **settings,
    )
    with (Path(run.folder) / "epochs.csv").open(newline="") as file:
        return Outcome(None, list(accumulate(float(row["seconds"]) for row in csv.DictReader(file))))


def striate_float32(job: Job) -> Outcome:
    return striate(job, "float32")


# name -> (function, the package whose version the page shows)
PEERS: dict[str, tuple[Callable[[Job], Outcome], str]] = {
    "striate": (striate, "striate"),
    "striate float32": (striate_float32, "striate"),
    "in memory": (in_memory, "torch"),
    "pytorch": (pytorch, "torchvision"),
    "lightning": (lightning, "lightning"),
    "accelerate": (accelerate, "accelerate"),
    "fastai": (fastai, "fastai"),
    "keras": (keras, "keras"),
}
STEPS_ONLY = ("striate float32", "in memory")


# The runner.


def measure(command: Sequence[str], folder: str) -> tuple[float, Any]:
    """Seconds from process start to the last JSON line of stdout, and that line parsed."""
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
            seconds, answer = 0.0, None
            for line in process.stdout or ():
                if line.startswith("{"):
                    seconds, answer = time.perf_counter() - start, json.loads(line)
        if process.returncode or answer is None:
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)}\nended with {process.returncode}:\n{errors.read()[-2000:]}")
    return seconds, answer


def child(python: str, name: str, job: Job, folder: str) -> tuple[float, Any]:
    return measure([python, str(Path(__file__).resolve()), "--child", name, json.dumps(asdict(job))], folder)


def seconds_once(python: str, name: str, job: Job) -> tuple[float, float]:
    """(seconds, test accuracy) of one process."""
    with tempfile.TemporaryDirectory() as folder:
        if name != "striate":
            seconds, answer = child(python, name, job, folder)
            return seconds, answer["accuracy"]
        command = [str(Path(python).parent / "striate"), "train", "digits"]
        options = ["--seed", str(job.seed), "--epochs", str(job.epochs), "--json"]
        seconds, answer = measure([*command, *options], folder)
        numbers = answer["result"]["numbers"]
        return seconds, next(number["value"] for number in numbers if number["name"] == "accuracy")


def steps_once(python: str, name: str, job: Job) -> float:
    """Milliseconds a step of one process, after the warm-up epochs."""
    with tempfile.TemporaryDirectory() as folder:
        ends = child(python, name, job, folder)[1]["ends"]
    return 1000 * (ends[-1] - ends[WARM_EPOCHS - 1]) / (job.steps * (job.epochs - WARM_EPOCHS))


def take_turns(names: Sequence[str], rounds: int, once: Callable[[str, int], Any]) -> dict[str, list[Any]]:
    """`once(name, round)` for each name in turn, `rounds` times."""
    found: dict[str, list[Any]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names:
            found[name].append(once(name, turn))
            print(f"round {turn + 1} of {rounds}: {name}: {found[name][-1]}", file=sys.stderr)
    return found


# The page.


def spread(values: Sequence[float], digits: int) -> str:
    """Median and, in brackets, least and most."""
    middle = statistics.median(values)
    return f"{middle:.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def ratios(values: Sequence[float], others: Sequence[float] | None) -> str:
    """Round by round, so that a slow minute of the machine hits both sides."""
    return spread([a / b for a, b in zip(values, others, strict=True)], 2) if others else "–"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown: names on the left, numbers on the right."""
    from striate.base.tables import Table, markdown

    return markdown(Table(tuple(head), list(rows), right=range(1, len(head))))


def machine() -> str:
    """Processor, cores that this process may use, bfloat16 flag and load before the first measurement."""
    facts = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    bfloat16 = "with" if "avx512_bf16" in facts["flags"].split() else "without"
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    family = f"family {facts['cpu family']} model {facts['model']}"
    return f"{facts['model name']} ({family}), {cores} cores, {bfloat16} avx512_bf16, load {load:.1f} before"


def versions(pythons: dict[str, str]) -> str:
    """The version of each peer's package, asked in its own environment; torch first."""
    ask = "import sys, importlib.metadata as m\nfor p in sys.argv[1:]: print(p, m.version(p))"
    found: dict[str, None] = {}
    for name, python in pythons.items():
        answer = subprocess.run(
            [python, "-c", ask, "torch", PEERS[name][1]], capture_output=True, text=True, check=True
        )
        found |= dict.fromkeys(answer.stdout.splitlines())
    return ", ".join(sorted(found, key=lambda text: (not text.startswith("torch "), text)))


def publish(name: str, lines: Sequence[str], write: bool) -> None:
    """Print the page and, if asked, keep it under results/ with its date."""
    text = "\n".join(lines) + "\n"
    print(text)
    if write:
        path = Path(__file__).parent / "results" / f"{name}-{datetime.date.today()}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--part", choices=["seconds", "steps", "both"], default="both")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=40, help="budget of part `seconds`")
    parser.add_argument("--only", nargs="+", choices=list(PEERS), default=list(PEERS), metavar="NAME")
    parser.add_argument("--python", nargs="+", default=[], metavar="NAME=PATH", help="another interpreter")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that all of it runs")
    parser.add_argument("--write", action="store_true", help="keep the page under benchmarks/results")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    chosen = options()
    if chosen.child:
        name, job = chosen.child
        print(json.dumps(asdict(PEERS[name][0](Job(**json.loads(job))))), flush=True)
        return
    rounds, epochs = (1, 5) if chosen.quick else (chosen.rounds, chosen.epochs)
    pythons = dict.fromkeys(chosen.only, sys.executable) | dict(pair.split("=", 1) for pair in chosen.python)
    pythons = {name: pythons[name] for name in chosen.only}
    lines = ["# Handwritten digits, LeNet-5", "", machine(), "", f"{versions(pythons)}", ""]
    lines += [f"`python {' '.join(sys.argv)}`", "", "Median of the rounds (least–most).", ""]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "digits.npz"
        steps = write_data(data)
        if chosen.part != "steps":
            lines += seconds_part(pythons, rounds, Job(str(data), steps, 0, epochs, bare=False))
        if chosen.part != "seconds":
            lines += steps_part(pythons, rounds, Job(str(data), steps, 0, WARM_EPOCHS + TIMED_EPOCHS, bare=True))
    publish("digits", lines, chosen.write)


def seconds_part(pythons: dict[str, str], rounds: int, job: Job) -> list[str]:
    names = [name for name in pythons if name not in STEPS_ONLY]
    found = take_turns(names, rounds, lambda name, turn: seconds_once(pythons[name], name, replace(job, seed=turn)))
    took = {name: [seconds for seconds, _ in pairs] for name, pairs in found.items()}
    rows = []
    for name, pairs in found.items():
        right = [100 * accuracy for _, accuracy in pairs]
        reached = f"{statistics.mean(right):.2f} ({min(right):.2f}–{max(right):.2f})"
        rows.append([name, spread(took[name], 1), ratios(took[name], took.get("striate")), reached])
    head = ["", "seconds", "ratio to striate", "test accuracy %, mean"]
    title = f"## From process start to a test number ({job.epochs} epochs, {rounds} seeds)"
    return [title, "", table(head, rows), ""]


def steps_part(pythons: dict[str, str], rounds: int, job: Job) -> list[str]:
    lines = [f"## Milliseconds a training step (batch {BATCH}, {TIMED_EPOCHS * job.steps} steps a round)", ""]
    for optimizer in RATE:
        each = replace(job, optimizer=optimizer)
        found = take_turns(list(pythons), rounds, lambda name, turn, each=each: steps_once(pythons[name], name, each))
        rows = [[n, spread(ms, 2), ratios(ms, found.get("striate"))] for n, ms in found.items()]
        lines += [table([optimizer, "ms a step", "ratio to striate"], rows), ""]
    return lines


if __name__ == "__main__":
    main()
