"""Where published weights are, what pictures they expect, and how their files are fetched once and checked."""

import contextlib
import hashlib
import http.client
import math
import os
import re
import secrets
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import wrap_file

from striate.base.errors import MachineError, RunError, UsageError
from striate.models import outside
from striate.models.catalog import find
from striate.models.entry import Entry, Weights

HUB = "hf://"
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar")
TIMEOUT = 20.0  # seconds without a byte
MOST_BYTES = 8 * 2**30


@dataclass(frozen=True)
class Published:
    """Weights that torchvision or timm publishes, and the pictures they expect.

    - `source` is "torchvision:resnet50" or "timm:seresnet50", `tag` the publisher's name of these weights.
    - `place` is the file's address, or "hf://OWNER/REPOSITORY/FILE" on Hugging Face's hub.
    - `sha256` is the beginning of the file's hash as its name tells it; empty where the hub keeps it.
    - Pictures are resized so that the shorter side has `resize` pixels, by `interpolation`; a centre square of
      `crop` is cut; values in 0..1 lose `mean` and are divided by `deviation`.
    - `accuracy` is in per cent by measure, as published; empty where none is told.
    """

    source: str
    tag: str
    place: str
    sha256: str
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    crop: int
    resize: int
    interpolation: str
    accuracy: Mapping[str, float] = field(default_factory=dict, hash=False)


def published(network: str | Entry, which: str = "imagenet") -> Published:
    """The weights `which` of a network: "imagenet" for the publisher's present choice, or a name it gives.

    torchvision's names are IMAGENET1K_V1 and the like, timm's are tags such as a1_in1k. `UsageError` when there
    are none, `MachineError` without the extra `zoo`.
    """
    entry = network if isinstance(network, Entry) else find(network)
    if not entry.weights:
        hint = "weights=None, or the path of a .safetensors or .pth file, or of a run folder"
        raise UsageError("weights", f"none that load here are published for {entry.name}", hint)
    return (_torchvision if entry.weights.publisher == "torchvision" else _timm)(entry.weights, which)


def fetch(where: Published) -> Path:
    """The file of `where` in the usual cache, downloaded when it is not there or damaged, its hash checked.

    The caches are torch's (TORCH_HOME) and the hub's (HF_HOME). `MachineError` without a connection; `RunError`
    when what arrives is not what was published.
    """
    if where.place.startswith(HUB):
        owner, repository, file = where.place.removeprefix(HUB).split("/", 2)
        return _from_hub(f"{owner}/{repository}", file)
    target = Path(torch.hub.get_dir()) / "checkpoints" / where.place.rpartition("/")[2]
    if not (target.is_file() and _sha256(target).startswith(where.sha256)):
        _download(where.place, target, where.sha256)
    return target


def _torchvision(where: Weights, which: str) -> Published:
    name = where.name
    choices = outside.library("torchvision.models").get_model_weights(name)
    known = {each.name: each for each in choices}
    chosen = choices.DEFAULT if which == "imagenet" else known.get(which)
    if chosen is None:
        raise UsageError("weights", f"torchvision has no {which!r} for {name}", _choices(known))
    pictures = chosen.transforms()
    return Published(
        source=f"torchvision:{name}", tag=chosen.name, place=chosen.url, sha256=_told_hash(chosen.url),
        mean=tuple(pictures.mean), deviation=tuple(pictures.std),
        crop=pictures.crop_size[0], resize=pictures.resize_size[0], interpolation=pictures.interpolation.value,
        accuracy={key: value for key, value in chosen.meta["_metrics"]["ImageNet-1K"].items() if value == value},
    )  # fmt: skip


def _timm(where: Weights, which: str) -> Published:
    timm = outside.library("timm")
    architecture, tag = where.name, where.tag if which == "imagenet" else which
    known = {each.partition(".")[2] for each in timm.models.get_arch_pretrained_cfgs(architecture)}
    if tag and tag not in known:
        raise UsageError("weights", f"timm has no {which!r} for {architecture}", _choices(known))
    config = timm.get_pretrained_cfg(f"{architecture}.{tag}" if tag else architecture)
    if config.hf_hub_id:
        place, sha256 = f"{HUB}{config.hf_hub_id}/{config.hf_hub_filename or 'model.safetensors'}", ""
    elif config.url and str(config.url).endswith(SUFFIXES):
        place, sha256 = config.url, _told_hash(config.url)
    else:
        raise UsageError("weights", f"timm publishes none for {architecture} that striate can read", _choices(known))
    crop = config.input_size[1]
    return Published(
        source=f"timm:{architecture}", tag=config.tag or "default", place=place, sha256=sha256,
        mean=tuple(config.mean), deviation=tuple(config.std),
        crop=crop, resize=math.floor(crop / config.crop_pct), interpolation=config.interpolation,
    )  # fmt: skip


