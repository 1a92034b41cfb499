"""What is asked of a gallery, refused without torch where it cannot be meant."""

from dataclasses import dataclass
from typing import final

from striate.base.errors import UsageError

MAPS, TOP = 16, 9


@final
@dataclass(frozen=True)
class Asked:
    """`layer`: the deepest that can be projected when None. `features`: numbers of maps, or `maps` of them evenly
    apart; `top` units of each. `patches`: without projections, for any layer that makes maps."""

    layer: str | None = None
    maps: int | None = None
    features: tuple[int, ...] = ()
    top: int = TOP
    patches: bool = False

    def __post_init__(self) -> None:
        if self.maps is not None and self.features:
            raise UsageError("maps", "the maps are named already", "maps or features")
        for name, value in (("maps", self.maps), ("top", self.top)):
            if value is not None and value < 1:
                raise UsageError(name, f"{value} is too few", "1 or more")
        if self.patches and self.layer is None:
            raise UsageError("layer", "patches are of a layer that is named", "its name")
