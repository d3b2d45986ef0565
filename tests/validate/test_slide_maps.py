"""Tests of `validate.slide_maps`: small maps with known answers, written as people write them."""

import pandas as pd
import pytest

from metastasis.validate import slide_maps
from metastasis.validate.slide_maps import SlideMap

IDS = [f"{number:040x}" for number in range(10, 20)]
LABELS = pd.DataFrame({"id": IDS, "label": ["0", "1"] * 5})
TESTED = pd.Series([f"{number:040x}" for number in range(90, 100)])
SLIDES = [f"s{number}" for number in (1, 1, 2, 2, 3, 3, 4, 4, 5, 5)]


def read(columns: dict[str, list[str]], labels: pd.DataFrame = LABELS) -> SlideMap:
    table = slide_maps.standard(pd.DataFrame(columns, dtype="str"))
    return slide_maps.read(table, labels, TESTED)


def findings(mapped: SlideMap, labels: pd.DataFrame = LABELS) -> dict[str, list[str]]:
    """What was found, by the column that says it."""
    found = slide_maps.findings(mapped, labels)
    return {str(name): [t for t in found[name] if t] for name in found if found[name].any()}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["ID", " WSI ", "Patient ID"], ["id", "slide", "patient"]),
        (["patch_id", "slide_id", "case"], ["id", "slide", "patient"]),
        (["image_id", "Slide-Name", "CASE_ID", "Split"], ["id", "slide", "patient", "split"]),
        (["id", "patientid", "stage"], ["id", "patient", "slide"]),
        (["id", "scanner"], ["id"]),
    ],
)
def test_columns_are_known_by_other_names_in_any_case(
    columns: list[str], expected: list[str]
) -> None:
    table = pd.DataFrame([["x"] * len(columns)], columns=columns, dtype="str")
    assert list(slide_maps.standard(table)) == expected


@pytest.mark.parametrize(
    "spelt",
    ["{}.tif", "train/{}.tif", "{} ", "./train/{}", "C:\\pcam\\train\\{}.TIF", "'{}'"],
)
@pytest.mark.parametrize("case", [str.lower, str.upper])
def test_ids_join_however_they_are_spelt(spelt: str, case: type[str]) -> None:
    mapped = read({"id": [spelt.format(case(id_)) for id_ in IDS], "slide": SLIDES})
    assert mapped.patches["id"].tolist() == IDS
    assert mapped.patches["slide"].tolist() == SLIDES
    assert (mapped.rows["spelling"] != "").all()
    assert findings(mapped) == {}


def test_an_id_that_spells_two_labels_joins_the_one_it_equals_or_none() -> None:
    labels = pd.DataFrame({"id": ["a1", "A1", "b"], "label": "0"})
    mapped = read({"id": ["A1", "a1.tif", "B"], "slide": ["x", "y", "z"]}, labels)
    assert dict(mapped.patches[["id", "slide"]].to_numpy()) == {"A1": "x", "b": "z"}


def test_whole_numbers_join_as_pandas_writes_them_beside_gaps() -> None:
    labels = pd.DataFrame({"id": ["0", "1", "2"], "label": "0"})
    mapped = read({"id": ["0.0", "1.0", "2.0"], "slide": ["3.0", "0", "3"]}, labels)
    assert mapped.patches[["id", "slide"]].to_numpy().tolist() == [
        ["0", "3"],
        ["1", "0"],
        ["2", "3"],
    ]


def test_words_for_what_is_missing_are_counted_and_name_no_slide() -> None:
    slides = ["unknown", "Unknown", "nan", "-", "", "s1", "s1", "s1", "s2", "s2"]
    mapped = read({"id": IDS, "slide": slides, "patient": ["n/a"] * 3 + ["p"] * 7})
    assert mapped.patches["slide"].tolist() == [""] * 5 + slides[5:]
    assert (mapped.rows["no_slide"] != "").sum() == 5
    found = findings(mapped)
    assert sorted(found["slide_words"]) == sorted(
        ["'-' in 1 rows", "'nan' in 1 rows", "'unknown' in 1 rows", "'Unknown' in 1 rows"]
    )
    assert found["patient_words"] == ["'n/a' in 3 rows"]


def test_names_that_fall_together_are_named_with_their_spellings() -> None:
    slides = ["Train_003", "train_003.tif", "train_003", "x/train_3"] + ["train_004"] * 6
    mapped = read({"id": IDS, "slide": slides})
    assert set(mapped.patches["slide"]) == {"train_003", "x/train_3", "train_004"}
    assert findings(mapped) == {
        "slide_spellings": ["train_003: 'Train_003', 'train_003', 'train_003.tif'"],
        "slide_alike": ["'train_003', 'x/train_3'"],
    }