def _told_hash(address: str) -> str:
    """The beginning of a file's sha256, as its name tells it, or nothing."""
    found = re.search(r"-([0-9a-f]{8,64})\.", address.rpartition("/")[2])
    return found[1] if found else ""


def _choices(known: Any) -> str:
    return f"imagenet, {', '.join(sorted(filter(None, known)))}, or a path such as ./weights.pth"


def _from_hub(repository: str, file: str) -> Path:
    """The hub's client keeps a file under its sha256; where it cannot (Windows without links), sizes alone count."""
    hub = outside.library("huggingface_hub")
    damaged = False
    with contextlib.suppress(hub.errors.LocalEntryNotFoundError):
        path = Path(hub.hf_hub_download(repository, file, local_files_only=True))
        if _sound(path):
            return path
        damaged = True
    address = hub.hf_hub_url(repository, file)
    if not hub.constants.HF_HUB_OFFLINE:  # the hub's client would try for half a minute without a connection
        _answer(address, _by_hand(f"weights=PATH with the file {file} of {repository}"), "HEAD").close()
    try:
        path = Path(hub.hf_hub_download(repository, file, force_download=damaged))
    except Exception as error:  # the client lets through what three libraries below it raise
        cause = f"cannot be fetched ({error.__cause__ or error})"
        raise MachineError(address, cause, _by_hand("weights=PATH")) from error
    if not _sound(path):
        raise RunError(path, "is not the file that the hub names (sha256 differs)", "fetching it again later")
    return path


def _sound(path: Path) -> bool:
    name = path.resolve().name
    return not re.fullmatch("[0-9a-f]{64}", name) or _sha256(path) == name


def _by_hand(place: str) -> str:
    return f"a network connection, or {place} from a machine that has one"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(url: str, target: Path, sha256: str) -> None:
    """Fetch `url` into `target` in one step: a kill leaves no file under that name that is not whole."""
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    digest = hashlib.sha256()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as file:
            for chunk in _chunks(url, target):
                digest.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if not digest.hexdigest().startswith(sha256):
            cause = f"is not the file that was published (sha256 begins {digest.hexdigest()[:8]}, not {sha256})"
            raise RunError(url, cause, "another network connection; this one may answer with a page of its own")
        partial.replace(target)
    except OSError as error:
        cause = f"cannot be written ({error.strerror or error})"
        raise MachineError(target, cause, "TORCH_HOME with a folder of yours that has room") from error
    finally:
        with contextlib.suppress(OSError):  # the first error is the one to tell
            partial.unlink()


def _chunks(url: str, target: Path) -> Iterator[bytes]:
    """The bytes of `url`, with a bar on a terminal."""
    by_hand = _by_hand(f"that file put at {target}")
    with _answer(url, by_hand) as answer:
        size, done = int(answer.headers.get("Content-Length") or 0), 0
        quiet = not sys.stderr.isatty()
        with wrap_file(answer, size, description=target.name, console=Console(stderr=True), disable=quiet) as body:
            while True:
                try:
                    chunk = body.read(2**20)
                except (OSError, http.client.HTTPException) as error:
                    raise MachineError(url, f"the connection broke after {done:,} bytes ({error})", by_hand) from error
                done += len(chunk)
                if done > MOST_BYTES:
                    raise MachineError(url, f"sends more than {MOST_BYTES:,} bytes", "another address")
                if not chunk:
                    break
                yield chunk
        if size and done != size:
            raise MachineError(url, f"the connection broke after {done:,} of {size:,} bytes", by_hand)


def _answer(url: str, by_hand: str, method: str = "GET") -> Any:
    """What its server answers; to HEAD that may be an error, which tells all the same that there is a connection."""
    request = urllib.request.Request(url, method=method, headers={"User-Agent": "striate"})
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if method == "HEAD":
            return error
        error.close()
        raise MachineError(url, f"its server answers {error.code} {error.reason}", by_hand) from None
    except (OSError, http.client.HTTPException) as error:
        raise MachineError(url, f"no connection ({getattr(error, 'reason', error)})", by_hand) from error
