"""The catalogue's entries of models/zfnet.py."""

from striate.models.entry import Entry

ZFNET = Entry(
    name="zfnet",
    builder="striate.models.zfnet:zfnet",
    options={},
    paper='Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", Fig. 3',
    year=2013,
    input=(3, 224, 224),
    published={
        "error ImageNet validation, 1 net, top-1 / top-5": "38.4 / 16.5 % (first version 38.3 / 16.4)",
        "error ImageNet validation, 5 nets, top-1 / top-5": "36.7 / 15.3 % (first version 36.6 / 15.3)",
        "error of its copy of AlexNet, top-1 / top-5": "40.5 / 18.1 %",
    },
    known_for="AlexNet mended by looking inside: smaller and denser first filters, found with the deconvnet.",
    differences=(
        "62,357,608 parameters and 1,168,032,896 multiply-adds by arithmetic; the paper prints neither.",
        "The printed sizes need a padding of 1 in conv1 and pools that count a last, incomplete window.",
        "Contrast normalisation is AlexNet's, constants too: the paper prints none.",
        "While training the paper scales each convolution's filters back to an RMS of 0.1 where they exceed it; "
        "that belongs to a training and is not done here.",
        "The 11.2 % that won ILSVRC 2013 were Clarifai's, not this network's.",
    ),
    least=224,
    fixed=True,
    table="striate.models.zfnet:figure_3",
)

ENTRIES: tuple[Entry, ...] = (ZFNET,)
