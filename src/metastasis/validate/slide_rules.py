"""Defines the rules for a slide map; `slide_maps` makes the tables that they read."""

from great_expectations import expectations as gxe

from metastasis.tables import UNITS
from metastasis.validate.slide_maps import MIN_JOINED
from metastasis.validate.slide_names import MIN_COMMON, MIN_FOLDERS
from metastasis.validate.suites import Rule, empty

OFFICIAL_SPLITS = ("", "train", "validation", "test")


def columns() -> list[Rule]:
    """Return the rules on a map's columns; it may have more columns than are read."""
    protects = "The slide map has the columns id and slide (or wsi), or id and patient."
    return [
        Rule(f"slides-column-{column}", "error", protects, gxe.ExpectColumnToExist(column=column))
        for column in ("id", "slide")
    ]


def unread() -> list[Rule]:
    """Return the rules on the columns of a map that aren't read: text column `found`."""
    return [
        empty(
            "slides-columns-read",
            "warning",
            "Every column that says where a patch comes from is read; name it slide or patient, "
            "and keep one of each.",
            "found",
        )
    ]


def rows() -> list[Rule]:
    """Return the rules on the rows of a map: `slide_maps.SlideMap.rows`."""
    return [
        empty(
            "slides-id-unique",
            "error",
            "A patch comes from one slide and one patient, and all its rows name the same official "
            "split and label. Remove the wrong rows.",
            "differs",
        ),
        empty(
            "slides-id-once",
            "warning",
            "An id occurs once in the slide map; rows that agree are read as one.",
            "again",
        ),
        empty(
            "slides-id-spelling",
            "warning",
            "The slide map spells ids like the label table; differences in case, extension and "
            "folder are ignored.",
            "spelling",
        ),
        empty(
            "slides-name",
            "warning",
            "A slide has a name; without a name the slide is unknown.",
            "no_slide",
        ),
        *(
            empty(
                f"{unit}s-own-patch",
                "warning",
                f"A {unit} isn't named as one of its patches; such a name is read as empty. Name "
                f"the {unit} that the patch was cut from.",
                f"{unit}_own_patch",
            )
            for unit in UNITS
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
            "A row is about a labelled patch; other rows are ignored.",
            "unknown",
        ),
    ]


def coverage() -> list[Rule]:
    """Return the rules on the labels joined with the slide map: text column `without_row`."""
    return [
        empty(
            "slides-for-labels",
            "warning",
            "Every patch has a slide; a patch without one counts as a slide of its own.",
            "without_row",
        )
    ]


def whole() -> list[Rule]:
    """Return the rules on the whole map: the text columns of `slide_maps.findings`."""
    rules = [
        empty(
            "slides-joined",
            "error",
            f"At least {MIN_JOINED:.0%} of the slide map's rows are about known patches, or at "
            f"least {MIN_JOINED:.0%} of the labels have a row; fewer point to a map of other "
            "patches or to ids of another form. Give the map the ids of the label table, or leave "
            "it out.",
            "few_joined",
        ),
        empty("slides-one-patient", "error", "A slide comes from one patient.", "patients"),
        empty(
            "patients-column",
            "warning",
            "The slide map has a column patient; without it, patient_017_node_2 is read as in "
            "Camelyon17, as a slide of patient_017.",
            "named_patients",
        ),
    ]
    return rules + [rule for unit in UNITS for rule in _names(unit)]


def _names(unit: str) -> list[Rule]:
    return [
        empty(
            f"{unit}s-words",
            "warning",
            f"An unknown {unit} is left empty; words for 'unknown', and words, zeros or nines "
            f"unlike the other names, are read as empty. Give a real {unit} a name like the "
            "others'.",
            f"{unit}_words",
        ),
        empty(
            f"{unit}s-spelling",
            "warning",
            f"A {unit} has one spelling; names that differ only in case, extension or folder are "
            f"read as one. Rename them if they are different {unit}s.",
            f"{unit}_spellings",
        ),
        empty(
            f"{unit}s-alike",
            "warning",
            f"No two {unit}s have easily confused names; such names are kept apart, and leak if "
            f"they mean the same {unit}. If so, give them one name.",
            f"{unit}_alike",
        ),
        empty(
            f"{unit}s-odd",
            "warning",
            f"A form of {unit} names occurs {MIN_COMMON} times or more; a name of a rare form may "
            "be a word for 'unknown', which would merge many into one. If so, leave the cell "
            "empty.",
            f"{unit}_odd",
        ),
        empty(
            f"{unit}s-one-per-patch",
            "error",
            f"There are far fewer {unit}s than patches: expected the {unit} that a patch was cut "
            "from, not the patch, its position or its row. Correct the column or leave the map "
            "out.",
            f"{unit}_patches",
        ),
        empty(
            f"{unit}s-folders",
            "error",
            f"The last part of a path names the {unit}; a file name that occurs in "
            f"{MIN_FOLDERS} or more folders doesn't, and would merge them into one {unit}. Write "
            f"the {unit}'s name instead of the path.",
            f"{unit}_folders",
        ),
        empty(
            f"{unit}s-one-split",
            "warning",
            f"An official split keeps each {unit} whole; others leak with split.official: true.",
            f"{unit}_splits",
        ),
    ]


def contradictions() -> list[Rule]:
    """Return the rules on facts that a slide's name states too: `slide_maps.contradictions`."""
    return [
        empty(
            "slides-normal",
            "warning",
            "A slide named normal holds no tumour, as in Camelyon; otherwise the label, the slide "
            "or the name is wrong.",
            "normal",
        ),
        empty(
            "slides-split-named",
            "warning",
            "A slide named train or test, as in Camelyon, is in that official split.",
            "split_named",
        ),
        empty(
            "slides-label-agrees",
            "error",
            "A label in the slide map is the same as in the label table.",
            "labelled",
        ),
        empty(
            "slides-patient-named",
            "warning",
            "A slide named patient_017_node_2, as in Camelyon17, is of patient 17.",
            "patient_named",
        ),
    ]


def other_maps() -> list[Rule]:
    """Return the rules on differences to another map of the same patches: text column `found`."""
    return [
        empty(
            "slides-maps-agree",
            "error",
            "Slide maps of the same patches agree; remove the wrong one.",
            "found",
        )
    ]


def other_form() -> list[Rule]:
    """Return the rules on maps that aren't read: text column `found`."""
    return [
        empty(
            "slides-maps-readable",
            "warning",
            "A second slide map has the same columns, so that it can be compared with the first.",
            "found",
        )
    ]
