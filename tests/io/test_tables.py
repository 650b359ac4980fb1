import pytest

from splatrig.io.errors import InputError
from splatrig.io.tables import read_table


def test_a_table_is_read_as_pandas_reads_it_with_what_columns_there_are_besides(tmp_path):
    (tmp_path / "t.csv").write_text("name,x,more\nNA,1,2\n")
    table = read_table(tmp_path / "t.csv", "points", ["x", "name"], "write it again", keep_default_na=False)
    assert table.to_dict("records") == [{"name": "NA", "x": 1, "more": 2}]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "t.csv"),
        ("", r"t\.csv: not a table of points \(.*\); write it again\.$"),
        ("name,y\na,1\n", r"t\.csv: expected the columns x, name; x is missing\.$"),
    ],
)
def test_what_is_no_such_table_is_one_sentence(tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_table(tmp_path / "t.csv", "points", ["x", "name"], "write it again")
