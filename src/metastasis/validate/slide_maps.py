"""Reads slide maps of any author: the slide and patient of each patch.

`slide_rules` judges the map. Text columns hold findings, and are empty if there is nothing wrong.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from metastasis import tables
from metastasis.base.errors import named
from metastasis.formats import slide_columns
from metastasis.tables import UNITS, Unit
from metastasis.validate import naming, slide_names

OFFICIAL = {  # the possible names of an official split: ours
    "train": "train", "training": "train",
    "valid": "validation", "validation": "validation", "val": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
# Camelyon17's slide names (Bandi et al. 2019), and Camelyon's slides without tumour.
NODE = r"^(.*(?<![a-z])patient[_ -]?0*(\d+))[_ -]node[_ -]?\d+$"
NORMAL = r"(?<![a-z])normal(?![a-z])"
LABELS = {"0": "0", "1": "1", "false": "0", "true": "1"}
FACTS = (*UNITS, "split", "label")  # that a row may say about its patch
MIN_JOINED = 0.5  # of the map's rows or of the labels: a partial or larger map reaches one
# A column whose name holds one of these says where patches come from.
ORIGINS = re.compile(r"patient|case|subject|donor|person|slide|wsi|block|specimen|barcode")


@dataclass(frozen=True)
class SlideMap:
    """The content of a map.

    `rows` has a row for each row of the map, with text columns of findings. `patches` has a row for
    each patch that is known elsewhere: id, slide, patient and split, empty if unknown.
    """

    rows: pd.DataFrame
    patches: pd.DataFrame
    num_named: int  # slides whose patient is known only from the slide's name


def standard(table: pd.DataFrame) -> pd.DataFrame:
    """Return those columns of a map that are read, under their names in the pipeline."""
    found = {slide_columns.plain(name): name for name in reversed(table.columns)}
    chosen = {
        ours: next((found[name] for name in names if name in found), None)
        for ours, names in slide_columns.COLUMNS.items()
    }
    columns = {ours: table[name] for ours, name in chosen.items() if name is not None}
    if "patient" in columns and "slide" not in columns:
        columns["slide"] = pd.Series("", table.index, dtype="str")
    return pd.DataFrame(columns)


def unread(table: pd.DataFrame) -> pd.DataFrame:
    """Return the columns that may say where a patch comes from but aren't read: text `found`.

    A second column for the same fact counts too, unless both agree in every row.
    """
    chosen = standard(table)
    found = []
    for name in table.columns:
        is_read = any(table[name].equals(chosen[ours]) for ours in chosen)
        if ORIGINS.search(slide_columns.plain(name)) and not is_read:
            found.append(f"column '{name}'")
    return pd.DataFrame({"found": found}, dtype="str")


def read(table: pd.DataFrame, labels: pd.DataFrame, others: pd.Series) -> SlideMap:
    """Return the content of a map (standard columns) for the patches in `labels` and `others`."""
    unsaid = pd.Series("", table.index, dtype="str")
    rows = pd.DataFrame({"written": table["id"]})
    known = pd.concat([labels["id"], others]).drop_duplicates()
    ids = _joined(table["id"], known)
    rows["id"] = ids.fillna(table["id"])
    rows["spelling"] = np.where(ids.notna() & (ids != table["id"]), "written " + table["id"], "")
    for unit in UNITS:
        rows = rows.join(_named(unit, table.get(unit, unsaid), rows["id"]))
    split = naming.names(table.get("split", unsaid))
    rows["split"] = _mapped(split, OFFICIAL).fillna(split)
    rows["label"] = _mapped(naming.names(table.get("label", unsaid)), LABELS).fillna("")
    rows["patient"], num_named = _patients(rows)
    has_slides = bool((rows["slide"] != "").any())
    is_named = rows["slide" if has_slides else "patient"] != ""
    rows["no_slide"] = np.where(is_named, "", "no slide")
    rows["unknown"] = np.where(rows["id"].isin(labels["id"]), "", "no label")
    rows["differs"] = _differing(rows)
    is_again = rows["id"].duplicated() & (rows["differs"] == "")
    rows["again"] = np.where(is_again, "a second row", "")
    named = rows[["id", *FACTS]]
    named = named.where(named != "")
    patches = named[ids.notna()].groupby("id", as_index=False).first().fillna("")
    return SlideMap(rows, patches.astype("str"), num_named)


def _named(unit: Unit, written: pd.Series, ids: pd.Series) -> pd.DataFrame:
    """Return the name of each row's slide or patient, empty if it is missing or names the patch.

    Text columns: `written`, the `word` that was read as missing, and the `own_patch`.
    """
    names = naming.names(written)
    is_word = (names == "") | names.isin(slide_names.placeholders(names))
    is_patch = slide_names.are_patches(ids, written, names)
    return pd.DataFrame(
        {
            f"{unit}_written": written,
            f"{unit}_word": written.str.strip().where(is_word, ""),
            f"{unit}_own_patch": np.where(is_patch, f"{unit} " + written, ""),
            unit: names.where(~is_word & ~is_patch, ""),
        }
    )


def _joined(ids: pd.Series, known: pd.Series) -> pd.Series:
    """Return the known id that each id spells, if there is exactly one."""
    exact = ids.where(ids.isin(known))
    if exact.notna().all():
        return exact
    keys = pd.Series(known.to_numpy(), naming.file_names(known).to_numpy())
    keys = keys[~keys.index.duplicated(keep=False)]
    return exact.fillna(_mapped(naming.file_names(ids[exact.isna()]), keys))


def _patients(rows: pd.DataFrame) -> tuple[pd.Series, int]:
    """Return the patient of each row, and the number of slides whose name gives the patient.

    If no patient is given, the names of slides named like Camelyon17's give it. If one row names
    the patient of a slide, this holds for all rows of the slide.
    """
    patient, slide = rows["patient"], rows["slide"]
    num_named = 0
    if not (patient != "").any():
        patient = slide.str.extract(NODE)[0].fillna("")
        num_named = int(slide[patient != ""].nunique())
    pairs = pd.DataFrame({"slide": slide, "patient": patient})
    pairs = pairs[(pairs != "").all(axis=1)].drop_duplicates()
    known = pairs[~pairs["slide"].duplicated(keep=False)].set_index("slide")["patient"]
    return patient.where(patient != "", _mapped(slide, known).fillna("")), num_named


def _differing(rows: pd.DataFrame) -> pd.Series:
    """Return the first fact of each row about which the rows of its patch differ, or nothing."""
    found = pd.Series("", rows.index, dtype="str")
    for fact in FACTS:
        said = rows[fact].where(rows[fact] != "")
        is_other = said.notna() & (said.groupby(rows["id"]).transform("nunique") > 1)
        found = found.where((found != "") | ~is_other, f"{fact} " + rows[fact])
    return found


def _mapped(texts: pd.Series, mapping: Mapping[str, str] | pd.Series) -> pd.Series:
    return texts.map(mapping).astype("str")  # without a match pandas would return numbers


def findings(mapped: SlideMap, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the findings on the whole map: text columns, the shorter ones padded."""
    rows = mapped.rows
    found = {
        "few_joined": _few_joined(mapped, labels),
        "named_patients": _named_patients(mapped),
        "patients": _shared(rows, "slide", "patient"),
    }
    for unit in UNITS:
        found |= {
            f"{unit}_words": _words(rows[f"{unit}_word"]),
            f"{unit}_spellings": _spellings(rows[f"{unit}_written"]),
            f"{unit}_alike": _alike(rows[unit]),
            f"{unit}_odd": slide_names.odd(rows[unit]),
            f"{unit}_patches": slide_names.one_for_each_patch(rows["id"], rows[unit], unit),
            f"{unit}_folders": slide_names.merged_folders(rows[f"{unit}_written"], rows[unit]),
            f"{unit}_splits": _shared(rows, unit, "split"),
        }
    texts = {name: pd.Series(texts, dtype="str") for name, texts in found.items()}
    return pd.DataFrame(texts).fillna("")


