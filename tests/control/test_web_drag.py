"""The page in a browser: dragging, its solver, pins, the mouse."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from splatrig.components.weights import solve_weights
from splatrig.mesh.geodesic import GeodesicSolver
from support.web_page import CENTERS_MM, HEAD


@pytest.mark.parametrize("seed", range(6))
def test_the_solver_agrees_with_scipy_and_with_solve_weights(opened, seed):
    generator = np.random.default_rng(seed)
    count, rows = int(generator.integers(4, 50)), 3 * int(generator.integers(1, 4))
    A, b = generator.normal(size=(rows, count)), 5 * generator.normal(size=rows)
    low = np.where(generator.random(count) < 0.5, 0.0, -1.0)
    high = low + generator.uniform(0.5, 2.0, count)
    start, spread, ridge = generator.uniform(low, high), generator.uniform(0.2, 2.0, count), 0.05
    options = {"low": low, "high": high, "start": start, "spread": spread}
    listed = {key: values.tolist() for key, values in options.items()} | {"ridge": ridge}
    found = opened.call(
        "(head, A, b, options) => Array.from(head.solveBounded(A, b, options))", A.tolist(), b.tolist(), listed
    )
    pull = np.diag(np.sqrt(ridge) / spread)
    expected = lsq_linear(
        np.vstack([A, pull]), np.concatenate([b, pull @ start]), bounds=(low, high), method="bvls", tol=1e-14
    ).x
    np.testing.assert_allclose(found, expected, atol=1e-6)
    penalty = ridge / spread**2  # around the start, which is part of the moments
    (ours,) = solve_weights(A.T @ A + np.diag(penalty), (b @ A + penalty * start)[None], limits=(low, high))
    np.testing.assert_allclose(found, ours, atol=1e-6)


DISTANCES = """async ([places, faces, sources]) => {
    const { Surface } = await import("splatrig/surface.js");
    const surface = new Surface(Float64Array.from(places), faces, places.length / 3);
    return Array.from(surface.distances(sources), (far) => (far < Infinity ? far : -1));
}"""
DETOUR = 1.1
"""Longest path over edges and from corner to corner across them, relative to the geodesic."""


def over_surface(opened, vertices, faces, sources) -> np.ndarray:
    """Return the page's distances [V] over a mesh; -1 where there is no way."""
    given = [np.ravel(vertices).tolist(), np.ravel(faces).tolist(), sources]
    return np.array(opened.page.evaluate(DISTANCES, given))


@pytest.mark.parametrize("source", [0, 77])
def test_distances_are_those_over_the_surface_and_a_little_more(opened, source):
    found = over_surface(opened, HEAD.template.base.vertices, HEAD.faces, [[source, 0.0]])
    exact = GeodesicSolver(HEAD.template.base.vertices, HEAD.faces).distances([source])[0]
    far = exact > 30
    assert found[source] == 0.0
    assert (found[far] / exact[far]).min() > 0.97  # of the heat method, which is an approximation itself
    assert (found[far] / exact[far]).max() < DETOUR


def test_the_other_lip_is_as_far_as_the_way_around_the_corner_of_the_mouth(opened):
    slit = np.array([[x, y, 0.0] for y in (1.0, -1.0) for x in (0, 20, 40)] + [[60.0, 0.0, 0.0]])
    faces = np.array([[0, 1, 6], [1, 2, 6], [3, 6, 4], [4, 6, 5]])  # two lips that share a corner alone
    found = over_surface(opened, slit, faces, [[0, 0.0]])
    assert 2 * 60.0 < found[3] < 1.01 * 2 * 60.0  # and not 2 mm
    assert over_surface(opened, slit, faces[:2], [[0, 0.0]])[3] == -1
    both = over_surface(opened, slit, faces, [[0, 5.0], [3, 1.0]])
    assert (both[0], both[3]) == (5.0, 1.0)


