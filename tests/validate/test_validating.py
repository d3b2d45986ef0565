"""Tests of `validate.validating`: what passes the gate, what is left out, and what is told."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from helpers import faults
from helpers.ingesting import ingest
from helpers.patches import sha1, write_tif
from helpers.pcam import write_pcam
from helpers.validating import PARAMS, judged, validate
from metastasis.base.errors import InputError

pytestmark = pytest.mark.medium  # each ingests, judges and draws a whole source


def quarantine(out: Path) -> dict[str, str]:
    """The reason of each row, by its id."""
    table = pd.read_csv(out / "quarantine.csv", dtype="str", keep_default_na=False)
    return dict(zip(table["id"], table["reason"], strict=True))


def verdicts(out: Path) -> dict[str, Any]:
    table = pd.read_csv(out / "verdicts.csv")
    return dict(zip(table["rule"], table["verdict"], strict=True))


def paths(source: Path) -> list[Path]:
    return sorted((source / "train").iterdir())


def cut(path: Path) -> str:
    path.write_bytes(path.read_bytes()[:1000])
    return path.stem


def test_good_data_comes_out_whole(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = validate(source, out)
    labels = pd.read_csv(source / "train_labels.csv", dtype="str")
    slides = pd.read_csv(source / "slides.csv", dtype="str")
    expected = labels.merge(slides, on="id").sort_values("id", ignore_index=True)
    assert manifest[["patient_name", "official"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(manifest[["id", "label", "slide"]], expected)
    assert (out / "quarantine.csv").read_text() == "pool,id,label,reason\n"
    assert {path.name for path in (out / "plots").iterdir()} == {"class-balance.png", "samples.png"}


def test_the_same_source_gives_the_same_bytes(source: Path, tmp_path: Path) -> None:
    cut(paths(source)[0])
    for out in (tmp_path / "a", tmp_path / "b"):
        validate(source, out, bad_patches="quarantine")
    for name in (
        "manifest.csv",
        "quarantine.csv",
        "validate.json",
        "validate.html",
        "verdicts.csv",
    ):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_a_bad_patch_stops_by_default_and_leaves_verdicts_and_report(
    source: Path, tmp_path: Path
) -> None:
    victims = sorted(cut(path) for path in paths(source)[:2])
    found = ", ".join(f"{id_}: 1,000 bytes that can't be decoded to an image" for id_ in victims)
    with pytest.raises(InputError) as caught:
        validate(source, tmp_path / "out")
    message = str(caught.value)
    assert f"- labelled-image-decodable: 2 found ({found}). An image is complete and can" in message
    assert message.endswith(f"See the report: {tmp_path / 'out' / 'validate.html'}")
    assert verdicts(tmp_path / "out")["labelled-image-decodable"] == "broken"
    assert (tmp_path / "out" / "validate.html").stat().st_size > 1000
    assert not (tmp_path / "out" / "manifest.csv").exists()
    assert not (tmp_path / "out" / "quarantine.csv").exists()


def test_bad_patches_are_quarantined_when_asked_each_with_its_reason(
    source: Path, tmp_path: Path, patches: NDArray[np.uint8]
) -> None:
    out = tmp_path / "out"
    unreadable = cut(source / "train" / f"{sha1(patches[0])}.tif")
    swapped = sha1(patches[1])
    write_tif(source / "train" / f"{swapped}.tif", np.ascontiguousarray(patches[1][:, :, ::-1]))
    manifest = validate(source, out, bad_patches="quarantine")
    assert len(manifest) == 18
    assert set(manifest["id"]).isdisjoint({unreadable, swapped})
    rows = pd.read_csv(out / "quarantine.csv", dtype="str").set_index("id")
    assert set(rows.index) == {unreadable, swapped}
    reasons = rows["reason"]
    assert reasons[unreadable].startswith("labelled-image-decodable: 1,000 bytes")
    assert "labelled-channels-in-order: blue, green, red" in reasons[swapped]
    assert f"labelled-id-is-hash: {sha1(patches[1][:, :, ::-1])}" in reasons[swapped]
    assert rows.loc[[unreadable, swapped], "label"].tolist() == ["1", "0"]
    assert json.loads((out / "validate.json").read_text())["num_left_out"] == 2


def test_labels_that_geometry_refutes_are_drawn_and_left_out_only_when_asked(
    source: Path, tmp_path: Path
) -> None:
    before = set(pd.read_csv(source / "train_labels.csv")["id"])
    faults.covered(source)
    added = set(pd.read_csv(source / "train_labels.csv")["id"]) - before
    manifest = validate(source, tmp_path / "kept")
    assert added <= set(manifest["id"])
    assert "Labels that contradict each other" in (tmp_path / "kept" / "validate.html").read_text()
    manifest = validate(source, tmp_path / "out", bad_patches="quarantine")
    [(id_, reason)] = quarantine(tmp_path / "out").items()
    assert added - set(manifest["id"]) == {id_}
    assert reason.startswith("labelled-overlap-labels: label 1, but its centre is covered")


def test_both_of_two_ids_that_disagree_about_the_same_pixels_are_quarantined(
    source: Path, tmp_path: Path, patches: NDArray[np.uint8]
) -> None:
    first, second = sha1(patches[0]), sha1(patches[1])
    write_tif(source / "train" / f"{second}.tif", patches[0])
    manifest = validate(source, tmp_path / "out", ids="any", bad_patches="quarantine")
    assert set(quarantine(tmp_path / "out")) == {first, second}
    assert len(manifest) == 18


def leave_out(out: Path, rows: str) -> None:
    out.mkdir(exist_ok=True)
    (out / "leave-out.csv").write_text(f"id,reason\n{rows}")


def test_a_label_that_the_user_leaves_out_refutes_no_other(
    source: Path, tmp_path: Path, patches: NDArray[np.uint8]
) -> None:
    """Neither that of a copy nor those of patches that overlap."""
    first, second = sha1(patches[0]), sha1(patches[1])
    write_tif(source / "train" / f"{second}.tif", patches[0])
    before = pd.read_csv(source / "train_labels.csv")
    faults.covered(source)
    after = pd.read_csv(source / "train_labels.csv")
    added = after[~after["id"].isin(before["id"])]
    wrong = [second, *added.loc[added["label"] == 0, "id"]]
    leave_out(tmp_path / "out", "".join(f"{id_},wrong label\n" for id_ in wrong))
    manifest = validate(source, tmp_path / "out", ids="any", bad_patches="quarantine")
    assert set(quarantine(tmp_path / "out")) == set(wrong)
    assert {first, *added.loc[added["label"] == 1, "id"]} <= set(manifest["id"])


def test_patches_that_the_user_leaves_out_are_quarantined_with_the_reason(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = pd.read_csv(source / "train_labels.csv")["id"][:2]
    # Spaces around a cell mean nothing, nor does a row that is repeated.
    rows = f'{first},"blurred, see #12"\n{second} , wrong label\n{second},wrong label\n'
    leave_out(tmp_path / "out", rows)
    manifest = validate(source, tmp_path / "out")
    assert len(manifest) == 18
    assert not {first, second} & set(manifest["id"])
    assert quarantine(tmp_path / "out") == {
        first: "labelled-left-out: blurred, see #12",
        second: "labelled-left-out: wrong label",
    }
    assert json.loads((tmp_path / "out" / "validate.json").read_text())["num_left_out"] == 2
    assert "blurred, see #12" in (tmp_path / "out" / "validate.html").read_text()
    told = capsys.readouterr().out
    assert "warning: labelled-left-out: 2 found" in told
    assert "left-out-labelled" not in told
    assert "After fixing one of those left out" not in told  # nothing is to be fixed


def test_a_patch_to_leave_out_that_has_no_label_is_warned_of(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be of another source, whose list is the same."""
    leave_out(tmp_path / "out", "elsewhere,blurred\n")
    assert len(validate(source, tmp_path / "out")) == 20
    assert "warning: left-out-labelled: 1 found (elsewhere: no label)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,\n", r"leave-out\.csv: a has no reason: write one"),
        ("a,one\nb,one\na,two\n", "a has several reasons: write them in one row"),
        ("a,one,two\n", "line 2 has 3 cells, the header 2"),
    ],
)
def test_a_mistake_in_the_list_to_leave_out_stops_the_run(
    source: Path, tmp_path: Path, rows: str, message: str
) -> None:
    leave_out(tmp_path / "out", rows)
    with pytest.raises(InputError, match=message):
        validate(source, tmp_path / "out")


