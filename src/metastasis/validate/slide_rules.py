"""Which rules a slide map is held against; the tables that they look at, `slide_maps` makes."""

from great_expectations import expectations as gxe

from metastasis.tables import UNITS
from metastasis.validate.slide_maps import MIN_JOINED
from metastasis.validate.suites import Rule, empty

OFFICIAL_SPLITS = ("", "train", "validation", "test")


def columns() -> list[Rule]:
    """Rules over a map's columns; it may have others beside those that are read."""
    protects = "The slide map has the columns id and slide (or wsi), or id and patient."
    return [
        Rule(f"slides-column-{column}", "error", protects, gxe.ExpectColumnToExist(column=column))
        for column in ("id", "slide")
    ]


def unread() -> list[Rule]:
    """Rules over the columns of a map that aren't read: text column `found`."""
    return [
        empty(
            "slides-columns-read",
            "warning",
            "Every column that says where a patch comes from is read; call it slide or patient, "
            "and leave one of each.",
            "found",
        )
    ]


def rows() -> list[Rule]:
    """Rules over the rows of a map: `slide_maps.SlideMap.rows`, `no_slide` added."""
    return [
        empty("slides-id-unique", "error", "A patch comes from one slide.", "other_slide"),
        empty(
            "slides-id-once",
            "warning",
            "An id stands in the slide map once; rows that agree are read as one.",
            "again",
        ),
        empty(
            "slides-id-spelling",
            "warning",
            "The slide map spells ids as the label table does; other cases, endings and folders "
            "are read past.",
            "spelling",
        ),
        empty(
            "slides-name",
            "warning",
            "A slide has a name; where there is none, the slide is unknown.",
            "no_slide",
        ),
        Rule(
            "slides-split",
            "error",
            "An official split is train, valid (or validation) or test.",
            gxe.ExpectColumnValuesToBeInSet(column="split", value_set=list(OFFICIAL_SPLITS)),
        ),
        empty(
            "slides-id-known",
            "warning",
            "A row is about a patch that has a label; others are left out.",
            "unknown",
        ),
    ]


def coverage() -> list[Rule]:
    """Rules over the labels joined with the slide map: text column `without_row`."""
    return [
        empty(
            "slides-for-labels",
            "warning",
            "Every patch has its slide; one that has none counts as a slide of its own.",
            "without_row",
        )
    ]


def whole() -> list[Rule]:
    """Rules over the map as a whole: the text columns of `slide_maps.findings`."""
    rules = [
        empty(
            "slides-joined",
            "error",
            f"{MIN_JOINED:.0%} of the slide map's rows are about patches that are here, or "
            f"{MIN_JOINED:.0%} of the labels have a row; fewer point at the map of other patches, "
            "or at ids of another form. Give the map the ids of the label table, or leave it out.",
            "few_joined",
        ),
        empty("slides-one-patient", "error", "A slide comes from one patient.", "patients"),
        empty(
            "patients-column",
            "warning",
            "The slide map has a column patient; without one, patient_017_node_2 is read as "
            "Camelyon17 means it, as a slide of patient_017.",
            "named_patients",
        ),
    ]
    return rules + [rule for unit in UNITS for rule in _names(unit)]


def _names(unit: str) -> list[Rule]:
    return [
        empty(
            f"{unit}s-words",
            "warning",
            f"A {unit} that isn't known is left empty; words that say so are read as empty, and "
            f"aren't taken for one {unit}.",
            f"{unit}_words",
        ),
        empty(
            f"{unit}s-spelling",
            "warning",
            f"The name of a {unit} is written in one way; names that differ in case, ending or "
            f"folder alone are read as one. Rename them if they are different {unit}s.",
            f"{unit}_spellings",
        ),
        empty(
            f"{unit}s-alike",
            "warning",
            f"Different {unit}s have names that nobody takes for one; these are kept apart, and "
            "leak if they are the same. Give them one name then.",
            f"{unit}_alike",
        ),
        empty(
            f"{unit}s-odd",
            "warning",
            f"All {unit}s have names of one form; one of another form may be a word for what isn't "
            "known, which would make one of many. Leave it empty then.",
            f"{unit}_odd",
        ),
        empty(
            f"{unit}s-one-split",
            "warning",
            f"An official split keeps a {unit} whole; these leak with split.official: true.",
            f"{unit}_splits",
        ),
    ]


def contradictions() -> list[Rule]:
    """Rules over what a slide's name says too: `slide_maps.contradictions`."""
    return [
        empty(
            "slides-normal",
            "warning",
            "A slide named normal holds no tumour, as Camelyon names them; one of label, slide "
            "and name is wrong.",
            "normal",
        ),
        empty(
            "slides-split-named",
            "warning",
            "A slide named train or test, as Camelyon names them, is in that official split.",
            "split_named",
        ),
        empty(
            "slides-label-agrees",
            "error",
            "A label that the slide map gives too is the one of the label table.",
            "labelled",
        ),
        empty(
            "slides-patient-named",
            "warning",
            "A slide named patient_017_node_2, as Camelyon17 names them, is of patient 17.",
            "patient_named",
        ),
    ]


def other_maps() -> list[Rule]:
    """Rules over what another map says of the same patches: text column `found`."""
    return [
        empty(
            "slides-maps-agree",
            "error",
            "Slide maps of the same patches agree; take away the one that is wrong.",
            "found",
        )
    ]


def other_form() -> list[Rule]:
    """Rules over maps that aren't read: text column `found`."""
    return [
        empty(
            "slides-maps-readable",
            "warning",
            "A second slide map can be held against the first: it has the same columns.",
            "found",
        )
    ]
