"""From a map to a box, by one rule that nothing is tuned for."""

import numpy as np

from striate.data.picture.laid import Array, Laid

# Zhou et al. 2016, section 3.2: of the highest value; what is below it is no part of the object.
PART = 0.2

Box = tuple[float, float, float, float]


def box_of(strength: Array, laid: Laid) -> Box | None:
    """(left, top, right, bottom) in pixels of the picture, whose map (height, width) lies on the canvas.

    The smallest box around the largest connected part above 20 % of the map's maximum: Zhou et al. 2016, section 3.2.
    Places are connected by their sides; what of the canvas shows no picture is left out. None where nothing of the
    map is positive.
    """
    from scipy.ndimage import find_objects, label

    on = [
        (places >= 0) & (places < side)
        for places, side in (
            ((np.arange(side) + 0.5 - at) / by, own)
            for side, at, by, own in zip(strength.shape, laid.offset, laid.scale, laid.picture, strict=True)
        )
    ]
    shown = np.where(np.outer(*on), strength, 0)
    if not shown.max(initial=0) > 0:
        return None
    parts, _ = label(shown > PART * shown.max())
    rows, columns = find_objects(parts)[int(np.bincount(parts.ravel())[1:].argmax())]
    corners = np.array([[columns.start, rows.start, columns.stop, rows.stop]], np.float64)
    (own,) = laid.back(corners, "boxes")
    height, width = laid.picture
    left, top, right, bottom = np.clip(own, 0, (width, height, width, height)).tolist()
    return left, top, right, bottom
