"""Tests of `validate.naming`: what is one name, what is none, and what is left as it is."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastasis.validate import naming

NAMES = st.from_regex(r"[a-z]{3}_[1-9][0-9]{0,2}", fullmatch=True).filter(
    lambda name: not naming.is_missing(name[:3])
)
MISSING_WORDS = [
    *("unknown", "nan", "-", "none", "NA", "n/a", "N/A", "#N/A", "<NA>", "NaT", "null", "nil"),
    *("--", "?", "", "  ", "-1", "-1.0", "-999", "missing", "undefined", "not available", "\u2014"),
    *("not_available", "n.a.", "-nan", "1.#QNAN", "#REF!", "#DIV/0!", "...", "EMPTY", "TBD"),
    *("[missing]", "'unknown'", '"None"', "(unknown)", "{nan}", "unknown_slide", "slide_nan"),
    *(
        "no slide",
        "patient_-1",
        "patient-none",
        "slide unknown",
        "nan.tif",
        "train/nan",
        "None.svs",
    ),
    *("Not Reported", "not provided", "N/K", "pd.NA", "other", "Others", "misc", "anonymised"),
    *("REDACTED", "to be determined", "missing data", "TODO", "unbekannt", "k.A.", "inconnu"),
    *("N/A (not available)", "Not sure", "lost", "keine Angabe", "nicht bekannt", "sin datos"),
    *("\u043d\u0435\u0438\u0437\u0432\u0435\u0441\u0442\u043d\u043e", "\u4e0d\u660e"),
    *("unknown_1", "Unknown Slide 2", "unknown_patient_3", "not reported 17"),
    *("train_unknown", "Slide missing (lab)", "tumour-undefined", "site none", "train_nan_x"),
    *("\ufeff", "\u200b", "\uff2e\uff21", "unknown.TIFF"),
]


@pytest.mark.parametrize("word", MISSING_WORDS)
def test_a_word_for_what_is_missing_is_no_name(word: str) -> None:
    assert naming.name(word) == ""


@given(
    st.sampled_from(MISSING_WORDS),
    st.sampled_from([str.upper, str.lower, str.title]),
    st.sampled_from(["{}", " {} ", "'{}'", '"{}"', "[{}]", "( {} )"]),
)
def test_such_a_word_is_none_in_any_case_quotes_or_brackets(
    word: str, case: type[str], frame: str
) -> None:
    assert naming.name(frame.format(case(word))) == ""


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "no_3",
        "nanette",
        "nantes_1",
        "slide 3",
        "patient-1",
        "unknown_site3",
        "nullarbor_site",
        "nonesuch",
        "na1",
        "a-",
        "x",
    ],
)
def test_what_only_resembles_such_a_word_is_a_name(text: str) -> None:
    assert naming.name(text) == text


@given(
    NAMES,
    st.sampled_from(["", "train/", "/data/slides/", "C:\\scans\\", "./", "..\\x\\", "test/"]),
    st.sampled_from(
        ["", *(f".{suffix}" for suffix in naming.SUFFIXES), ".TIFF", ".PNG", ".ome.tif"]
    ),
    st.sampled_from([str, str.upper, str.title]),
    st.sampled_from(["{}", " {}\t", '"{}"', "\ufeff{}", "{}\u200b", "\u00a0{}"]),
)
def test_one_name_in_any_spelling(
    plain: str, folder: str, suffix: str, case: type[str], frame: str
) -> None:
    spelt = frame.format(case(folder + plain + suffix))
    assert naming.name(spelt) == plain
    assert naming.file_name(spelt) == plain


@given(NAMES, NAMES)
def test_two_names_stay_two(first: str, second: str) -> None:
    assert (naming.name(first) == naming.name(second)) == (first == second)


@given(st.text())
def test_a_name_of_a_name_is_itself(text: str) -> None:
    for read in (naming.name, naming.file_name):
        assert read(read(text)) == read(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("3.0", "3"), ("3", "3"), ("003", "3"), ("0.0", "0"), ("00", "0"), ("\uff13", "3")],
)
def test_a_whole_number_is_one_name_however_it_is_written(text: str, number: str) -> None:
    assert naming.name(text) == number


@pytest.mark.parametrize(
    "suffix",
    [
        *("svs.gz", "tif.gz", "zip", "xml", "vsi", "lif", "qptiff", "json", "geojson", "nd2"),
        *("oir", "ets", "asap", "czi.zip", "ndpi.ndpa", "TIF.XML"),
    ],
)
def test_the_extensions_of_annotations_and_packed_images_belong_to_no_name(suffix: str) -> None:
    assert naming.name(f"scans/tumor_001.{suffix}") == "tumor_001"


def test_a_slash_within_a_name_is_no_folder() -> None:
    """Case numbers are written so: without what stands before it, 19 would be one patient."""
    assert naming.name("H12345/19") == "h12345/19"
    assert naming.name("H12345/19.svs") == "19"  # a file can't be called otherwise
    assert naming.file_name("any/folder/ABC") == "abc"


def test_a_file_may_be_called_as_what_is_missing() -> None:
    assert naming.file_name("train/NaN.tif") == "nan"


def test_names_that_differ_in_marks_or_zeros_alone_have_one_stem() -> None:
    assert len({naming.stem(t) for t in ("tumor_001", "tumor-001", "tumor 1", "tumor001")}) == 1
    assert naming.stem("a_1_1") != naming.stem("a_11")
    assert naming.stem("a_10") != naming.stem("a_1")


@pytest.mark.parametrize(
    "derived",
    [
        *(
            "{}_mask",
            "{}_level_2",
            "{}_lvl2",
            "{} (1)",
            "{}(2)",
            "{}_copy",
            "{} - Copy",
            "{} copy 2",
        ),
        *("{}_thumbnail", "{}_annotation", "{}_annotations", "{}_20x", "{}_x40", "{}-40X"),
        *("{}_normalized", "{}_normalised", "{}_resized", "{}_tissue", "{}_overlay"),
        *("{}_level_2_mask", "{}_mask (1)", "{}_mask.xml", "{} - Kopie (2)"),
    ],
)
def test_a_file_made_from_a_slide_has_the_stem_of_the_slide(derived: str) -> None:
    assert naming.stem(naming.name(derived.format("tumor_001"))) == naming.stem("tumor_001")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("slide (1)", "slide (2)"),  # as Windows numbers different files
        ("mask", "tissue"),
        ("tissue_01", "tissue_02"),
        ("level_2", "level_3"),
        ("max20x", "max40x"),
        ("mask_edge", "mask_tissue_edge"),
        ("\u4e0d", "\u4e0e"),
    ],
)
def test_names_with_such_words_elsewhere_keep_their_stems_apart(first: str, second: str) -> None:
    assert naming.stem(first) != naming.stem(second)


@pytest.mark.parametrize(
    ("latin", "other"),
    [
        ("muller_1", "m\u00fcller_1"),
        ("muller_1", "mu\u0308ller_1"),  # the same, with a combining mark
        ("case_1", "\u0441\u0430\u0455\u0435_1"),  # Cyrillic
        ("BOTHMAKE_1", "\u0412\u041e\u0422\u041d\u041c\u0410\u041a\u0415_1"),  # capitals
        ("lodz_1", "\u0142\u00f3d\u017a_1"),
        ("TZIKH_1", "\u03a4\u0396\u0399\u039a\u0397_1"),  # Greek
    ],
)
def test_letters_that_look_alike_have_one_stem_but_are_two_names(latin: str, other: str) -> None:
    assert naming.stem(naming.name(latin)) == naming.stem(naming.name(other))
    assert naming.name(latin) != naming.name(other)


def test_a_column_is_read_as_its_cells_are() -> None:
    column = pd.Series(["B.tif", None, "unknown", "b"], index=[4, 5, 6, 7])
    assert naming.names(column).fillna("no cell").to_dict() == {4: "b", 5: "no cell", 6: "", 7: "b"}
