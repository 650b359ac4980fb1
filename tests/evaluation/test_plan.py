import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatrig.evaluation.plan import curve_counts, sparse_pca_count


@pytest.mark.parametrize(
    ("k", "counts"),
    [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 6, 8]), (20, [1, 2, 5, 10, 15, 20])],
)
def test_curves_are_measured_at_one_two_and_quarters(k, counts):
    assert curve_counts(k) == counts


@given(st.integers(1, 500))
def test_curves_rise_from_one_component_to_all(k):
    counts = curve_counts(k)
    assert (counts[0], counts[-1]) == (1, k)
    assert counts == sorted(set(counts))


@pytest.mark.parametrize(("k", "count"), [(1, 1), (2, 1), (3, 1), (20, 10)])
def test_sparse_pca_finds_half_as_many_components_and_one_at_least(k, count):
    assert sparse_pca_count(k) == count
