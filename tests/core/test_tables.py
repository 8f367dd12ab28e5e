"""Tables as CSV files."""

import numpy as np

from dan.core.tables import save_csv


def test_numbers_are_rounded_and_what_is_unknown_is_empty(tmp_path):
    table = {
        "name": np.array(["a, b", "ü"], dtype=object),
        "count": np.array([3, 40]),
        "share": np.array([0.98, np.nan], dtype=np.float32),
        "size": np.array([1 / 3, 2e6]),
    }
    save_csv(tmp_path / "t.csv", table, decimals=3)
    written = (tmp_path / "t.csv").read_text(encoding="utf-8")
    assert written == 'name,count,share,size\n"a, b",3,0.98,0.333\nü,40,,2000000.0\n'
    save_csv(tmp_path / "t.csv", {name: values[:0] for name, values in table.items()})
    assert (tmp_path / "t.csv").read_text() == "name,count,share,size\n"
