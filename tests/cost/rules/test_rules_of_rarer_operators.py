"""Operators that few networks call, each against a count by hand: distances, samplers, sorting, margins, transforms."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from function import Call
from striate.base.errors import UsageError
from striate.cost.count import count
from striate.cost.rules import work_of
from striate.cost.walk.events import Observer
from striate.cost.walk.trace import trace

aten = torch.ops.aten
NEW = pytest.mark.skipif(not hasattr(aten, "_upsample_lanczos2d_aa"), reason="this torch has no such operator yet")


class Works(Observer):
    """The work of each call, by the operator's name; all have a rule, and reasons that are sums."""

    def __init__(self):
        self.of = {}

    def called(self, call):
        done = work_of(call.operator, call.args, call.kwargs, call.outputs)
        assert done is not None, call.operator
        assert_reasons(done)
        self.of.setdefault(call.operator.overloadpacket.__name__, []).append(done)


def assert_reasons(done):
    for line in done.why.splitlines():
        formula, value = line.split(": ")[1].split(" = ")
        parts = formula.replace(" - ", " + -").replace(" * ", "*").split(" + ")
        assert sum(math.prod(map(int, part.split("*"))) for part in parts) == int(value.replace(",", ""))


def works(net, *inputs, training=True):
    """Of a step with the gradients of all inputs: shapes with the batch, or tensors."""
    net = net if isinstance(net, nn.Module) else Call(net)
    given = tuple(torch.empty(each, device="meta") if isinstance(each, tuple) else each for each in inputs)
    seen = Works()
    trace(net, given, [seen], training=training, input_gradient=training, loss=lambda y: y.sum())
    return seen.of


def numbers(done):
    return done.macs, done.additions, done.comparisons, done.transcendental


def on_meta(*shape):
    return torch.empty(shape, device="meta")


def whole(*shape):
    return torch.empty(shape, dtype=torch.long, device="meta")


@pytest.mark.parametrize("rows", [(2,), (2, 6)])
def test_a_bilinear_layer_and_its_three_gradients(rows):
    # sum_ij x_i w_kij y_j, for n rows: w and y over j, then x over i
    n, i, j, k = math.prod(rows), 3, 4, 5
    forward, *backward = works(nn.Bilinear(i, j, k), (*rows, i), (*rows, j))["_trilinear"]
    assert forward.macs == forward.macs_valid == n * k * i * j + n * k * i
    assert forward.why == f"multiply-adds: {n}*5*3 * 4 + {n}*5 * 3 = {n * 75}"
    expected = [
        n * k * i * j + n * k * i,  # of x: w and y over j, then g over k
        n * k * j + n * k * i * j,  # of w: g and y, then x over n
        n * k * i * j + n * i * j,  # of y: w and g over k, then x over i
    ]
    assert [each.macs for each in backward] == expected
    step = count(nn.Bilinear(i, j, k), ((*rows[1:], i), (*rows[1:], j)), batch=2, training=True, input_gradient=True)
    assert step.phases["backward"].macs == sum(expected)


@pytest.mark.parametrize(("beta", "additions"), [(1, 3 * 5), (0, 0)])
def test_a_sum_of_products_of_a_batch(beta, additions):
    done = works(lambda x, a, b: torch.addbmm(x, a, b, beta=beta), (3, 5), (2, 3, 4), (2, 4, 5), training=False)
    assert numbers(done["addbmm"][0]) == (2 * 3 * 4 * 5, additions, 0, 0)
    found = count(Call(lambda a, b: torch.addbmm(on_meta(3, 5), a, b)), ((3, 4), (4, 5)), batch=2)
    assert found.activations == 3 * 5  # the sum is what is put out


LABELS = on_meta(2, 3)
LOSSES = [
    # y log y where y is not 0, forward and for the target's gradient
    (lambda x, y: functional.kl_div(x, y, reduction="none"), [(2, 3), (2, 3)], "xlogy", 6, 6, 6),
    # -y x (2), e^, 1 +, log; the mean 1
    (lambda x: functional.soft_margin_loss(x, LABELS), [(2, 3)], "soft_margin_loss", 6 * (3 + 1), 0, 2 * 6),
    # z = e^(-y x) 2 and e^; z + 1, -y z, their ratio, g/n 2
    (lambda x: functional.soft_margin_loss(x, LABELS), [(2, 3)], "soft_margin_loss_backward", 6 * 7, 0, 6),
]


