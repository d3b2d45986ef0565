"""Finds out which spellings mean the same name, and which words mean that the name is missing.

The callers apply it to ids, slides and patients.
"""

import re
import unicodedata
from collections.abc import Callable

import pandas as pd

# The extensions of images, annotations and packed files, which are not part of a name.
SUFFIXES = (
    "tif", "tiff", "btf", "ome", "svs", "svslide", "ndpi", "ndpis", "mrxs", "scn", "vms", "vmu",
    "bif", "czi", "zvi", "dcm", "dicom", "isyntax", "i2syntax", "zarr", "vsi", "ets", "oir", "oib",
    "lif", "lsm", "nd2", "ims", "qptiff", "afi", "kfb", "sdpc", "tmap", "mds",
    "png", "jpg", "jpeg", "jp2", "jpx", "bmp", "gif", "webp", "npy", "npz", "h5", "hdf5",
    "xml", "json", "geojson", "asap", "ndpa", "qpdata",
    "gz", "bz2", "xz", "zst", "zip", "7z", "tar", "tgz",
)  # fmt: skip
# Endings of names of files that are made from a slide's image: such a file shows the same slide.
DERIVED = (
    r"masks?", r"le?ve?l[\W_]*\d+", r"copy(?:[\W_]*\d+)?", r"kopie", r"thumb(?:nail)?s?",
    r"annot(?:ations?|ated)?", r"\d+x", r"x\d+", r"normali[sz]ed", r"re(?:sized|scaled)",
    r"downsampled", r"cropped", r"tissue", r"overlay", r"preview", r"macro", r"seg(?:mentation)?",
    r"heatmap",
)  # fmt: skip
# Usual folders of images in data sets. A slash after anything else may belong to a name, as in the
# case numbers of many laboratories (H12345/19).
FOLDERS = frozenset(
    (
        "train", "training", "valid", "validation", "val", "test", "testing", "data", "images",
        "image", "img", "patches", "slides", "slide", "wsi", "wsis", "raw", "input", "tumor",
        "tumour", "normal",
    )
)  # fmt: skip
# Words that people and programs write for an unknown value. Text without a letter or digit, and
# negative numbers, mean the same.
MISSING = frozenset(
    (
        "empty", "blank", "unknown", "unk", "unkn", "not known", "undefined", "undef",
        "not defined", "unspecified", "not specified", "unassigned", "not assigned", "unnamed",
        "unavailable", "not available", "not applicable", "not recorded", "not given", "no data",
        "no value", "missing", "tbd", "tba", "n a", "n d", "na", "nan", "nat", "none", "null",
        "nil", "void", "na n a", "1 ind", "1 qnan", "pd na", "nan nan", "not reported",
        "not provided", "not found", "not collected", "not stated", "no info", "no information",
        "n k", "nk", "other", "others", "misc", "miscellaneous", "anonymous", "anonymised",
        "anonymized", "redacted", "withheld", "undetermined", "indeterminate", "unclear",
        "to be determined", "to be announced", "missing data", "placeholder", "dummy", "todo",
        "xxx", "n a not available", "none none", "not sure", "unsure", "uncertain", "see notes",
        "lost", "unbekannt", "nicht bekannt", "keine angabe", "k a", "sin datos",
        "\u043d\u0435\u0438\u0437\u0432\u0435\u0441\u0442\u043d\u043e", "\u4e0d\u660e",
        "inconnu", "inconnue", "desconocido", "sconosciuto", "onbekend",
    )
)  # fmt: skip
# These mean a missing value beside any other word too, as in train_unknown.
STRONG = frozenset(
    ("unknown", "missing", "unspecified", "unassigned", "undefined", "nan", "null", "none")
)
CELL_ERRORS = ("#ref!", "#value!", "#div/0!", "#num!", "#name?", "#null!")  # of spreadsheets
NOUNS = "slide|wsi|patient|case|id|name|image"  # may stand beside a word for "missing"

