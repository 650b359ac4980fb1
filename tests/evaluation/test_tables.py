import numpy as np
import pandas as pd
import pytest

from splatrig.components.labels import label_of
from splatrig.dataset.regions import UNKNOWN
from splatrig.evaluation.fit import FIT_REGION_COLUMNS, merge_fit_metrics, summarize_fit, with_regions, worst_views
from splatrig.evaluation.images import FITS, IMAGE_COLUMNS, fitted_pictures, summarize_images, unseen_pictures
from splatrig.evaluation.summary import (
    COMPARISON_COLUMNS,
    comparison,
    headline,
    key_numbers,
    remarks,
    side_by_side,
    what_was_measured,
)
from splatrig.evaluation.table import (
    RUNTIME_COLUMNS,
    MethodTable,
    merge_tables,
    pick,
    read_table,
    write_table,
)
from splatrig.evaluation.text_tables import fixed, write_html, write_latex, write_markdown
from splatrig.gaussians.store import FittedFrames, write_fitted_frames
from splatrig.io.errors import InputError
from splatrig.learned.compare import COLUMNS
from support import planted


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
    table = summarize_fit(fit, np.random.default_rng(0))
    row = table[(table["split"] == "held_out") & (table["region"] == "mask") & (table["metric"] == "psnr")].iloc[0]
    assert row["value"] == pytest.approx(28.0)
    assert row["n"] == 3
    assert row["low"] <= 28.0 <= row["high"]


def test_what_could_not_be_measured_is_said_to_be_absent(fit):
    table = summarize_fit(fit, np.random.default_rng(0))
    absent = table[table["metric"] == "lpips"]
    assert len(absent) == 4
    assert absent["value"].isna().all()
    assert (absent["n"] == 0).all()


def test_infinite_psnr_is_left_out_and_counted_out(fit):
    fit.loc[fit["expression"] == "E001", "psnr"] = np.inf
    table = summarize_fit(fit, np.random.default_rng(0))
    row = table[(table["split"] == "train") & (table["region"] == "mask") & (table["metric"] == "psnr")].iloc[0]
    assert row["value"] == pytest.approx(27.0)
    assert row["n"] == 2


def test_worst_views_are_of_the_worst_expressions_and_then_of_the_worst_cameras(fit):
    fit.loc[fit["camera"] == "400004", "psnr"] -= 5.0
    chosen = worst_views(fit, 2)
    assert chosen[["expression", "frame", "camera", "why"]].to_numpy().tolist() == [
        ["E002", "000006", "400002", "expression"],
        ["E001", "000102", "400002", "expression"],
        ["E002", "000006", "400004", "camera"],
    ]


def test_a_table_of_nothing_leaves_the_numbers_of_others_numbers(tmp_path):
    """One expression has no left-out pictures: an empty file, whose columns have no type."""
    write_table(tmp_path / "none.csv", MethodTable("a", "base").frame())
    filled = MethodTable("b", "base")
    filled.add("rmse_xyz", 1.5, "mm", 3, k=2)
    write_table(tmp_path / "some.csv", filled.frame())
    merged = merge_tables([tmp_path / "none.csv", tmp_path / "some.csv"])
    assert np.isfinite(merged["value"]).tolist() == [True]
    assert merge_tables([tmp_path / "none.csv"]).empty


def test_tables_merge_in_order_and_name_the_file_that_lacks_a_column(tmp_path):
    for name in ("one", "two"):
        table = MethodTable(name, "base")
        table.add("rmse_xyz", 1.5, "mm", 10, k=3)
        write_table(tmp_path / f"{name}.csv", table.frame())
    merged = merge_tables([tmp_path / "two.csv", tmp_path / "one.csv"])
    assert merged["method"].tolist() == ["two", "one"]
    assert pick(merged, "rmse_xyz", method="one")["value"].iloc[0] == 1.5
    write_table(tmp_path / "empty.csv", MethodTable("none", "base").frame())
    assert merge_tables([tmp_path / "empty.csv", tmp_path / "one.csv"]).dtypes["value"] == np.float64
    assert merge_tables([tmp_path / "empty.csv"]).empty
    (tmp_path / "bad.csv").write_text("method,level\na,b\n")
    with pytest.raises(InputError, match=r"bad\.csv.*'k'"):
        merge_tables([tmp_path / "bad.csv"])


