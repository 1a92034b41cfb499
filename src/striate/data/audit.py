"""What a person should know of a set of pictures before training: what is broken, said twice, leaking, or odd."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, final

import numpy as np
import numpy.typing as npt

from striate.base.tables import Table, html_table, text
from striate.base.words import SUBSETS, many, share, some
from striate.data.near import Places, near, sketched
from striate.data.picture.sketch import chromas
from striate.data.samples import Samples, Skip
from striate.data.suspects import Suspect
from striate.data.unusual import Spread, Unusual, mean_colour, measured, spreads, unusual

Progress = Callable[[str, int, int], None]
_SHOWN = 3


@final
@dataclass(frozen=True)
class Cluster:
    """Samples that are one picture: their places, and the subsets and classes that they lie in, each once."""

    places: tuple[int, ...]
    subsets: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def leaks(self) -> bool:
        return len(self.subsets) > 1

    @property
    def conflicts(self) -> bool:
        return len(self.classes) > 1


@final
@dataclass(frozen=True)
class Grouped:
    """Of given groups how many there are, the most samples of one, and those that lie in several subsets."""

    count: int
    largest: int
    straddling: int
    of_one_class: int


@final
@dataclass(frozen=True)
class Mask:
    """Of a class in masks the share of all pixels that are answered for, and in how many masks it is."""

    name: str
    pixels: float
    masks: int


@final
@dataclass(frozen=True, eq=False)
class Audit:
    """What was found. `identical` are clusters of equal bytes, `similar` those in which a picture was changed.

    `counts`: pictures by class (rows) and subset (columns, `subsets`); one row where there are no classes. `threshold`:
    how far near-duplicates lie at most, `plain`: pictures of nearly one colour, which are not compared. Pictures of a
    given test subset are compared, counted, and named where they are broken or have copies; what is measured leaves
    them out. `sealed` are their places. `suspects`: labels that are doubted by networks which never learned their
    pictures; None where nobody was asked.
    """

    name: str
    names: Sequence[str]
    unreadable: tuple[Skip, ...]
    damaged: tuple[Skip, ...]
    identical: tuple[Cluster, ...]
    similar: tuple[Cluster, ...]
    threshold: float
    plain: int
    classes: tuple[str, ...]
    subsets: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    spreads: tuple[Spread, ...]
    grey: int
    colour: tuple[float, float, float]
    unusual: tuple[Unusual, ...]
    groups: Grouped | None
    masks: tuple[Mask, ...]
    empty_masks: int | None
    notes: tuple[str, ...]
    sealed: frozenset[int]
    suspects: tuple[Suspect, ...] | None = None

    def __len__(self) -> int:
        return int(self.counts.sum())

    @property
    def majority(self) -> tuple[str, float] | None:
        """The class of most pictures, and its share: what always answering it would score."""
        if not self.classes:
            return None
        each = self.counts.sum(1)
        return self.classes[int(each.argmax())], float(each.max() / max(1, each.sum()))

    def findings(self) -> Table:
        """What was looked for, how often it was found, and the first of it."""
        rows = [
            ("unreadable", len(self.unreadable), _skips(self.unreadable)),
            ("damaged?", len(self.damaged), _skips(self.damaged)),
            self._row("identical", self.identical),
            self._row("near-duplicates", self.similar),
        ]
        for what, of, why in (
            ("leaks", "leaks", "in several subsets"),
            ("conflicts", "conflicts", "under several masks" if self.empty_masks is not None else "in several classes"),
        ):
            for kind, clusters in (("identical", self.identical), ("near", self.similar)):
                found = [each for each in clusters if getattr(each, of)]
                if (what == "leaks" and self.subsets[1:]) or (what == "conflicts" and self.classes) or found:
                    rows.append(self._row(f"{what}, {kind}", found, why))
        odd = some((f"{self.names[each.place]}: {each}" for each in self.unusual), _SHOWN)
        rows.append(("unusual", len(self.unusual), odd))
        if self.suspects is not None:
            first = some((f"{self.names[each.place]}: {each}" for each in self.suspects), _SHOWN)
            rows.append(("label suspects", len(self.suspects), first))
        rows.append(("nearly one colour", self.plain, "not compared with others" if self.plain else ""))
        if self.empty_masks is not None:
            rows.append(("masks without anything", self.empty_masks, ""))
        if self.groups is not None and self.groups.straddling:
            rows.append(("groups in several subsets", self.groups.straddling, ""))
        return Table(("looked for", "pictures", "first of them"), rows, right=(1,))

    def _row(self, what: str, clusters: Sequence[Cluster], why: str = "") -> tuple[str, int, str]:
        pictures = sum(len(each.places) for each in clusters)
        first = " = ".join(self.names[place] for place in clusters[0].places[:_SHOWN]) if clusters else ""
        if not clusters:
            return what, 0, ""
        more = f" = {len(clusters[0].places) - _SHOWN:,} more" if clusters[0].places[_SHOWN:] else ""
        return what, pictures, f"{many(len(clusters), 'cluster')}{f' {why}' if why else ''}: {first}{more}"

    def balance(self) -> Table:
        """Pictures of each class and subset, and the share of each class."""
        total = max(1, len(self))
        rows = [
            (name, *map(int, row), share(float(row.sum()) / total, total))
            for name, row in zip(self.classes or ("all",), self.counts, strict=True)
        ]
        told = self.majority
        notes = []
        if told is not None:
            notes.append(f"always answering {told[0]} is right for {share(told[1], total)} of {total:,}")
        head = ("class", *(self.subsets or ("pictures",)), "share")
        return Table(head, rows, notes=notes, right=range(1, len(head)))

    def measured(self) -> Table:
        """How large pictures are, and how they look."""
        rows = [(each.what, *(f"{value:.4g}" for value in each.values)) for each in self.spreads]
        red, green, blue = self.colour
        notes = [f"mean colour: red {red:.0f}, green {green:.0f}, blue {blue:.0f} of 255; {self.grey:,} are grey"]
        if self.sealed:
            notes.append(f"of {many(len(self) - len(self.sealed), 'picture')} not sealed")
        return Table(
            ("of each picture", "least", "25 %", "median", "75 %", "greatest"), rows, notes=notes, right=range(1, 6)
        )

    def tables(self) -> list[Table]:
        """All that is told in a terminal or a notebook."""
        said = [self.findings()]
        if self.classes or len(self.subsets) > 1:
            said.append(self.balance())
        if self.masks:
            said.append(self.pixels())
        return [*said, self.measured()]

    def pixels(self) -> Table:
        rows = [(each.name, f"{100 * each.pixels:.2f} %", each.masks) for each in self.masks]
        return Table(("class of pixels", "share", "masks with it"), rows, right=(1, 2))

    @property
    def headline(self) -> str:
        grouped = "" if self.groups is None else f" in {many(self.groups.count, 'group')}"
        classes = f", {many(len(self.classes), 'class')}" if self.classes else ""
        return f"{self.name}: {many(len(self), 'picture')}{classes}{grouped}"

    def told(self, width: int | None = None) -> str:
        """The summary as text, for a terminal of so many columns."""
        return "\n\n".join([self.headline, *(text(each, width) for each in self.tables())])

    def __repr__(self) -> str:
        return self.told()

    def _repr_html_(self) -> str:
        return f"<p><b>{escape(self.headline)}</b></p>" + "".join(map(html_table, self.tables()))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; samples by name."""

        def clusters(found: Sequence[Cluster]) -> list[dict[str, Any]]:
            return [
                {
                    "samples": [self.names[place] for place in each.places],
                    "subsets": each.subsets,
                    "classes": each.classes,
                }
                for each in found
            ]

        return {
            "name": self.name,
            "pictures": len(self),
            "sealed": len(self.sealed),
            "unreadable": [asdict(each) for each in self.unreadable],
            "damaged": [asdict(each) for each in self.damaged],
            "identical": clusters(self.identical),
            "near": {
                "threshold": self.threshold, "plain": self.plain, "clusters": clusters(self.similar),
            },
            "classes": [
                {"class": name, **dict(zip(self.subsets or ("pictures",), map(int, row), strict=True))}
                for name, row in zip(self.classes, self.counts, strict=False)
            ],
            "majority": self.majority,
            "measured": [asdict(each) for each in self.spreads],
            "grey": self.grey,
            "colour": self.colour,
            "unusual": [{**asdict(each), "sample": self.names[each.place]} for each in self.unusual],
            "suspects": self.suspects and [
                {**asdict(each), "sample": self.names[each.place]} for each in self.suspects
            ],
            "groups": None if self.groups is None else asdict(self.groups),
            "masks": [asdict(each) for each in self.masks],
            "empty_masks": self.empty_masks,
            "notes": list(self.notes),
        }  # fmt: skip


