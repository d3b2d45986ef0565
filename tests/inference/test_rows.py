"""Tests of the tables of predictions and failures."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special

from metastasis.inference import rows, tiling
from metastasis.inference.finding import Failure, Image
from metastasis.inference.rasters import Size
from metastasis.inference.region_judging import Scored
from metastasis.results.decision import Decision

DECISION = Decision(tta="none", temperature=1.0, threshold=0.5)
LOGITS = np.array([30.0, 29.999998, 36.0, -30.0, -700.0, 0.1], np.float32)
NO_UTF_8 = os.fsdecode(b"caf\xe9.png")


def written(form: rows.Form) -> str:
    images = [Image(Path(f"folder/{number}-{NO_UTF_8}"), str(number)) for number in range(6)]
    content = io.BytesIO()
    rows.append(content, rows.of_patches(images[:4], LOGITS[:4], DECISION), form)
    rows.append(content, rows.of_patches(images[4:], LOGITS[4:], DECISION), form)
    return content.getvalue().decode()


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_probabilities_are_read_back_bit_for_bit(form: rows.Form) -> None:
    text = written(form)
    if form == "csv":
        table = list(csv.DictReader(io.StringIO(text)))
    else:
        table = [json.loads(line) for line in text.splitlines()]
    assert [row["id"] for row in table] == list("012345")
    found = [float(row["probability"]) for row in table]
    np.testing.assert_array_equal(found, special.expit(LOGITS.astype(np.float64)))
    assert {row["x"] for row in table} == {"" if form == "csv" else None}
    assert table[0]["path"] == r"folder/0-caf\xe9.png"


def test_a_table_is_the_same_in_pieces_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = tiling.Grid(stride=32, rows=5, columns=3)
    logits = np.arange(15, dtype=np.float32).reshape(5, 3)
    logits[1, 1:] = logits[3] = np.nan
    scored = Scored(Size(96, 160), 2.0, grid, logits)
    found = []
    for piece in (100, 7, 3, 1):
        monkeypatch.setattr(rows, "PIECE", piece)
        content = io.BytesIO()
        rows.append(content, rows.of_view(Image(Path("a.tif"), "a"), scored, DECISION), "csv")
        found.append((written("csv"), content.getvalue()))
    assert found == [found[0]] * 4
    table = pd.read_csv(io.BytesIO(found[0][1]))
    assert table["x"].tolist() == [0, 64, 128, 0, 0, 64, 128, 0, 64, 128]
    assert table["y"].tolist() == [0, 0, 0, 64, 128, 128, 128, 256, 256, 256]


def test_a_failure_of_any_name_is_written(tmp_path: Path) -> None:
    rows.write_failures(tmp_path, [Failure(Path(NO_UTF_8), "damaged")])
    expected = r"path,reason" + "\n" + r"caf\xe9.png,damaged" + "\n"
    assert (tmp_path / "failures.csv").read_text() == expected
