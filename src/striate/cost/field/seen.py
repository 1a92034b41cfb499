"""What the cells of a tensor see, one dimension at a time, and how that is carried through views, joins and sums."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from striate.cost.field.steps import NOTHING, PIXELS, Cells, Interval, Places, Steps, extent, hull, joined, through


class Unclear(Exception):
    """There is no receptive field to be told here; the message says why."""


@dataclass(frozen=True, slots=True)
class Atom:
    """Part of a dimension: so many cells along an axis of the picture, or (-1) along none, as channels are.

    `reach`: the pixels that these cells see together; `steps` tells more of a cell at the border, which sees padding.
    """

    length: int
    axis: int = -1
    steps: Steps = PIXELS
    reach: Interval = NOTHING


Dimension = tuple[Atom, ...]  # more than one atom where a view merged dimensions


@dataclass(frozen=True, slots=True)
class Seen:
    """What the cells of one tensor see, all channels together.

    - `always`: for each axis of the picture, the pixels that every cell sees, whatever its place; `NOTHING` for none.
    - `gated`: one number from the whole picture also scales each cell or map (squeeze-excitation, group normalisation).
    - `pooled`: of the indices of a max pool: kernel, stride, padding, dilation of each axis, for `max_unpool`.
    """

    dimensions: tuple[Dimension, ...]
    always: tuple[Interval, ...]
    gated: bool = False
    pooled: tuple[tuple[int, int, int, int], ...] = ()


def is_placed(dimension: Dimension) -> bool:
    """Whether what a cell sees depends on its place along this dimension."""
    return any(atom.axis >= 0 for atom in dimension)


def plain(sizes: Iterable[int]) -> tuple[Dimension, ...]:
    """Dimensions that lie along no axis of the picture."""
    return tuple((Atom(size),) for size in sizes)


def only(dimension: Dimension) -> Atom:
    """The dimension as one atom, also where a view or a pixel shuffle repeated each cell."""
    if len(dimension) == 1:
        return dimension[0]
    parts = [atom for atom in dimension if atom.length > 1 or atom.axis >= 0]
    placed = [atom for atom in parts if atom.axis >= 0]
    if not placed:
        return Atom(prod(atom.length for atom in dimension))
    if len(placed) > 1 or parts[0] is not placed[0]:
        raise Unclear("a view has merged height or width with another dimension")
    repeats = prod(atom.length for atom in parts[1:])
    return moved(placed[0], ((0,),) * repeats, 1, placed[0].length * repeats)


def unrepeated(dimension: Dimension) -> Dimension:
    """One atom where each cell of an axis is repeated, and the parts as they are where other things are merged."""
    repeated = dimension[0].axis >= 0 and not is_placed(dimension[1:])
    return (only(dimension),) if repeated else dimension


def moved(atom: Atom, cells: Cells, move: int, length: int) -> Atom:
    """The atom after an operator that looks at `cells`, as `steps.through` takes them."""
    if atom.axis < 0:
        return Atom(length)
    steps = through(atom.steps, cells, move)
    first, last = extent(steps, length)
    return Atom(length, atom.axis, steps, (max(first, atom.reach[0]), min(last, atom.reach[1])))


def slid(seen: Seen, places: Sequence[Places], shape: Sequence[int]) -> Seen:
    """The last dimensions after an operator that looks at `places` along each of them; those before stay."""
    first = len(seen.dimensions) - len(places)
    after = []
    for dimension, (cells, move), size in zip(seen.dimensions[first:], places, shape[first:], strict=True):
        after.append((moved(only(dimension), cells, move, size),))
    return Seen((*seen.dimensions[:first], *after), seen.always, seen.gated)


def mixed(seen: Seen, at: int, size: int) -> Seen:
    """After an operator whose results each draw on all of dimension `at`, as a convolution does on the channels."""
    dimensions = (*seen.dimensions[:at], (Atom(size),), *seen.dimensions[at:][1:])
    return Seen(dimensions, collapsed(seen.always, seen.dimensions[at]), seen.gated)


def collapsed(always: tuple[Interval, ...], atoms: Iterable[Atom]) -> tuple[Interval, ...]:
    """`always` after a sum over these atoms: each result sees what all their cells saw."""
    found = list(always)
    for atom in atoms:
        if atom.axis >= 0:
            found[atom.axis] = hull((found[atom.axis], atom.reach))
    return tuple(found)


def reduced(seen: Seen, over: Sequence[int], keep: bool) -> Seen:
    """After a sum, mean or maximum over the dimensions `over`."""
    kept = [at for at in range(len(seen.dimensions)) if keep or at not in over]
    dimensions = [(Atom(1),) if at in over else seen.dimensions[at] for at in kept]
    gone = (atom for at in over for atom in seen.dimensions[at])
    return Seen(tuple(dimensions), collapsed(seen.always, gone), seen.gated)


def united(parts: Sequence[Seen], shape: Sequence[int], *, product: bool = False) -> Seen:
    """Tensors combined element by element, smaller ones repeated as broadcasting does.

    In a product, a factor that is the same at every place is a gate: it scales what the others see.
    """
    parts = [_repeated(part, shape) for part in parts]
    gated = any(part.gated for part in parts)
    if product:
        placed = [part for part in parts if any(map(is_placed, part.dimensions))]
        gated, parts = gated or 0 < len(placed) < len(parts), placed or parts
    dimensions, always = parts[0].dimensions, parts[0].always
    for part in parts[1:]:
        dimensions = tuple(_both(*pair) for pair in zip(dimensions, part.dimensions, strict=True))
        always = tuple(hull(pair) for pair in zip(always, part.always, strict=True))
    return Seen(dimensions, always, gated)


def _repeated(seen: Seen, shape: Sequence[int]) -> Seen:
    """Broadcast to `shape`: along a dimension that is repeated, every cell sees what the only one saw."""
    before = len(shape) - len(seen.dimensions)
    dimensions, always = list(plain(shape)), seen.always
    for at, dimension in enumerate(seen.dimensions, before):
        if shape[at] == prod(atom.length for atom in dimension):
            dimensions[at] = dimension
        else:
            always = collapsed(always, dimension)
    return Seen(tuple(dimensions), always, seen.gated)


def _both(one: Dimension, other: Dimension) -> Dimension:
    if one == other or not is_placed(one):
        return other
    if not is_placed(other):
        return one
    if [(atom.length, atom.axis) for atom in one] != [(atom.length, atom.axis) for atom in other]:
        one, other = (only(one),), (only(other),)
    pairs = tuple(zip(one, other, strict=True))
    if any(a.axis != b.axis for a, b in pairs):
        raise Unclear("it combines cells that lie along different axes")
    return tuple(Atom(a.length, a.axis, joined(a.steps, b.steps, a.length), hull((a.reach, b.reach))) for a, b in pairs)


def regrouped(seen: Seen, shape: Sequence[int]) -> Seen:
    """After a view as `shape`. Dimensions without a place split and merge freely; height and width only merge."""
    waiting = [atom for dimension in seen.dimensions for atom in dimension]
    dimensions: list[Dimension] = []
    for size in shape:
        taken: list[Atom] = []
        length = 1
        while length < size:
            atom = waiting.pop(0)
            wanted, rest = divmod(size, length)
            if atom.axis < 0 and wanted < atom.length and not rest and atom.length % wanted == 0:
                waiting.insert(0, Atom(atom.length // wanted))
                atom = Atom(wanted)
            taken.append(atom)
            length *= atom.length
        if length != size:
            raise Unclear("a view splits height or width")
        if size == 1 and waiting and waiting[0].length == 1:
            taken.append(waiting.pop(0))
        dimensions.append(tuple(atom for atom in taken if atom.length > 1 or atom.axis >= 0) or (Atom(size),))
    left = tuple(atom for atom in waiting if atom.axis >= 0)
    if not dimensions:  # a view as a single number
        return Seen((), collapsed(seen.always, left), seen.gated)
    return Seen((*dimensions[:-1], dimensions[-1] + left), seen.always, seen.gated)