def audit(samples: Samples, progress: Progress | None = None) -> Audit:
    """Look through samples, with the sketches that a scan has made of them or made now; no test picture is shown.

    `progress` gets (what is done, so many, of all).
    """

    def watched(what: str) -> Callable[[int, int], None]:
        return lambda done, total: progress(what, done, total) if progress else None

    sketches = sketched(samples, watched("pictures"))
    found = near(sketches)
    given = np.array(samples.subsets) if samples.subsets is not None else np.full(len(samples), "")
    subsets = tuple(name for name in SUBSETS if (given == name).any())
    shown = np.flatnonzero(given != "test")
    numbers = measured(samples.sizes, sketches)
    masked = "mask" in samples.targets.kinds
    pixels, empty = _pixels(samples, shown, watched("masks")) if masked else ((), None)
    classes = () if masked else samples.targets.classes
    contents = np.unique(np.array(list(samples.digests)), return_inverse=True)[1].reshape(-1).astype(np.int64)
    return Audit(
        name=samples.name,
        names=samples.names,
        unreadable=samples.skipped,
        damaged=samples.damaged,
        identical=_clusters(samples, contents, given, samples.targets.content),
        similar=tuple(
            each
            for each in _clusters(samples, found.clusters, given, samples.targets.content if classes else None)
            if len(np.unique(contents[list(each.places)])) > 1
        ),
        threshold=found.threshold,
        plain=int(found.plain.sum()),
        classes=classes,
        subsets=subsets,
        counts=_counts(samples, classes, given, subsets),
        spreads=spreads(numbers, shown),
        grey=int((np.abs(chromas(sketches[shown])).max(1, initial=0) <= 1).sum()),
        colour=mean_colour(sketches[shown]),
        unusual=unusual(numbers, shown),
        groups=_groups(samples, classes, given),
        masks=pixels,
        empty_masks=empty,
        notes=samples.notes,
        sealed=frozenset(np.flatnonzero(given == "test").tolist()),
    )