def _few_joined(mapped: SlideMap, labels: pd.DataFrame) -> list[str]:
    """Return a finding if few rows of a map join, otherwise nothing."""
    ids = labels["id"].drop_duplicates()
    num_rows, num_labels = len(mapped.rows), len(ids)
    rows_joined = int(mapped.rows["id"].isin(mapped.patches["id"]).sum())
    is_joined = ids.isin(mapped.patches["id"])
    labels_joined = int(is_joined.sum())
    is_enough = rows_joined >= MIN_JOINED * num_rows or labels_joined >= MIN_JOINED * num_labels
    if (is_enough and labels_joined) or not num_rows or not num_labels:
        return []
    left = mapped.rows.loc[~mapped.rows["id"].isin(ids), "written"]
    counts = (
        f"{rows_joined:,} of {num_rows:,} rows are about a known patch, and {labels_joined:,} of "
        f"{num_labels:,} labels have a row"
    )
    return [f"{counts}; the map has {_form(left)}, the label table {_form(ids[~is_joined])}"]


def _form(ids: pd.Series) -> str:
    """Return examples of ids, and their form."""
    lengths = ids.str.len()
    shortest, longest = lengths.min(), lengths.max()
    if ids.str.fullmatch(tables.SHA1.pattern).all():
        form = "40 hexadecimal digits"
    elif ids.str.isdigit().all():
        form = "whole numbers"
    else:
        form = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
        form += " characters"
    return f"{_listed(ids.tolist())} ({form})"


