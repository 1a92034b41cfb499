"""Convolutional networks on pictures: built exactly, counted exactly, trained honestly.

The public names are loaded when they are first used, for torch takes seconds to import.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Torch reads this when it first takes memory: in pages of 2 MB, for the system clears memory page by page, which costs
# as much time as the arithmetic of a small network. Whoever sets it otherwise is left alone.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

if TYPE_CHECKING:
    from striate.cost.count import count as count
    from striate.face.auditing import audit as audit
    from striate.face.blocks import blocks as blocks
    from striate.face.blocks import gates as gates
    from striate.face.claims import claim as claim
    from striate.face.claims import list_claims as list_claims
    from striate.face.finished import compare as compare
    from striate.face.finished import ensemble as ensemble
    from striate.face.finished import out_of_fold as out_of_fold
    from striate.face.finished import write_report as write_report
    from striate.face.landscape import landscape as landscape
    from striate.face.looking import explain as explain
    from striate.face.looking import gallery as gallery
    from striate.face.looking import sheet as sheet
    from striate.face.many import choose as choose
    from striate.face.many import study as study
    from striate.face.training import train as train
    from striate.models.build import build as build
    from striate.models.catalog import catalog as catalog
    from striate.runs.run import list_runs as list_runs
    from striate.runs.run import open_run as open_run
    from striate.runs.study import open_study as open_study

_PLACES = {
    "audit": "striate.face.auditing",
    "blocks": "striate.face.blocks",
    "build": "striate.models.build",
    "catalog": "striate.models.catalog",
    "claim": "striate.face.claims",
    "compare": "striate.face.finished",
    "choose": "striate.face.many",
    "count": "striate.cost.count",
    "ensemble": "striate.face.finished",
    "explain": "striate.face.looking",
    "gallery": "striate.face.looking",
    "gates": "striate.face.blocks",
    "landscape": "striate.face.landscape",
    "list_claims": "striate.face.claims",
    "list_runs": "striate.runs.run",
    "open_run": "striate.runs.run",
    "open_study": "striate.runs.study",
    "out_of_fold": "striate.face.finished",
    "sheet": "striate.face.looking",
    "study": "striate.face.many",
    "train": "striate.face.training",
    "write_report": "striate.face.finished",
}
__all__ = [
    "audit", "blocks", "build", "catalog", "claim", "compare", "count", "ensemble", "explain", "gallery", "gates",
    "landscape", "list_claims", "list_runs", "open_run", "open_study", "out_of_fold", "sheet", "study", "train",
    "write_report",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'striate' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_PLACES]
