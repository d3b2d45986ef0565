"""Tests of `metastasis.validating`: each fault is caught by its own rule; good data passes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import write_tif
from numpy.typing import NDArray
from test_ingesting import encoded, ingest

from metastasis import validating
from metastasis.errors import InputError

PARAMS = validating.ValidateParams(
    ids="sha1", min_positive_share=0.2, max_positive_share=0.6, samples_seed=1
)


def validate(source: Path, out: Path, **changes: object) -> pd.DataFrame:
    ingest(source, out)
    validating.validate(
        PARAMS.model_copy(update=changes),
        tables_folder=out / "tables",
        inventory_path=out / "inventory.parquet",
        shards_folder=out / "patches",
        manifest_path=out / "manifest.csv",
        metrics_path=out / "validate.json",
        plots_folder=out / "plots",
    )
    return pd.read_csv(out / "manifest.csv", dtype="str")


def verdicts(out: Path) -> dict[str, Any]:
    metrics = json.loads((out / "validate.json").read_text())
    return {name: rule["verdict"] for name, rule in metrics["rules"].items()}


def test_good_data_passes_every_rule_and_comes_out_whole(source: Path, tmp_path: Path) -> None:
    manifest = validate(source, tmp_path / "out")
    labels = pd.read_csv(source / "train_labels.csv", dtype="str")
    slides = pd.read_csv(source / "slides.csv", dtype="str")
    expected = labels.merge(slides, on="id").sort_values("id", ignore_index=True)
    pd.testing.assert_frame_equal(manifest, expected)
    assert set(verdicts(tmp_path / "out").values()) == {"met"}
    assert len(verdicts(tmp_path / "out")) == 18
    assert {path.name for path in (tmp_path / "out" / "plots").iterdir()} == {
        "class-balance.png",
        "samples.png",
    }


def change_labels(change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(source: Path) -> None:
        path = source / "train_labels.csv"
        path.write_text(change(path.read_text()))

    return apply


def first_label(value: str) -> Callable[[Path], None]:
    return change_labels(lambda text: text.replace(",1\n", f",{value}\n", 1))


def first_id(change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(text: str) -> str:
        header, first, *rest = text.splitlines()
        id_, label = first.split(",")
        return "\n".join([header, f"{change(id_)},{label}", *rest, ""])

    return change_labels(apply)


def change_image(name: str, content: bytes | None) -> Callable[[Path], None]:
    def apply(source: Path) -> None:
        victim = min((source / name).iterdir())
        victim.unlink() if content is None else victim.write_bytes(content)

    return apply


def one_pixel(source: Path) -> None:
    patch = np.random.default_rng(0).integers(0, 256, (24, 96, 96, 3), np.uint8)[0]
    patch[5, 5, 0] ^= 1
    victim = pd.read_csv(source / "train_labels.csv")["id"][0]
    write_tif(source / "train" / f"{victim}.tif", patch)


def slides(text: str) -> Callable[[Path], None]:
    return lambda source: (source / "slides.csv").write_text(text) and None


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "header alone": (change_labels(lambda text: text.splitlines()[0] + "\n"), "labels-rows"),
    "a third column": (
        change_labels(lambda text: text.replace("\n", ",x\n")),
        "labels-columns",
    ),
    "a renamed column": (
        change_labels(lambda text: text.replace("label", "target")),
        "labels-columns",
    ),
    "an id twice": (
        change_labels(lambda text: text + text.splitlines()[1] + "\n"),
        "labels-id-unique",
    ),
    "an id in capitals": (first_id(str.upper), "labels-id-form"),
    "an id with .tif": (first_id(lambda id_: id_ + ".tif"), "labels-id-form"),
    "an id that leaves the folder": (first_id(lambda _: "../../x"), "labels-id-form"),
    "a label 2": (first_label("2"), "labels-value"),
    "a label -1": (first_label("-1"), "labels-value"),
    "a label 1.0": (first_label("1.0"), "labels-value"),
    "no label": (first_label(""), "labels-value"),
    "a label in words": (first_label("tumour"), "labels-value"),
    "negatives alone": (
        change_labels(lambda text: text.replace(",1\n", ",0\n")),
        "labels-positive-share",
    ),
    "a labelled image missing": (change_image("train", None), "labelled-image-present"),
    "a corrupt labelled image": (change_image("train", b"II*"), "labelled-image-usable"),
    "a grey labelled image": (
        change_image("train", encoded(np.zeros((96, 96), np.uint8))),
        "labelled-image-usable",
    ),
    "a test image missing": (change_image("test", None), "test-image-present"),
    "a corrupt test image": (change_image("test", b""), "test-image-usable"),
    "one pixel changed": (one_pixel, "labelled-id-is-hash"),
    "a patch on two slides": (slides("id,slide\nx,a\nx,b\n"), "slides-id-unique"),
    "a slide without a name": (slides("id,slide\nx,\n"), "slides-name"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_caught_by_its_own_rule_and_leaves_no_manifest(
    source: Path, tmp_path: Path, fault: str
) -> None:
    plant, rule = FAULTS[fault]
    plant(source)
    with pytest.raises(InputError, match=f"- {rule}: "):
        validate(source, tmp_path / "out")
    assert verdicts(tmp_path / "out")[rule] == "broken"
    assert not (tmp_path / "out" / "manifest.csv").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"train_labels\.csv is not a CSV with a header, in UTF-8: No columns"),
        ("id,label\nä,1\n".encode("latin-1"), r"train_labels\.csv is not a CSV .* in UTF-8"),
        (b'id,label\n"x,1\n', r"train_labels\.csv is not a CSV"),
    ],
)
def test_a_label_file_that_is_no_table_stops(
    source: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    (source / "train_labels.csv").write_bytes(content)
    with pytest.raises(InputError, match=message):
        validate(source, tmp_path / "out")


def test_a_changed_patch_is_named_with_the_hash_it_has(source: Path, tmp_path: Path) -> None:
    one_pixel(source)
    with pytest.raises(InputError, match=r"id-is-hash: 1 found \([0-9a-f]{40} has [0-9a-f]{40}\)"):
        validate(source, tmp_path / "out")


def test_the_message_counts_and_names_what_it_found(source: Path, tmp_path: Path) -> None:
    victims = sorted((source / "train").iterdir())[:2]
    for victim in victims:
        victim.write_bytes(b"broken")
    found = ", ".join(f"{victim.stem}: not decodable" for victim in victims)
    with pytest.raises(InputError, match=rf"labelled-image-usable: 2 found \({found}\)"):
        validate(source, tmp_path / "out")


def test_an_image_without_a_label_is_warned_of_and_left_out(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (source / "train_labels.csv").read_text().splitlines()
    (source / "train_labels.csv").write_text("\n".join(lines[:-1]) + "\n")
    manifest = validate(source, tmp_path / "out")
    unlisted = lines[-1].split(",")[0]
    assert len(manifest) == 19
    assert unlisted not in set(manifest["id"])
    assert f"warning: - labelled-image-listed: 1 found ({unlisted})" in capsys.readouterr().out


def test_a_patch_without_a_slide_is_warned_of_and_kept(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (source / "slides.csv").read_text().splitlines()
    (source / "slides.csv").write_text("\n".join(lines[:-1]) + "\n")
    manifest = validate(source, tmp_path / "out")
    assert manifest["slide"].isna().sum() == 1
    assert "warning: - slides-for-labels: 1 found" in capsys.readouterr().out


def test_ids_that_are_mere_names_pass_when_asked(
    source: Path, tmp_path: Path, patches: NDArray[np.uint8]
) -> None:
    one_pixel(source)
    assert len(validate(source, tmp_path / "out", ids="any")) == len(patches[:20])


def test_a_wsi_column_is_the_slide(source: Path, tmp_path: Path) -> None:
    path = source / "slides.csv"
    path.write_text(path.read_text().replace("slide", "wsi", 1))
    assert validate(source, tmp_path / "out")["slide"].notna().all()


def test_a_map_with_wsi_and_slide_goes_by_slide(source: Path, tmp_path: Path) -> None:
    slides = pd.read_csv(source / "slides.csv", dtype="str")
    slides.assign(wsi="one").to_csv(source / "slides.csv", index=False)
    assert validate(source, tmp_path / "out")["slide"].nunique() == 10


def test_a_slide_map_without_rows_leaves_slides_unknown(source: Path, tmp_path: Path) -> None:
    (source / "slides.csv").write_text("id,slide\n")
    assert validate(source, tmp_path / "out")["slide"].isna().all()


def test_a_stray_file_is_warned_of_and_stops_nothing(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "train" / "Thumbs.db").write_text("thumbs")
    assert len(validate(source, tmp_path / "out")) == 20
    assert "labelled-image-listed: 1 found (Thumbs.db)" in capsys.readouterr().out


def test_a_sample_submission_without_test_patches_is_normal(source: Path, tmp_path: Path) -> None:
    for path in (source / "test").iterdir():
        path.unlink()
    assert len(validate(source, tmp_path / "out")) == 20


def test_a_slide_map_without_its_columns_stops(source: Path, tmp_path: Path) -> None:
    (source / "slides.csv").write_text("id,patient\nx,1\n")
    with pytest.raises(InputError, match=r"columns id, patient; expected id and slide \(or wsi\)"):
        validate(source, tmp_path / "out")


def test_shares_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="min_positive_share must be below max_positive_share"):
        validating.ValidateParams(
            ids="any", min_positive_share=0.6, max_positive_share=0.2, samples_seed=0
        )