@pytest.mark.parametrize(("loss", "shapes", "operator", "additions", "comparisons", "transcendental"), LOSSES)
def test_losses_an_element(loss, shapes, operator, additions, comparisons, transcendental):
    for done in works(loss, *shapes)[operator]:
        assert numbers(done) == (0, additions, comparisons, transcendental)


@pytest.mark.parametrize(
    ("options", "pair", "reduced"),
    [
        ({}, 3, 2),  # margin - right + wrong, and the sum, with the division for the last; the mean of 2 rows
        ({"reduction": "sum"}, 3, 1),
        ({"reduction": "none"}, 3, 0),
        ({"p": 2}, 3 + 1, 2),
        ({"p": 2, "weight": on_meta(5)}, 3 + 2, 2),
    ],
)
def test_margins_between_the_right_class_and_the_others(options, pair, reduced):
    def loss(x):
        return functional.multi_margin_loss(x, whole(2), **options)

    done = works(loss, (2, 5), training=False)["multi_margin_loss"][0]  # 4 wrong classes of 5
    assert numbers(done) == (0, 2 * 4 * pair + reduced, 2 * 4, 0)


def test_margins_between_the_right_class_and_the_others_backward():
    gradient, x = on_meta(), on_meta(2, 5)
    done = work_of(aten.multi_margin_loss_backward.default, [gradient, x, whole(2), 1, 1.0], {}, [x])
    assert numbers(done) == (0, 2 * 4 * (2 + 1) + 2 * 5, 2 * 4, 0)  # the margin, taken from the right; times g
    args = [gradient, x, whole(2), 2, 1.0, on_meta(5)]
    done = work_of(aten.multi_margin_loss_backward.default, args, {}, [x])
    assert numbers(done) == (0, 2 * 4 * (2 + 2 + 1 + 1) + 2 * 5, 2 * 4, 0)  # 2 z g, and a weight
    assert_reasons(done)


@pytest.mark.parametrize(("reduction", "reduced"), [("mean", 2), ("sum", 1), ("none", 0)])
def test_margins_between_labels_and_other_classes(reduction, reduced):
    def loss(x):
        return functional.multilabel_margin_loss(x, whole(2, 5), reduction=reduction)

    done = works(loss, (2, 5), training=False)["multilabel_margin_loss_forward"][0]
    assert numbers(done) == (0, 2 * (2 * 3) * 3 + reduced, 2 * (2 * 3), 0)  # 2 labels and 3 others are most pairs
    args = [on_meta(), on_meta(2, 5), whole(2, 5), 1, on_meta(2, 5)]
    done = work_of(aten.multilabel_margin_loss_backward.default, args, {}, [args[1]])
    assert numbers(done) == (0, 2 * (2 * 3) * 4 + 2 * 5, 2 * (2 * 3), 0)  # the margin 2, to either side 2; times g


@pytest.mark.parametrize(
    ("mode", "forward", "comparisons", "backward"),  # 6 rows of 4 in 2 bags
    [
        ("sum", 6 * 4 - 2 * 4, 0, 6 * 4),
        ("mean", 6 * 4 - 2 * 4 + 2 * 4, 0, 2 * 6 * 4),
        ("max", 0, 6 * 4 - 2 * 4, 2 * 4),
    ],
)
def test_bags_of_rows(mode, forward, comparisons, backward):
    done = works(nn.EmbeddingBag(10, 4, mode=mode), whole(2, 3))
    assert numbers(done["_embedding_bag"][0]) == (0, forward, comparisons, 0)
    assert numbers(done["_embedding_bag_backward"][0]) == (0, backward, 0, 0)
    only = works(nn.EmbeddingBag(10, 4, mode=mode).requires_grad_(False), whole(2, 3), training=False)
    assert numbers(only["_embedding_bag_forward_only"][0]) == (0, forward, comparisons, 0)


