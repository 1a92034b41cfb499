"""The catalogue's entries of models/inception.py."""

from striate.models.entry import Entry

SZEGEDY = 'Szegedy, Vanhoucke, Ioffe et al. 2016, "Rethinking the Inception Architecture for Computer Vision"'

INCEPTION_V3 = Entry(
    name="inception_v3",
    builder="striate.models.inception:inception_v3",
    options={},
    paper=f"{SZEGEDY}, Table 1 and Figs. 5 to 8 and 10",
    year=2015,
    input=(3, 299, 299),
    published={
        "parameters": "less than 25 M",
        "multiply-adds": "5 G",
        "error ImageNet, 1 crop, top-1 / top-5": "21.2 / 5.6 %",
        "accuracy ImageNet, torchvision's V1 weights, 1 crop, top-1 / top-5": "77.294 / 93.450 %",
    },
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
    least=299,
    sizes={"aux=False": (75, 299)},
    table="striate.models.inception:table_1",
    weights="torchvision:inception_v3",
)

ENTRIES: tuple[Entry, ...] = (INCEPTION_V3,)
