"""The catalogue's entries of models/autoencoder.py."""

from striate.models.entry import Entry, Paper

AUTOENCODER = Entry(
    name="autoencoder", builder="striate.models.autoencoder:autoencoder", options={}, input=(1, 28, 28),
    paper=Paper(
        "Masci, Meier, Ciresan and Schmidhuber", 2011,
        "Stacked Convolutional Auto-Encoders for Hierarchical Feature Extraction",
    ),
    published=(),
    known_for="Learns a picture's code without labels, by drawing the picture again from it; removes noise.",
    differences=(
        "No paper prints this table: it is the symmetric form that courses teach, two blocks down and two up.",
        "The code of a 28x28 picture has 8 maps of 7x7: half as many numbers as the picture.",
        "Weights start with variance 2 / fan-in, biases at 0: the paper does not say.",
        "The decoder repeats each cell 2x2 and convolves; weights are not tied to the encoder's.",
    ),
    least=4, step=4, task="reconstruct",
)  # fmt: skip

ENTRIES: tuple[Entry, ...] = (AUTOENCODER,)