def test_bags_of_weighted_rows_and_bags_of_nothing():
    class Weighted(nn.Module):
        def __init__(self):
            super().__init__()
            self.bag = nn.EmbeddingBag(10, 4, mode="sum")

        def forward(self, rows, weights):
            return self.bag(rows, per_sample_weights=weights)

    done = works(Weighted(), whole(2, 3), on_meta(2, 3))
    assert numbers(done["_embedding_bag"][0]) == (0, 6 * 4 + 6 * 4 - 2 * 4, 0, 0)
    assert numbers(done["_embedding_bag_backward"][0]) == (0, 2 * 6 * 4, 0, 0)
    # 4 products and 3 sums for each row
    assert numbers(done["_embedding_bag_per_sample_weights_backward"][0]) == (0, 6 * (4 + 3), 0, 0)
    empty = works(nn.EmbeddingBag(10, 4, mode="sum"), whole(1), whole(3), training=False)
    assert numbers(empty["_embedding_bag"][0]) == (0, 0, 0, 0)


def test_rows_that_are_made_shorter():
    # the norm: 4 squares, 3 sums, a root; too long?; largest / (norm + epsilon) 2; the row times that 4
    found = works(nn.Embedding(10, 4, max_norm=1.0), whole(2, 3))["embedding_renorm_"][0]
    assert numbers(found) == (0, 6 * (4 + 3 + 2 + 4), 6, 6)
    found = works(nn.Embedding(5, 4, max_norm=1.0), whole(2, 3))["embedding_renorm_"][0]
    assert numbers(found) == (0, 5 * (4 + 3 + 2 + 4), 5, 5)  # a table has no more rows than it has


# for each of 4 coordinates the difference and ...; for each distance ...
POWERS = [
    (0.0, (4 + 3, 4, 0), (0, 0, 0)),  # is it 0? and how many are not
    (1.0, (4 + 3, 4, 0), (4 * 3, 4, 0)),  # |d|, sum; difference, g times its sign, sum
    (2.0, (4 + 4 + 3, 0, 1), (4 * 3 + 1, 1, 0)),  # d d, sum, root; g/d if not 0, times the difference, sum
    (math.inf, (4, 4 + 3, 0), (4 * 3, 4 * 3, 0)),  # |d|, largest; g times sign if |d| is the distance, sum
    (3.0, (4 + 3, 4, 4 + 1), (4 * 4 + 1, 4 + 1, 4 + 1)),  # |d|^3, sum, root; d |d| g/d^2
]


@pytest.mark.parametrize(("power", "forward", "backward"), POWERS)
def test_distances_between_two_sets(power, forward, backward):
    done = works(lambda x, y: torch.cdist(x, y, p=power), (2, 3, 4), (2, 5, 4))
    assert numbers(done["_cdist_forward"][0]) == (0, *(2 * 3 * 5 * each for each in forward))
    assert [numbers(each) for each in done["_cdist_backward"]] == 2 * [(0, *(2 * 3 * 5 * each for each in backward))]


@pytest.mark.parametrize(("power", "forward", "backward"), POWERS)
def test_distances_within_one_set(power, forward, backward):
    done = works(lambda x: functional.pdist(x, p=power), (5, 4))
    pairs, (additions, *others) = 5 * 4 // 2, backward
    assert numbers(done["_pdist_forward"][0]) == (0, *(pairs * each for each in forward))
    additions += 4 if power else 0  # taken from the other row as well
    assert numbers(done["_pdist_backward"][0]) == (0, *(pairs * each for each in (additions, *others)))


def test_distances_between_large_sets_are_a_product():
    found = works(lambda x, y: torch.cdist(x, y), (2, 30, 4), (2, 50, 4))["_euclidean_dist"][0]
    squares = 2 * 30 * (4 + 3) + 2 * 50 * (4 + 3)
    assert numbers(found) == (2 * 30 * 50 * (4 + 2), squares + 2 * 30 * 4, 2 * 30 * 50, 2 * 30 * 50)


