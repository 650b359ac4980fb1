import numpy as np
import pandas as pd
import pytest
from PIL import Image

from splatrig.evaluation import figures
from splatrig.evaluation.table import MethodTable, pick
from support import planted
from support.planted import evaluate_method


@pytest.fixture(scope="module")
def methods():
    made = planted.head(1)
    tables = []
    for method, family in (("pca_all", "pca"), ("sldc_gauss_xyz", "sldc")):
        parts = planted.components(
            made, family=family, attributes=planted.ALL_ATTRIBUTES if family == "pca" else ("xyz",)
        )
        tables.append(evaluate_method(method, "subd2", parts, planted.rows(parts), [1, 2, 3], 0))
    carried = tables[0].assign(method="upsampled_pca_all", level="base")
    fits = MethodTable("fits", "subd2")
    fits.add("image_psnr", 30.0, "dB", 12, k=0)
    for name in ("image_psnr", "generalization_psnr", "specificity_psnr"):
        rows = MethodTable("pca_all", "subd2")
        for k in (1, 3):
            split = "left_out" if name.startswith("gen") else "train"
            rows.add(name, 28.0 + k, "dB", 12, k=k, split=split, interval=(27.0, 33.0))
        tables.append(rows.frame())
    return pd.concat([*tables, carried, fits.frame()], ignore_index=True)


@pytest.fixture(scope="module")
def sweeps():
    table = MethodTable("sldc_gauss_xyz", "base")
    for k in (1, 3):
        table.add("generalization_surface", 1.0 / k, "mm", 9, k=k, split="left_out", interval=(0.1, 1.2))
    return table.frame().assign(**{"lambda": 1.0, "sweep": "left_out"})


def curves_of(axes):
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_reconstruction_curves_show_the_table(methods, sweeps):
    figure = figures.draw_reconstruction(methods, sweeps)
    found = curves_of(figure.axes[0])
    assert set(found) == {"global (PCA)", "local (Gaussian SLDC)"}
    rows = pick(methods, "surface_xyz", method="pca_all")
    np.testing.assert_allclose(found["global (PCA)"], rows[["k", "value"]])
    left_out = curves_of(figure.axes[1])
    np.testing.assert_allclose(left_out["local (Gaussian SLDC)"], [[1.0, 1.0], [3.0, 1.0 / 3.0]])
    assert "frames fitted one by one" in curves_of(figure.axes[3])


def test_influence_compares_all_methods_by_displacement_and_only_whole_ones_by_all_attributes(methods):
    displacement, everything = figures.draw_influence(methods).axes
    assert set(curves_of(displacement)) == {"global (PCA)", "local (Gaussian SLDC)"}
    assert set(curves_of(everything)) == {"global (PCA)"}


def test_pictures_of_held_out_expressions_get_their_own_row(methods):
    assert len(figures.draw_images(methods).axes) == 2
    rows = methods[methods["metric"].str.startswith("image_")].assign(split="held_out")
    assert len(figures.draw_images(pd.concat([methods, rows])).axes) == 4


def test_every_axis_says_what_and_in_which_unit(methods, sweeps):
    fit = pd.DataFrame(
        [("E1", "1", "c", split, "mask", 30.0, 0.9, np.nan) for split in ("train", "held_out")],
        columns=["expression", "frame", "camera", "split", "region", "psnr", "ssim", "lpips"],
    )
    drawn = [
        figures.draw_reconstruction(methods, sweeps),
        figures.draw_influence(methods),
        figures.draw_attributes(methods),
        figures.draw_locality(methods),
        figures.draw_images(methods),
        figures.draw_upsampling(methods),
        figures.draw_fit(fit),
    ]
    for figure in drawn:
        for axes in figure.axes:
            assert axes.get_xlabel()
        assert figure.axes[0].get_ylabel() or figure.axes[0].get_yticklabels()
    assert "mm" in drawn[2].axes[0].get_ylabel()
    assert "degree" in drawn[2].axes[2].get_ylabel()


def test_truth_figure_prints_every_correlation_and_a_dash_for_units_without_a_component():
    truth = pd.DataFrame(
        [
            ("pca_all", "jaw", 0.25, 0),
            ("pca_all", "brow", 0.0, -1),
            ("sldc_gauss_xyz", "jaw", 0.75, 1),
            ("sldc_gauss_xyz", "brow", 1.0, 0),
        ],
        columns=["method", "unit", "correlation", "component"],
    )
    axes = figures.draw_truth(truth).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["brow", "jaw"]
    assert [text.get_text() for text in axes.texts] == ["–", "1.00", "0.25", "0.75"]


def test_a_single_expression_without_held_out_cameras_is_drawn_inside_of_the_panel():
    fit = pd.DataFrame(
        [("E1", frame, "c", "train", "mask", 30.0, 0.9, np.nan) for frame in ("1", "2")],
        columns=["expression", "frame", "camera", "split", "region", "psnr", "ssim", "lpips"],
    )
    figure = figures.draw_fit(fit)
    low, high = figure.axes[0].get_ylim()
    assert low < figure.axes[0].lines[0].get_ydata().min() <= figure.axes[0].lines[0].get_ydata().max() < high
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training cameras"]


