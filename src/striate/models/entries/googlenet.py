"""The catalogue's entries of models/googlenet.py."""

from striate.models.entry import Entry, Paper, Sides, Weights
from striate.models.facts import multiply_adds, parameters, top, torchvision

SZEGEDY = Paper("Szegedy, Liu, Jia et al.", 2015, "Going Deeper with Convolutions", first=2014)

_HEADS = "While training it also answers with two auxiliary classifiers, whose losses count 0.3; aux=False has none."

GOOGLENET = Entry(
    name="googlenet", builder="striate.models.googlenet:googlenet", options={},
    paper=SZEGEDY.at("Table 1, Fig. 3 and section 5"), input=(3, 224, 224),
    published=(
        multiply_adds("1.5"),
        *top("", "10.07", how="1 net", crops=1),
        *top("", "9.15", how="1 net", crops=10),
        *top("", "7.89", how="1 net", crops=144),
        *top("", "8.09", how="7 nets", crops=1),
        *top("", "7.62", how="7 nets", crops=10),
        *top("", "6.67", how="7 nets", crops=144),
        *top("31.3", "11.1", source="Caffe's replication", crops=1),
    ),
    known_for="Inception modules: the winner of ILSVRC 2014 with 5 % of VGG-16's parameters.",
    differences=(
        "6,998,552 parameters, 13,378,280 with the auxiliary classifiers, which Table 1 leaves out.",
        "1,582,671,872 multiply-adds; the text says 1.5 G, and the printed rows of Table 1 add up to 1,502 M.",
        "Table 1 gives the first layer 2.7 K parameters and 34 M operations; its 7x7 kernels alone are 9,408 and "
        "118 M. A separable convolution with 8 maps a channel would have 2,712 and 34 M.",
        "Table 1's K is 1,024; its other rows agree to 2 %, but 4c has 498 K (printed 463 K) and 5a 1,018 K and 51 M "
        "operations (printed 1,072 K and 54 M).",
        "The text says twelve times fewer parameters than AlexNet, whose 60,965,224 are 8.7 times as many.",
        "The paper prints neither the constants of local response normalisation, which are Krizhevsky's here, nor "
        "initial weights, which are those of Caffe's replication.",
        _HEADS,
    ),
    least=79, sizes=(Sides("aux", False, 31, 224),), table="striate.models.googlenet:table_1",
)  # fmt: skip
GOOGLENET_BN = Entry(
    name="googlenet_bn", builder="striate.models.googlenet:googlenet_bn", options={},
    paper=SZEGEDY.at("Table 1, as torchvision has it"), input=(3, 224, 224),
    published=(
        parameters(6_624_904, source="torchvision", how="without auxiliary classifiers"),
        multiply_adds("1.498", source="torchvision"),
        *torchvision(("69.778", "89.530")),
    ),
    known_for="The GoogLeNet that libraries ship, with batch normalisation and published weights.",
    differences=(
        "6,624,904 parameters, 13,004,888 with the auxiliary classifiers; 1,498,376,192 multiply-adds.",
        "Batch normalisation takes the place of local response normalisation and of the biases.",
        "The kernel of the branch called 5x5 is 3x3 (pytorch/vision issue 906): a field of 379 pixels, not 715.",
        "The last of the four pools is 2x2, not 3x3; dropout is 0.2, not 0.4; the auxiliary pools cut any map "
        "into 4x4 cells.",
        "Initial weights are He's. Keys and shapes are torchvision's. Its weights want transform_input=True with "
        "pixels normalised as torchvision does, and its auxiliary classifiers were never trained.",
        _HEADS,
    ),
    least=15, table="striate.models.googlenet:table_1", weights=Weights("torchvision", "googlenet"),
)  # fmt: skip

ENTRIES: tuple[Entry, ...] = (GOOGLENET, GOOGLENET_BN)