@pytest.mark.parametrize(
    ("function", "operator", "additions", "comparisons", "transcendental"),  # 2 rows of 7: 3 halvings
    [
        (lambda x: x.sort(1)[0], "sort", 0, 14 * 3, 0),
        (lambda x: x.sort(dim=0)[0], "sort", 0, 14 * 1, 0),
        (lambda x: x.sort(dim=1, stable=True)[0], "sort", 0, 14 * 3, 0),
        (lambda x: x.gather(1, x.argsort(1)), "sort", 0, 14 * 3, 0),
        (lambda x: x.topk(3, 1)[0], "topk", 0, 14 * 2, 0),
        (lambda x: x.topk(1)[0], "topk", 0, 14, 0),
        (lambda x: x.median(1)[0], "median", 0, 2 * 14, 0),
        (lambda x: x.median(), "median", 0, 2 * 14, 0),
        (lambda x: x.nanmedian(1)[0], "nanmedian", 0, 3 * 14, 0),
        (lambda x: x.kthvalue(2, 1)[0], "kthvalue", 0, 2 * 14, 0),
        (lambda x: x.mode(1)[0], "mode", 0, 14 * 3 + 2 * 12, 0),
        (lambda x: x.cummax(1)[0], "cummax", 0, 12, 0),
        (lambda x: x.cummin(-1)[0], "cummin", 0, 12, 0),
        (lambda x: x.logcumsumexp(1), "logcumsumexp", 3 * 12, 12, 2 * 12),
    ],
)
def test_sorting_and_selecting(function, operator, additions, comparisons, transcendental):
    assert numbers(works(function, (2, 7))[operator][0]) == (0, additions, comparisons, transcendental)


@pytest.mark.parametrize(
    ("function", "operator", "additions", "comparisons"),
    [
        (lambda x: torch.histc(x, 5, -1, 1), "histc", 14 * 4, 14 * 2),
        (lambda x: torch.histc(x, 5), "histc", 14 * 4, 14 * 4),  # smallest and largest first
        (lambda x: torch.multinomial(x, 3), "multinomial", 14, 14 * 2),
        (lambda x: torch.multinomial(x, 1, True), "multinomial", 14, 14),
        (lambda x: torch.multinomial(x, 4, True), "multinomial", 2 * 14, 2 * 4 * 3),  # 7 shares are 3 halvings
    ],
)
def test_counting_and_drawing(function, operator, additions, comparisons):
    assert numbers(works(function, (2, 7), training=False)[operator][0]) == (0, additions, comparisons, 0)


def test_a_row_of_one_number_is_sorted():
    assert works(lambda x: x.sort()[0], (3, 1), training=False)["sort"][0].comparisons == 0
    assert works(lambda x: x.sum().sort()[0], (3,), training=False)["sort"][0].comparisons == 0


def test_pools_at_random_places():
    done = works(nn.FractionalMaxPool2d(2, output_size=3), (2, 3, 8, 8))
    assert numbers(done["fractional_max_pool2d"][0]) == (0, 0, 6 * 9 * (4 - 1), 0)
    assert numbers(done["fractional_max_pool2d_backward"][0]) == (0, 6 * 9, 0, 0)
    cube = on_meta(2, 3, 3, 3, 3)
    done = works(nn.FractionalMaxPool3d(2, output_size=3), (2, 3, 8, 8, 8), training=False)
    assert numbers(done["fractional_max_pool3d"][0]) == (0, 0, 6 * 27 * (8 - 1), 0)
    args = [cube, on_meta(2, 3, 8, 8, 8), [2, 2, 2], [3, 3, 3], cube]
    done = work_of(aten.fractional_max_pool3d_backward.default, args, {}, [args[1]])
    assert numbers(done) == (0, 6 * 27, 0, 0)


