"""The catalogue's entries of models/inception.py."""

from striate.models.entry import Entry, Paper, Sides, Weights
from striate.models.facts import multiply_adds, parameters, top, torchvision

INCEPTION_V3 = Entry(
    name="inception_v3", builder="striate.models.inception:inception_v3", options={}, input=(3, 299, 299),
    paper=Paper(
        "Szegedy, Vanhoucke, Ioffe et al.", 2016, "Rethinking the Inception Architecture for Computer Vision",
        "Table 1 and Figs. 5 to 8 and 10", first=2015,
    ),
    published=(
        parameters("25", "M", bound="below"),
        multiply_adds("5"),
        *top("21.2", "5.6", crops=1),
        *torchvision(("77.294", "93.450")),
    ),
    known_for="Large kernels in factors: two 3x3 for a 5x5, and a 1x7 with a 7x1 for a 7x7.",
    differences=(
        "23,834,568 parameters, 27,161,264 with the auxiliary classifier; 5,713,216,096 multiply-adds.",
        "As released: 80 maps come of a 1x1 convolution and a 3x3 pool makes 35x35; Table 1 prints a 3x3 and two "
        "more 3x3 convolutions in their place.",
        "One branch at 35x35 keeps a 5x5 kernel, where Figure 5 has two 3x3.",
        "Table 1 counts five modules at 17x17: four, and the one that brings 35x35 down.",
        "While training it also answers with an auxiliary classifier, whose loss counts 0.4 as released; the paper's "
        "text prints no weight. aux=False has none.",
        "Dropout is torchvision's 0.5 and the initial weights are He's: the paper prints neither.",
        "Keys and shapes are torchvision's. Its weights want transform_input=True with pixels normalised as "
        "torchvision does.",
    ),
    least=299, sizes=(Sides("aux", False, 75, 299),), table="striate.models.inception:table_1",
    weights=Weights("torchvision", "inception_v3"),
)  # fmt: skip

ENTRIES: tuple[Entry, ...] = (INCEPTION_V3,)
