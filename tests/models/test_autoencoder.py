"""The convolutional autoencoder: symmetric, down to a code and up again."""

import pytest
import torch
from builders import autoencoder
from torch import nn

from striate.base.errors import UsageError
from striate.models.autoencoder import BLOCKS
from striate.models.build import build
from striate.models.catalog import check_size, find


def layers(net: nn.Module) -> list[str]:
    return [name for name, _ in net.named_children()]


def test_two_blocks_with_pools_go_down_and_two_with_upsamplings_go_up():
    net = autoencoder()
    assert layers(net) == ["encoder", "decoder"]
    assert layers(net.encoder) == ["conv1", "norm1", "relu1", "pool1", "conv2", "norm2", "relu2", "pool2"]
    assert layers(net.decoder) == ["conv2", "norm2", "relu2", "up2", "conv1", "norm1", "relu1", "up1", "output"]


def test_maps_have_the_sizes_of_the_table_on_both_ways():
    net, x = autoencoder(), torch.randn(2, 1, 28, 28)
    sizes = {}
    for path, module in net.named_modules():
        module.register_forward_hook(lambda *call, path=path: sizes.update({path: tuple(call[2].shape[1:])}))
    net(x)
    for number, maps, side in BLOCKS:
        assert sizes[f"encoder.pool{number}"] == (maps, side, side)
        assert sizes[f"decoder.up{number}"] == (maps, 2 * side, 2 * side)
    assert sizes["decoder"] == (1, 28, 28)
    assert 2 * sizes["encoder"][0] * 7 * 7 == 28 * 28  # the code is half of the picture


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 28, 28), (3, 4, 12), (2, 32, 8)])
def test_the_answer_has_the_shape_of_the_picture_and_the_code_a_quarter_of_its_sides(channels, height, width):
    net, x = autoencoder(channels=channels), torch.randn(2, channels, height, width)
    check_size("autoencoder", height, width)
    code = net.encoder(x)
    assert code.shape == (2, 8, height // 4, width // 4)
    assert net(x).shape == x.shape
    assert torch.equal(net.decoder(code), net(x))


def test_the_answer_may_have_fewer_maps_than_are_given():
    assert autoencoder(channels=4, outputs=3)(torch.randn(2, 4, 8, 12)).shape == (2, 3, 8, 12)


@pytest.mark.parametrize("side", [3, 5, 27, 30])
def test_a_side_that_a_pool_would_cut_is_refused(side):
    with pytest.raises(UsageError, match="4"):
        check_size("autoencoder", side, 28)
    assert find("autoencoder").task == "reconstruct"


def test_the_output_has_no_activation_and_takes_any_sign():
    torch.manual_seed(0)
    net = autoencoder()
    assert isinstance(net.decoder[-1], nn.Conv2d)
    answer = net(torch.randn(4, 1, 28, 28))
    assert (answer < 0).any()
    assert (answer > 0).any()


def test_upsampling_repeats_each_cell():
    up = autoencoder().decoder.up1
    assert torch.equal(
        up(torch.tensor([[[[1.0, 2.0]]]])), torch.tensor([[[[1.0, 1.0, 2.0, 2.0]] * 2]]).view(1, 1, 2, 4)
    )


def test_it_learns_to_draw_a_picture_again():
    torch.manual_seed(0)
    net = autoencoder()
    x = nn.functional.interpolate(torch.rand(8, 1, 3, 3), 16, mode="bilinear")
    optimizer = torch.optim.Adam(net.parameters(), 0.003)
    for _ in range(200):
        loss = nn.functional.mse_loss(net(x), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2 * float(x.var())  # a fifth of what the mean of all pictures would leave


def test_weights_start_with_variance_two_over_fan_in():
    torch.manual_seed(0)
    net = autoencoder(width=128)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            assert not module.bias.any()
            assert module.weight.var().item() * module.weight[0].numel() / 2 == pytest.approx(1, rel=0.1)


def test_options_change_width_norm_and_activation():
    net = autoencoder(width="4", norm="batch", activation="elu")
    assert [net.encoder.conv1.out_channels, net.encoder.conv2.out_channels] == [4, 2]
    blocks = [net.encoder.conv1, net.encoder.conv2, net.decoder.conv2, net.decoder.conv1]
    assert all(layer.bias is None for layer in blocks)
    assert net.decoder.output.bias is not None
    assert sum(isinstance(layer, nn.ELU) for layer in net.modules()) == 4
    assert autoencoder(width=1)(torch.randn(1, 1, 4, 4)).shape == (1, 1, 4, 4)


@pytest.mark.parametrize(
    ("options", "where"), [({"width": 0}, "width"), ({"channels": 0}, "channels"), ({"init": "zero"}, "init")]
)
def test_an_option_that_cannot_be_meant_is_named(options, where):
    with pytest.raises(UsageError) as caught:
        autoencoder(**options)
    assert caught.value.where == where


def test_it_has_no_classes_and_says_what_it_has():
    with pytest.raises(
        UsageError, match=r"autoencoder has no such option.*channels, outputs, width, norm, activation, init"
    ):
        build("autoencoder", classes=3)
