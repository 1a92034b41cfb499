"""Complex numbers, counted in operations on real ones, by one convention for all operators.

A multiply-add of two complex numbers is 4 real multiply-adds, of a complex and a real number 2. A sum is 2 additions,
with a real number 1; a product is 4 products and 2 sums, with a real number 2. What has no line here is done to both
parts.
"""

from collections.abc import Iterable

from torch import Tensor

from striate.cost.rules.rule import Each, Rule, both, table
from striate.cost.walk.events import Call
from striate.cost.work import Work, elementwise

PRODUCT, BY_REAL = 6, 2  # (a + bi)(c + di) = (ac - bd) + (ad + bc)i, and (a + bi) c
SQUARE = 3  # |z|^2 = a a + b b

# fmt: off
#    additions, comparisons, transcendental: for each element of the result, where all that is given is complex
EACH: tuple[tuple[Each, str], ...] = (
    ((PRODUCT, 0, 0), "square"),
    ((SQUARE + 3, 0, 0), "reciprocal"),                    # (a - bi) / |z|^2
    ((1, 0, 0), "conj_physical _conj_physical"),           # a - bi
    ((SQUARE, 0, 1), "abs"),                               # the root of |z|^2
    ((SQUARE + 2, 1, 1), "sgn"),                           # z / |z|, or 0
    ((0, 0, 1), "angle"),
    ((2, 0, 3), "exp"),                                    # e^a (cos b + i sin b)
    ((SQUARE, 0, 3), "log"),                               # log |z| + i angle
    ((SQUARE + 4, 1, 2), "sqrt"),                          # s = root of (|z| + a) / 2, and b / (2 s) with the sign of b
    ((2, 0, 4), "sin cos sinh cosh"),                      # sin a cosh b + i cos a sinh b
    ((5, 0, 4), "tan tanh"),                               # (sin 2a + i sinh 2b) / (cos 2a + cosh 2b)
    ((11, 0, 3), "sigmoid"),                               # the reciprocal of 1 + e^-z
)
#    ... and n numbers reduced to m: for each of n, for each of m
REDUCED: tuple[tuple[Each, Each, str], ...] = (
    ((PRODUCT, 0, 0), (-PRODUCT, 0, 0), "prod"),
    ((PRODUCT, 0, 0), (0, 0, 0), "cumprod"),
    ((8, 0, 0), (0, 0, 1), "std std_mean"),
    ((SQUARE + 1, 0, 0), (-1, 0, 1), "linalg_vector_norm norm"),
)
# fmt: on


def on_complex(packet: object, rule: Rule) -> Rule:
    """The same rule, and what it becomes on complex numbers."""
    own = COMPLEX.get(packet)

    def heeding(call: Call) -> Work:
        if not _any_complex(call.args) and not (call.kwargs and _any_complex(call.kwargs.values())):
            return rule(call)
        return _on_both_parts(call, rule(call)) if own is None else own(call)

    return heeding


def _on_both_parts(call: Call, done: Work) -> Work:
    """Multiply-adds 4 times, 2 times where one side is real; all else 2 times."""
    products = 4 if all(each.is_complex() for each in call.tensors()) else 2
    return done.scaled(macs=products, others=2)


def _any_complex(values: Iterable[object]) -> bool:
    """Among arguments and what is in their lists; written out, for it is asked of every call."""
    for each in values:
        if isinstance(each, Tensor):
            if each.dtype.is_complex:
                return True
        elif isinstance(each, (list, tuple)):
            if any(map(_is_complex, each)):
                return True
        elif isinstance(each, complex):
            return True
    return False


def _is_complex(value: object) -> bool:
    return value.is_complex() if isinstance(value, Tensor) else isinstance(value, complex)


def _product(*factors: object) -> int:
    """Operations of a product in which at least one is complex."""
    return PRODUCT if all(map(_is_complex, factors)) else BY_REAL


def _quotient(one: object, two: object) -> int:
    """Both parts by a real number; else times a - bi, over |z|^2."""
    if not _is_complex(two):
        return 2
    return SQUARE + (PRODUCT + 2 if _is_complex(one) else 4)


def _sum(call: Call) -> Work:
    """a + alpha b: a sum with a real number changes one part."""
    one, two = call.args[:2]
    alpha = call.argument(2, call.kwargs.get("alpha", 1))
    scaled = two if call.packet.__name__.startswith(("add", "sub")) else one
    parts = 2 if _is_complex(one) and _is_complex(two) else 1
    return elementwise(
        call.result, parts + (0 if alpha == 1 else _product(scaled, alpha) if _is_complex(scaled) else 1)
    )


def _power(call: Call) -> Work:
    """Squares and cubes are products; else e^(w log z)."""
    base, exponent = call.args[:2]
    if not isinstance(exponent, (Tensor, complex)) and exponent in (1, 2, 3):
        return elementwise(call.result, PRODUCT * (int(exponent) - 1))
    return elementwise(call.result, 2 + SQUARE + _product(base, exponent), 0, 6)


def _added_product(call: Call) -> Work:
    """a + value b c."""
    value = call.kwargs.get("value", 1)
    scaled = 0 if value == 1 else _product(value, call.args[1])
    return elementwise(call.result, 2 + _product(*call.args[1:3]) + scaled)


def _added_quotient(call: Call) -> Work:
    """a + value b / c."""
    value = call.kwargs.get("value", 1)
    scaled = 0 if value == 1 else _product(value, call.args[1])
    return elementwise(call.result, 2 + _quotient(*call.args[1:3]) + scaled)


def _each(each: Each) -> Rule:
    return lambda call: elementwise(call.result, *each)


def _reduced(element: Each, result: Each) -> Rule:
    return lambda call: both(call.shape(), element, call.result, result)


COMPLEX = table(
    {
        **{names: _each(each) for each, names in EACH},
        **{names: _reduced(n, m) for n, m, names in REDUCED},
        "add sub rsub": _sum,
        "mul multiply": lambda call: elementwise(call.result, _product(*call.args[:2])),
        "div divide": lambda call: elementwise(call.result, _quotient(*call.args[:2])),
        "pow": _power,
        "lerp": lambda call: elementwise(call.result, 2 + 2 + _product(call.args[2], call.args[1])),  # a + w (b - a)
        "addcmul": _added_product,
        "addcdiv": _added_quotient,
    }
)