@pytest.mark.parametrize("training", [False, True])
def test_a_grid_of_places(training):
    def grid(corners):
        return lambda x: functional.affine_grid(x, (2, 3, 4, 5), align_corners=corners)

    # 2 coordinates of 4 * 5 places, each of 3 products; 4 + 5 numbers half a cell inwards
    found = works(grid(False), (2, 2, 3), training=training)["affine_grid_generator"][0]
    assert numbers(found) == (2 * 4 * 5 * 2 * 3, 4 + 5, 0, 0)
    found = works(grid(True), (2, 2, 3), training=training)["affine_grid_generator"][0]
    assert numbers(found) == (2 * 4 * 5 * 2 * 3, 0, 0, 0)
    found = works(lambda x: functional.affine_grid(x, (2, 3, 4, 5, 6), align_corners=True), (2, 3, 4))
    assert found["affine_grid_generator"][0].macs == 2 * 4 * 5 * 6 * 3 * 4


# for each of the 80 coordinates of 2 * 4 * 5 places on 3 channels: (x + 1) side - 1, halved (4); its floor, or rounded
SAMPLES = [
    # 2 weights an axis, 4 taps weighed; inside? of 2 taps; 4 products and 3 sums a channel
    ("bilinear", "zeros", 80 * (4 + 2) + 40 * 4, 80 * (1 + 4), 7, 1, 4 * 2, 4 * 2 * 3),
    ("bilinear", "border", 80 * (4 + 2) + 40 * 4, 80 * (1 + 2), 7, 1, 4 * 2, 4 * 2 * 3),
    ("bilinear", "reflection", 80 * (4 + 2 + 6) + 40 * 4, 80 * (1 + 5), 7, 1, 4 * 2, 4 * 2 * 3),
    ("nearest", "zeros", 80 * 4, 80 * (1 + 2), 0, 0, 1, 0),
    # 26 for four weights an axis; 4 taps inside?; five times 4 products and 3 sums
    ("bicubic", "zeros", 80 * (4 + 26), 80 * (1 + 4 * 2), 5 * 7, 1 + 14, 16 * 3, 16 * 2 * 4),
    ("bicubic", "reflection", 80 * (4 + 26 + 4 * 6), 80 * (1 + 4 * 5), 5 * 7, 1 + 14, 16 * 3, 16 * 2 * 4),
]


@pytest.mark.parametrize(("mode", "padding", "places", "comparisons", "each", "scaled", "picture", "grid"), SAMPLES)
def test_pictures_through_a_grid(mode, padding, places, comparisons, each, scaled, picture, grid):
    results, options = 2 * 3 * 4 * 5, {"mode": mode, "padding_mode": padding, "align_corners": False}
    done = works(lambda x, g: functional.grid_sample(x, g, **options), (2, 3, 8, 8), (2, 4, 5, 2))
    assert numbers(done["grid_sampler_2d"][0]) == (0, places + results * each, comparisons, 0)
    both = places + 80 * scaled + results * (picture + grid)
    assert numbers(done["grid_sampler_2d_backward"][0]) == (0, both, comparisons, 0)
    done = works(lambda g: functional.grid_sample(on_meta(2, 3, 8, 8), g, **options), (2, 4, 5, 2))
    assert done["grid_sampler_2d_backward"][0].additions == both - results * picture


def test_cubes_through_a_grid():
    done = works(lambda x, g: functional.grid_sample(x, g, align_corners=True), (2, 3, 8, 8, 8), (2, 4, 5, 6, 3))
    points, results = 2 * 4 * 5 * 6, 2 * 3 * 4 * 5 * 6
    places = 3 * points * (3 + 2) + points * 8 * 2  # aligned corners spare an operation; 8 taps, each of 3 weights
    assert numbers(done["grid_sampler_3d"][0]) == (0, places + results * (8 + 7), 3 * points * 5, 0)
    found = done["grid_sampler_3d_backward"][0]
    assert found.additions == places + 3 * points + results * 8 * (2 + 3 * 4)