def test_names_that_could_be_one_are_kept_apart_and_named() -> None:
    slides = ["tumor_001", "tumor-001", "tumor 1", "x/tumor_001"] + ["normal_001"] * 6
    found = findings(read({"id": IDS, "slide": slides}))
    assert found == {
        "slide_alike": ["'tumor 1', 'tumor-001', 'tumor_001', ..."],
    }


def test_names_of_files_made_from_one_slide_are_kept_apart_and_named() -> None:
    slides = ["t_001", "t_001_mask.svs.gz", "t_001_level_2"] + ["t_002"] * 7
    mapped = read({"id": IDS, "slide": slides})
    assert len(set(mapped.patches["slide"])) == 4
    assert findings(mapped) == {"slide_alike": ["'t_001', 't_001_level_2', 't_001_mask'"]}


@pytest.mark.parametrize(
    ("ids", "stops"),
    [
        (IDS, False),
        (IDS[:1], False),  # a map of few, all of which are here
        (IDS + [f"other{number}" for number in range(90)], False),  # a map of more
        (IDS + TESTED.tolist(), False),  # of unlabelled patches too
        (IDS[:4] + TESTED.tolist(), False),
        (IDS[:4] + [f"other{number}" for number in range(5)], True),
        (IDS[:5] + [f"other{number}" for number in range(50)], False),
        (TESTED.tolist(), True),  # of unlabelled patches alone
        ([f"train_{number}_x_{number}" for number in range(10)], True),
    ],
)
def test_a_map_that_few_rows_join_stops(ids: list[str], stops: bool) -> None:
    found = findings(read({"id": ids, "slide": ["s"] * len(ids)}))
    assert ("few_joined" in found) == stops


def test_of_a_map_that_joins_nothing_both_forms_are_shown() -> None:
    (text,) = findings(read({"id": [f"t_{n}" for n in range(9)], "slide": ["s"] * 9}))["few_joined"]
    assert text == (
        "0 of 9 rows are about a known patch, and 0 of 10 labels have a row; the map has 't_0', "
        f"'t_1', 't_2', ... (3 characters), the label table '{IDS[0]}', '{IDS[1]}', '{IDS[2]}', "
        "... (40 hexadecimal digits)"
    )


def test_rows_of_one_patch_agree_are_completed_or_contradict_each_other() -> None:
    ids = [IDS[0], IDS[0] + ".tif", IDS[1], IDS[1], IDS[2], IDS[2]]
    mapped = read({"id": ids, "slide": ["s1", "S1.tif", "", "s2", "s3", "s4"]})
    assert mapped.patches["slide"].tolist()[:2] == ["s1", "s2"]
    assert mapped.rows["again"].tolist() == ["", "a second row", "", "a second row", "", ""]
    assert mapped.rows["differs"].tolist() == [""] * 4 + ["slide s3", "slide s4"]


@pytest.mark.parametrize(
    ("fact", "said", "named"),
    [
        ("patient", ("p1", "p2"), ("patient p1", "patient p2")),
        ("split", ("train", "Test"), ("split train", "split test")),
        ("label", ("0", "1"), ("label 0", "label 1")),
    ],
)
def test_rows_of_one_patch_that_differ_in_any_fact_are_no_repetition(
    fact: str, said: tuple[str, str], named: tuple[str, str]
) -> None:
    """The first row would win, and the patch could be on both sides of the split."""
    rows = {"id": [IDS[0], IDS[0], IDS[0], IDS[1]], fact: [*said, "", said[0]]}
    mapped = read({"patient": ["p1"] * 4} | rows)
    assert mapped.rows["differs"].tolist() == [*named, "", ""]
    assert mapped.rows["again"].tolist() == ["", "", "a second row", ""]


def test_one_row_names_the_patient_of_its_slide() -> None:
    patients = ["P1.0", "", "", "", "7.0", "7", "", "", "p5", "p5"]
    mapped = read({"id": IDS, "slide": SLIDES, "patient": patients})
    assert mapped.patches["patient"].tolist() == [
        *("p1.0", "p1.0", "", "", "7", "7", "", "", "p5", "p5"),
    ]


