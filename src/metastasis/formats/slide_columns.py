"""Knows the names that a slide map's columns may have.

`kaggle_layout` recognises maps by them; the gate reads the columns.
"""

import re
import unicodedata
from collections.abc import Iterable

# The possible names of a column, in any case; the first one present is read.
COLUMNS = {
    "id": ("id", "patch_id", "image_id", "patch", "patch_name", "image", "filename", "file_name"),
    "slide": (
        "slide", "wsi", "slide_id", "wsi_id", "slide_name", "wsi_name", "slideid", "wsiid",
        "slide_no", "wsi_path", "slide_path", "source_slide",
    ),
    "patient": (
        "patient", "patient_id", "case", "case_id", "patientid", "caseid", "patient_name",
        "subject", "subject_id", "patient_no", "patient_nr", "patient_num", "patient_number",
        "patient_uid", "case_no", "case_submitter_id", "bcr_patient_barcode", "submitter_id",
        "donor", "donor_id", "participant", "participant_id", "individual", "individual_id",
        "person", "person_id", "pid", "mrn", "animal", "animal_id",
    ),
    "split": ("split",),
    "label": ("label", "center_tumor_patch"),
}  # fmt: skip


def plain(column: str) -> str:
    """Return a column's name in lower case, its parts joined as in `COLUMNS`."""
    folded = unicodedata.normalize("NFKC", column).casefold()
    return re.sub(r"[\W_]+", "_", folded).strip("_")


def are_of_slide_map(columns: Iterable[str]) -> bool:
    """Return whether there is a column of ids and one of slides or patients."""
    found = {plain(column) for column in columns}
    units = (*COLUMNS["slide"], *COLUMNS["patient"])
    return not found.isdisjoint(COLUMNS["id"]) and not found.isdisjoint(units)