@pytest.mark.parametrize(
    ("mode", "options", "rows", "columns"),  # taps from 8x8 to 4x5, and to 2x2 by a factor
    [
        ("bilinear", {"size": (4, 5)}, 4, 4),  # 2 * 8/4, and 2 * 8/5 = 3.2
        ("bilinear", {"size": (4, 5), "align_corners": True}, 5, 4),  # 2 * 7/3 = 4.7, and 2 * 7/4 = 3.5
        ("bilinear", {"scale_factor": 0.3}, 7, 7),  # 2 / 0.3 = 6.7
        ("bilinear", {"size": (16, 16)}, 2, 2),
        ("bicubic", {"size": (4, 5)}, 8, 7),  # 4 * 8/4, and 4 * 8/5 = 6.4
        pytest.param("lanczos", {"size": (4, 5)}, 12, 10, marks=NEW),  # 6 * 8/4, and 6 * 8/5 = 9.6
    ],
)
def test_smooth_interpolation(mode, options, rows, columns):
    def smaller(x):
        return functional.interpolate(x, mode=mode, antialias=True, **options)

    height, width = smaller(on_meta(1, 1, 8, 8)).shape[2:]
    done = works(smaller, (2, 3, 8, 8))
    along = 6 * 8 * width * (2 * columns - 1) + 6 * height * width * (2 * rows - 1)  # along rows first, then columns
    assert numbers(done[f"_upsample_{mode}2d_aa"][0]) == (0, along, 0, 0)
    back = 6 * height * width * (rows + 2 * rows * columns)
    assert numbers(done[f"_upsample_{mode}2d_aa_backward"][0]) == (0, back, 0, 0)


@pytest.mark.parametrize(
    ("function", "shape", "operator", "additions"),  # half a butterfly a number on each floor: 5
    [
        (lambda x: torch.fft.fft(x.to(torch.complex64)).real, (2, 8), "_fft_c2c", 2 * 8 * 5 * 3),
        (lambda x: torch.fft.fft(x.to(torch.complex64)).real, (2, 7), "_fft_c2c", 2 * 7 * 5 * 3),  # as many floors
        (lambda x: torch.fft.fft(x).real, (2, 8), "_fft_r2c", 2 * 4 * 5 * 3),  # two real numbers as one
        (lambda x: torch.fft.rfft(x).real, (2, 7), "_fft_r2c", 2 * 4 * 5 * 3),
        (lambda x: torch.fft.rfft(x, norm="ortho").real, (2, 8), "_fft_r2c", 2 * 4 * 5 * 3 + 2 * 5 * 2),
        # along 8, then 4 along the 5 that are no mirror's
        (lambda x: torch.fft.rfft2(x).real, (2, 4, 8), "_fft_r2c", 2 * 4 * 4 * 5 * 3 + 2 * 4 * 5 * 5 * 2),
        (lambda x: torch.fft.rfft2(x, dim=(2, 1)).real, (2, 8, 4), "_fft_r2c", 2 * 4 * 4 * 5 * 3 + 2 * 4 * 5 * 5 * 2),
        (
            lambda x: torch.fft.irfft2(torch.fft.rfft2(x)),
            (2, 4, 8),
            "_fft_c2r",
            2 * 4 * 4 * 5 * 3 + 2 * 4 * 5 * 5 * 2 + 2 * 4 * 8,  # and divided by 32
        ),
        (lambda x: torch.fft.ifft(x.to(torch.complex64)).real, (2, 8), "_fft_c2c", 2 * 8 * 5 * 3 + 2 * 8 * 2),
        (lambda x: torch.fft.fft(x.to(torch.complex64)).real, (2, 1), "_fft_c2c", 0),
    ],
)
def test_fourier_transforms(function, shape, operator, additions):
    assert numbers(works(function, shape)[operator][0]) == (0, additions, 0, 0)


def test_values_of_constants_are_read_and_those_of_others_are_not():
    def scaled(x):
        kept = torch.ones(3).nonzero()[:, 0]
        again = x.new_empty(0).resize_as_(x)
        return x[:, kept] * torch.full((1,), 2.0).item() + again if torch.equal(kept, kept) else x

    found = count(Call(scaled), (3,), batch=2)
    assert (found.additions, found.comparisons) == (6 + 6, 3)
    assert found.unknown == {}
    for function, operator in [
        (lambda x: x * x.sum().item(), "_local_scalar_dense"),
        (lambda x: x.nonzero(), "nonzero"),
        (lambda x: x if torch.equal(x, x) else -x, "equal"),
    ]:
        with pytest.raises(UsageError, match=rf"depends on the values in a tensor \(aten\.{operator}"):
            count(Call(function), (3,))
