"""Operators that torch takes apart or refuses on meta and runs whole on a CPU: they are whole here, and so counted."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor
from torch.nn import functional

aten = torch.ops.aten
CONVOLUTIONS = tuple(getattr(aten, f"conv{kind}{axes}d") for kind in ("", "_transpose") for axes in (1, 2, 3))


@contextmanager
def as_on_a_cpu() -> Iterator[None]:
    """While it lasts, these operators choose for meta tensors what they choose for tensors of a CPU."""
    with torch.library._scoped_library("aten", "IMPL") as library:
        # torch's own `Library.impl` takes no second implementation of an operator; what lies below it does
        register: Any = library.m
        register.impl("scaled_dot_product_attention", "AutogradMeta", _attention)
        for operator in CONVOLUTIONS:
            for overload in operator.overloads():
                whole = getattr(operator, overload)
                register.impl(whole.name(), "AutogradMeta", _convolution_of(whole))
        for name, results in WITHOUT_A_META_KERNEL.items():
            register.impl(name, "Meta", results)
        for name, alone in VALUES_ALONE.items():
            register.impl(name, "AutogradMeta", alone)
        yield


def _like_what_was_given(gradient: Tensor, given: Tensor, *_: Any) -> Tensor:
    """The gradient of an operator's first argument."""
    return torch.empty_like(given)


def _eigenvalues(given: Tensor) -> Tensor:
    return given.new_empty(given.shape[:-1], dtype=torch.promote_types(given.dtype, torch.complex64))


def _reflections(given: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(given), given.new_empty([*given.shape[:-2], min(given.shape[-2:])])


def _counts(given: Tensor, bins: int, **_: Any) -> tuple[Tensor, Tensor]:
    return given.new_empty(bins), given.new_empty(bins + 1)


def _counts_between(given: Tensor, edges: Tensor, **_: Any) -> tuple[Tensor, Tensor]:
    return given.new_empty(edges.shape[0] - 1), torch.empty_like(edges)


def _least_squares(given: Tensor, right: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """The solution, and what a CPU finds beside it: residuals of more rows than columns, ranks unless told of none."""
    rows, columns = given.shape[-2:]
    vector = right.ndim == given.ndim - 1
    batch = torch.broadcast_shapes(given.shape[:-2], right.shape[: -1 if vector else -2])  # type: ignore[no-untyped-call]
    sides = [] if vector else [right.shape[-1]]
    residuals = [*batch, *sides] if rows > columns and driver != "gelsy" and driver is not None else [0]
    ranks = [0] if driver == "gels" else list(given.shape[:-2])
    values = [*given.shape[:-2], min(rows, columns)] if driver in ("gelsd", "gelss") else [0]
    solution = right.new_empty([*batch, columns, *sides])
    return solution, right.new_empty(residuals), given.new_empty(ranks, dtype=torch.long), given.new_empty(values)


WITHOUT_A_META_KERNEL: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(
        [
            "mish_backward",
            "multi_margin_loss_backward",
            "multilabel_margin_loss_backward",
            "fractional_max_pool3d_backward",
            "_ctc_loss_backward",
        ],
        _like_what_was_given,
    ),
    "binomial": lambda counts, chances, generator=None: torch.empty_like(counts),
    "_linalg_eigvals": _eigenvalues,
    "geqrf": _reflections,
    "linalg_lstsq": _least_squares,
    "histogram.bin_ct": _counts,
    "histogram.bins_tensor": _counts_between,
}


def _asked(given: Tensor) -> bool:
    """Whether vectors are found as well: the gradient of the values needs them."""
    return torch.is_grad_enabled() and given.requires_grad


# Where anybody watches, torch asks for the vectors too.
VALUES_ALONE: Mapping[str, Callable[..., Tensor]] = {
    "linalg_eigvals": lambda given: aten.linalg_eig(given)[0] if _asked(given) else aten._linalg_eigvals(given),
    "linalg_eigvalsh": lambda given, triangle="L": aten._linalg_eigh(given, triangle, _asked(given))[0],
    "linalg_svdvals": lambda given, *, driver=None: aten._linalg_svd(given, False, _asked(given), driver=driver)[1],
}


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """The fused kernel where torch's sdp_utils_cpp.cpp allows it on a CPU, else the products one by one."""
    learned_mask = attn_mask is not None and attn_mask.requires_grad
    if dropout_p or learned_mask or query.ndim not in (3, 4) or query.shape[-1] != value.shape[-1]:
        whole = aten._scaled_dot_product_attention_math(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
        return whole[0]  # type: ignore[no-any-return]
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        zero, never = (torch.scalar_tensor(each, dtype=query.dtype, device="meta") for each in (0.0, -torch.inf))
        attn_mask = torch.where(attn_mask, zero, never)
    three = query.ndim == 3
    parts = [each.unsqueeze(0) if three else each for each in (query, key, value)]
    whole = aten._scaled_dot_product_flash_attention_for_cpu(*parts, 0.0, is_causal, attn_mask=attn_mask, scale=scale)
    return whole[0].squeeze(0) if three else whole[0]  # type: ignore[no-any-return]


def _convolution_of(operator: torch._ops.OpOverload) -> Callable[..., Tensor]:
    """As torch does it where all is real. One of complex numbers stays whole: torch makes three real ones of it."""
    transposed = "output_padding" in (names := [each.name for each in operator._schema.arguments])

    def convolution(given: Tensor, weight: Tensor, bias: Tensor | None = None, *how: Any) -> Tensor:
        if not (given.is_complex() and weight.is_complex()):
            return operator.decompose(given, weight, bias, *how)  # type: ignore[no-any-return]
        axes = weight.ndim - 2
        default = {"stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1}
        named = default | dict(zip(names[3:], how, strict=False))
        sides = {name: _for_all(each, axes) for name, each in named.items() if name not in ("groups", "padding")}
        padding = named["padding"]
        batch = given if given.ndim == weight.ndim else given.unsqueeze(0)
        if isinstance(padding, str):
            spans = zip(sides["dilation"], weight.shape[2:], strict=True)
            around = [step * (taps - 1) if padding == "same" else 0 for step, taps in spans]
            if any(each % 2 for each in around):  # one more cell behind than before
                batch = functional.pad(batch, [side for each in reversed(around) for side in (0, each % 2)])
            padding = [each // 2 for each in around]
        order = (sides["stride"], _for_all(padding, axes), sides["dilation"], transposed, sides["output_padding"])
        result: Tensor = _Whole.apply(batch, weight, bias, *order, named["groups"])
        return result if batch.ndim == given.ndim else result.squeeze(0)

    return convolution


def _for_all(sides: Any, axes: int) -> list[int]:
    """One number for each axis."""
    given = [sides] if isinstance(sides, int) else list(sides)
    return given * axes if len(given) == 1 else given


@final
class _Whole(torch.autograd.Function):
    """A convolution of complex numbers with its gradients, each one operator."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, weight: Tensor, bias: Tensor | None, *how: Any) -> Tensor:
        ctx.save_for_backward(given, weight)
        ctx.biases, ctx.how = None if bias is None else list(bias.shape), how
        return aten.convolution(given, weight, bias, *how)  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        asked = list(ctx.needs_input_grad[:3])
        gradients = aten.convolution_backward(gradient, *ctx.saved_tensors, ctx.biases, *ctx.how, asked)
        return (*gradients, *(None for _ in ctx.how))