def test_methods_at_one_k_stand_side_by_side_and_those_without_locality_have_no_line(methods, sweeps):
    once = methods[methods["k"] == 3]
    points = curves_of(figures.draw_reconstruction(once, sweeps[sweeps["k"] == 3]).axes[0])
    places = sorted(float(points[name][0, 0]) for name in points)
    assert np.diff(places).min() > 0.05  # of k = 3
    assert np.mean(places) == pytest.approx(3.0)
    pictured = methods[methods["metric"] == "image_psnr"].assign(method="sldc_trapezoid_xyz")
    labels = figures.draw_locality(pd.concat([methods, pictured])).axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == ["global (PCA)", "local (Gaussian SLDC)"]


def test_attributes_are_those_that_there_are(methods):
    titles = [axes.get_title(loc="left") for axes in figures.draw_attributes(methods).axes]
    assert titles == ["center", "color", "rotation", "size"]
    few = methods[~methods["metric"].isin(["rmse_rotation", "rmse_scale"])]
    other = methods[methods["metric"] == "rmse_scale"].assign(metric="rmse_flatness")
    titles = [axes.get_title(loc="left") for axes in figures.draw_attributes(pd.concat([few, other])).axes]
    assert titles == ["center", "color", "flatness"]
    centers = methods[methods["metric"] != "rmse_f_dc"][lambda rows: ~rows["metric"].str.contains("rotation|scale")]
    assert figures.draw_attributes(centers).axes[0].texts[0].get_text() == "no method moves more than centers"


def test_a_truth_without_moving_units_says_so():
    truth = pd.DataFrame([], columns=["unit", "component", "correlation", "best", "r_squared", "n", "method", "level"])
    axes = figures.draw_truth(truth).axes
    assert [text.get_text() for text in axes[0].texts] == ["no face unit moves in the training frames"]
    assert len(axes) == 1


def test_equal_figures_are_equal_files(methods, tmp_path):
    for name in ("a.png", "b.png"):
        figures.save(tmp_path / name, figures.draw_locality(methods))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "a.png").size[0] > 600


def test_colors_differ_between_methods():
    looks = [figures.look_of(name) for name in figures.ORDER]
    assert len({look["color"] for look in looks}) == len(looks)
    assert len({look["marker"] for look in looks}) == len(looks)


def test_upsampling_says_on_how_many_gaussians_components_were_learned(methods):
    sizes = [
        {"method": method, "level": level, "metric": "gaussians", "value": count, "k": 3}
        for method, level, count in (("pca_all", "subd2", 15970.0), ("upsampled_pca_all", "base", 1000.0))
    ]
    figure = figures.draw_upsampling(pd.concat([methods, pd.DataFrame(sizes)], ignore_index=True))
    assert set(curves_of(figure.axes[0])) == {"learned on 15,970 Gaussians", "learned on 1,000 Gaussians, upsampled"}


def test_a_method_that_nobody_knew_has_a_curve_of_its_own(methods):
    unknown = methods[methods["method"] == "pca_all"].assign(method="sldc_cosine_f_dc")
    both = pd.concat([methods, unknown], ignore_index=True)
    drawn = curves_of(figures.draw_influence(both).axes[0])
    assert {"global (PCA)", "sldc cosine f dc"} <= set(drawn)
    assert figures.look_of("sldc_cosine_f_dc") not in [figures.look_of(name) for name in figures.ORDER]
    assert not {"fits", "upsampled_pca_all"} & set(figures.in_order(both["method"]))


def test_a_rig_that_is_driven_has_a_line_next_to_its_curve_and_the_fits(methods):
    rig = MethodTable("learned_arkit", "subd2")
    for k, value in ((3, 28.0), (52, 31.0)):
        rig.add("image_psnr", value, "dB", 12, k=k)
    rig.add("driven_psnr", 30.5, "dB", 12, k=52)
    axes = figures.draw_images(pd.concat([methods, rig.frame()], ignore_index=True)).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    driven = lines["learned ARKit, driven by the true weights"]
    assert set(driven.get_ydata()) == {30.5}
    assert driven.get_color() == figures.look_of("learned_arkit")["color"]
    assert "frames fitted one by one" in lines


def test_regions_have_a_bar_for_every_method_that_knows_them():
    local, fits = MethodTable("learned_local", "subd2"), MethodTable("fits", "subd2")
    for k, more in ((2, 0.0), (5, 3.0)):
        for region, value in (("whole", 26.0), ("mouth", 20.0)):
            local.add("image_pooled_psnr", value + more, "dB", 90, k=k, region=region, interval=(value, value + 4.0))
    fits.add("image_pooled_psnr", 31.0, "dB", 90, k=0, region="whole")
    (axes,) = figures.draw_regions(pd.concat([local.frame(), fits.frame()])).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["whole", "mouth"]
    bars = {drawn.get_label(): [bar.get_height() for bar in drawn] for drawn in axes.containers}
    assert bars["learned local"] == [29.0, 23.0]
    assert bars["frames fitted one by one"] == pytest.approx([31.0, np.nan], nan_ok=True)
    empty = figures.draw_regions(local.frame().iloc[:0]).axes[0]
    assert empty.texts[0].get_text() == "not measured"
