"""The catalogue's entries of models/zfnet.py."""

from striate.models.entry import Entry, Paper
from striate.models.facts import top

ZFNET = Entry(
    name="zfnet", builder="striate.models.zfnet:zfnet", options={}, input=(3, 224, 224),
    paper=Paper(
        "Zeiler and Fergus", 2014, "Visualizing and Understanding Convolutional Networks", "Fig. 3", first=2013,
    ),
    published=(
        *top("38.4", "16.5", subset="validation", how="1 net"),
        *top("38.3", "16.4", subset="validation", how="1 net", source="the paper's first version"),
        *top("36.7", "15.3", subset="validation", how="5 nets"),
        *top("36.6", "15.3", subset="validation", how="5 nets", source="the paper's first version"),
        *top("40.5", "18.1", of="its copy of AlexNet"),
    ),
    known_for="AlexNet mended by looking inside: smaller and denser first filters, found with the deconvnet.",
    differences=(
        "62,357,608 parameters and 1,168,032,896 multiply-adds by arithmetic; the paper prints neither.",
        "The printed sizes need a padding of 1 in conv1 and pools that count a last, incomplete window.",
        "Contrast normalisation is AlexNet's, constants too: the paper prints none.",
        "While training the paper scales each convolution's filters back to an RMS of 0.1 where they exceed it; "
        "that belongs to a training and is not done here.",
        "The 11.2 % that won ILSVRC 2013 were Clarifai's, not this network's.",
    ),
    least=224, fixed=True, table="striate.models.zfnet:figure_3",
)  # fmt: skip

ENTRIES: tuple[Entry, ...] = (ZFNET,)
