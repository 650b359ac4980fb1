import numpy as np
import pandas as pd
import pytest

from splatrig.evaluation.images import IMAGE_COLUMNS
from splatrig.evaluation.regions import by_region, region_line, summarize_regions
from splatrig.evaluation.summary import comparison
from splatrig.evaluation.table import METHOD_COLUMNS, RUNTIME_COLUMNS, SWEEP_COLUMNS, pick


def images(method="learned_local", test="reconstruction", role="train", scale=1.0):
    """Four frames in two cameras: the mouth is seen in two frames, with few pixels, and hair in none."""
    rows = []
    for frame in range(4):
        for camera in ("a", "b"):
            row = {"method": method, "level": "subd2", "k": 5, "test": test, "weights": "own", "sample": 0}
            row |= {"expression": "E1", "frame": str(frame), "role": role, "camera": camera, "psnr": 30.0, "ssim": 0.9}
            row |= {"sse_whole": scale * (8.0 + frame), "pixels_whole": 4000.0}
            row |= {"sse_skin": scale * 2.0, "pixels_skin": 3000.0}
            if frame > 1:
                row |= {"sse_mouth": scale * 10.0 ** -(frame - 1), "pixels_mouth": 10.0 ** (frame - 1)}
            rows.append(row)
    return pd.DataFrame(rows).reindex(columns=list(IMAGE_COLUMNS))


def test_errors_are_pooled_over_pixels_and_absent_regions_are_absent():
    table = summarize_regions(images(), np.random.default_rng(0))
    assert tuple(table.columns) == METHOD_COLUMNS
    rows = pick(table, "image_pooled_psnr").set_index("region")
    assert rows.index.tolist() == ["whole", "skin", "mouth"]
    # 0.1 over 10 pixels and 0.01 over 100, each twice: not the mean of 20 and 40 dB
    assert rows.loc["mouth", "value"] == pytest.approx(10.0 * np.log10(110.0 / 0.11))
    assert rows.loc["mouth", "n"] == 220
    assert rows.loc["whole", "value"] == pytest.approx(10.0 * np.log10(4000.0 / 9.5))
    assert set(rows["unit"]) == {"dB"}


def test_intervals_are_over_frames_and_equal_frames_have_none_to_speak_of():
    rows = pick(summarize_regions(images(), np.random.default_rng(0)), "image_pooled_psnr").set_index("region")
    assert rows.loc["skin", ["low", "high"]].tolist() == pytest.approx([rows.loc["skin", "value"]] * 2)
    assert 20.0 <= rows.loc["mouth", "low"] < rows.loc["mouth", "value"] < rows.loc["mouth", "high"] <= 40.0
    single = images()[lambda table: table["frame"] == "2"]
    alone = pick(summarize_regions(single, np.random.default_rng(0)), "image_pooled_psnr")
    assert alone[["low", "high"]].isna().all(axis=None)


def test_equal_pictures_and_unknown_regions_say_nothing():
    assert summarize_regions(images(scale=0.0), np.random.default_rng(0)).empty
    assert summarize_regions(images().iloc[:0], np.random.default_rng(0)).empty
    nothing = images()
    nothing.loc[:, nothing.columns.str.startswith(("sse_", "pixels_"))] = np.nan
    assert summarize_regions(nothing, np.random.default_rng(0)).empty


def test_tables_for_people_have_a_column_for_every_known_region():
    both = [images(), images("pca_all", scale=2.0), images(test="generalization", role="left_out")]
    methods = summarize_regions(pd.concat(both), np.random.default_rng(0))
    table = by_region(methods)
    assert table.columns.tolist() == ["frames", "method", "k", "whole", "skin", "mouth"]
    assert table["frames"].tolist() == ["frames learned from"] * 2 + ["expressions left out"]
    assert table["mouth"].tolist() == ["30.00", "26.99", "30.00"]
    assert by_region(methods.iloc[:0]).empty


def test_the_main_table_has_a_row_for_every_known_region():
    methods = summarize_regions(images(), np.random.default_rng(0))
    size = pd.DataFrame([("learned_local", "subd2", 5, "compactness", 0.9, "head", "train")])
    size.columns = ["method", "level", "k", "metric", "value", "region", "split"]
    empty = (pd.DataFrame(columns=list(columns)) for columns in (SWEEP_COLUMNS, RUNTIME_COLUMNS))
    table = comparison(pd.concat([methods, size]), *empty, None).set_index("quantity")
    assert table.loc["images, held-out cameras, pooled PSNR, mouth", "text"].startswith("30.00 [")
    assert not any("hair" in quantity for quantity in table.index)


def test_a_view_says_its_regions_in_words():
    assert region_line(images().iloc[6]) == "skin 31.8, mouth 40.0"
    assert region_line(images().iloc[0]) == "skin 31.8"
