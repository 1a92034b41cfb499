"""One recipe: everything that decides a result, nothing else.

The command line's options, the keys of a TOML file and the keywords of `striate.train` are these fields.
`None` means "as suits the data"; `resolve` fills it in, and the run folder stores the filled recipe.
"""

import dataclasses
import math
import re
import tomllib
import types
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from striate.base.errors import UsageError, near
from striate.base.options import Range, besides_none
from striate.base.paths import path_of, text_of
from striate.base.units import Size, size_of
from striate.data.picture.pixels import LEAST_PIXELS, MOST_PIXELS, PIXELS
from striate.models.catalog import find
from striate.training.synonyms import DECIDED, called


def _key(default: Any, help: str, group: str, *, least: float | None = None, most: float = math.inf) -> Any:
    """A key with its help, its group there, and the range of its numbers; `dict`: a fresh one for each recipe."""
    within = None if least is None else Range(such=least, least=least, most=most)
    made = {"default_factory": dict} if default is dict else {"default": default}
    return field(**made, metadata={"help": help, "group": group, "within": within})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Frozen; `check` has approved every value of one made by `recipe_of` or `read_toml`."""

    data: str = _key(
        MISSING,
        "built-in set, folder (of class folders, or images/ and masks/), table, archive, hf:USER/NAME, shards:PATTERN",
        "Data",
    )
    model: str | None = _key(None, "a name of the catalogue; see `striate models`", "Network")
    model_options: Mapping[str, str | float | bool] = _key(
        dict, "options of the network's builder: --model-options.stem 32", "Network"
    )
    weights: str | None = _key(
        None, "start from these: imagenet, another published name, a file, or a run folder, in a new run", "Network"
    )
    part: str | None = _key(
        None, "the module that these weights are for, such as features; all else starts anew", "Network"
    )
    dropout: float | None = _key(
        None, "share of features dropped; the network's own rate when left out", "Network", least=0, most=0.99
    )

    finetune: Literal["head", "full", "gradual", "none"] | None = _key(
        None, "what learns from weights on: head alone, full (earlier layers slower), gradual, none (all alike)",
        "Fine-tuning",
    )  # fmt: skip
    layer_decay: float | None = _key(
        None, "full and gradual: rate of a stage by that of the next", "Fine-tuning", least=0.01, most=1
    )
    frozen_norms: Literal["kept", "batch"] | None = _key(
        None, "batch normalisation in frozen layers: statistics kept, or each batch's", "Fine-tuning"
    )

    task: str | None = _key(None, "what is learned; by default what the network was made for", "Task")
    task_options: Mapping[str, str | float | bool] = _key(
        dict, "options of the task: --task-options.calibrate true", "Task"
    )
    imbalance: Literal["none", "weights", "sampling"] | None = _key(
        None, "classes of different sizes: weights in the loss, or sampling as many pictures of each", "Task"
    )
    label_smoothing: float | None = _key(None, "probability spread over all classes", "Task", least=0, most=0.99)

    size: int | tuple[int, int] | None = _key(
        None, "side in pixels the network sees, or HEIGHTxWIDTH; its own by default", "Data", least=1, most=4096
    )
    channels: int | None = _key(
        None, "1 grey, 3 colour, or as many layers as each picture has; the network's own by default", "Data",
        least=1, most=16,
    )  # fmt: skip
    depth: Literal[8, 16] = _key(8, "bits of a layer: 16 keeps those of 16-bit pictures", "Data")
    resize: Literal["squash", "crop", "letterbox", "tiles"] | None = _key(
        None, "how a picture becomes squares; tiles are cut at its own scale", "Data"
    )
    context: int | None = _key(
        None, "pixels at each border of a tile that are seen and not answered for", "Data", least=0, most=2047
    )
    layout: Literal["auto", "classes", "subsets"] = _key(
        "auto", "folders called train, val and test: subsets, or classes like the others", "Data"
    )
    split: str | None = _key(
        None,
        "train/validation/test in per cent (60/20/20; 80/20/0 seals no test), or split.csv of a run or a table like it",
        "Data",
    )
    groups: str | None = _key(
        None,
        "what is never apart: an expression on the path, as 'patient-(\\d+)'; near: also near-duplicates; or none",
        "Data",
    )
    fold: str | None = _key(
        None, "hold out one of several equal parts of what is not sealed: 2/5; 2/5/1 of other folds, repeat 1", "Data"
    )
    split_seed: int = _key(0, "another split of the same pictures", "Data", least=0, most=2**32 - 1)
    keep_sealed: bool = _key(
        False, "answer on validation; `striate evaluate RUN --open-test` opens the test set", "Data"
    )
    check: Literal["full", "headers", "names"] = _key(
        "full", "decode every file before step one, read headers, or trust names and split by them", "Data"
    )
    max_bad: float = _key(0.01, "share of unusable files that stops the run", "Data", least=0, most=1)
    max_pixels: int = _key(
        PIXELS, "most pixels of a picture that is read", "Data", least=LEAST_PIXELS, most=MOST_PIXELS
    )

    follow_links: bool = _key(False, "take what links in the folder lead to", "Data")
    merge_classes: bool = _key(False, "class folders equal but for case or Unicode form are one", "Data")
    allow_leak: bool = _key(False, "train although a file lies in two subsets", "Data")
    mask_map: str | None = _key(
        None, "classes by id or colour: 0=background,255=cell or #000000=background,#ff0000=cell", "Data"
    )
    ignore: int | None = _key(None, "id in masks that counts nowhere", "Data", least=-(2**31), most=2**31 - 1)
    masks: Literal["classes", "objects"] = _key("classes", "ids in masks are classes, or each is an object", "Data")

    augment: Literal["none", "light", "standard", "strong", "elastic", "randaugment", "trivialaugment"] | None = _key(
        None, "preset of random changes; the options below replace single values of it", "Augmentation"
    )
    mirror: bool | None = _key(None, "mirror left-right in half of the draws", "Augmentation")
    flip: bool | None = _key(None, "mirror top-bottom in half of the draws", "Augmentation")
    rotate: float | None = _key(None, "degrees, at most, either way", "Augmentation", least=0, most=180)
    scale: float | None = _key(None, "relative change of size, at most", "Augmentation", least=0, most=0.9)
    shift: float | None = _key(None, "shift as a share of the side, at most", "Augmentation", least=0, most=1)
    pad: float | None = _key(None, "padded crop: whole pixels, as a share of the side", "Augmentation", least=0, most=1)
    crop: float | None = _key(
        None, "random resized crop: least share of the area, 1 for none", "Augmentation", least=0.01, most=1
    )
    elastic: float | None = _key(
        None, "smooth random deformation: its deviation as a share of the side, 0.02 in the U-Net paper",
        "Augmentation", least=0, most=0.5,
    )  # fmt: skip
    operations: int | None = _key(
        None, "RandAugment's N: operations drawn for each picture", "Augmentation", least=0, most=10
    )
    magnitude: int | None = _key(None, "RandAugment's M: how far each goes", "Augmentation", least=0, most=10)
    brightness: float | None = _key(None, "relative change, at most", "Augmentation", least=0, most=1)
    contrast: float | None = _key(None, "relative change, at most", "Augmentation", least=0, most=1)
    saturation: float | None = _key(None, "relative change, at most", "Augmentation", least=0, most=1)
    hue: float | None = _key(None, "turn of the colour circle, at most", "Augmentation", least=0, most=0.5)
    colour_noise: float | None = _key(None, "AlexNet's PCA colour noise, deviation", "Augmentation", least=0, most=1)
    erase: float | None = _key(None, "chance that a rectangle is erased", "Augmentation", least=0, most=1)
    mixup: float | None = _key(None, "mixup's alpha, 0 for none", "Augmentation", least=0, most=10)
    cutmix: float | None = _key(None, "cutmix's alpha, 0 for none", "Augmentation", least=0, most=10)

    epochs: int | None = _key(None, "passes over the training pictures", "Training", least=1, most=100_000)
    batch: int | None = _key(None, "pictures per step, over all processes", "Training", least=1, most=1_000_000)
    accumulate: int = _key(1, "parts a batch is worked through in", "Training", least=1, most=1_000_000)
    sync_norms: bool = _key(
        False, "several processes: batch normalisation sees the pictures of all, not of its own alone", "Training"
    )
    optimizer: Literal["sgd", "adamw"] | None = _key(None, "SGD with momentum, or AdamW", "Training")
    rate: float | Literal["auto"] | None = _key(
        None, "highest learning rate, or auto: found by a range test on a copy of the network", "Training",
        least=1e-12, most=100,
    )  # fmt: skip
    momentum: float = _key(0.9, "of SGD; AdamW's first beta", "Training", least=0, most=0.9999)
    nesterov: bool = _key(True, "Nesterov's momentum", "Training")
    weight_decay: float | None = _key(None, "not on norms and biases", "Training", least=0, most=10)
    schedule: Literal["cosine", "one-cycle", "step", "constant"] | None = _key(
        None, "how the rate changes after the warm-up", "Training"
    )
    warmup: float | None = _key(None, "epochs over which the rate rises", "Training", least=0, most=100_000)
    step_epochs: tuple[float, ...] = _key((), "step schedule: epochs at which the rate falls", "Training", least=0)
    step_factor: float = _key(0.1, "step schedule: factor of each fall", "Training", least=1e-6, most=1)
    clip: float | None = _key(None, "largest norm of the gradient", "Training", least=1e-12)
    ema: float = _key(0.0, "decay of the averaged weights, 0 for none", "Training", least=0, most=0.999999)
    patience: int | None = _key(None, "epochs without improvement that end training", "Training", least=1)
    seed: int = _key(0, "of initial weights, order, augmentation and dropout", "Training", least=0, most=2**32 - 1)

    precision: Literal["auto", "float32", "bfloat16"] = _key("auto", "what the device does well", "Machine")
    device: str = _key("auto", "auto, cpu, cuda, cuda:N or mps", "Machine")
    compile: bool = _key(False, "torch.compile the network", "Machine")


# Options of the command that are no keys.
BESIDE = ("runs", "resume", "workers", "memory", "save_every", "no_cache", "tensorboard")
# The keys that are tables of options themselves.
OPTIONS = ("model_options", "task_options")
# The keys that only some tasks read.
OF_TASKS = tuple(
    each.name for each in dataclasses.fields(Recipe)
    if each.metadata["group"] == "Task" and each.name not in ("task", "task_options")
)  # fmt: skip

# What suits the data where the recipe is silent.
FOR_DIGITS: Mapping[str, Any] = types.MappingProxyType({
    "model": "lenet5", "resize": "squash", "augment": "light", "mirror": False, "epochs": 40, "batch": 64,
    "optimizer": "adamw", "rate": 0.005, "weight_decay": 0.01, "schedule": "one-cycle", "warmup": 0.0,
    "label_smoothing": 0.1,
})  # fmt: skip
# What is chosen for pictures that are to be classified, when they have been looked at: `defaults.chosen`.
CHOSEN = ("model", "size", "epochs", "batch", "augment", "mirror")
FOR_PICTURES: Mapping[str, Any] = types.MappingProxyType({
    "model": "resnet18", "resize": "squash", "augment": "light", "epochs": 60, "batch": 64,
    "optimizer": "sgd", "rate": 0.05, "weight_decay": 5e-4, "schedule": "cosine", "warmup": 2.0,
    "label_smoothing": 0.1,
})  # fmt: skip
FOR_CELLS: Mapping[str, Any] = types.MappingProxyType({
    "model": "unet_padded", "model_options": {"width": 16}, "channels": 1, "epochs": 40, "batch": 8,
})  # fmt: skip


def suiting(data: str) -> Mapping[str, Any]:
    """What suits these data where a recipe is silent."""
    from striate.data.sources.builtin import built_in

    if built_in(data):
        return FOR_DIGITS if data == "digits" else FOR_CELLS
    return FOR_PICTURES


def recipe_of(**values: Any) -> Recipe:
    """A checked recipe from keywords; an unknown key is an error with the name it has here."""
    known = {each.name: each.type for each in dataclasses.fields(Recipe)}
    for name in values:
        if name not in known:
            raise UsageError(name, "no such key in a recipe", _meant(name, known))
    if "data" not in values:
        raise UsageError("data", "a recipe needs data", "data = 'digits', a folder or a table")
    values = {name: text_of(value) for name, value in values.items()}
    recipe = Recipe(**{name: _as_declared(name, known[name], value) for name, value in values.items()})
    check(recipe)
    return recipe


def _meant(name: str, known: Collection[str]) -> str:
    """What to try in place of a key that there is not."""
    if name.lower() in DECIDED:
        return DECIDED[name.lower()]
    found = called(name, (*known, *BESIDE))
    if found in BESIDE:
        return f"--{found.replace('_', '-')} of `striate train`: it decides no result, and is no key of a recipe"
    return f"{found!r}, as striate calls it" if found else "a key that `striate train --help` names"


def read_toml(path: Path, **changes: Any) -> Recipe:
    """The recipe in a TOML file of at most 1 MB, `changes` over it; relative data paths start at the file."""
    if not path.is_file():
        raise UsageError(path, "no such file", "the path of a recipe in TOML")
    if path.stat().st_size > 1_000_000:
        raise UsageError(path, "larger than 1 MB, which no recipe is", "a TOML file of keys and values")
    try:
        text = path.read_text("utf-8-sig")
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of tomllib, of bytes that are no text, of endless numbers
        raise UsageError(path, f"not TOML ({error})", "key = value lines; see `striate train --help`") from None
    from striate.data.sources.assigned import names_table

    for name in ("data", "weights", "split"):
        if name == "split" and not names_table(str(values.get(name))):
            continue
        if name in values and name not in changes:
            values[name] = _beside(path, values[name])
    for name in OPTIONS:
        if isinstance(values.get(name), dict) and name in changes:
            changes[name] = values[name] | changes[name]
    try:
        return recipe_of(**{**values, **changes})
    except UsageError as error:
        if error.where in changes:
            raise
        raise UsageError(_line_of(path, text, error.where), error.cause, error.hint) from None


def resolve(recipe: Recipe, suggested: Mapping[str, Any]) -> Recipe:
    """The recipe with every `None` that `suggested` knows filled in."""
    empty = {name: value for name, value in suggested.items() if getattr(recipe, name) is None}
    if "warmup" in empty:  # never most of a short training
        empty["warmup"] = min(empty["warmup"], 0.1 * (recipe.epochs or empty["epochs"]))
    return dataclasses.replace(recipe, **empty)


def check(recipe: Recipe) -> None:
    """Refuse what no training can mean, naming the key and the range."""
    for each in dataclasses.fields(recipe):
        value, within = getattr(recipe, each.name), each.metadata["within"]
        for number in value if isinstance(value, tuple) else (value,):
            if within and isinstance(number, int | float) and number not in within:
                raise UsageError(each.name, f"{number} is out of range", f"a number {within}")
    if recipe.model is not None:
        find(recipe.model)
    if not recipe.data:
        raise UsageError("data", "it is empty", "digits, a folder of class folders, or a table")
    for place, name, value in ((key, *each) for key in OPTIONS for each in getattr(recipe, key).items()):
        if not isinstance(value, str | int | float | bool):
            raise UsageError(place, f"{name} is a {type(value).__name__}", "a word, a number, true or false")
    if recipe.schedule == "step" and not recipe.step_epochs:
        raise UsageError("step_epochs", "the step schedule needs them", "step_epochs = [30, 60], say")
    from striate.data.masks import legend  # numpy is paid for when a recipe is checked, not for --help
    from striate.data.sources.assigned import names_table
    from striate.data.splits import USUAL, fold_of, shares

    if recipe.split is None or not names_table(recipe.split):
        shares(USUAL if recipe.split is None else recipe.split)
    if recipe.fold is not None:
        fold_of(recipe.fold)
    legend(recipe.mask_map, recipe.ignore, recipe.masks)
    if recipe.groups is not None:
        from striate.data import groups

        groups.check(recipe.groups)


# The types of keys as a person calls them.
TOLD = {
    int: "whole number", float: "number", str: "text", bool: "true or false", tuple: "list of numbers",
    Mapping: "table",
}  # fmt: skip


def _as_declared(name: str, declared: Any, value: Any) -> Any:
    """`value` as TOML's types allow it, unlike words of a command line; or an error that names both types."""
    if declared == Size | None and value is not None:
        return _size(name, value)
    kind, optional = besides_none(declared)
    if isinstance(value, str) and any(value in get_args(each) for each in get_args(declared)):
        return value  # a word beside numbers
    origin = get_origin(kind)
    choices = get_args(kind) if origin is Literal else ()
    if choices and type(value) is type(choices[0]):
        if value in choices:
            return value
        cause = f"{value!r} is not one of {', '.join(map(str, choices))}"
        raise UsageError(name, cause, near(str(value), map(str, choices), "one of them"))
    if type(value) is kind or (value is None and optional):
        return value
    if kind is float and _is_number(value):
        return _float(value)
    if origin is tuple and isinstance(value, list | tuple) and all(map(_is_number, value)):
        return tuple(map(_float, value))
    if origin is Mapping and isinstance(value, Mapping):
        return dict(value)
    wanted = " or ".join(map(str, choices)) or TOLD[origin or kind]
    raise UsageError(name, f"{value!r} is a {type(value).__name__}, not {wanted}", f"{name} = a {wanted}")


def _size(name: str, value: Any) -> Size:
    try:
        return size_of(value)
    except ValueError as error:
        raise UsageError(name, str(error), f"{name} = 224, or '224x320' for height x width") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: float) -> float:
    """A whole number that no float can hold is as much out of range as infinity."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _beside(path: Path, data: Any) -> Any:
    """A built-in name stays; a path is taken from the recipe's own folder, `~` meaning home."""
    from striate.data.sources.address import in_full, is_address

    if not isinstance(data, str):
        return data
    if is_address(data):
        return in_full(data, path.absolute().parent)
    candidate = path.parent / path_of(data)
    return str(candidate) if candidate.exists() or "/" in data or "\\" in data else data


def _line_of(path: Path, text: str, name: str) -> str:
    """file:line of a key, for the message."""
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(rf"""\s*["']?{re.escape(name)}["']?\s*=|\s*\[{re.escape(name)}\]""", line):
            return f"{path}:{number}: {name}"
    return f"{path}: {name}"