def _named_patients(mapped: SlideMap) -> list[str]:
    """Return a finding on slides whose patient is known only from their names, if any."""
    if not mapped.num_named:
        return []
    patient, slide = mapped.rows.loc[mapped.rows["patient"] != "", list(UNITS)].iloc[0]
    return [f"{mapped.num_named:,} slides, such as {slide}: {patient}"]


def _words(words: pd.Series) -> list[str]:
    """Return the words that were read as a missing name, with their numbers of rows."""
    counts = words[words != ""].value_counts()
    return [f"'{word}' in {count:,} rows" for word, count in counts.items()]


def _spellings(written: pd.Series) -> list[str]:
    """Return the names that have several spellings, with the spellings."""
    names = pd.DataFrame({"name": naming.names(written), "written": written}).drop_duplicates()
    names = names[(names["name"] != "") & names["name"].duplicated(keep=False)]
    groups = names.groupby("name")["written"]
    return [f"{name}: {_listed(sorted(spelt))}" for name, spelt in groups]


def _alike(names: pd.Series) -> list[str]:
    """Return the names that a reader would confuse (`naming.stem`), and those beside a folder."""
    different = pd.Series(sorted(set(names) - {""}), dtype="str")
    whole = different.map(naming.stem)
    last = different.str.rsplit("/", n=1).str[-1].map(naming.stem)
    groups = different.groupby(last.where(last.isin(whole), whole))
    return [_listed(group.tolist()) for _, group in groups if len(group) > 1]


def _shared(rows: pd.DataFrame, unit: str, column: str) -> list[str]:
    """Return the slides or patients whose rows name more than one patient or split."""
    pairs = rows.loc[(rows[unit] != "") & (rows[column] != ""), [unit, column]].drop_duplicates()
    groups = pairs[pairs[unit].duplicated(keep=False)].groupby(unit)[column]
    return [f"{unit} {name}: {', '.join(sorted(found))}" for name, found in groups]


def _listed(names: Sequence[str]) -> str:
    return named([f"'{name}'" for name in names])


def contradictions(mapped: SlideMap, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the patches with text columns on what contradicts the map or the slide's name.

    The slide's name contradicts the label (`normal`), the official split (`split_named`) or the
    patient (`patient_named`); the map's own label contradicts the label table (`labelled`).
    """
    said = mapped.patches.rename(columns={"label": "said"})
    table = said.merge(labels.drop_duplicates("id"), on="id")
    slide, split = table["slide"], table["split"]
    is_normal = slide.str.contains(NORMAL) & (table["label"] == "1")
    for_test = slide.str.contains(r"(?<![a-z])test(?![a-z])")
    for_training = slide.str.contains(r"(?<![a-z])train(?:ing)?(?![a-z])")
    is_other_split = (for_test & ~for_training & split.isin(["train", "validation"])) | (
        for_training & ~for_test & (split == "test")
    )
    named = slide.str.extract(NODE)[1]
    given = table["patient"].str.extract(r"(\d+)$")[0].str.lstrip("0").replace("", "0")
    is_other_label = (table["said"] != "") & (table["said"] != table["label"])
    is_other_patient = named.notna() & given.notna() & (named != given)
    return pd.DataFrame(
        {
            "id": table["id"],
            "normal": np.where(is_normal, "label 1, slide " + slide, ""),
            "split_named": np.where(is_other_split, "split " + split + ", slide " + slide, ""),
            "labelled": np.where(
                is_other_label, "label " + table["label"] + ", in the map " + table["said"], ""
            ),
            "patient_named": np.where(
                is_other_patient, "patient " + table["patient"] + ", slide " + slide, ""
            ),
        }
    )


def differences(first: SlideMap, second: SlideMap, name: str) -> pd.DataFrame:
    """Return the patches about which a second map, called `name`, differs: text `found`.

    Maps with different names for all slides agree if they group the same patches together.
    """
    both = first.patches.merge(second.patches, on="id", suffixes=("", "_other"))
    found = pd.Series("", both.index, dtype="str")
    for column in (*UNITS, "split"):
        pair = both[[column, f"{column}_other"]].set_axis(["ours", "other"], axis=1)
        is_other = (pair != "").all(axis=1) & (pair["ours"] != pair["other"])
        if not (column in UNITS and _is_renamed(pair[(pair != "").all(axis=1)])):
            text = f"{column} " + pair["ours"] + f", in {name} " + pair["other"]
            found = found.where(~(is_other & (found == "")), text)
    return pd.DataFrame({"id": both["id"], "found": found})


def _is_renamed(pairs: pd.DataFrame) -> bool:
    """Return whether two maps share no name, and their names correspond one to one."""
    pairs = pairs.drop_duplicates()
    is_one_to_one = not any(pairs[column].duplicated().any() for column in pairs)
    return is_one_to_one and not set(pairs["ours"]) & set(pairs["other"])
