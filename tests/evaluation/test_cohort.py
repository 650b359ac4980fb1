import numpy as np
import pandas as pd
import pytest
from scipy import stats

from splatrig.evaluation.cohort import BY_SUBJECT, by_subject, draw_cohort, mean_over_subjects, over_subjects
from splatrig.evaluation.cohort_page import Head, by_subject_wide, write_cohort_page

PSNR = "images, held-out cameras, PSNR"


def comparison(psnr, levels=("subd2",)):
    rows = [(PSNR, "dB", "learned_local", level, psnr, "") for level in levels]
    rows += [("components k", "", "learned_local", "subd2", 20, "20"), (PSNR, "dB", "pca_all", "subd2", psnr - 2, "")]
    return pd.DataFrame(rows, columns=["quantity", "unit", "method", "level", "value", "text"])


@pytest.fixture
def values():
    return by_subject({"ben": comparison(30.0), "anna": comparison(31.0), "carl": comparison(35.0, ("subd2", "base"))})


def test_the_interval_is_that_of_a_t_test():
    values = np.random.default_rng(0).normal(30.0, 2.0, 9)
    found, peer = mean_over_subjects(values), stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert (found.mean, found.low, found.high) == pytest.approx((values.mean(), *peer))
    assert found.count == 9


def test_the_interval_of_t_covers_the_mean_as_often_as_it_says():
    samples = np.random.default_rng(1).normal(size=(4000, 5))
    found = [mean_over_subjects(sample) for sample in samples]
    covered = np.mean([each.low <= 0.0 <= each.high for each in found])
    assert covered == pytest.approx(0.95, abs=3 * np.sqrt(0.05 * 0.95 / 4000))


def test_one_subject_has_no_interval():
    found = mean_over_subjects(np.array([3.0]))
    assert (found.mean, found.count) == (3.0, 1) and np.isnan([found.low, found.high]).all()


def test_every_value_keeps_its_subject(values):
    assert tuple(values.columns) == BY_SUBJECT
    assert list(dict.fromkeys(values["subject"])) == ["ben", "anna", "carl"]
    wide = by_subject_wide(values)
    assert list(wide.columns) == ["quantity", "unit", "method", "level", "ben", "anna", "carl"]
    assert wide.loc[0, ["ben", "anna", "carl"]].tolist() == [30.0, 31.0, 35.0]
    assert len(wide) == 4


def test_the_mean_is_over_those_that_have_the_figure(values):
    found = over_subjects(values).set_index(["quantity", "method", "level"])
    row = found.loc[PSNR, "learned_local", "subd2"]
    assert (row["mean"], row["n"]) == (32.0, 3)
    assert row["low"] < 30.0 and row["high"] > 34.0
    assert row["text"].startswith("32.00 [")
    assert found.loc[PSNR, "learned_local", "base"]["text"] == "35"
    assert found.loc["components k", "learned_local", "subd2"]["text"] == "20"


def test_the_figure_has_a_dot_per_subject_and_their_mean(values):
    axes = draw_cohort(values).axes
    assert [text.get_text() for text in axes[0].get_yticklabels()] == ["global (PCA)", "learned local"]
    dots = [sorted(line.get_xdata().tolist()) for line in axes[0].lines if len(np.atleast_1d(line.get_xdata())) > 1]
    assert dots == [[28.0, 29.0, 33.0], [30.0, 31.0, 35.0, 35.0]]
    assert [text.get_text() for text in axes[1].texts] == ["not measured"]


def test_the_page_opens_every_head_and_loads_nothing_from_the_network(values, tmp_path):
    heads = [Head(name, f"heads/{name}.jpg", {"open": f"../{name}/head.html"}) for name in ("ben", "a<b")]
    write_cohort_page(tmp_path / "index.html", heads, values, "evaluation/cohort.png")
    page = (tmp_path / "index.html").read_text()
    assert 'href="../ben/head.html"' in page and 'src="heads/ben.jpg"' in page and "a&lt;b" in page
    assert "http" not in page and "<script" not in page
    assert "3 subjects" in page and "By subject" in page and "nan" not in page
