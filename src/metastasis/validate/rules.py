"""Defines the rules for a source: name, severity and the fact that each protects.

`suites` evaluates the rules; `validating` decides what follows from a broken rule.
"""

from great_expectations import expectations as gxe

from metastasis.formats.images import FLAWS
from metastasis.hashes.perceptual import FLAT_STD
from metastasis.patches.shards import Pool
from metastasis.validate import slide_rules
from metastasis.validate.suites import Rule, Severity
from metastasis.validate.suites import empty as _empty

ID_PATTERNS = {"sha1": r"^[0-9a-f]{40}$", "any": r"^(?!\.)[A-Za-z0-9_.-]+(?<!\.tif)$"}

# Outliers, 0..255. Of 2,916 real patches, 16 are flatter than this, 105 whiter and none blacker.
WHITE_MEAN = 233
BLACK_MEAN = 25

CONTRADICTED = "labelled-overlap-labels"  # whose regions the report draws
LEFT_OUT = "labelled-left-out"  # by the user, not for a fault
UNKNOWN_LEFT_OUT = "left-out-labelled"
IMAGES_WHOLE: dict[Pool, str] = {
    "labelled": "labelled-images-whole",
    "unlabelled": "unlabelled-images-whole",
}

TABLES = {"labels": "label table", "submission": "sample submission", "slides": "slide map"}
POOL_TABLES: dict[Pool, str] = {"labelled": "labels", "unlabelled": "submission"}


def form(table: str) -> list[Rule]:
    """Return the rules on a CSV's form: the columns of `tables.FORM`, which are empty if usual."""
    name = TABLES[table]
    return [
        _empty(f"{table}-encoding", "error", f"The {name} is in UTF-8.", "encoding"),
        _empty(
            f"{table}-cells",
            "error",
            f"The {name} has a header, commas between the cells, and in each row a cell for each "
            "column.",
            "cells",
        ),
        _empty(
            f"{table}-byte-order-mark",
            "warning",
            f"The {name} begins with its header, not with an invisible mark; the mark is skipped.",
            "byte_order_mark",
        ),
        _empty(
            f"{table}-line-ends",
            "warning",
            f"The {name} has Kaggle's line endings; others are read all the same.",
            "line_ends",
        ),
        _empty(
            f"{table}-quotes",
            "warning",
            f"The {name} has no quotation marks; cells in them are read all the same.",
            "quotes",
        ),
        _empty(
            f"{table}-blank-lines",
            "warning",
            f"Each line of the {name} is a row; blank lines are skipped.",
            "blank_lines",
        ),
    ]


def unlabelled_pool() -> list[Rule]:
    """Return the rules on the pool of unlabelled patches: text columns `images`, `submission`."""
    return [
        _empty(
            "unlabelled-images-there",
            "warning",
            "A sample submission comes with its images; without any, there is nothing to predict, "
            "and the submission stays empty.",
            "images",
        ),
        _empty(
            "unlabelled-submission-there",
            "warning",
            "Unlabelled images come with a sample submission; without it, they are not predicted.",
            "submission",
        ),
    ]


def apart() -> list[Rule]:
    """Return the rules on the sample submission joined with the labels: text column `labelled`."""
    return [
        _empty(
            "pools-ids-apart",
            "error",
            "A patch either has a label or is to be predicted; its id is in the label table or in "
            "the sample submission, not in both.",
            "labelled",
        )
    ]


def strays() -> list[Rule]:
    """Return the rules on files that are neither images nor tables: text column name."""
    return [
        _empty(
            "source-strays",
            "warning",
            "Every file of the source is a table or an image named ID.tif; others are not read.",
            "name",
        )
    ]


def columns(table: str) -> list[Rule]:
    """Return the rules on the columns of a table; a slide map may have more columns."""
    if table == "slides":
        return slide_rules.columns()
    protects = "The columns are id and label, so that no column is mistaken for another."
    found = gxe.ExpectTableColumnsToMatchSet(column_set=["id", "label"], exact_match=True)
    return [Rule(f"{table}-columns", "error", protects, found)]