_SUFFIX = re.compile(rf"(?<=[^/\\])\.(?:{'|'.join(SUFFIXES)})$")
_PATH = re.compile(r"^(?:[a-z]:)?[/\\]|^\.{1,2}[/\\]|\\")  # absolute, relative, Windows
_SPACES = re.compile(r"\s+")
_MARKS = re.compile(r"[\W_]+")
_WHOLE = re.compile(r"0*(\d+)(?:\.0+)?")  # pandas writes 3 in a column with gaps as 3.0
_BELOW_ZERO = re.compile(r"[-\u2212]\d+(?:\.0+)?")
_NAMED_MISSING = re.compile(rf"(?:(?:{NOUNS})[ _-](?P<after>.+)|(?P<before>.+)[ _-](?:{NOUNS}))")
_NUMBERED = re.compile(r"(.+?)[ _-]+\d+")  # unknown_1, slide unknown 2
# A number in brackets means a copy only after a number or one of these words: Windows numbers files
# that are renamed together as slide (1), slide (2).
_COPY = r" ?\(\d+\)"
_ENDING = rf"[\W_]+(?:{'|'.join(DERIVED)})(?![^\W_])(?:{_COPY})?"
_DERIVED = re.compile(rf"(?<=[^\W_])(?:{_ENDING}|(?<=\d){_COPY})+[\W_]*$")
_ACCENTS = re.compile("[\u0300-\u036f]")
# Letters that look like Latin ones, as capitals or small, in Cyrillic, in Greek and with a stroke:
# people type one for the other.
_SIMILAR = str.maketrans(
    "\u0430\u0432\u0435\u043a\u043c\u043d\u043e\u0440\u0441\u0442\u0443\u0445\u0455\u0456\u0458"
    "\u03b1\u03b2\u03b5\u03b6\u03b7\u03b9\u03ba\u03bc\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7"
    "\u0142\u00f8\u0111",
    "abekmhopctyxsijabezhikmnoptyxlod",
)
_USUAL = re.compile(r"[a-z0-9_-]+")
_UNSEEN = {"Cc", "Cf"}  # categories of invisible characters, such as a byte-order mark
_PAIRS = ("''", '""', "``", "<>", "[]", "()", "{}", "\u2018\u2019", "\u201c\u201d", "\u00ab\u00bb")


def name(text: str) -> str:
    """Return the name that `text` spells, or an empty text if it says that the name is missing.

    Case, character width, surrounding spaces and quotation marks, an image's extension and the
    folders of a path are ignored. Whole numbers are normalised: 3.0 and 003 are 3.
    """
    return _fixed(_name, text)


def file_name(text: str) -> str:
    """Return the name that a file's `text` spells: like `name`, but all before a slash is a folder.

    The file's name may be a word that means "missing".
    """
    is_usual = _USUAL.fullmatch(text) and not text.isdigit()  # the fast path
    return text if is_usual else _fixed(_file_name, text)


def names(column: pd.Series) -> pd.Series:
    """Return the `name` of each text; each spelling is read once, missing values stay missing."""
    return _each(name, column)


def file_names(column: pd.Series) -> pd.Series:
    """Return the `file_name` of each text, as `names` does."""
    return _each(file_name, column)


def folders(column: pd.Series) -> pd.Series:
    """Return for each text that spells a path the folder before its last part, else nothing."""
    return _each(_folder, column)


def stem(text: str) -> str:
    """Return a common form of spellings that a reader would confuse, though they may be two names.

    Punctuation and spaces between the parts are ignored, and so are zeros before a number, accents,
    the alphabet of letters that look alike, and endings such as `_mask`, which derived files have.
    """
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).translate(_SIMILAR)
    parts = re.findall(r"\d+|[^\W\d_]+", _DERIVED.sub("", plain))
    return " ".join(part.lstrip("0") or "0" for part in parts)


def is_missing(text: str) -> bool:
    """Return whether `text`, in lower case, says that the name is missing."""
    words = _MARKS.sub(" ", text).strip()
    if not words or words in MISSING or text in CELL_ERRORS or _BELOW_ZERO.fullmatch(text):
        return True
    if not STRONG.isdisjoint(words.split()) and not re.search(r"\d", words):
        return True
    numbered = _NUMBERED.fullmatch(text)
    if numbered and re.search("[a-z]", numbered[1]) and is_missing(numbered[1]):
        return True
    found = _NAMED_MISSING.fullmatch(text)
    if found is None:
        return False
    return found["before"] == "no" or is_missing(found["after"] or found["before"])


def _fixed(step: Callable[[str], str], text: str) -> str:
    """Return `text` after repeating `step` until it changes nothing."""
    while (changed := step(text)) != text:
        text = changed
    return text


def _name(text: str) -> str:
    plain = _plain(text)
    bare = _bare(plain)
    if is_missing(bare):
        return ""
    is_path = bare != plain or _PATH.search(bare) or bare.split("/")[0] in FOLDERS
    return _number(_last(bare) if is_path else bare)


def _file_name(text: str) -> str:
    return _number(_last(_bare(_plain(text))))


def _plain(text: str) -> str:
    """Return the text in one width and case, with single spaces and no surrounding marks."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    plain = _SPACES.sub(" ", folded).strip()
    if not (plain.isascii() and plain.isprintable()):
        plain = "".join(char for char in plain if unicodedata.category(char) not in _UNSEEN).strip()
    for pair in _PAIRS:
        if len(plain) > 1 and plain.startswith(pair[0]) and plain.endswith(pair[1]):
            plain = plain[1:-1].strip()
    return plain


def _bare(text: str) -> str:
    return _SUFFIX.sub("", text)


def _last(text: str) -> str:
    """Return the last part of a path that is not empty."""
    return ["", *_parts(text)][-1]


def _folder(text: str) -> str:
    return "/".join(_parts(_plain(text))[:-1])


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[/\\]", text) if part.strip()]


def _number(text: str) -> str:
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def _each(read: Callable[[str], str], column: pd.Series) -> pd.Series:
    known = {text: read(text) for text in column.dropna().unique()}
    return column.map(known, na_action="ignore").astype("str")