def test_a_slide_of_two_patients_is_named() -> None:
    mapped = read({"id": IDS, "slide": SLIDES, "case": ["p", "q"] + ["r"] * 8})
    assert findings(mapped) == {"patients": ["slide s1: p, q"]}


@pytest.mark.parametrize("mark", "_- ")
def test_camelyon17s_slides_name_their_patients_whatever_joins_the_parts(mark: str) -> None:
    slides = [f"patient_{n // 4:03d}_node_{n % 4}.tif".replace("_", mark) for n in range(10)]
    patients = {f"patient{mark}00{n}" for n in range(3)}
    assert set(read({"id": IDS, "slide": slides}).patches["patient"]) == patients


def test_camelyon17s_slides_name_their_patients_unless_a_column_does() -> None:
    slides = [f"patient_{n // 4:03d}_node_{n % 4 // 2}.tif" for n in range(10)]
    mapped = read({"id": IDS, "slide": slides})
    assert findings(mapped) == {
        "named_patients": ["5 slides, such as patient_000_node_0: patient_000"]
    }
    given = read({"id": IDS, "slide": slides, "patient": [str(n // 4) for n in range(10)]})
    assert set(given.patches["patient"]) == {"0", "1", "2"}
    assert findings(given) == {}
    assert not slide_maps.contradictions(given, LABELS)["patient_named"].any()
    other = read({"id": IDS, "slide": slides, "patient": ["7"] * 10})
    assert slide_maps.contradictions(other, LABELS)["patient_named"].all()


def test_a_slide_in_two_official_splits_is_named_in_whatever_words() -> None:
    splits = ["train", "Val", "TRAIN", "training"] + ["valid", "validation"] * 3
    mapped = read({"id": IDS, "slide": SLIDES, "split": splits})
    assert set(mapped.patches["split"]) == {"train", "validation"}
    assert findings(mapped) == {"slide_splits": ["slide s1: train, validation"]}


@pytest.mark.parametrize(
    ("slide", "is_contradicted"),
    [
        ("normal_033", True),
        ("camelyon16_train_normal_033.tif", True),
        ("Normal033", True),
        ("abnormal_1", False),
        ("tumor_001", False),
    ],
)
def test_a_slide_named_normal_has_no_positive_label(slide: str, is_contradicted: bool) -> None:
    found = slide_maps.contradictions(read({"id": IDS, "slide": [slide] * 10}), LABELS)
    assert (found["normal"] != "").sum() == (5 if is_contradicted else 0)


@pytest.mark.parametrize(
    ("slide", "split", "is_contradicted"),
    [
        ("camelyon16_test_001", "train", True),
        ("camelyon16_test_001", "test", False),
        ("camelyon16_train_tumor_001", "test", True),
        ("camelyon16_train_tumor_001", "valid", False),
        ("latest_1", "train", False),
    ],
)
def test_a_slide_named_by_a_split_is_in_it(slide: str, split: str, is_contradicted: bool) -> None:
    mapped = read({"id": IDS, "slide": [slide] * 10, "split": [split] * 10})
    assert slide_maps.contradictions(mapped, LABELS)["split_named"].any() == is_contradicted


def test_a_label_in_the_map_is_held_against_the_label_table() -> None:
    said = ["False", "TRUE", "1", "1.0", "", "nan", "0", "1", "2", "1"]
    mapped = read({"id": IDS, "slide": SLIDES, "center_tumor_patch": said})
    found = slide_maps.contradictions(mapped, LABELS)
    assert found.loc[found["labelled"] != "", "id"].tolist() == [IDS[2]]


def other_than(slides: list[str], **columns: list[str]) -> list[str]:
    mapped = read({"id": IDS, "slide": SLIDES})
    other = read({"id": IDS, "slide": slides, **columns})
    found = slide_maps.differences(mapped, other, "data.slides")
    return [text for text in found["found"] if text]


def test_two_maps_that_contradict_each_other_are_named_with_both_names() -> None:
    assert other_than(["s2", *SLIDES[1:]]) == ["slide s1, in data.slides s2"]
    assert other_than(["x1", "y1", *SLIDES[2:]]) != []


def test_two_maps_that_agree_in_other_spellings_or_names_are_no_contradiction() -> None:
    assert other_than([f"{slide.upper()}.svs" for slide in SLIDES]) == []
    assert other_than([f"wsi-{slide}" for slide in SLIDES]) == []  # the same parts, other names
    assert other_than(["unknown", *SLIDES[1:]]) == []
    assert len(other_than(["all"] * 10)) == 10  # one slide, where here are five


def test_maps_of_other_patches_are_no_contradiction() -> None:
    mapped = read({"id": IDS[:5], "slide": SLIDES[:5]})
    other = read({"id": IDS[5:], "slide": SLIDES[:5]})
    assert not len(slide_maps.differences(mapped, other, "data.slides"))


def test_an_empty_map_knows_nothing() -> None:
    mapped = read({"id": [], "slide": []})
    assert not len(mapped.patches)
    assert list(mapped.patches) == ["id", "patient", "slide", "split", "label"]
    assert findings(mapped) == {}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["id", "slide", "patient"], []),
        (["id", "slide", "label", "scanner", "x_coord"], []),
        (["id", "slide", "wsi"], ["column 'wsi'"]),
        (["id", "wsi", "Tissue Donor Nr"], ["column 'Tissue Donor Nr'"]),
        (["id", "slide", "patient", "case"], ["column 'case'"]),
    ],
)
def test_columns_that_say_where_patches_come_from_and_are_not_read_are_named(
    columns: list[str], expected: list[str]
) -> None:
    table = pd.DataFrame({name: [f"{name}{row}" for row in range(3)] for name in columns})
    assert slide_maps.unread(table)["found"].tolist() == expected


def test_two_columns_that_say_the_same_are_as_good_as_one() -> None:
    table = pd.DataFrame({"id": ["a", "b"], "slide": ["s", "t"], "wsi": ["s", "t"]})
    assert slide_maps.unread(table).empty


@pytest.mark.parametrize(
    "spelt",
    ["{}", "{}.tif", "/data/s1/{}.png", "C:\\pcam\\{}.TIF", "slide_{}", "s1/{}", "{}_he.svs"],
)
@pytest.mark.parametrize("unit", ["slide", "patient"])
def test_the_id_of_a_patch_names_no_slide_or_patient(spelt: str, unit: str) -> None:
    names = [spelt.format(id_.upper()) for id_ in IDS[:4]] + SLIDES[4:]
    mapped = read({"id": IDS, unit: names})
    assert mapped.patches[unit].tolist() == [""] * 4 + SLIDES[4:]
    assert mapped.rows[f"{unit}_own_patch"].tolist() == [
        *(f"{unit} {name}" for name in names[:4]),
        *[""] * 6,
    ]
    assert findings(mapped) == {}


def test_a_slide_named_as_one_of_its_patches_keeps_its_name() -> None:
    """The first of several patches of a slide may be called as the slide."""
    ids = ["s1", "s1_2", "s2", "s2_2"]
    labels = pd.DataFrame({"id": ids, "label": "0"})
    mapped = read({"id": ids, "slide": ["s1", "s1", "s2", "s2"]}, labels)
    assert mapped.patches["slide"].tolist() == ["s1", "s1", "s2", "s2"]


def test_placeholders_name_no_slide_and_are_counted_with_the_words() -> None:
    slides = ["excluded", "excluded", "0", "9999.0", *SLIDES[:2], "s7", "s8", "s9", "s9"]
    mapped = read({"id": IDS, "slide": slides})
    assert mapped.patches["slide"].tolist() == [""] * 4 + slides[4:]
    assert (mapped.rows["no_slide"] != "").sum() == 4
    assert findings(mapped) == {
        "slide_words": ["'excluded' in 2 rows", "'0' in 1 rows", "'9999.0' in 1 rows"]
    }


@pytest.mark.parametrize("unit", ["slide", "patient"])
@pytest.mark.parametrize(
    "spelt",
    ["train_008_x{}_y7", "{}", "s1/patch_{}", "{}.0", "s2_{}.png", "/data/s1/{}.png"],
)
def test_a_name_for_each_patch_is_found(spelt: str, unit: str) -> None:
    mapped = read({"id": IDS, unit: [spelt.format(row) for row in range(100, 110)]})
    (text,) = findings(mapped)[f"{unit}_patches"]
    assert text.startswith(f"10 {unit}s for 10 patches (")


@pytest.mark.parametrize("suffix", ["", ".svs"])
@pytest.mark.parametrize("unit", ["slide", "patient"])
def test_files_named_alike_in_the_folder_of_each_slide_are_found(unit: str, suffix: str) -> None:
    paths = [f"/mnt/Case{row}/slide1{suffix}" for row in range(10)]
    assert findings(read({"id": IDS, unit: paths}))[f"{unit}_folders"] == [
        "'slide1' in 10 folders (mnt/case0, mnt/case1, mnt/case2, ...)"
    ]