def _clusters(
    samples: Samples, numbers: Places, given: npt.NDArray[Any], said: Callable[[int], bytes] | None
) -> tuple[Cluster, ...]:
    """Samples of equal numbers: the largest first, then by place. `said`: what is to be the same of them."""
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    ends = [*starts[1:].tolist(), len(order)]
    parts = [order[start:end] for start, end in zip(starts.tolist(), ends, strict=True) if end - start > 1]
    made = [
        Cluster(
            tuple(part.tolist()),
            tuple(name for name in SUBSETS if (given[part] == name).any()),
            tuple(dict.fromkeys(said(place).decode("utf-8", "replace") for place in part.tolist())) if said else (),
        )
        for part in parts
    ]
    return tuple(sorted(made, key=lambda each: (-len(each.places), each.places)))


def _counts(
    samples: Samples, classes: Sequence[str], given: npt.NDArray[Any], subsets: Sequence[str]
) -> npt.NDArray[np.int64]:
    strata = samples.targets.strata if classes else np.zeros(len(samples), np.int64)
    columns = [given == name for name in subsets] or [np.ones(len(samples), bool)]
    counts = [np.bincount(strata[column], minlength=max(1, len(classes))) for column in columns]
    return np.stack(counts, 1).astype(np.int64)


def _groups(samples: Samples, classes: Sequence[str], given: npt.NDArray[Any]) -> Grouped | None:
    if samples.groups is None:
        return None
    groups = samples.groups.tolist()
    sizes = Counter(groups)
    subsets = Counter(group for group, _ in set(zip(groups, given.tolist(), strict=True)))
    said = Counter(group for group, _ in set(zip(groups, samples.targets.strata.tolist(), strict=True)))
    return Grouped(
        count=len(sizes),
        largest=max(sizes.values()),
        straddling=sum(count > 1 for count in subsets.values()),
        of_one_class=sum(count == 1 for count in said.values()) if classes else 0,
    )


def _pixels(samples: Samples, shown: Places, progress: Callable[[int, int], None]) -> tuple[tuple[Mask, ...], int]:
    """By class the share of the pixels of the samples that are shown, and the masks that have it; and how many masks
    have no class but the first."""
    classes = samples.targets.classes
    pixels, masks, empty = np.zeros(len(classes)), np.zeros(len(classes), np.int64), 0
    for done, place in enumerate(shown.tolist(), 1):
        mask = samples.targets.own(place)["mask"]
        counts = np.bincount(mask[mask >= 0], minlength=len(classes))
        pixels += counts
        masks += counts > 0
        empty += not counts[1:].any()
        progress(done, len(shown))
    total = max(1.0, float(pixels.sum()))
    return tuple(Mask(*row) for row in zip(classes, (pixels / total).tolist(), masks.tolist(), strict=True)), int(empty)


def _skips(found: Sequence[Skip]) -> str:
    return some((f"{each.name}: {each.cause}" for each in found), _SHOWN)
