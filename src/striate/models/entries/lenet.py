"""The catalogue's entries of models/lenet.py."""

from decimal import Decimal

from striate.models.entry import Entry, Paper
from striate.models.facts import Fact, error, parameters

LECUN = Paper("LeCun, Bottou, Bengio and Haffner", 1998, "Gradient-Based Learning Applied to Document Recognition")
PUBLISHED = (
    parameters(60_000, how="trainable"),
    Fact("connections", Decimal(340_908)),
    error("MNIST", "0.95", subset="test"),
    error("MNIST", "0.8", subset="test", how="distorted training pictures"),
)

LENET5 = Entry(
    name="lenet5", builder="striate.models.lenet:lenet5", options={}, paper=LECUN.at("Fig. 2 and section II.B"),
    input=(1, 32, 32), published=PUBLISHED,
    known_for="The network that read bank cheques: convolution, pooling, convolution, pooling, then dense.",
    differences=(
        "61,706 parameters, not 60,000: every C3 map sees all six S2 maps, where 1998 wired them by a table.",
        "Pooling is a plain average; 1998 learned a coefficient and a bias for each map.",
        "The activation is plain tanh; 1998 scaled it to 1.7159 tanh(2x/3).",
        "The output is linear for softmax and cross-entropy; 1998 measured distances to fixed 7x12 codes.",
        "C5 is fully connected, the same sum as the published 5x5 convolution at 32x32, so only 32x32 fits.",
        'Weights start as PyTorch starts them; init="paper" draws them as 1998 did.',
    ),
    least=32, fixed=True, table="striate.models.lenet:figure_2",
)  # fmt: skip

LENET5_1998 = Entry(
    name="lenet5_1998", builder="striate.models.lenet:lenet5_1998", options={},
    paper=LECUN.at("Fig. 2, Table I, section II.B and appendix A"), input=(1, 32, 32), published=PUBLISHED,
    known_for="LeNet-5 as printed: C3 wired by a table, learned subsampling, answers compared with drawn digits.",
    differences=(
        "60,000 parameters as published: 1,706 fewer than the network practised under this name.",
        "While it trains it answers one logit more than there are classes, the constant -j of equation 9; "
        "cross-entropy over all of them is the paper's loss, so its labels are not smoothed unless asked for.",
        "The paper prints no value for j; here it is 0.1, the option rubbish.",
        "The codes of the ten digits are drawn after Fig. 3, not copied dot by dot; other numbers of classes get "
        "codes drawn at random, which section II.B allows.",
        "The paper trained with a stochastic diagonal Levenberg-Marquardt method on pictures whose background is "
        "-0.1 and whose ink is 1.175; optimizer and normalisation are the recipe's here.",
    ),
    least=32, fixed=True, table="striate.models.lenet:figure_2", recipe={"label_smoothing": 0.0},
)  # fmt: skip

ENTRIES: tuple[Entry, ...] = (LENET5, LENET5_1998)
