import numpy as np
import pandas as pd
import pytest
from PIL import Image

import planted
from splatrig.evaluation import figures
from splatrig.evaluation.method import evaluate_method


@pytest.fixture(scope="module")
def methods():
    made = planted.head(1)
    tables = []
    for method, family in (("pca_all", "pca"), ("sldc_gauss_xyz", "sldc")):
        parts = planted.components(made, family=family, attributes=planted.JOINT if family == "pca" else ("xyz",))
        tables.append(evaluate_method(method, "subd2", parts, planted.rows(parts), [1, 2, 3], 0))
    carried = tables[0].assign(method="upsampled_pca_all", level="base")
    return pd.concat([*tables, carried], ignore_index=True)


def curves_of(axes):
    return {line.get_label(): line.get_xydata() for line in axes.lines}


def test_reconstruction_curves_show_the_table(methods):
    figure = figures.draw_reconstruction(methods)
    found = curves_of(figure.axes[0])
    assert set(found) == {"global (joint PCA)", "local (Gaussian SLDC)"}
    rows = methods[(methods["metric"] == "rmse_xyz") & (methods["method"] == "pca_all") & (methods["region"] == "head")]
    np.testing.assert_allclose(found["global (joint PCA)"], rows[["k", "value"]])


def test_every_axis_says_what_and_in_which_unit(methods):
    fit = pd.DataFrame(
        [("E1", "1", "c", split, "mask", 30.0, 0.9, np.nan) for split in ("train", "held_out")],
        columns=["expression", "frame", "camera", "split", "region", "psnr", "ssim", "lpips"],
    )
    drawn = [
        figures.draw_reconstruction(methods),
        figures.draw_attributes(methods),
        figures.draw_locality(methods),
        figures.draw_images(methods, {"psnr": 30.0, "ssim": 0.9}),
        figures.draw_upsampling(methods),
        figures.draw_fit(fit),
    ]
    for figure in drawn:
        for axes in figure.axes:
            assert axes.get_xlabel()
        assert figure.axes[0].get_ylabel() or figure.axes[0].get_yticklabels()
    assert "mm" in drawn[1].axes[0].get_ylabel()
    assert "degree" in drawn[1].axes[2].get_ylabel()


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


def test_equal_figures_are_equal_files(methods, tmp_path):
    for name in ("a.png", "b.png"):
        figures.save(tmp_path / name, figures.draw_locality(methods))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "a.png").size[0] > 600


def test_colours_differ_between_methods():
    looks = [figures.look_of(name) for name in figures.ORDER]
    assert len({look["color"] for look in looks}) == len(looks)
    assert len({look["marker"] for look in looks}) == len(looks)
