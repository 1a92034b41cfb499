"""The page of an audit: what was found, with small pictures; those of a given test subset are counted and not shown."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from striate.base.errors import StriateError
from striate.base.outputs import Output
from striate.base.sections import Card, Cards, Section, Seen
from striate.base.tables import Table
from striate.base.words import many, some
from striate.data.audit import Audit, Cluster
from striate.data.picture import decode
from striate.data.picture.four import image_of
from striate.data.picture.laid import Pixels
from striate.data.picture.layers import Layers, layers_of, read, visible
from striate.data.picture.pixels import MOST_PIXELS
from striate.data.samples import Samples
from striate.data.suspects import Suspect
from striate.data.unusual import Unusual
from striate.report import page
from striate.report.figures import AMONG_SEVERAL

# Clusters of one kind that are shown, pictures of one, files of a list, and doubted labels.
CLUSTERS, MEMBERS, FILES, SUSPECTS = 24, 3, 100, 48
Thumbnail = Callable[[int], Seen]


def output(path: Path, data: Path | None, force: bool = False) -> Output:
    """Where a page of these data is to be written: over an older page, and over nothing else."""
    own = page.output(path, force)
    return replace(own, asked=f"--page {path}", inputs=[] if data is None else [("the data", data)])


def render(audit: Audit, samples: Samples, reading: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The page as text; `reading` are the keys that the samples were read with."""
    layers = layers_of(reading.get("channels"), reading.get("depth", 8))

    def thumbnail(place: int) -> Seen:
        if place in audit.sealed:
            return Seen(None, "sealed")
        try:
            return Seen(_small(_pixels(samples, place, layers)))
        except StriateError as error:
            return Seen(None, error.cause)

    findings = audit.findings()
    sections = page.shown(list(_sections(audit, thumbnail)))
    return page.filled("audit.html.j2", audit=audit, findings=findings.rows, sections=sections)


def _pixels(samples: Samples, place: int, layers: Layers | None) -> Pixels:
    held, where = samples.read(place), samples.read.where(place)
    if layers is not None and isinstance(held, bytes):
        return visible(read(held, where, layers, MOST_PIXELS))
    return visible(decode.pixels_of(held, where, AMONG_SEVERAL, MOST_PIXELS))


def _small(pixels: Pixels) -> Pixels:
    """No larger than it is shown, so that many of them need little memory."""
    image = image_of(np.ascontiguousarray(pixels))
    image.thumbnail((AMONG_SEVERAL, AMONG_SEVERAL))
    small = np.asarray(image)
    return small if small.ndim == 3 else small[..., None]


def _sections(audit: Audit, thumbnail: Thumbnail) -> Iterable[Section]:
    every = [*audit.identical, *audit.similar]
    kinds = (
        ("leaks", "Leaks", "One picture in several subsets: what is measured there is partly known by heart.",
         [each for each in every if each.leaks]),
        ("conflicts", "Conflicts", "One picture that is said to be two things: at least one of them is wrong.",
         [each for each in every if each.conflicts]),
        ("identical", "Identical files", "Files of the same bytes. They never lie in two subsets that striate cuts.",
         audit.identical),
        ("near", "Near-duplicates",
         f"Pictures encoded again, resized, brightened or slightly cropped. Near is a distance of at most "
         f"{audit.threshold:.3f}, which this set decides: a part of that which 99.9 % of its pairs exceed. "
         f"Mirrored and turned pictures are not looked for.", audit.similar),
    )  # fmt: skip
    for name, title, why, clusters in kinds:
        if clusters:
            cards = tuple(_cluster(audit, each, thumbnail) for each in clusters[:CLUSTERS])
            more = f" The first {CLUSTERS} of {len(clusters):,}; `--json` lists all." if clusters[CLUSTERS:] else ""
            yield Section(name, title, why + more, (Cards(cards),))
    broken = [("unreadable", each) for each in audit.unreadable] + [("damaged?", each) for each in audit.damaged]
    if broken:
        rows = [(each.name, what, each.cause) for what, each in broken[:FILES]]
        more = f" The first {FILES} of {len(broken):,}; `--json` lists all." if broken[FILES:] else ""
        why = f"Unreadable files are left out of training and counted; damaged ones are taken.{more}"
        places = {name: place for place, name in enumerate(audit.names)} if audit.damaged else {}
        shown = [(each, places[each.name]) for each in audit.damaged[:CLUSTERS] if each.name in places]
        cards = tuple(Card((thumbnail(place),), (("", each.cause, ""),), each.name) for each, place in shown)
        yield Section(
            "broken", "Broken files", why, (Table(("file", "what", "why"), rows), *([Cards(cards)] if cards else []))
        )
    if audit.suspects:
        cards = tuple(_suspect(audit, each, thumbnail) for each in audit.suspects[:SUSPECTS])
        more = f" The first {SUSPECTS} of {len(audit.suspects):,}; `--json` lists all." * (len(cards) == SUSPECTS)
        why = (
            "Networks that never learned these pictures are surer of another class than its own pictures need "
            f"(confident learning, Northcutt 2021). The label may be wrong, or the network: look.{more}"
        )
        yield Section("suspects", "Label suspects", why, (Cards(cards),))
    if audit.unusual:
        cards = tuple(_odd(audit, each, thumbnail) for each in audit.unusual)
        why = "Far from the middle of all others in one regard. Nothing need be wrong with them; look."
        yield Section("unusual", "Unusual pictures", why, (Cards(cards),))
    said = audit.majority
    why = ""
    if said is not None:
        why = f"Always answering {said[0]} is right for {100 * said[1]:.1f} %: a network has to beat that."
    yield Section("classes", "Classes" if audit.classes else "Pictures", why, (audit.balance(),))
    if audit.masks:
        why = f"{many(audit.empty_masks or 0, 'mask')} without anything."
        yield Section("pixels", "Masks", why, (audit.pixels(),))
    why = (
        "In levels of 255: brightness is the mean and contrast the deviation of the picture made small, grain is how "
        "much neighbouring pixels differ, colour how far they are from grey."
    )
    yield Section("measures", "Sizes and looks", why, (audit.measured(),))


def _cluster(audit: Audit, cluster: Cluster, thumbnail: Thumbnail) -> Card:
    sides = [("in", cluster.subsets), ("said to be", cluster.classes if audit.classes else ())]
    lines = [("pictures", f"{len(cluster.places):,}", ""), *((what, some(of), "") for what, of in sides if of)]
    names = " = ".join(audit.names[place] for place in cluster.places[:MEMBERS])
    return Card(tuple(thumbnail(place) for place in cluster.places[:MEMBERS]), tuple(lines), names)


def _suspect(audit: Audit, suspect: Suspect, thumbnail: Thumbnail) -> Card:
    lines = (("given", suspect.given, f"{100 * suspect.given_probability:.1f} %"),
             ("more like", suspect.likely, f"{100 * suspect.likely_probability:.1f} %"))  # fmt: skip
    return Card((thumbnail(suspect.place),), lines, audit.names[suspect.place])


def _odd(audit: Audit, odd: Unusual, thumbnail: Thumbnail) -> Card:
    line = (odd.what, f"{odd.value:.4g}", f"usually {odd.low:.4g} to {odd.high:.4g}")
    return Card((thumbnail(odd.place),), (line,), audit.names[odd.place])