def ids(table: str, form_of_ids: str) -> list[Rule]:
    """Return the rules on the text column id of a table."""
    return [
        Rule(
            f"{table}-id-form",
            "error",
            f"An id is a valid name of a single file (validate.ids: {form_of_ids}).",
            gxe.ExpectColumnValuesToMatchRegex(column="id", regex=ID_PATTERNS[form_of_ids]),
        ),
        Rule(
            f"{table}-id-unique",
            "error",
            f"An id occurs once in the {TABLES[table]}.",
            gxe.ExpectColumnValuesToBeUnique(column="id"),
        ),
    ]


def labels(
    num_labels: int | None, min_positive_share: float, max_positive_share: float
) -> list[Rule]:
    """Return the rules on the label table: text column label, numbers `positive`, `num_labels`."""
    rules = [
        Rule(
            "labels-rows",
            "error",
            "The table has at least one row.",
            gxe.ExpectTableRowCountToBeBetween(min_value=1),
        ),
        Rule(
            "labels-id-agrees",
            "error",
            "An id has one label.",
            gxe.ExpectColumnValuesToBeBetween(column="num_labels", max_value=1),
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
            f"The share of positives is {min_positive_share:g} to {max_positive_share:g}, as usual "
            "for this task; another share points to exchanged labels or a truncated table "
            "(validate.min_positive_share, validate.max_positive_share).",
            gxe.ExpectColumnMeanToBeBetween(
                column="positive", min_value=min_positive_share, max_value=max_positive_share
            ),
        ),
    ]
    if num_labels is not None:
        protects = "The label table is complete: its number of rows is validate.num_labels."
        counted = gxe.ExpectTableRowCountToEqual(value=num_labels)
        rules.append(Rule("labels-row-count", "error", protects, counted))
    return rules


def presence(pool: Pool, max_missing_share: float) -> list[Rule]:
    """Return the rules on the ids of a table joined with the images of its pool.

    They read the text columns `without_image` and `without_row` and the number `is_missing`.
    """
    table = TABLES[POOL_TABLES[pool]]
    is_labelled = pool == "labelled"
    present = "." if is_labelled else _setting(pool)
    rules = [
        _empty(
            f"{pool}-image-present",
            "warning",
            f"Every id of the {table} has its image, named ID.tif{present}",
            "without_image",
            pool,
            is_quarantined=True,
        ),
        _empty(
            f"{pool}-image-listed",
            "warning",
            f"Every image is in the {table}; other images are left out.",
            "without_row",
            pool,
            is_quarantined=is_labelled,
        ),
    ]
    of = "labels" if is_labelled else "requested ids"
    setting = "max_missing_share" if is_labelled else "max_missing_unlabelled_share"
    whole = Rule(
        IMAGES_WHOLE[pool],
        "error",
        f"No more than {100 * max_missing_share:.12g} % of the {of} lack their image "
        f"(validate.{setting}).",
        gxe.ExpectColumnMeanToBeBetween(column="is_missing", max_value=max_missing_share),
    )
    return [*rules, whole]


def images(pool: Pool, *, is_quarantined: bool) -> list[Rule]:
    """Return the rules on the listed images of a pool: a text column for each flaw, and `link`."""
    flaws = [
        _empty(
            f"{pool}-image-{flaw}",
            _bad(pool),
            protects.removesuffix(".") + _setting(pool),
            flaw,
            pool,
            is_quarantined=is_quarantined,
        )
        for flaw, protects in FLAWS.items()
    ]
    inside = _empty(
        f"{pool}-image-inside",
        "warning",
        "An image is inside the source; a symbolic link out of it is followed.",
        "link",
        pool,
    )
    return [*flaws, inside]


def hashes(pool: Pool, *, is_quarantined: bool) -> list[Rule]:
    """Return the rules on the usable images of a pool: text columns id, sha1, `channel_order`."""
    return [
        Rule(
            f"{pool}-id-is-hash",
            _bad(pool),
            "An id is the SHA-1 of the patch's RGB bytes, as Kaggle's are: no pixel has changed "
            f"(JPEG changes pixels); validate.ids: any switches this off{_setting(pool)}",
            gxe.ExpectColumnPairValuesToBeEqual(column_A="id", column_B="sha1"),
            pool,
            is_quarantined,
        ),
        _empty(
            f"{pool}-channels-in-order",
            _bad(pool),
            "The channels are in the order red, green, blue" + _setting(pool),
            "channel_order",
            pool,
            is_quarantined=is_quarantined,
        ),
    ]


