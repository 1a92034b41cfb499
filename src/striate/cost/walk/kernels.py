"""Operators that torch takes apart or refuses on meta and runs whole on a CPU: they are whole here, and so counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten


WITHOUT_A_META_KERNEL = (
    "mish_backward",
    "multi_margin_loss_backward",
    "multilabel_margin_loss_backward",
    "fractional_max_pool3d_backward",
)


@contextmanager
def as_on_a_cpu() -> Iterator[None]:
    """While it lasts, these operators choose for meta tensors what they choose for tensors of a CPU."""
    with torch.library._scoped_library("aten", "IMPL") as library:
        # torch's own `Library.impl` takes no second implementation of an operator; what lies below it does
        register: Any = library.m
        register.impl("scaled_dot_product_attention", "AutogradMeta", _attention)
        for name in WITHOUT_A_META_KERNEL:
            register.impl(name, "Meta", _like_what_was_given)
        yield


def _like_what_was_given(gradient: Tensor, given: Tensor, *_: Any) -> Tensor:
    """The gradient of an operator's first argument."""
    return torch.empty_like(given)


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