def picture_scores():
    rows = [
        (
            "pca_all",
            "subd2",
            k,
            "reconstruction",
            "rows",
            0,
            "E002",
            frame,
            "train",
            camera,
            20.0 + k + shift,
            0.8,
            np.nan,
            *UNKNOWN,
        )
        for k in (1, 5)
        for frame, shift in (("000003", 0.0), ("000006", 2.0))
        for camera in ("400002", "400004")
    ]
    return pd.DataFrame(rows, columns=list(IMAGE_COLUMNS))


def test_picture_scores_become_means_over_frames():
    table = summarize_images(picture_scores(), np.random.default_rng(0))
    row = pick(table, "image_psnr", k=5).iloc[0]
    assert row["value"] == pytest.approx(26.0)
    assert row["n"] == 2
    assert row["unit"] == "dB"
    assert "image_lpips" not in set(table["metric"])


def test_random_faces_and_left_out_frames_have_metrics_of_their_own():
    scores = picture_scores()
    random = scores.assign(test="specificity", sample=np.arange(len(scores)) // 2)
    left_out = scores.assign(test="generalization", role="left_out")
    table = summarize_images(pd.concat([scores, random, left_out]), np.random.default_rng(0))
    assert pick(table, "specificity_psnr", k=1)["n"].tolist() == [2]
    assert pick(table, "generalization_psnr", k=1)["split"].tolist() == ["left_out"]


def test_equal_pictures_are_left_out_of_the_mean_and_counted_out():
    scores = picture_scores()
    scores.loc[scores["frame"] == "000003", "psnr"] = np.inf
    row = pick(summarize_images(scores, np.random.default_rng(0)), "image_psnr", k=1).iloc[0]
    assert row["value"] == pytest.approx(23.0)
    assert row["n"] == 1


def test_the_fits_stand_beside_the_methods_over_the_same_pictures(fit):
    images = picture_scores()
    images = images[images["camera"] == "400002"]
    fit = with_regions(fit, pd.DataFrame([("E002", "000006", "400002", *range(12))], columns=list(FIT_REGION_COLUMNS)))
    fits = fitted_pictures(fit, images, "subd2")
    assert fits["pixels_beyond"].tolist() == pytest.approx([np.nan, 11], nan_ok=True)
    assert tuple(fits.columns) == IMAGE_COLUMNS
    assert fits["method"].unique().tolist() == [FITS]
    assert fits["psnr"].tolist() == [28.0, 26.0]
    assert fitted_pictures(fit, pd.concat([images, fits]), "subd2")["psnr"].tolist() == [28.0, 26.0]


def test_held_out_expressions_are_told_from_their_photographs():
    rows = [
        (method, k, "held_out", "E003", "000001", "400002", region, 25.0, 0.8, *UNKNOWN)
        for method, k in ((FITS, 0), ("learned_local", 20))
        for region in ("mask", "image")
    ]
    compared = pd.DataFrame(rows, columns=list(COLUMNS))
    table = unseen_pictures(compared, "subd2")
    assert tuple(table.columns) == IMAGE_COLUMNS
    assert table[["method", "weights"]].to_numpy().tolist() == [[FITS, "fit"], ["learned_local", "photographs"]]
    summary = summarize_images(table, np.random.default_rng(0))
    assert pick(summary, "image_psnr", method="learned_local", split="held_out")["value"].iloc[0] == pytest.approx(25.0)


def methods():
    table = MethodTable("pca_all", "subd2")
    for k, error in ((1, 2.0), (5, 0.5)):
        table.add("rmse_xyz", error, "mm", 100, k=k)
        table.add("generalization_xyz", 2 * error, "mm", 9, k=k, split="left_out", interval=(error, 3 * error))
    local = MethodTable("sldc_gauss_xyz", "subd2")
    local.add("rmse_xyz", 0.7, "mm", 100, k=5)
    local.add("zero_rows", 0.82, "fraction", 100, k=5)
    for part in (table, local):
        part.add("compactness", 0.9, "fraction", 10, k=5)
    local.add("converged", 0.0, "1 yes, 0 no", 1, k=5)
    local.add("iterations", 200.0, "iterations", 1, k=5)
    rig, fits = MethodTable("learned_global", "subd2"), MethodTable(FITS, "subd2")
    rig.add("compactness", 0.9, "fraction", 10, k=5)
    rig.add("image_psnr", 31.0, "dB", 12, k=5, interval=(30.5, 31.5))
    fits.add("image_psnr", 30.0, "dB", 12, k=0, interval=(29.5, 30.5))
    return pd.concat([part.frame() for part in (table, local, rig, fits)], ignore_index=True)


def runtimes():
    rows = [
        ("sldc_gauss_xyz", "base", 5, 1.0, 30, "learning", 0.2),
        ("sldc_gauss_xyz", "base", 5, 1.0, 30, "learning", 0.4),
        ("sldc_gauss_xyz", "subd2", 5, np.nan, np.nan, "job", 2.5),
    ]
    return pd.DataFrame(rows, columns=list(RUNTIME_COLUMNS))


def main_table():
    return comparison(methods(), sweeps(), runtimes(), None)


def sweeps():
    table = MethodTable("pca_xyz", "base")
    table.add("generalization_xyz", 1.0, "mm", 9, k=5, split="left_out", interval=(0.5, 1.5))
    local = MethodTable("sldc_gauss_xyz", "base")
    local.add("generalization_xyz", 0.9, "mm", 9, k=5, split="left_out", interval=(0.4, 1.4))
    both = pd.concat([table.frame(), local.frame()], ignore_index=True)
    return both.assign(**{"lambda": np.nan, "sweep": "left_out"})


def test_key_numbers_take_the_largest_k_and_say_how(fit):
    numbers = key_numbers(summarize_fit(fit, np.random.default_rng(0)), methods(), sweeps(), None)
    assert numbers["value"].tolist() == pytest.approx([28.0, 31.0, 0.7, 0.9])
    assert numbers["unit"].tolist() == ["dB", "dB", "mm", "mm"]
    assert "frames fitted one by one 30.00 dB" in numbers["how"].iloc[1]
    assert "82 %" in numbers["how"].iloc[2]
    assert (numbers["n"] > 0).all()


def test_blendshapes_stand_in_the_key_numbers_and_the_main_table_with_what_driving_costs(fit):
    rig = MethodTable("learned_arkit", "subd2")
    rig.add("compactness", 0.9, "fraction", 10, k=52)
    rig.add("image_psnr", 31.5, "dB", 12, k=52)
    rig.add("driven_psnr", 31.2, "dB", 12, k=52)
    both = pd.concat([methods(), rig.frame()], ignore_index=True)
    numbers = key_numbers(summarize_fit(fit, np.random.default_rng(0)), both, sweeps(), None)
    assert "one rig of 52 components" in numbers["question"].iloc[1]
    assert "learned global 31.00 dB" in numbers["how"].iloc[1]
    table = comparison(both, sweeps(), runtimes(), None)
    driven = table[table["quantity"] == "the same, driven by the true weights"]
    assert driven[["method", "value"]].to_numpy().tolist() == [["learned_arkit", 31.2]]


def test_the_headline_says_number_unit_interval_and_count(fit):
    numbers = key_numbers(summarize_fit(fit, np.random.default_rng(0)), methods(), sweeps(), None)
    answers = headline(numbers, what_was_measured(fit, methods()))["answer"]
    assert answers[0].startswith("3 frames of 2 expressions from 1 training camera and 1 held-out camera")
    assert answers[2].startswith("31 dB [30.5, 31.5], n = 12: the same")
    assert answers[3].startswith("0.7 mm, n = 100: RMSE")


def test_key_numbers_do_without_learned_rigs(fit):
    without = methods()
    without = without[~without["method"].isin(["learned_global", FITS])]
    numbers = key_numbers(summarize_fit(fit, np.random.default_rng(0)), without, sweeps(), None)
    assert numbers["value"].tolist() == pytest.approx([28.0, 0.7, 0.9])


def test_the_main_table_has_a_number_a_row_with_unit_and_count():
    table = main_table()
    assert tuple(table.columns) == COMPARISON_COLUMNS
    error = table[table["quantity"] == "rebuilt frames, centers of the head, RMSE"].set_index("method")
    assert error["value"].to_dict() == {"pca_all": 0.5, "sldc_gauss_xyz": 0.7}
    assert set(error["unit"]) == {"mm"}
    assert (table["n"] > 0).all()
    seconds = table[table["unit"] == "s"].set_index("quantity")["value"]
    assert seconds.to_dict() == {"run time, whole job": 2.5, "run time, learning at base, median": pytest.approx(0.3)}


def test_the_table_for_people_has_a_column_a_method_and_says_intervals():
    wide = side_by_side(main_table()).set_index("quantity")
    assert wide.columns.tolist() == [
        *("unit", "n", "global (PCA)", "local (Gaussian SLDC)", "learned global", "frames fitted one by one")
    ]
    assert wide.loc["images, held-out cameras, PSNR", "learned global"] == "31.00 [30.50, 31.50]"
    assert wide.loc["images, held-out cameras, PSNR", "global (PCA)"] == ""
    assert wide.loc["rows of zeros", "local (Gaussian SLDC)"] == "82.0"
    assert wide.loc["components k", "learned global"] == "5"


def test_a_method_that_did_not_converge_is_said_to_and_so_is_an_absent_metric(fit):
    table = main_table()
    assert side_by_side(table).set_index("quantity").loc["converged"].tolist()[2:4] == [
        "closed form",
        "NO (200 iterations)",
    ]
    said = remarks(summarize_fit(fit, np.random.default_rng(0)), table)
    assert "Did not converge: local (Gaussian SLDC)." in said
    assert "LPIPS was not measured" in said
    assert remarks(summarize_fit(fit.assign(lpips=0.1), np.random.default_rng(0)), table.iloc[:1]) == ""


def test_without_held_out_cameras_pictures_are_called_those_of_training_cameras(fit):
    seen = fit.assign(split="train")
    summary = summarize_fit(seen, np.random.default_rng(0))
    numbers = key_numbers(summary, methods(), sweeps(), None)
    assert numbers["question"].iloc[0].endswith("photographs of the cameras that they were fitted to?")
    assert numbers["value"].iloc[0] == 28.0
    assert "No camera is held out" in remarks(summary, main_table())
    assert "2 training cameras and no held-out cameras" in what_was_measured(seen, methods())
    quantities = comparison(methods(), sweeps(), runtimes(), None, unseen=False)["quantity"].tolist()
    assert "images, training cameras, PSNR" in quantities
    assert not any("held-out cameras" in quantity for quantity in quantities)
    assert len(worst_views(seen, 2)) > 2


def test_pictures_of_components_learned_anew_stand_in_the_column_of_their_method():
    anew = MethodTable("sldc_gauss_xyz", "base")
    anew.add("generalization_psnr", 27.0, "dB", 9, k=5, split="left_out")
    table = comparison(pd.concat([methods(), anew.frame()]), sweeps(), runtimes(), None)
    wide = side_by_side(table).set_index("quantity")
    assert wide.loc["expressions left out, images, PSNR", "local (Gaussian SLDC)"] == "27.00"
    assert "local (Gaussian SLDC) from base" not in wide.columns


def test_methods_at_two_levels_are_told_apart():
    carried = MethodTable("upsampled_pca_all", "base"), MethodTable("upsampled_pca_all", "subd1")
    for part in carried:
        part.add("compactness", 0.5, "fraction", 10, k=5)
    table = comparison(pd.concat([part.frame() for part in carried]), sweeps(), runtimes(), None)
    assert side_by_side(table).columns.tolist()[3:] == [
        "PCA, upsampled from base",
        "PCA, upsampled from subd1",
    ]


def test_html_and_markdown_hold_every_number(tmp_path):
    wide = side_by_side(main_table())
    write_html(tmp_path / "a.html", "Title & <more>", wide, "a remark")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "Title &amp; &lt;more&gt;" in page
    assert "a remark" in page
    assert page.count("<tr>") == len(wide) + 1
    assert "31.00 [30.50, 31.50]" in page
    write_markdown(tmp_path / "a.md", wide)
    lines = (tmp_path / "a.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(wide) + 2
    assert "| rebuilt frames, centers of the head, RMSE | mm | 100 | 0.500 | 0.700 |" in "\n".join(lines)


def test_latex_escapes_and_aligns(tmp_path):
    write_latex(tmp_path / "a.tex", pd.DataFrame({"a_b": ["50 %"], "x": [0.5]}), "R&D")
    text = (tmp_path / "a.tex").read_text(encoding="utf-8")
    assert r"\caption{R\&D}" in text
    assert r"\begin{tabular}{lr}" in text
    assert r"50 \% & 0.5 \\" in text
    assert text.count(r"\begin") == text.count(r"\end")


def test_unknown_methods_are_called_by_their_file():
    assert label_of("sldc_gauss_scale") == "sldc gauss scale"


def test_numbers_for_people_keep_their_digits():
    assert [fixed(value, 3) for value in (0.38, 174.2, 27.0, 15970.0, 0.0, 0.04999)] == [
        *("0.380", "174", "27.0", "15,970", "0", "0.0500")
    ]
