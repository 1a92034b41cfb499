"""The catalogue's entries of models/preact.py."""

from striate.models.entry import SMALL_STEM, Entry, Paper
from striate.models.facts import Fact, error, parameters, top

HE = Paper("He, Zhang, Ren and Sun", 2016, "Identity Mappings in Deep Residual Networks")

_FIRST = "The norm and activation of the first block stand right after the first convolution, before the split."
_STRIDE = (
    "Bottlenecks halve the map in their 3x3 convolution, as practised since fb.resnet.torch; the authors' release "
    'halves it in the first 1x1, stride_on="1x1": as many parameters and {} multiply-adds less.'
)
_NO_KEYS = "No published weights have these keys: they are those of ResNet, with bn_last after the last addition."


def _beside(on: str, own: str, original: str) -> tuple[Fact, Fact]:
    """An error, and that of the same network with the blocks of 2015."""
    return error(on, own), error(on, original, of="the original blocks")


def _imagenet(depth: int, published: tuple[Fact, ...], known_for: str, *differences: str) -> Entry:
    """The stages of a ResNet for ImageNet, with pre-activated blocks."""
    halved = () if depth < 50 else (_STRIDE.format("231,211,008"),)
    return Entry(
        f"preact_resnet{depth}", "striate.models.preact:preact_resnet", {"depth": depth},
        HE.at("Fig. 4 (e) and section 4"), (3, 224, 224), published, known_for,
        (_FIRST, *halved, *differences, _NO_KEYS),
        unused=() if halved else ("stride_on",), least=32, sizes=SMALL_STEM,
    )  # fmt: skip


def _cifar(depth: int, published: tuple[Fact, ...], known_for: str, *differences: str) -> Entry:
    """A network for CIFAR: two of its three stages halve the map."""
    return Entry(
        f"preact_resnet{depth}", "striate.models.preact:small_preact_resnet", {"depth": depth},
        HE.at("Fig. 4 (e) and Table 4"), (3, 32, 32), published, known_for, (_FIRST, *differences, _NO_KEYS),
        unused=("stride_on",) if depth <= 110 else (), least=4,
    )  # fmt: skip


_SHALLOW = "The paper's own networks are deeper; these are its blocks on the stages of a ResNet."
_PADDED = "Option A adds zero channels to the input itself: only projections take the activated one."

# fmt: off
ENTRIES: tuple[Entry, ...] = (
    _imagenet(18, (), "Pre-activation where it matters least: 18 layers.", _SHALLOW),
    _imagenet(34, (), "ResNet-34 with norm and activation before each convolution.", _SHALLOW),
    _imagenet(50, (), "ResNet-50 with norm and activation before each convolution.", _SHALLOW),
    _imagenet(101, (), "ResNet-101 with norm and activation before each convolution."),
    _imagenet(152, (*top("21.1", "5.5", crops=1, side=320),
                    *top("21.3", "5.5", crops=1, side=320, of="the original blocks")),
              "ResNet-152 with norm and activation before each convolution."),
    _imagenet(200, (*top("20.7", "5.3", crops=1, side=320),
                    *top("21.8", "6.0", crops=1, side=320, of="the original blocks")),
              "200 layers, where the original blocks overfit and pre-activated ones do not."),
    *(_cifar(depth, (), f"ResNet-{depth} with norm and activation before each convolution.", _SHALLOW, _PADDED)
      for depth in (20, 56)),
    _cifar(110, _beside("CIFAR-10", "6.37", "6.61"),
           "The original blocks' 110 layers, so that only the order of the layers differs.",
           _PADDED),
    _cifar(164, (parameters("1.7", "M"), *_beside("CIFAR-10", "5.46", "5.93"), *_beside("CIFAR-100", "24.33", "25.16")),
           "A gain that grows with depth: the usual pre-activation network to compare with.",
           _STRIDE.format("3,145,728")),
    _cifar(1001, (parameters("10.2", "M"), *_beside("CIFAR-10", "4.92", "7.61"),
                  error("CIFAR-10", "4.62", how="batches of 64"), *_beside("CIFAR-100", "22.71", "27.82")),
           "One thousand layers that are better, not worse: the case for clean shortcuts.",
           "10,327,706 parameters, which round to 10.3 M, where the paper prints 10.2.",
           _STRIDE.format("3,145,728")),
)
# fmt: on
