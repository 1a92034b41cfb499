"""The catalogue's entries of models/alexnet.py."""

from striate.models.entry import Entry, Paper, Sides, Weights
from striate.models.facts import error, parameters, top, torchvision

ALEXNET = Entry(
    name="alexnet", builder="striate.models.alexnet:alexnet", options={}, input=(3, 227, 227),
    paper=Paper(
        "Krizhevsky, Sutskever and Hinton", 2012,
        "ImageNet Classification with Deep Convolutional Neural Networks", "Fig. 2",
    ),
    published=(
        parameters("60", "M"),
        *top("40.7", "18.2", subset="validation", how="1 net"),
        *top("38.1", "16.4", subset="validation", how="5 nets"),
        *top("", "16.4", subset="test", how="5 nets"),
        *top("36.7", "15.4", subset="validation", how="7 nets, pre-trained on 2011"),
        *top("", "15.3", subset="test", how="7 nets, pre-trained on 2011"),
        *top("37.5", "17.0", on="ILSVRC 2010", subset="test"),
    ),
    known_for="The network that won ILSVRC 2012 by more than ten points and turned computer vision to deep learning.",
    differences=(
        "60,965,224 parameters and 724,406,816 multiply-adds; with groups=1 62,378,344 and 1,135,256,096.",
        "The paper says 224 pixels; its map of 55x55 needs 227 (or a padding of 2), so 227 is the size here.",
        "The paper counts 253,440 neurons in conv1; a map of 55x55 with 96 channels has 290,400.",
        "Response normalisation is the printed formula, before the pools; Caffe and PyTorch divide alpha by n, "
        "and CaffeNet pools first.",
        "The two halves that shared the paper's two graphics cards are two groups in conv2, conv4 and conv5.",
        "Biases start at 1 in conv2, conv4, conv5, fc6 and fc7 as printed; Caffe starts them at 0.1.",
    ),
    least=227, fixed=True, table="striate.models.alexnet:figure_2",
)  # fmt: skip

ALEXNET_OWT = Entry(
    name="alexnet_owt", builder="striate.models.alexnet:alexnet_owt", options={},
    paper=Paper("Krizhevsky", 2014, "One weird trick for parallelizing convolutional neural networks", "section 5"),
    input=(3, 224, 224), published=torchvision(("56.522", "79.066"), counted=(61_100_840, "0.714")),
    known_for="AlexNet as most libraries ship it: one tower, no response normalisation.",
    differences=(
        "Keys and shapes are torchvision's, so its published weights load.",
        "64, 192, 384, 256 and 256 maps without groups; 2012 had 96, 256, 384, 384 and 256 in two halves.",
        "No response normalisation; conv1 pads by 2, so that 224 pixels give maps of 55x55.",
        "Dropout comes before fc6 and fc7, as in torchvision; in 2012 it came after them.",
        "An adaptive pool brings any map to 6x6: other sizes than 224 run.",
    ),
    least=63, table="striate.models.alexnet:one_tower", weights=Weights("torchvision", "alexnet"),
)  # fmt: skip

ALEXNET_CIFAR10 = Entry(
    name="alexnet_cifar10", builder="striate.models.alexnet:alexnet_cifar10", options={},
    paper=Paper(
        "Krizhevsky, Sutskever and Hinton", 2012,
        "ImageNet Classification with Deep Convolutional Neural Networks",
        "Fig. 1 and section 3.3, as cuda-convnet's layers-18pct",
    ),
    input=(3, 32, 32),
    published=(error("CIFAR-10", "18", subset="test"),),
    known_for="The four-layer network on which AlexNet's ReLU and response normalisation were tried.",
    differences=(
        "The paper does not print its four-layer network: this is the one that its program was released with.",
        "Response normalisation runs across maps with the paper's constants; the released network's runs within each.",
        "ReLUs stand before the first pool and not after it, which gives the same maps.",
        "An adaptive pool brings any map to 4x4: other sizes than 32 run.",
        "The paper's 13 and 11 %, without and with response normalisation, are of a network unlike this one.",
    ),
    least=8, sizes=(Sides("first", "alexnet", 32, 32), Sides("first", "zfnet", 32, 32)),
    table="striate.models.alexnet:four_layers",
)  # fmt: skip

ENTRIES: tuple[Entry, ...] = (ALEXNET, ALEXNET_OWT, ALEXNET_CIFAR10)
