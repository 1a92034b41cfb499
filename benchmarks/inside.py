"""Seconds to explain one picture of 224x224 with ResNet-50 by Grad-CAM: striate beside captum and pytorch-grad-cam.

Random weights of torchvision's shapes, the same for all; two threads; the sides take turns in one process, after one
pass each without a clock. Each is given the same JPEG file and answers with a map of the picture's size: the peers by
torchvision's transforms and the layer that their users write down, layer4. With the page: the command's own PNG and
page as well, and pytorch-grad-cam's overlay as PNG.

    python benchmarks/inside.py --rounds 15 --write
"""

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from digits import machine, publish, ratios, spread, table

SIZE, THREADS = 224, 2
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PAGE = "striate, with its page"
Once = Callable[[], Any]


def photograph(path: Path) -> None:
    """A square photograph that scikit-image ships, of the network's size."""
    from PIL import Image
    from skimage import data

    Image.fromarray(data.astronaut()).resize((SIZE, SIZE), Image.Resampling.LANCZOS).save(path, quality=90)


def sides(network: Any, file: Path, home: Path) -> dict[str, Once]:
    import numpy as np
    import torch
    from captum.attr import LayerAttribution, LayerGradCam
    from PIL import Image
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.image import show_cam_on_image
    from torchvision import transforms

    import striate
    from striate.data.preprocess import Preprocess
    from striate.predictor import Member, Predictor
    from striate.report import explained
    from striate.shell import pictures
    from striate.tasks.classify import Classify

    way = Preprocess(SIZE, 3, "crop", MEAN, DEVIATION)
    predictor = Predictor((Member(network, way, Classify(tuple(map(str, range(1000))))),))
    change = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, DEVIATION)])

    def ours() -> Any:
        return striate.explain(predictor, file, method="grad-cam")

    def ours_with_page() -> None:
        found = ours()
        pictures.Folder(home).put(found[0].file, "-grad-cam", pictures.image_of(found[0].picture))
        explained.output(home / "explained.html", force=True).write(explained.render(found, "Inside").encode())

    def given() -> tuple[Any, Any]:
        with Image.open(file) as image:
            own = image.convert("RGB")
        return own, change(own)[None]

    def captum() -> Any:
        _, picture = given()
        label = int(network(picture).argmax())
        found = LayerGradCam(network, network.layer4).attribute(picture, label, relu_attributions=True)
        return LayerAttribution.interpolate(found, (SIZE, SIZE), "bilinear")

    def grad_cam() -> Any:
        own, picture = given()
        with GradCAM(network, [network.layer4]) as method:  # of the class that is answered
            return own, method(picture, targets=None)[0]

    def grad_cam_with_overlay() -> None:
        own, found = grad_cam()
        shown = show_cam_on_image(np.asarray(own, np.float32) / 255, found, use_rgb=True)
        Image.fromarray(shown).save(home / "overlay.png")

    # all look at the same place, or they are no peers
    maps = ours()[0].values, captum()[0, 0].detach().numpy(), grad_cam()[1]
    alike = [float(np.corrcoef(maps[0].ravel(), other.ravel())[0, 1]) for other in maps[1:]]
    if min(alike) < 0.98:
        raise SystemExit(f"these are not the same map: correlations {alike}")
    torch.set_num_threads(THREADS)
    return {
        "striate": ours, "captum": captum, "pytorch-grad-cam": grad_cam,
        PAGE: ours_with_page, "pytorch-grad-cam, with its overlay": grad_cam_with_overlay,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", action="store_true", help="keep the page under results/")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    host, seconds = machine(), dict[str, list[float]]()
    import torch
    from torchvision.models import resnet50

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as home:
        photograph(Path(home) / "one.jpg")
        found = sides(resnet50(weights=None).eval(), Path(home) / "one.jpg", Path(home))
        for turn in range(-1, chosen.rounds):
            for name, once in found.items():
                began = time.perf_counter()
                once()
                if turn >= 0:
                    seconds.setdefault(name, []).append(time.perf_counter() - began)
    rows = [
        (name, spread(own, 3), "" if name == "striate" else ratios(own, seconds["striate"]))
        for name, own in seconds.items()
    ]
    lines = [
        "# Explaining one picture",
        host,
        ", ".join(f"{each} {version(each)}" for each in ("torch", "torchvision", "captum", "grad-cam")),
        f"`python benchmarks/inside.py {' '.join(sys.argv[1:])}`",
        (__doc__ or "").split("\n\n")[1].replace("\n", " "),
        f"Asked: under 2 s. Striate with its page: {statistics.median(seconds[PAGE]):.2f} s in the median.",
        table(("", "seconds, median (least–most)", "times striate's"), rows),
    ]
    publish("inside", "\n\n".join(lines).split("\n"), chosen.write)


if __name__ == "__main__":
    main()
