import numpy as np
import pandas as pd
import pytest

import planted
from splatrig.errors import InputError
from splatrig.evaluation.fit import merge_fit_metrics, summarise_fit, worst_views
from splatrig.evaluation.images import IMAGE_COLUMNS, fitted_like, summarise_images
from splatrig.evaluation.summary import comparison, key_numbers, write_html, write_latex, write_markdown
from splatrig.evaluation.table import MethodTable, label_of, merge_tables, pick, read_table, write_table
from splatrig.gaussians.store import FittedFrames, write_fitted_frames


def store(path, expression, frames, psnrs):
    rows = [
        (frame, camera, "held_out" if camera == "400002" else "train", region, value + (region == "image"), 0.9, np.nan)
        for frame, value in zip(frames, psnrs, strict=True)
        for camera in ("400002", "400004")
        for region in ("mask", "image")
    ]
    metrics = pd.DataFrame(rows, columns=["frame", "camera", "split", "region", "psnr", "ssim", "lpips"])
    neutral = planted.head(1).neutral
    write_fitted_frames(path, FittedFrames(expression, tuple(frames), (neutral,) * len(frames), metrics, {}))
    return path


@pytest.fixture
def fit(tmp_path):
    return merge_fit_metrics(
        [
            store(tmp_path / "a.h5", "E001", ["000102"], [30.0]),
            store(tmp_path / "b.h5", "E002", ["000003", "000006"], [28.0, 26.0]),
        ]
    )


def test_fit_metrics_of_all_expressions_are_one_table(fit, tmp_path):
    assert len(fit) == 3 * 2 * 2
    write_table(tmp_path / "fit.csv", fit)
    read = read_table(tmp_path / "fit.csv")
    assert read["frame"].tolist() == fit["frame"].tolist()
    assert read["camera"].iloc[0] == "400002"


def test_fit_summary_is_the_mean_over_frames(fit):
    table = summarise_fit(fit, np.random.default_rng(0))
    row = table[(table["split"] == "held_out") & (table["region"] == "mask") & (table["metric"] == "psnr")].iloc[0]
    assert row["value"] == pytest.approx(28.0)
    assert row["n"] == 3
    assert row["low"] <= 28.0 <= row["high"]
    assert "lpips" not in set(table["metric"])


def test_infinite_psnr_is_left_out_and_counted_out(fit):
    fit.loc[fit["expression"] == "E001", "psnr"] = np.inf
    table = summarise_fit(fit, np.random.default_rng(0))
    row = table[(table["split"] == "train") & (table["region"] == "mask") & (table["metric"] == "psnr")].iloc[0]
    assert row["value"] == pytest.approx(27.0)
    assert row["n"] == 2


def test_worst_views_are_one_an_expression_worst_first(fit):
    assert worst_views(fit, 2)[["expression", "frame"]].to_numpy().tolist() == [["E002", "000006"], ["E001", "000102"]]


def test_tables_merge_in_order_and_name_the_file_that_lacks_a_column(tmp_path):
    for name in ("one", "two"):
        table = MethodTable(name, "base")
        table.add("rmse_xyz", 1.5, "mm", 10, k=3)
        write_table(tmp_path / f"{name}.csv", table.frame())
    merged = merge_tables([tmp_path / "two.csv", tmp_path / "one.csv"])
    assert merged["method"].tolist() == ["two", "one"]
    assert pick(merged, "rmse_xyz", method="one")["value"].iloc[0] == 1.5
    (tmp_path / "bad.csv").write_text("method,level\na,b\n")
    with pytest.raises(InputError, match=r"bad\.csv.*'k'"):
        merge_tables([tmp_path / "bad.csv"])


def picture_scores():
    rows = [
        ("pca_all", "subd2", k, "E002", frame, "train", camera, 20.0 + k + shift, 0.8)
        for k in (1, 5)
        for frame, shift in (("000003", 0.0), ("000006", 2.0))
        for camera in ("400002", "400004")
    ]
    return pd.DataFrame(rows, columns=list(IMAGE_COLUMNS))


def test_picture_scores_become_means_over_frames():
    table = summarise_images(picture_scores(), np.random.default_rng(0))
    row = pick(table, "image_psnr", k=5).iloc[0]
    assert row["value"] == pytest.approx(26.0)
    assert row["n"] == 2
    assert row["unit"] == "dB"


def test_the_fits_are_averaged_over_the_same_pictures(fit):
    images = picture_scores()
    images = images[images["camera"] == "400002"]
    assert fitted_like(fit, images)["psnr"] == pytest.approx(27.0)


def methods():
    table = MethodTable("pca_all", "subd2")
    for k, error in ((1, 2.0), (5, 0.5)):
        table.add("rmse_xyz", error, "mm", 100, k=k)
        table.add("generalisation_xyz", 2 * error, "mm", 9, k=k, split="left_out", interval=(error, 3 * error))
    local = MethodTable("sldc_gauss_xyz", "subd2")
    local.add("rmse_xyz", 0.7, "mm", 100, k=5)
    local.add("zero_rows", 0.82, "share", 100, k=5)
    return pd.concat([table.frame(), local.frame()], ignore_index=True)


def sweeps():
    table = MethodTable("pca_xyz", "base")
    table.add("generalisation_xyz", 1.0, "mm", 9, k=5, split="left_out", interval=(0.5, 1.5))
    local = MethodTable("sldc_gauss_xyz", "base")
    local.add("generalisation_xyz", 0.9, "mm", 9, k=5, split="left_out", interval=(0.4, 1.4))
    both = pd.concat([table.frame(), local.frame()], ignore_index=True)
    return both.assign(**{"lambda": np.nan, "sweep": "left_out"})


def test_key_numbers_take_the_largest_k_and_say_how(fit):
    numbers = key_numbers(summarise_fit(fit, np.random.default_rng(0)), methods(), sweeps(), None)
    assert numbers["value"].tolist() == pytest.approx([28.0, 0.5, 0.7, 0.9])
    assert numbers["unit"].tolist() == ["dB", "mm", "mm", "mm"]
    assert "82 %" in numbers["how"].iloc[2]
    assert (numbers["n"] > 0).all()


def test_comparison_has_a_row_a_method_and_no_empty_column():
    table = comparison(methods(), sweeps(), None)
    assert table["method"].tolist() == ["global (joint PCA)", "local (Gaussian SLDC)"]
    assert table["RMSE, head (mm)"].tolist() == [0.5, 0.7]
    assert "PSNR (dB)" not in table.columns


def test_html_and_markdown_hold_every_number(tmp_path):
    table = comparison(methods(), sweeps(), None)
    write_html(tmp_path / "a.html", "Title & <more>", table)
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "Title &amp; &lt;more&gt;" in page
    assert page.count("<tr>") == 3
    assert "0.82" in page
    write_markdown(tmp_path / "a.md", table)
    lines = (tmp_path / "a.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4
    assert "| global (joint PCA) | subd2 | 5 | 0.5 |" in lines[2]


def test_latex_escapes_and_aligns(tmp_path):
    write_latex(tmp_path / "a.tex", pd.DataFrame({"a_b": ["50 %"], "x": [0.5]}), "R&D")
    text = (tmp_path / "a.tex").read_text(encoding="utf-8")
    assert r"\caption{R\&D}" in text
    assert r"\begin{tabular}{lr}" in text
    assert r"50 \% & 0.5 \\" in text
    assert text.count(r"\begin") == text.count(r"\end")


def test_unknown_methods_are_called_by_their_file():
    assert label_of("sldc_gauss_scale") == "sldc gauss scale"