def pixels(*, is_quarantined: bool) -> list[Rule]:
    """Return the rules on the usable labelled images: text columns on pixels that occur again."""
    return [
        _empty(
            "labelled-pixels-agree",
            "error",
            "The same pixels have the same label wherever they occur" + _setting("labelled"),
            "contradicts",
            "labelled",
            is_quarantined=is_quarantined,
        ),
        _empty(
            "labelled-pixels-once",
            "warning",
            "A patch occurs once: copies count more than once, and leak if a split separates them.",
            "repeats",
            "labelled",
        ),
        _empty(
            "pools-pixels-apart",
            "warning",
            "An unlabelled patch has no copy among the labelled ones.",
            "is_unlabelled",
            "labelled",
        ),
    ]


def overlaps() -> list[Rule]:
    """Rules over the pairs of patches that overlap: text columns `unlabelled`, `other_slide`."""
    return [
        _empty(
            "pools-overlap-apart",
            "warning",
            "A labelled patch overlaps no unlabelled one: they come from different slides.",
            "unlabelled",
            "labelled",
        ),
        _empty(
            "labelled-overlap-slides",
            "warning",
            "Patches that share pixels come from one slide; the slide map contradicts the pixels. "
            "`split` keeps both slides together.",
            "other_slide",
            "labelled",
        ),
    ]


def left_out() -> list[Rule]:
    """Return the rule on labels: text column `left_out`, the user's reason to leave a patch out."""
    return [
        _empty(
            LEFT_OUT,
            "warning",
            "Every patch with a label is used, except those that the user leaves out.",
            "left_out",
            "labelled",
            is_quarantined=True,
        )
    ]


def known_left_out() -> list[Rule]:
    """Return the rule on the user's list of patches: text column `unknown`."""
    return [
        _empty(
            UNKNOWN_LEFT_OUT,
            "warning",
            "A patch that the user leaves out has a label; a typing error, or a patch of another "
            "source, changes nothing.",
            "unknown",
        )
    ]


def contradictions(*, is_quarantined: bool) -> list[Rule]:
    """Return the rule on labels of patches that overlap: text column `found`."""
    return [
        _empty(
            CONTRADICTED,
            "warning",
            "Labels of patches that overlap don't contradict each other: if the centre of a patch "
            "with label 1 is wholly covered by centres of patches with label 0, at least one of "
            "these labels is wrong (validate.bad_patches: quarantine leaves out the one with label "
            "1).",
            "found",
            "labelled",
            is_quarantined=is_quarantined,
        )
    ]


def outliers(pool: Pool, *, is_quarantined: bool) -> list[Rule]:
    """Return the rules on the usable images of a pool: numbers std and mean."""
    kept = "" if pool == "unlabelled" else " (validate.outliers)"
    expectations = {
        "flat": gxe.ExpectColumnValuesToBeBetween(column="std", min_value=FLAT_STD),
        "white": gxe.ExpectColumnValuesToBeBetween(column="mean", max_value=WHITE_MEAN),
        "black": gxe.ExpectColumnValuesToBeBetween(column="mean", min_value=BLACK_MEAN),
    }
    protects = {
        "flat": f"A patch isn't flat: its standard deviation is {FLAT_STD} or more",
        "white": f"A patch shows tissue, not bare glass: its mean is {WHITE_MEAN} or less",
        "black": f"A patch isn't black: its mean is {BLACK_MEAN} or more",
    }
    return [
        Rule(
            f"{pool}-patch-{kind}",
            "warning",
            f"{protects[kind]}{kept}.",
            found,
            pool,
            is_quarantined,
        )
        for kind, found in expectations.items()
    ]


def is_of_outliers(rule: Rule) -> bool:
    """Return whether a rule is one of `outliers`, over labelled patches."""
    return rule.name.startswith("labelled-patch-")


def _bad(pool: Pool) -> Severity:
    """Return the severity of a bad patch: a warning if unlabelled: those are never dropped."""
    return "error" if pool == "labelled" else "warning"


def _setting(pool: Pool) -> str:
    """Return the end of a rule's sentence: the param that decides about a patch that breaks it."""
    section = "validate" if pool == "labelled" else "predict"
    return f" ({section}.bad_patches)."