DRAG = """(head, point, by) => {
    const found = head.drag.find(...head.view.projector(320, 320)(point).slice(0, 2));
    head.drag.hold(found);
    const from = head.drag.held.from;
    const target = from.map((value, axis) => value + by[axis]);
    head.drag.to(target);
    const to = head.rig.pointAt(found);
    head.drag.release();
    return { from, to, target };
}"""


def missed(done: dict[str, list[float]]) -> float:
    """Return how far a dragged point is from its target, relative to the drag."""
    drag = np.linalg.norm(np.subtract(done["target"], done["from"]))
    return float(np.linalg.norm(np.subtract(done["to"], done["target"])) / drag)


@pytest.mark.parametrize("by", [[4.0, 0.0, 0.0], [-3.0, 5.0, 0.0], [0.0, -6.0, 0.0]])
def test_a_dragged_point_follows_where_the_components_can_take_it(opened, by):
    done = opened.call(DRAG, CENTERS_MM[0].tolist(), by)
    np.testing.assert_allclose(done["from"], CENTERS_MM[0], atol=4.0)
    assert missed(done) < 0.05
    weights = opened.weights()[HEAD.panels["pca_all"].count :]
    assert (weights >= 0).all()
    assert (weights <= 1.0).all()
    assert weights[4:].max() < 0.2 * weights[:4].max()  # the other center is far


def test_a_drag_out_of_reach_goes_as_far_as_the_components_go(opened):
    done = opened.call(DRAG, CENTERS_MM[0].tolist(), [40.0, 0.0, 0.0])
    assert missed(done) > 0.5
    weights = opened.weights()[HEAD.panels["pca_all"].count :]
    assert weights[0] == 1.0
    assert weights[1] == 0.0


def test_a_pinned_point_stays_where_a_free_one_is_taken_along(opened):
    beside = (CENTERS_MM[0] + [12.0, 0.0, 3.0]).tolist()
    find = """(head, point) => {
        head.found = head.drag.find(...head.view.projector(320, 320)(point).slice(0, 2));
        return head.rig.pointAt(head.found);
    }"""
    before = opened.call(find, beside)

    def moved() -> float:
        opened.call(DRAG, CENTERS_MM[0].tolist(), [0.0, 5.0, 0.0])
        return float(np.linalg.norm(np.subtract(opened.call("(head) => head.rig.pointAt(head.found)"), before)))

    free = moved()
    opened.page.locator("#reset").click()
    opened.call("(head) => head.drag.pin(head.found)")
    held = moved()
    assert free > 2.0
    assert held < 0.8 * free
    opened.page.locator("#unpin").click()
    assert opened.call("(head) => head.drag.pins.length") == 0


def test_the_mouse_drags_the_face_and_turns_the_head_beside_it(opened):
    box = opened.page.locator("#view").bounding_box()
    x, y, _ = opened.call("(head, point) => head.view.projector(320, 320)(point)", CENTERS_MM[1].tolist())
    view = opened.call("(head) => head.view.orbit.position.toArray()")
    opened.page.mouse.move(box["x"] + x, box["y"] + y)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + x + 6, box["y"] + y - 8, steps=3)
    done = opened.call(
        "(head) => ({ from: head.drag.held.from, to: head.rig.pointAt(head.drag.held), target: head.drag.held.target })"
    )
    opened.page.mouse.up()
    assert missed(done) < 0.05
    seen = opened.call("(head, point) => head.view.projector(320, 320)(point)", done["target"])
    np.testing.assert_allclose(seen[:2], [x + 6, y - 8], atol=2.0)
    held = opened.weights()
    assert held.any()
    opened.page.mouse.move(box["x"] + 10, box["y"] + 10)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 60, box["y"] + 10, steps=3)
    opened.page.mouse.up()
    assert np.array_equal(opened.weights(), held)
    assert np.linalg.norm(np.subtract(opened.call("(head) => head.view.orbit.position.toArray()"), view)) > 10
