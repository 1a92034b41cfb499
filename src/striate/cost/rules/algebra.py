"""Linear algebra, by the counts of Golub and Van Loan, Matrix Computations, 4th edition, where nothing else is said.

Their operation is a product or a sum: two make a multiply-add. What is repeated until it settles, as eigenvalues are,
has the number that they give for the usual case. Leading terms only, but for triangles, which are easily summed.
"""

from collections.abc import Mapping
from math import prod

from striate.cost.rules.rule import Rule, each_result, table
from striate.cost.walk.events import Call
from striate.cost.work import Sizes, Work, elementwise, work


def _done(batch: Sizes, macs: int = 0, additions: int = 0, comparisons: int = 0, transcendental: int = 0) -> Work:
    """So many for each matrix of a batch."""
    given = {"macs": macs, "macs_valid": macs, "additions": additions}
    given |= {"comparisons": comparisons, "transcendental": transcendental}
    return work(**{name: [(batch, (each,))] for name, each in given.items() if each})


def _matrix(call: Call, place: int = 0) -> tuple[Sizes, int, int]:
    """The batch, rows and columns of an argument."""
    *batch, rows, columns = call.shape(place)
    return batch, rows, columns


def _vectors(call: Call, order: int) -> int:
    """How many there are in the result, which is solved for."""
    return prod(call.result) // max(1, order)


# --- triangles: elimination, and solving by substitution --------------------------------------------------------------


def _elimination(batch: Sizes, rows: int, columns: int, *, pivots: bool = True) -> Work:
    """Section 3.2, n^3/3: in each step what is below is divided, and the rest less a product; the largest is found."""
    steps = range(1, min(rows, columns) + 1)
    below = sum(rows - step for step in steps)
    return _done(batch, sum((rows - step) * (columns - step) for step in steps), below, below if pivots else 0)


