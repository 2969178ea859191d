import math

import pytest

from netsim.results.fit import fit

SIZES = (10, 50, 100, 300, 1000)


@pytest.mark.parametrize(
    ("shape", "form"), [("log2 N", math.log2), ("√N", math.sqrt), ("N", float)], ids=["log", "root", "line"]
)
def test_a_curve_is_found_again(shape, form):
    curve = fit([(nodes, 1.5 + 0.25 * form(nodes)) for nodes in SIZES])
    assert curve.shape == shape
    assert (curve.a, curve.b) == (pytest.approx(1.5), pytest.approx(0.25))
    assert curve.error == pytest.approx(0, abs=1e-9)
    assert curve.at(100_000) == pytest.approx(1.5 + 0.25 * form(100_000))


def test_what_does_not_grow_is_said_to_grow_no_further():
    curve = fit([(nodes, 2.0) for nodes in SIZES])
    assert curve.shape == "log2 N"
    assert curve.at(100_000) == pytest.approx(2)


def test_the_error_says_how_far_a_curve_is_from_what_was_seen():
    curve = fit([(10, 1.0), (100, 3.0), (1000, 2.0), (10_000, 4.0)])
    assert 0.3 < curve.error < 1


def test_two_sizes_are_no_curve_and_what_never_came_is_no_size():
    assert fit([(10, 1.0), (100, 2.0)]) is None
    assert fit([(10, 1.0), (100, 2.0), (1000, math.inf)]) is None
