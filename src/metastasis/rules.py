"""Which rules a source is held against: name, severity and what each protects.

How a rule is evaluated, `suites` knows; what follows from a broken one, `validating` decides.
"""

from great_expectations import expectations as gxe

from metastasis.suites import Rule

ID_PATTERNS = {"sha1": r"^[0-9a-f]{40}$", "any": r"^[A-Za-z0-9_.-]+$"}


def columns(table: str) -> list[Rule]:
    """Rules over the columns of the label table or the sample submission."""
    return [
        Rule(
            f"{table}-columns",
            "error",
            "The columns are id and label, so that no value is taken for another.",
            gxe.ExpectTableColumnsToMatchSet(column_set=["id", "label"], exact_match=True),
        )
    ]


def labels(ids: str, min_positive_share: float, max_positive_share: float) -> list[Rule]:
    """Rules over the label table: text columns id and label, and the number `positive`."""
    return [
        Rule(
            "labels-rows",
            "error",
            "There is something to learn from.",
            gxe.ExpectTableRowCountToBeBetween(min_value=1),
        ),
        Rule(
            "labels-id-form",
            "error",
            f"An id names one file and nothing else (validate.ids: {ids}).",
            gxe.ExpectColumnValuesToMatchRegex(column="id", regex=ID_PATTERNS[ids]),
        ),
        Rule(
            "labels-id-unique",
            "error",
            "A patch has one label.",
            gxe.ExpectColumnValuesToBeUnique(column="id"),
        ),
        Rule(
            "labels-value",
            "error",
            "A label is 0 or 1.",
            gxe.ExpectColumnValuesToBeInSet(column="label", value_set=["0", "1"]),
        ),
        Rule(
            "labels-positive-share",
            "error",
            "The share of positives is one this task is known to have; another points at a "
            "swapped or cut table (validate.min_positive_share, validate.max_positive_share).",
            gxe.ExpectColumnMeanToBeBetween(
                column="positive", min_value=min_positive_share, max_value=max_positive_share
            ),
        ),
    ]


def slides() -> list[Rule]:
    """Rules over the slide map: text columns id and slide."""
    return [
        Rule(
            "slides-id-unique",
            "error",
            "A patch comes from one slide.",
            gxe.ExpectColumnValuesToBeUnique(column="id"),
        ),
        Rule(
            "slides-name",
            "error",
            "A slide has a name.",
            gxe.ExpectColumnValuesToMatchRegex(column="slide", regex=r"\S"),
        ),
    ]


def slide_coverage() -> list[Rule]:
    """Rules over the labels joined with the slide map: text column `without_row`."""
    return [
        Rule(
            "slides-for-labels",
            "warning",
            "Every patch has its slide; one that has none counts as a slide of its own.",
            gxe.ExpectColumnValuesToBeInSet(column="without_row", value_set=[""]),
        )
    ]


def images(pool: str) -> list[Rule]:
    """Rules over the images of a pool joined with the table that lists them."""
    table = {"labelled": "label table", "test": "sample submission"}[pool]
    return [
        Rule(
            f"{pool}-image-present",
            "error",
            f"Every id of the {table} has its image, named ID.tif.",
            gxe.ExpectColumnValuesToBeInSet(column="without_image", value_set=[""]),
        ),
        Rule(
            f"{pool}-image-listed",
            "warning",
            f"Every image is in the {table}; one that isn't is left out.",
            gxe.ExpectColumnValuesToBeInSet(column="without_row", value_set=[""]),
        ),
        Rule(
            f"{pool}-image-usable",
            "error",
            "Every image that is asked for decodes to 96x96 RGB of 8 bits a channel.",
            gxe.ExpectColumnValuesToBeInSet(column="unusable", value_set=[""]),
        ),
    ]


def hashes(pool: str) -> list[Rule]:
    """Rules over the usable images of a pool: text columns id and sha1."""
    return [
        Rule(
            f"{pool}-id-is-hash",
            "error",
            "An id is the SHA-1 of the patch's RGB bytes, as Kaggle made them: no pixel was "
            "changed and the channels are in order (validate.ids: any switches this off).",
            gxe.ExpectColumnPairValuesToBeEqual(column_A="id", column_B="sha1"),
        )
    ]
