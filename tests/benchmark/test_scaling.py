"""Exponents of cost curves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bestie.benchmark.scaling import fit_exponent


@given(st.floats(0.2, 3), st.floats(0.01, 100))
def test_a_power_law_gives_its_exponent(exponent, factor):
    x = [1, 2, 4, 8, 16]
    assert fit_exponent(x, [factor * value**exponent for value in x]) == pytest.approx(exponent)


def test_the_lower_half_does_not_count():
    assert fit_exponent([1, 2, 4, 8], [7, 7, 4, 8]) == pytest.approx(1)
