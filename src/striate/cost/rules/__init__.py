"""What each operator of torch costs: one small pure function per operator, from shapes to `Work`.

An operator that costs nothing is listed as such; one that is in no list has no rule, and a count says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from striate.cost.rules.algebra import ALGEBRA
from striate.cost.rules.complex_numbers import on_complex
from striate.cost.rules.deformable import DEFORMABLE
from striate.cost.rules.elements import ELEMENTS
from striate.cost.rules.norms import NORMS
from striate.cost.rules.products import PRODUCTS
from striate.cost.rules.rare import RARE
from striate.cost.rules.rule import Rule, nothing, operators
from striate.cost.rules.transforms import TAPERED, TRANSFORMS
from striate.cost.rules.windows import WINDOWS
from striate.cost.walk.events import NO_CALL, Call
from striate.cost.work import Work

# A tensor under a new name, or one that is not filled yet, or a value that there is: no work and no bytes.
FREE = operators(
    """
    alias as_strided chunk detach diagonal empty empty_like empty_permuted empty_strided expand lift lift_fresh movedim
    narrow new_empty new_empty_strided permute resize resize_as select set slice split split_with_sizes squeeze t
    transpose unbind unfold unsqueeze view view_as_complex view_as_real _unsafe_view _reshape_alias _conj _neg_view imag
    real unsafe_chunk unsafe_split unsafe_split_with_sizes is_same_size _assert_async _assert_scalar sym_size sym_stride
    sym_numel sym_storage_offset swapaxes swapdims _local_scalar_dense _efficientzerotensor _linalg_check_errors
    sym_constrain_range
    """,
    nothing,
)

# Numbers moved, drawn or filled in: bytes, and no work.
MOVED = operators(
    """
    _fused_dropout _lazy_clone _pack_padded_sequence _pack_padded_sequence_backward _to_copy _unsafe_index
    _unsafe_masked_index _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d alias_copy arange
    as_strided_copy as_strided_scatter bernoulli binomial block_diag cat cauchy channel_shuffle clone complex
    constant_pad_nd copy copysign detach_copy diag_embed diagonal_backward diagonal_copy diagonal_scatter embedding
    expand_copy exponential eye fft_fftfreq fft_rfftfreq fill flip full full_like gather geometric im2col index
    index_copy index_fill index_select linspace log_normal logspace lu_unpack masked_fill masked_scatter
    masked_scatter_backward masked_select max_unpool2d max_unpool3d narrow_copy native_channel_shuffle new_full new_ones
    new_zeros nonzero nonzero_static normal ones ones_like permute_copy pixel_shuffle pixel_unshuffle poisson rand
    rand_like randint randint_like randn randn_like random randperm reflection_pad1d reflection_pad2d reflection_pad3d
    repeat repeat_interleave replication_pad1d replication_pad2d replication_pad3d roll rot90 scalar_tensor scatter
    select_backward select_copy select_scatter slice_backward slice_copy slice_inverse slice_scatter split_copy
    split_with_sizes_copy squeeze_copy stack t_copy take transpose_copy tril triu unbind_copy unfold_copy uniform
    unsqueeze_copy upsample_nearest1d upsample_nearest2d upsample_nearest3d view_as_complex_copy view_as_real_copy
    view_copy where zero zeros zeros_like
    """,
    nothing,
)

# Of a table, only what is taken is read.
GATHERED = frozenset(operators("embedding index index_select gather take _unsafe_index", nothing))
# Of the first argument, nothing is read: it is filled, or only its shape matters.
DRAWN = frozenset(
    operators(
        """
        bernoulli_ cauchy_ copy copy_ empty_like exponential_ fill_ full_like geometric_ log_normal_ new_full new_ones
        new_zeros normal_ ones_like rand_like randint_like randn_like random_ uniform_ zero_ zeros_like
        """,
        nothing,
    )
)

_REAL: dict[object, Rule] = {**PRODUCTS, **WINDOWS, **NORMS, **ELEMENTS, **RARE, **ALGEBRA, **TAPERED}
RULES: dict[object, Rule] = {
    **FREE,
    **MOVED,
    **TRANSFORMS,
    **{packet: on_complex(packet, rule) for packet, rule in _REAL.items()},
}


def rule_of(operator: torch._ops.OpOverload) -> Rule | None:
    """The rule of this operator; None where there is none."""
    found = RULES.get(operator.overloadpacket)
    if found is None and operator.namespace == "profiler":  # marks in a profile, not work
        return nothing
    return DEFORMABLE.get(str(operator.overloadpacket)) if found is None else found


def is_product(operator: torch._ops.OpOverload) -> bool:
    """Whether it is a convolution, a linear layer or a matrix product, of which multiply-adds and outputs are told."""
    packet = operator.overloadpacket
    return packet in PRODUCTS or (operator.namespace != "aten" and str(packet) in DEFORMABLE)


def work_of(
    operator: torch._ops.OpOverload, args: Sequence[Any], kwargs: Mapping[str, Any], outputs: Sequence[Tensor]
) -> Work | None:
    """The work of a call with these arguments, or None where no rule knows the operator."""
    rule = rule_of(operator)
    call = Call(operator, tuple(args), kwargs, tuple(outputs), "", NO_CALL, "forward")
    return None if rule is None else rule(call)


__all__ = ["DRAWN", "FREE", "GATHERED", "MOVED", "RULES", "Rule", "Work", "is_product", "rule_of", "work_of"]
