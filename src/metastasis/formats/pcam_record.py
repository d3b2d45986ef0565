"""Lists PatchCamelyon's nine files as Zenodo publishes them: addresses, MD5s and sizes.

`downloading` downloads them.
"""

from metastasis.base.published import RemoteFile

RECORD = "https://zenodo.org/records/2546921"

# The MD5s are those of the table in the README of github.com/basveeling/pcam, except that that
# table has valid and test exchanged (its issues 1 and 4). The names here are those that
# torchvision's `PCAM` and downloads from Zenodo have for the same MD5s. The sizes are those that
# TensorFlow Datasets checks; none are published for the CSVs, which are small.
_PUBLISHED = (
    ("train_x.h5.gz", "1571f514728f59376b705fc836ff4b63", 6_421_353_462),
    ("train_y.h5.gz", "35c2d7259d906cfc8143347bb8e05be7", 21_378),
    ("train_meta.csv", "5a3dd671e465cfd74b5b822125e65b0a", 0),
    ("valid_x.h5.gz", "d5b63470df7cfa627aeec8b9dc0c066e", 805_965_320),
    ("valid_y.h5.gz", "2b85f58b927af9964a4c15b8f7e8f179", 3_038),
    ("valid_meta.csv", "67589e00a4a37ec317f2d1932c7502ca", 0),
    ("test_x.h5.gz", "d8c2d60d490dbd479f8199bdfa0cf6ec", 800_875_929),
    ("test_y.h5.gz", "60a7035772fbdb7f34eb86d4420cf66a", 3_040),
    ("test_meta.csv", "3455fd69135b66734e1008f3af684566", 0),
)

FILES = tuple(
    RemoteFile(name, f"{RECORD}/files/{name}?download=1", md5, num_bytes)
    for name, md5, num_bytes in (
        (f"camelyonpatch_level_2_split_{suffix}", md5, num_bytes)
        for suffix, md5, num_bytes in _PUBLISHED
    )
)
