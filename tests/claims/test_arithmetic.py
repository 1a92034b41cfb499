"""What lectures say of the networks' numbers; goldens by hand or from the papers, as each line says."""

import re

import pytest

from striate.claims.arithmetic import facts, of_numbers

# the sentence's first words: the verdict, and numbers that our side must have
GOLDENS = {
    "LeNet-5 has": ("exact", ["60,000"]),  # LeCun et al. 1998, section II.B
    "AlexNet has about": ("about", ["60,965,224"]),  # Krizhevsky et al. 2012, Fig. 2, by hand
    "VGG-16": ("exact", ["138,357,544"]),  # Simonyan and Zisserman 2015, Table 2: 138 M
    "GoogLeNet has": ("loose", ["6,998,552", "5.1"]),  # Szegedy et al. 2015, Table 1, by hand
    # 2 x 64 x 224^2 + 2 x 128 x 112^2 of 13,547,520 numbers
    "VGG uses": ("exact", ["4", "13", "71"]),
    "Most of VGG": ("exact", ["89", "74"]),  # 123,642,856 and 102,764,544 of 138,357,544
    "Three 3x3": ("exact", ["7x7", "110,592", "200,704"]),  # 27 x 64^2, 49 x 64^2
    "A 1x1": ("exact", ["120,422,400", "12,443,648"]),  # 28^2 x 32 x 25 x 192; 28^2 x 16 x (192 + 32 x 25)
    "Two 3x3": ("exact", ["288", "17"]),  # 2 x 9 x 16; 4 + 9 + 4
    "Halving": ("exact", ["115,605,504"]),  # 56^2 x 9 x 64^2
    "ResNet-101": ("exact", ["2, 3, 22 and 2"]),  # He et al. 2015, Table 1, less the first block of a stage
    "With zero weights": ("exact", ["25 of 25"]),  # 3 x 9 blocks, less the first of two stages
    "AlexNet has 8": ("exact", ["alexnet 8", "vgg19 19", "googlenet 22", "resnet152 152"]),
    "LeNet-5 makes": ("exact", ["28x28x6", "5x5x16", "120, 84 and 10"]),
    "AlexNet's last": ("exact", ["9,216"]),
    "AlexNet: little": ("exact", ["61.0 M and 0.72 G"]),
    "VGG has most": ("exact", []),
    "GoogLeNet is": ("loose", ["6,998,552", "2.2 times"]),
}


@pytest.fixture(scope="module")
def found():
    return facts()


@pytest.mark.parametrize("begins", GOLDENS)
def test_the_sentence_beside_our_number(found, begins):
    (fact,) = (
        each for each in found if each.sentence.startswith(begins + " ") or each.sentence.startswith(begins + "'")
    )
    word, numbers = GOLDENS[begins]
    assert fact.word == word
    for number in numbers:
        assert re.search(rf"(?<![\d,]){re.escape(number)}", fact.ours), fact.ours
    assert fact.source
    assert fact.why or word == "exact"  # what is loose is told kindly


def test_no_sentence_is_left_out(found):
    assert len(found) == len(GOLDENS)


def test_a_number_is_exact_as_printed_or_about_it():
    assert of_numbers(60_000, 60_000) == "exact"
    assert of_numbers(138_357_544, 138e6, 0.5e6) == "exact"
    assert of_numbers(60_965_224, 60e6, 0.5e6) == "about"
    assert of_numbers(0.0506, 0.03, 0.005) == "loose"
