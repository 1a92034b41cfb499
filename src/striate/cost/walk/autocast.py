"""What `torch.autocast("cpu", torch.bfloat16)` does, for tensors on meta, which torch's own leaves alone."""

from types import FunctionType
from typing import Any, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

# The lists of aten/src/ATen/autocast_mode.cpp for the CPU, by the names that Python calls.
LOWER = """
    conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d conv_tbc bmm mm matmul __matmul__
    __rmatmul__ linalg_vecdot baddbmm addmm addbmm linear scaled_dot_product_attention einsum
"""
FULL = """
    avg_pool3d max_pool3d max_pool3d_with_indices adaptive_avg_pool3d adaptive_max_pool3d
    adaptive_max_pool3d_with_indices fractional_max_pool2d fractional_max_pool2d_with_indices fractional_max_pool3d
    fractional_max_pool3d_with_indices max_unpool2d max_unpool3d binary_cross_entropy grid_sampler polar prod quantile
    nanquantile stft cdist trace view_as_complex mse_loss cosine_embedding_loss nll_loss nll_loss2d nll_loss_nd
    hinge_embedding_loss poisson_nll_loss smooth_l1_loss cross_entropy_loss cross_entropy l1_loss huber_loss
    margin_ranking_loss soft_margin_loss triplet_margin_loss multi_margin_loss ctc_loss kl_div multilabel_margin_loss
    binary_cross_entropy_with_logits
"""
DTYPES = dict.fromkeys(LOWER.split(), torch.bfloat16) | dict.fromkeys(FULL.split(), torch.float32)
WIDEST = frozenset({"stack", "cat", "concat", "concatenate", "index_copy"})
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
        given = (*args, *kwargs.values())
        from_within = name == "pad" and any(each in ("reflect", "replicate") for each in given)
        dtype = torch.float32 if from_within or name.startswith("fft_") else DTYPES.get(name)
        if dtype is not None:
            return func(*self._cast(args, dtype), **self._cast(kwargs, dtype))
        if name in WIDEST:
            tensors = [each for each in args[0] if isinstance(each, Tensor)]
            if {each.dtype for each in tensors} == {torch.float32, torch.bfloat16}:
                return func(self._cast(args[0], torch.float32), *args[1:], **kwargs)
        elif name in OPENED:
            with self:
                return self._open(func)(*args, **kwargs)
        return func(*args, **kwargs)

    def _cast(self, value: Any, dtype: torch.dtype) -> Any:
        return tree_map_only(Tensor, lambda each: self._cast_one(each, dtype), value)

    def _cast_one(self, tensor: Tensor, dtype: torch.dtype) -> Tensor:
        if not tensor.is_floating_point() or tensor.dtype in (dtype, torch.float64):
            return tensor
        if dtype != torch.bfloat16 or not tensor.requires_grad or not tensor.is_leaf:
            return tensor.to(dtype)
        if id(tensor) not in self._casts:
            self._casts[id(tensor)] = tensor.to(dtype)
        return self._casts[id(tensor)]

    def _open(self, function: FunctionType) -> Any:
        """The same function without its question whether a mode is on, so that the mode sees what it calls."""
        if function not in self._opened:
            world = {**function.__globals__, **_UNCHECKED}
            opened = FunctionType(
                function.__code__, world, function.__name__, function.__defaults__, function.__closure__
            )
            opened.__kwdefaults__ = function.__kwdefaults__
            self._opened[function] = opened
        return self._opened[function]