def test_a_list_to_leave_out_of_another_form_stops_with_what_is_expected(
    source: Path, tmp_path: Path
) -> None:
    leave_out(tmp_path / "out", "")
    (tmp_path / "out" / "leave-out.csv").write_text("id,split,label,reason\n")
    with pytest.raises(InputError, match=r"has the columns id,split.*; expected id,reason"):
        validate(source, tmp_path / "out")


def test_outliers_are_kept_by_default_and_quarantined_when_asked(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = paths(source)[0]
    write_tif(victim, np.full((96, 96, 3), 250, np.uint8))
    assert len(validate(source, tmp_path / "kept", ids="any")) == 20
    assert f"labelled-patch-white: 1 found ({victim.stem[:8]}: 250), " in capsys.readouterr().out
    assert quarantine(tmp_path / "kept") == {}
    left = validate(source, tmp_path / "left", ids="any", outliers="quarantine")
    assert victim.stem not in set(left["id"])
    assert quarantine(tmp_path / "left") == {
        victim.stem: "labelled-patch-flat: 0; labelled-patch-white: 250"
    }


def test_a_warning_is_short_and_its_number_is_seen_to_break_the_rule(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.full((96, 96, 3), 233, np.uint8)
    pixels[0, :, 0] = 234  # a mean of 233.0035
    id_ = sha1(pixels)
    labels = pd.read_csv(source / "train_labels.csv", dtype="str")
    labels.loc[len(labels)] = [id_, "1"]
    labels.to_csv(source / "train_labels.csv", index=False)
    write_tif(source / "train" / f"{id_}.tif", pixels)
    validate(source, tmp_path / "out")
    found = f"1 found ({id_[:8]}: 233.003), 1 of 1 with tumour. A patch shows tissue, not bare gl"
    out = capsys.readouterr().out
    assert f"warning: labelled-patch-white: {found}" in out
    assert id_ not in out
    assert f"{id_}: 233.003" in (tmp_path / "out" / "verdicts.csv").read_text()
    assert "leaves out" not in out


@pytest.mark.parametrize(("label", "is_told"), [("1", True), ("0", False)])
def test_a_quarantine_of_outliers_warns_of_the_positives_it_drops(
    source: Path, tmp_path: Path, label: str, *, is_told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A patch both flat and white is one patch."""
    labels = pd.read_csv(source / "train_labels.csv", dtype="str")
    chosen = labels.loc[labels["label"] == label, "id"].iloc[0]
    write_tif(source / "train" / f"{chosen}.tif", np.full((96, 96, 3), 250, np.uint8))
    validate(source, tmp_path / "out", ids="any", outliers="quarantine")
    num_positive = (labels["label"] == "1").sum()
    told = f"leaves out 1 with tumour, {1 / num_positive:.1%} of all patches with tumour."
    assert (told in capsys.readouterr().out) == is_told


def test_an_outlier_to_be_predicted_is_no_bad_patch(source: Path, tmp_path: Path) -> None:
    write_tif(min((source / "test").iterdir()), np.full((96, 96, 3), 250, np.uint8))
    validate(source, tmp_path / "out", ids="any", outliers="quarantine")
    assert quarantine(tmp_path / "out") == {}


def test_an_id_with_a_label_is_not_to_be_predicted(source: Path, tmp_path: Path) -> None:
    victim = paths(source)[0]
    (source / "test" / victim.name).write_bytes(victim.read_bytes())
    with (source / "sample_submission.csv").open("a") as file:
        file.write(f"{victim.stem},0\n")
    found = f"pools-ids-apart: 1 found \\({victim.stem}: label [01]\\)"
    with pytest.raises(InputError, match=found):
        validate(source, tmp_path / "out")


def test_a_bad_unlabelled_patch_leaves_the_labelled_one_of_its_id(
    source: Path, tmp_path: Path
) -> None:
    victim = paths(source)[0]
    (source / "test" / victim.name).write_bytes(b"")
    assert victim.stem in set(validate(source, tmp_path / "out")["id"])


def test_an_image_without_a_label_is_left_out_with_a_row(source: Path, tmp_path: Path) -> None:
    path = source / "train_labels.csv"
    *kept, last = path.read_text().splitlines()
    path.write_text("\n".join(kept) + "\n")
    assert len(validate(source, tmp_path / "out")) == 19
    assert quarantine(tmp_path / "out") == {last.split(",")[0]: "labelled-image-listed: no row"}


def test_slides_named_by_blanks_are_unknown(source: Path, tmp_path: Path) -> None:
    slides = pd.read_csv(source / "slides.csv", dtype="str").assign(slide="  ")
    slides.to_csv(source / "slides.csv", index=False)
    assert validate(source, tmp_path / "out")["slide"].isna().all()


def test_nothing_left_is_told_and_no_number_is_made_of_it(source: Path, tmp_path: Path) -> None:
    for path in paths(source):
        path.unlink()
    with pytest.raises(InputError, match="after the quarantine 0 patches remain"):
        validate(source, tmp_path / "out", max_missing_share=1.0)
    metrics = json.loads((tmp_path / "out" / "validate.json").read_text())
    assert metrics["positive_share"] is None


def test_a_bad_patch_to_be_predicted_stops_nothing_and_is_handed_on(
    source: Path, tmp_path: Path
) -> None:
    victim = cut(min((source / "test").iterdir()))
    gone = max((source / "test").iterdir())
    gone.unlink()
    assert len(validate(source, tmp_path / "out", max_missing_unlabelled_share=0.25)) == 20
    table = pd.read_csv(tmp_path / "out" / "quarantine.csv", dtype="str")
    assert set(table["id"]) == {victim, gone.stem}
    assert set(table["pool"]) == {"unlabelled"}
    assert table["label"].isna().all()
    assert json.loads((tmp_path / "out" / "validate.json").read_text())["num_bad_unlabelled"] == 2


def test_labels_without_image_are_left_out_up_to_the_share_that_may(
    source: Path, tmp_path: Path
) -> None:
    gone = paths(source)[:2]
    for path in gone:
        path.unlink()
    assert len(validate(source, tmp_path / "out", max_missing_share=0.1)) == 18
    assert quarantine(tmp_path / "out") == {
        path.stem: "labelled-image-present: no image" for path in gone
    }
    with pytest.raises(InputError, match=r"labelled-images-whole: found 0\.1\. No more than 5"):
        validate(source, tmp_path / "out", max_missing_share=0.05)


def test_a_quarantine_that_leaves_no_class_to_learn_stops(source: Path, tmp_path: Path) -> None:
    labels = pd.read_csv(source / "train_labels.csv", dtype="str")
    for id_ in labels.loc[labels["label"] == "1", "id"]:
        cut(source / "train" / f"{id_}.tif")
    with pytest.raises(
        InputError, match=r"after the quarantine 10 patches remain \(by label: \{'0': 10\}\)"
    ):
        validate(source, tmp_path / "out", bad_patches="quarantine")


def test_the_tables_are_judged_together_before_the_run_stops(source: Path, tmp_path: Path) -> None:
    (source / "train_labels.csv").write_text("id,target\nx,1\n")
    (source / "slides.csv").write_text("id,scanner\nx,1\n")
    with pytest.raises(InputError, match=r"(?s)labels-columns: .*slides-column-slide: "):
        validate(source, tmp_path / "out")


def test_a_patch_without_a_slide_is_kept(source: Path, tmp_path: Path) -> None:
    lines = (source / "slides.csv").read_text().splitlines()
    lines[3] = lines[3].split(",")[0] + ","  # a row without a name, and below no row at all
    (source / "slides.csv").write_text("\n".join(lines[:-1]) + "\n")
    manifest = validate(source, tmp_path / "out")
    assert len(manifest) == 20
    assert manifest["slide"].isna().sum() == 2


def test_ids_that_are_mere_names_pass_when_asked(source: Path, tmp_path: Path) -> None:
    write_tif(paths(source)[0], np.random.default_rng(9).integers(0, 256, (96, 96, 3), np.uint8))
    assert len(validate(source, tmp_path / "out", ids="any")) == 20


def test_a_wsi_column_is_the_slide(source: Path, tmp_path: Path) -> None:
    path = source / "slides.csv"
    path.write_text(path.read_text().replace("slide", "wsi", 1))
    assert validate(source, tmp_path / "out")["slide"].nunique() == 10


def test_a_map_with_wsi_and_slide_goes_by_slide(source: Path, tmp_path: Path) -> None:
    slides = pd.read_csv(source / "slides.csv", dtype="str")
    slides.assign(wsi="one").to_csv(source / "slides.csv", index=False)
    assert validate(source, tmp_path / "out")["slide"].nunique() == 10


def test_a_slide_map_without_rows_leaves_slides_unknown(source: Path, tmp_path: Path) -> None:
    (source / "slides.csv").write_text("id,slide\n")
    assert validate(source, tmp_path / "out")["slide"].isna().all()


def test_patients_reach_the_manifest_and_the_numbers(source: Path, tmp_path: Path) -> None:
    slides = pd.read_csv(source / "slides.csv", dtype="str")
    patient = "P" + (slides["slide"].str[1:].astype(int) // 4).astype(str) + ".tif"
    slides.assign(Case=patient).to_csv(source / "slides.csv", index=False)
    manifest = validate(source, tmp_path / "out")
    assert set(manifest["patient_name"]) == {"p0", "p1", "p2"}
    metrics = json.loads((tmp_path / "out" / "validate.json").read_text())
    assert metrics["num_patients"] == 3


def test_a_map_of_patients_alone_is_taken(source: Path, tmp_path: Path) -> None:
    path = source / "slides.csv"
    path.write_text(path.read_text().replace("slide", "patient_id", 1))
    manifest = validate(source, tmp_path / "out")
    assert manifest["slide"].isna().all()
    assert manifest["patient_name"].nunique() == 10


def test_data_slides_may_repeat_the_sources_map_and_not_contradict_it(
    source: Path, tmp_path: Path
) -> None:
    text = (source / "slides.csv").read_text()
    assert len(validate(source, tmp_path / "same", text.replace(",s", ".tif,S"))) == 20
    other = text.replace(",s1\n", ",s2\n")
    with pytest.raises(InputError, match=r"slides-maps-agree: 2 found .*s1, in data\.slides s2"):
        validate(source, tmp_path / "other", other)


def test_official_splits_reach_the_manifest(tmp_path: Path) -> None:
    write_pcam(tmp_path / "pcam")
    manifest = validate(tmp_path / "pcam", tmp_path / "out", ids="any")
    counts = manifest["official"].value_counts().to_dict()
    assert counts == {"train": 8, "validation": 4, "test": 3}
    assert manifest["slide"].notna().all()


def test_pcams_word_for_validation_is_taken_in_a_slide_map(source: Path, tmp_path: Path) -> None:
    slides = pd.read_csv(source / "slides.csv", dtype="str").assign(split="valid")
    slides.to_csv(source / "slides.csv", index=False)
    assert set(validate(source, tmp_path / "out")["official"]) == {"validation"}


def test_a_sample_submission_without_test_patches_is_normal(source: Path, tmp_path: Path) -> None:
    for path in (source / "test").iterdir():
        path.unlink()
    assert len(validate(source, tmp_path / "out")) == 20
    assert quarantine(tmp_path / "out") == {}


def test_shares_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="min_positive_share must be below max_positive_share"):
        PARAMS.model_validate(
            PARAMS.model_dump() | {"min_positive_share": 0.6, "max_positive_share": 0.2}
        )


def test_a_stop_shows_why_labels_and_images_do_not_join(source: Path, tmp_path: Path) -> None:
    for path in paths(source):
        path.rename(path.with_name(f"patch_{path.name}"))
    with pytest.raises(InputError) as caught:
        validate(source, tmp_path / "out", ids="any")
    message = str(caught.value)
    assert "0 of 20 ids in the label table are names of images" in message
    assert "Compared by the hash in them, 20 of them would agree" in message


@pytest.mark.parametrize("bad_patches", ["fail", "quarantine"])
def test_a_mended_patch_is_not_named_as_bad_but_as_mended(
    source: Path, tmp_path: Path, bad_patches: str
) -> None:
    victim = paths(source)[0]
    good = victim.read_bytes()
    cut(victim)
    ingest(source, tmp_path / "out")
    victim.write_bytes(good)
    with pytest.raises(InputError, match=r"^the source has changed since") as caught:
        judged(source, tmp_path / "out", bad_patches=bad_patches)
    assert f"touch {victim}" in str(caught.value)
    assert "labelled-image-decodable" not in str(caught.value)


def test_a_map_without_its_columns_stops_with_their_names(source: Path, tmp_path: Path) -> None:
    (source / "slides.csv").write_text("identifier\nx\n")
    with pytest.raises(InputError, match="slides-column-id: found"):
        validate(source, tmp_path)


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_map_with_another_separator_stops_with_it(
    source: Path, tmp_path: Path, separator: str
) -> None:
    path = source / "slides.csv"
    path.write_text(path.read_text().replace(",", separator))
    expected = re.escape(f"slides-cells: found the header is separated by {separator!r}, expected")
    with pytest.raises(InputError, match=expected):
        validate(source, tmp_path)


def test_more_than_200_strays_are_all_counted(source: Path, tmp_path: Path) -> None:
    for number in range(250):
        (source / f"note{number:03d}.txt").touch()
    validate(source, tmp_path)
    table = pd.read_csv(tmp_path / "verdicts.csv").set_index("rule")
    assert table.loc["source-strays", "count"] == 250
