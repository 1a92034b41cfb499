"""What `torch.autocast("cpu", torch.bfloat16)` does, for tensors on meta, which torch's own leaves alone."""

from types import FunctionType
from typing import Any, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

# The lists of aten/src/ATen/autocast_mode.cpp for the CPU, by the names that Python calls.
LOWER = frozenset(
    [
        "conv1d",
        "conv2d",
        "conv3d",
        "conv_transpose1d",
        "conv_transpose2d",
        "conv_transpose3d",
        "conv_tbc",
        "bmm",
        "mm",
        "matmul",
        "__matmul__",
        "__rmatmul__",
        "linalg_vecdot",
        "baddbmm",
        "addmm",
        "addbmm",
        "linear",
        "scaled_dot_product_attention",
        "einsum",
    ]
)
FULL = frozenset(
    [
        "avg_pool3d",
        "max_pool3d",
        "max_pool3d_with_indices",
        "adaptive_avg_pool3d",
        "adaptive_max_pool3d",
        "adaptive_max_pool3d_with_indices",
        "fractional_max_pool2d",
        "fractional_max_pool2d_with_indices",
        "fractional_max_pool3d",
        "fractional_max_pool3d_with_indices",
        "max_unpool2d",
        "max_unpool3d",
        "binary_cross_entropy",
        "grid_sampler",
        "polar",
        "prod",
        "quantile",
        "nanquantile",
        "stft",
        "cdist",
        "trace",
        "view_as_complex",
        "mse_loss",
        "cosine_embedding_loss",
        "nll_loss",
        "nll_loss2d",
        "nll_loss_nd",
        "hinge_embedding_loss",
        "poisson_nll_loss",
        "smooth_l1_loss",
        "cross_entropy_loss",
        "cross_entropy",
        "l1_loss",
        "huber_loss",
        "margin_ranking_loss",
        "soft_margin_loss",
        "triplet_margin_loss",
        "multi_margin_loss",
        "ctc_loss",
        "kl_div",
        "multilabel_margin_loss",
        "binary_cross_entropy_with_logits",
    ]
)
WIDEST = frozenset(["stack", "cat", "concat", "concatenate", "index_copy"])
OPENED = frozenset({"multi_head_attention_forward", "local_response_norm"})  # in Python, and they call such functions

_UNCHECKED = {
    "has_torch_function": lambda _: False,
    "has_torch_function_unary": lambda _: False,
    "has_torch_function_variadic": lambda *_: False,
}


@final
class Autocast(TorchFunctionMode):
    """Casts the arguments of products to bfloat16 and those of losses to float32; casts a weight once."""

    def __init__(self) -> None:
        super().__init__()
        self._casts: dict[int, Tensor] = {}  # id of a weight -> its bfloat16 twin, which lives as long as this
        self._opened: dict[Any, Any] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name in LOWER:
            return func(*self._cast(args, torch.bfloat16), **self._cast(kwargs, torch.bfloat16))
        drawn_from_within = name == "pad" and any(
            each in ("reflect", "replicate") for each in (*args, *kwargs.values())
        )
        if name in FULL or name.startswith("fft_") or drawn_from_within:
            return func(*self._cast(args, torch.float32), **self._cast(kwargs, torch.float32))
        if name in WIDEST:
            tensors = [each for each in args[0] if isinstance(each, Tensor)]
            if {each.dtype for each in tensors} == {torch.float32, torch.bfloat16}:
                return func(self._cast(args[0], torch.float32), *args[1:], **kwargs)
        elif name in OPENED:
            with self:
                return self._open(func)(*args, **kwargs)
        return func(*args, **kwargs)

    def _cast(self, value: Any, dtype: torch.dtype) -> Any:
        if isinstance(value, Tensor):
            if not value.is_floating_point() or value.dtype in (dtype, torch.float64):
                return value
            keep = dtype == torch.bfloat16 and value.requires_grad and value.is_leaf
            if not keep:
                return value.to(dtype)
            if id(value) not in self._casts:
                self._casts[id(value)] = value.to(dtype)
            return self._casts[id(value)]
        if isinstance(value, (tuple, list)):
            return type(value)(self._cast(each, dtype) for each in value)
        if isinstance(value, dict):
            return {key: self._cast(each, dtype) for key, each in value.items()}
        return value

    def _open(self, function: FunctionType) -> Any:
        """The same function without its question whether a mode is on, so that the mode sees what it calls."""
        if function not in self._opened:
            opened = FunctionType(
                function.__code__,
                {**function.__globals__, **_UNCHECKED},
                function.__name__,
                function.__defaults__,
                function.__closure__,
            )
            opened.__kwdefaults__ = function.__kwdefaults__
            self._opened[function] = opened
        return self._opened[function]