def _substitution(vectors: int, order: int, *, unit: bool = False) -> Work:
    """Section 3.1, n^2/2 for each vector; a division for each number, unless the diagonal is of ones."""
    return _done((vectors,), order * (order - 1) // 2, 0 if unit else order)


def _both_substitutions(vectors: int, order: int, *, unit: bool) -> Work:
    """By a lower and an upper triangle, the first perhaps with ones."""
    return _substitution(vectors, order, unit=unit) + _substitution(vectors, order)


def _factored(call: Call) -> Work:
    return _elimination(*_matrix(call), pivots=call.kwargs.get("pivot", True))


def _determinant(each: Mapping[str, int]) -> Rule:
    """Elimination, and the product of the diagonal, or the sum of its logarithms and the signs."""

    def rule(call: Call) -> Work:
        batch, order, _ = _matrix(call)
        return _elimination(batch, order, order) + _done(batch, **{name: one * order for name, one in each.items()})

    return rule


def _inverse(call: Call) -> Work:
    """n^3 with the elimination; each column is divided by the diagonal."""
    batch, order, _ = _matrix(call)
    below = order * (order - 1) // 2
    return _done(batch, order**3, below + order * order, below)


def _solved(call: Call) -> Work:
    batch, order, _ = _matrix(call)
    return _elimination(batch, order, order) + _both_substitutions(_vectors(call, order), order, unit=True)


def _solved_by_factors(factors: int, *, unit: bool) -> Rule:
    def rule(call: Call) -> Work:
        order = call.shape(factors)[-1]
        return _both_substitutions(_vectors(call, order), order, unit=unit)

    return rule


def _solved_by_triangle(triangle: int) -> Rule:
    def rule(call: Call) -> Work:
        order = call.shape(triangle)[-1]
        unit = call.argument(4, call.kwargs.get("unitriangular", False))
        return _substitution(_vectors(call, order), order, unit=unit)

    return rule


def _cholesky(call: Call) -> Work:
    """Section 4.2, n^3/6: each column less those before it, its root, and divided by that."""
    batch, order, _ = _matrix(call)
    return _done(batch, order * (order * order - 1) // 6, order * (order - 1) // 2, 0, order)


def _symmetric_elimination(call: Call) -> Work:
    """Section 4.4, n^3/6, with pivots: half of an elimination."""
    batch, order, _ = _matrix(call)
    below = order * (order - 1) // 2
    return _done(batch, order * (order * order - 1) // 6, below, below)


# --- reflections and rotations ----------------------------------------------------------------------------------------


def _reflections(batch: Sizes, rows: int, columns: int, count: int) -> Work:
    """Section 5.2: so many reflections, on a matrix that each leaves with less to do; a root each."""
    macs = (6 * rows * columns * count - 3 * (rows + columns) * count**2 + 2 * count**3) // 3
    return _done(batch, macs, transcendental=count)


def _triangle_alone(call: Call) -> Work:
    batch, rows, columns = _matrix(call)
    return _reflections(batch, rows, columns, min(rows, columns))


def _orthogonal(call: Call) -> Work:
    """The triangle, and by as many reflections again the square or oblong factor, if it is asked for."""
    batch, rows, columns = _matrix(call)
    count, mode = min(rows, columns), call.argument(1, "reduced")
    triangle = _triangle_alone(call)
    if mode == "r":
        return triangle
    return triangle + _reflections(batch, rows, rows if mode == "complete" else count, count)


def _applied_reflections(call: Call) -> Work:
    """Section 5.1: each of k reflections of length m changes n vectors, shorter by one each time: 2 m n k - n k^2."""
    length, count = call.shape()[-2:]
    others = prod(call.shape(2)) // max(1, length)
    return _done((others,), 2 * length * count - count**2)


def _product_of_reflections(call: Call) -> Work:
    batch, rows, columns = _matrix(call)
    return _reflections(batch, rows, columns, call.shape(1)[-1])


def _least_squares(call: Call) -> Work:
    """Section 5.3: the triangle, its reflections on the right sides, and substitution."""
    batch, rows, columns = _matrix(call)
    count, vectors = min(rows, columns), _vectors(call, columns)
    reflected = _done((vectors,), 2 * rows * count - count**2)
    return _reflections(batch, rows, columns, count) + reflected + _substitution(vectors, count)


def _symmetric_eigenvalues(call: Call) -> Work:
    """Section 8.3: 2 n^3/3, and 9 n^3/2 with the vectors."""
    batch, order, _ = _matrix(call)
    return _done(batch, 9 * order**3 // 2 if call.argument(2, True) else 2 * order**3 // 3)


def _singular_values(call: Call) -> Work:
    """Section 8.6: 2 m n^2 - 2 n^3/3; with as many vectors 7 m n^2 + 4 n^3, with all 2 m^2 n + 4 m n^2 + 9 n^3/2."""
    batch, *sides = _matrix(call)
    m, n = max(sides), min(sides)
    if not call.argument(2, True):
        return _done(batch, (6 * m * n * n - 2 * n**3) // 3)
    return _done(batch, (4 * m * m * n + 8 * m * n * n + 9 * n**3) // 2) if call.argument(1, False) else _thin(call)


def _thin(call: Call) -> Work:
    batch, *sides = _matrix(call)
    m, n = max(sides), min(sides)
    return _done(batch, 7 * m * n * n + 4 * n**3)


def _pseudoinverse(call: Call) -> Work:
    """Section 5.5: singular values and vectors, these over those, and a product. Eigenvalues, where it is symmetric."""
    batch, rows, columns = _matrix(call)
    least = min(rows, columns)
    product = _done(batch, rows * columns * least, least * (1 + columns), least)
    symmetric = call.argument(2, call.kwargs.get("hermitian", False))
    return (_done(batch, 9 * least**3 // 2) if symmetric else _thin(call)) + product


ALGEBRA = table(
    {
        "linalg_lu_factor_ex linalg_lu": _factored,
        "_linalg_det": _determinant({"additions": 1}),
        "_linalg_slogdet": _determinant({"additions": 1, "comparisons": 1, "transcendental": 1}),
        "linalg_inv_ex": _inverse,
        "_linalg_solve_ex": _solved,
        "linalg_lu_solve": _solved_by_factors(0, unit=True),
        "linalg_ldl_solve": _solved_by_factors(0, unit=True),
        "cholesky_solve": _solved_by_factors(1, unit=False),
        "linalg_solve_triangular": _solved_by_triangle(0),
        "triangular_solve": _solved_by_triangle(1),
        "linalg_cholesky_ex": _cholesky,
        "linalg_ldl_factor_ex": _symmetric_elimination,
        # from the triangle: its inverse, n^3/6, and the product of that with itself, as much
        "cholesky_inverse": lambda call: _done(_matrix(call)[0], call.shape()[-1] ** 3 // 3, call.shape()[-1]),
        "linalg_qr": _orthogonal,
        "geqrf": _triangle_alone,
        "linalg_householder_product": _product_of_reflections,
        "ormqr": _applied_reflections,
        "linalg_lstsq": _least_squares,
        "_linalg_eigh": _symmetric_eigenvalues,
        # section 7.5: 25 n^3 operations for all, 10 n^3 for the eigenvalues alone
        "linalg_eig": lambda call: _done(_matrix(call)[0], 25 * call.shape()[-1] ** 3 // 2),
        "_linalg_eigvals": lambda call: _done(_matrix(call)[0], 5 * call.shape()[-1] ** 3),
        "_linalg_svd": _singular_values,
        "linalg_pinv": _pseudoinverse,
        # five products make a Taylor polynomial of degree 18 (Bader, Blanes and Casas 2019), torch's for a norm that
        # needs no squaring; how often a larger one is squared is a matter of values
        "linalg_matrix_exp": lambda call: _done(_matrix(call)[0], 5 * call.shape()[-1] ** 3),
        "linalg_cross": each_result(3),  # two products and their difference
        "trace": lambda call: elementwise((max(0, min(call.shape()) - 1),), 1),
        "addr": each_result(2),
    }
)
