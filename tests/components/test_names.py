from dataclasses import replace

import numpy as np
import pytest

from splatrig.components.assemble import named
from splatrig.components.component_file import Components, Origin, read_components, write_components
from splatrig.components.fields import Columns
from splatrig.components.names import (
    REGIONS,
    best_units,
    component_names,
    expression_names,
    face_regions,
    place_names,
)
from splatrig.components.units import Units, read_units
from splatrig.mesh.template import Template, build_template
from support.synthetic import demo_level

FRAMES = ("E001_Neutral/000102", "E010_Smile/000200", "E010_Smile/000203", "E040_Jaw/000300", "E065_Brow/000400")


def components_of(fields: np.ndarray, W: np.ndarray, family: str = "sldc") -> Components:
    """Return components whose unit weight moves the vertices by `fields` [K, V, 3] millimeters."""
    columns = fields.shape[1] * 3
    return Components(
        family=family,
        W=W.astype(np.float32),
        C=(fields.reshape(len(fields), -1) / 2).astype(np.float32),
        mean=np.zeros(columns, np.float32),
        std=np.full(columns, 2, np.float32),
        offset=None,
        columns=Columns(("xyz",), columns // 3),
        faces=np.zeros((0, 3), np.int64),
        face_mask=np.ones(fields.shape[1], bool),
        frames=FRAMES[: len(W)],
        origin=Origin(level="base"),
    )


@pytest.mark.parametrize(
    ("unit", "place"),
    [
        ("browOuterUpLeft", "brow left"),
        ("browOuterUpRight", "brow right"),
        ("browInnerUp", "brow"),
        ("eyeBlinkLeft", "eye left"),
        ("eyeBlinkRight", "eye right"),
        ("cheekSquintLeft", "cheek left"),
        ("mouthSmileLeft", "mouth left"),
        ("mouthSmileRight", "mouth right"),
        ("mouthPucker", "mouth"),
        ("mouthShrugLower", "mouth"),
    ],
)
def test_face_units_of_the_demo_head_are_placed_where_their_names_say(unit, place):
    level, units = demo_level()
    assert place_names((units[unit] ** 2).sum(axis=1)[None], level) == [place]


def test_every_region_exists_on_the_demo_head():
    level, _ = demo_level()
    assert set(face_regions(level)) == set(range(len(REGIONS)))


def test_a_motion_of_everything_is_the_whole_head_and_none_is_still():
    level, _ = demo_level()
    moved = np.stack([np.ones(len(level.vertices)), np.zeros(len(level.vertices))])
    assert place_names(moved, level) == ["whole head", "still"]


def test_the_expressions_that_use_a_component_most_are_named():
    W = np.array([[0, 0, 0], [0.1, 0.2, 0], [0.3, 1.0, 0], [1.0, 0.9, 0], [0, 0, 0]], np.float32)
    assert expression_names(W, FRAMES) == ["E040_Jaw", "E010_Smile, E040_Jaw", "no expression"]


def test_negative_weights_count_as_use():
    W = np.array([[0.0], [0.1], [-0.9], [0.5], [0.0]], np.float32)
    assert expression_names(W, FRAMES) == ["E010_Smile"]


def test_a_name_says_family_number_place_expression_and_unit():
    level, units = demo_level()
    fields = np.stack([units["mouthSmileLeft"], units["browOuterUpRight"]])
    W = np.array([[0, 0], [0.5, 0], [1, 0], [0, 0], [0, 1]])
    components = components_of(fields, W)
    assert component_names(components, level) == (
        "SLDC 01 · mouth left · E010_Smile",
        "SLDC 02 · brow right · E065_Brow",
    )
    known = Units(tuple(units), shapes=np.stack(list(units.values())))
    assert component_names(components, level, best_units(components, known, level)) == (
        "SLDC 01 · mouth left · E010_Smile · mouthSmileLeft 1.00",
        "SLDC 02 · brow right · E065_Brow · browOuterUpRight 1.00",
    )


def test_units_that_always_go_together_are_told_apart_by_their_side():
    level, units = demo_level()
    W = np.array([[0, 0], [0.5, 0.5], [1, 1], [0, 0], [0, 0]])
    components = components_of(np.stack([units["eyeBlinkRight"], units["eyeBlinkLeft"]]), W)
    known = Units(("eyeBlinkLeft", "eyeBlinkRight", "jawOpen"), weights=np.column_stack([W, [0, 0, 1, 1, 0]]))
    names, correlation = best_units(components, known, level)
    assert names == ["eyeBlinkRight", "eyeBlinkLeft"]
    np.testing.assert_allclose(correlation, 1.0)


def test_eyes_that_turn_while_the_mouth_moves_name_what_moves_at_the_eyes_alone():
    level, units = demo_level()
    W = np.repeat([[0.0], [0.5], [1.0], [0.0], [0.0]], 3, axis=1)
    fields = [units[name] for name in ("mouthSmileLeft", "eyeBlinkLeft", "browOuterUpRight")]
    known = Units(("eyeLookOutLeft", "mouthSmileLeft"), weights=W[:, :2])
    names, _ = best_units(components_of(np.stack(fields), W), known, level)
    assert names == ["mouthSmileLeft", "eyeLookOutLeft", "mouthSmileLeft"]


def test_units_are_matched_by_weights_over_frames_too(tmp_path):
    level, units = demo_level()
    W = np.array([[0, 0], [0.5, 0.1], [1, 0], [0, 0.1], [0, 1]])
    table = ["expression,frame,unit,weight"]
    for frame, (smile, brow) in zip(FRAMES, W, strict=True):
        expression, number = frame.split("/")
        table += [f"{expression},{number},smile,{smile}", f"{expression},{number},brow,{brow}"]
    (tmp_path / "truth.csv").write_text("\n".join(table))
    components = components_of(np.stack([units["mouthSmileLeft"], units["browOuterUpRight"]]), W)
    template = Template({"base": level})
    names, correlation = best_units(components, read_units(tmp_path / "truth.csv", FRAMES, len(level.vertices)), level)
    assert names == ["smile", "brow"]
    np.testing.assert_allclose(correlation, 1.0)
    written = named(components, template, str(tmp_path / "truth.csv"))
    write_components(tmp_path / "c.h5", written)
    read = read_components(tmp_path / "c.h5")
    assert read.names == written.names
    assert read.names[0].endswith("smile 1.00")
    assert list(read.unit_best) == ["smile", "brow"]


def test_the_sign_of_pca_does_not_matter_and_that_of_sldc_does():
    level, units = demo_level()
    fields, W = -units["jawOpen"][None], np.zeros((5, 1))
    known = Units(("jawOpen",), shapes=units["jawOpen"][None])
    assert best_units(components_of(fields, W, "pca"), known, level)[0] == ["jawOpen"]
    names, correlation = best_units(components_of(fields, W, "sldc"), known, level)
    assert (names, correlation.tolist()) == ([""], [0.0])


def test_a_users_own_shapes_of_the_tracked_mesh_name_components_of_a_finer_level(tmp_path):
    level, units = demo_level()
    template = build_template(level.vertices, level.faces, 1)
    chosen = ["jawOpen", "mouthSmileLeft"]
    np.savez(tmp_path / "mine.npz", names=np.array(chosen), shapes=np.stack([units[name] for name in chosen]))
    fields = np.stack([template.between("base", "subd1") @ units[name] for name in reversed(chosen)])
    components = components_of(fields, np.array([[0, 0], [1, 0], [1, 0], [0, 1], [0, 0]]))
    fine = named(replace(components, origin=Origin(level="subd1")), template, str(tmp_path / "mine.npz"))
    assert fine.names == (
        "SLDC 01 · mouth left · E010_Smile · mouthSmileLeft 1.00",
        "SLDC 02 · chin and mouth · E040_Jaw · jawOpen 1.00",
    )
    np.testing.assert_allclose(fine.unit_correlation, 1.0)


def test_without_units_in_the_table_components_resemble_none():
    level, units = demo_level()
    components = components_of(units["jawOpen"][None], np.eye(5, 1))
    names, correlation = best_units(components, Units((), weights=np.zeros((5, 0))), level)
    assert (names, correlation.tolist()) == ([""], [0.0])


def test_blendshapes_keep_their_names_and_are_compared_with_the_units_of_these():
    level, units = demo_level()
    W = np.array([[0, 0], [0.5, 0], [1, 0], [0, 0], [0, 1]])
    names = ("jawOpen", "nobodyKnows")
    mixed = units["mouthSmileLeft"] + 0.2 * units["jawOpen"]
    found = components_of(np.stack([mixed, units["browOuterUpRight"]]), W)
    shapes = replace(found, names=names, told=np.array([True, False]))
    known = Units(tuple(units), shapes=np.stack(list(units.values())))
    best, correlation = best_units(shapes, known, level)
    assert best == ["jawOpen", "browOuterUpRight"]
    assert correlation[0] < 0.9 < correlation[1]
    assert component_names(shapes, level, (best, correlation)) == names
