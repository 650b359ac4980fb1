import numpy as np
import pytest
from pydantic import ValidationError

from splatrig.components.support import Locality, largest_distance_mm
from splatrig.config.support_maps import GaussMap, TrapezoidMap
from splatrig.io.errors import InputError
from splatrig.mesh.geodesic import GeodesicSolver


def test_trapezoid_matches_its_formula_at_its_corners():
    support = TrapezoidMap(d_min=0.1, d_max=0.6)
    distances = np.array([0.0, 0.1, 0.35, 0.6, np.inf])
    np.testing.assert_allclose(support(distances), [0.0, 0.0, 0.5, 1.0, 1.0], atol=1e-15)


def test_gauss_matches_its_formula():
    support = GaussMap(sigma=0.2)
    distances = np.array([0.0, 0.2, 0.4, np.inf])
    np.testing.assert_allclose(support(distances), [0.0, 1 - np.exp(-0.5), 1 - np.exp(-2.0), 1.0], atol=1e-15)


@pytest.mark.parametrize("support", [TrapezoidMap(d_min=5.0, d_max=30.0), GaussMap(sigma=12.0)])
def test_maps_are_monotone_from_zero_to_one(support):
    values = support(np.append(np.linspace(0, 200, 999), np.inf).astype(np.float32))
    assert values[0] == 0.0
    assert values[-1] == 1.0
    assert (np.diff(values) >= 0).all()


@pytest.mark.parametrize("bounds", [(0.6, 0.1), (0.2, 0.2), (-0.1, 0.3)])
def test_a_trapezoid_that_does_not_rise_is_refused(bounds):
    with pytest.raises(ValidationError, match="d_min"):
        TrapezoidMap(d_min=bounds[0], d_max=bounds[1])


def test_a_gauss_map_without_width_is_refused():
    with pytest.raises(ValidationError, match="sigma"):
        GaussMap(sigma=0.0)


def strip_and_triangle() -> tuple[np.ndarray, np.ndarray]:
    """Return a strip of 10 mm squares, a far triangle, and an isolated vertex."""
    x = np.arange(11.0) * 10
    strip = np.concatenate(
        [np.stack([x, np.zeros(11), np.zeros(11)], 1), np.stack([x, np.full(11, 10.0), np.zeros(11)], 1)]
    )
    faces = [f for i in range(10) for f in ([i, i + 1, i + 12], [i, i + 12, i + 11])] + [[22, 23, 24]]
    island = np.array([[500.0, 0, 0], [510.0, 0, 0], [500.0, 10, 0], [900.0, 0, 0]])
    return np.concatenate([strip, island]), np.array(faces)


def test_another_piece_and_an_isolated_vertex_are_fully_penalised():
    locality = Locality(GeodesicSolver(*strip_and_triangle()), GaussMap(sigma=20.0), 1.0)
    rows = locality.rows(np.array([0, 22, 25, 0]))
    assert np.isfinite(rows).all()
    assert (rows[0, 22:] == 1.0).all()
    assert (rows[1, :22] == 1.0).all()
    np.testing.assert_array_equal(rows[2], [1.0] * 25 + [0.0])
    np.testing.assert_array_equal(rows[0], rows[3])


def test_the_largest_distance_of_a_strip_is_its_length():
    solver = GeodesicSolver(*strip_and_triangle())
    np.testing.assert_allclose(largest_distance_mm(solver, 5), np.hypot(100, 10), rtol=0.05)
    with pytest.raises(InputError, match="vertex 25 has no neighbors"):
        largest_distance_mm(solver, 25)
