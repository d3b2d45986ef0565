"""Lists the files of weights that keras.applications publishes for networks of `architectures`.

`downloading` downloads them.
"""

from collections.abc import Mapping
from pathlib import Path

from metastasis.base import published
from metastasis.base.errors import InputError
from metastasis.base.published import RemoteFile

_FOLDER = "https://storage.googleapis.com/tensorflow/keras-applications"

# A test compares the addresses and MD5s with those that the installed Keras uses. Keras publishes
# no sizes: these are the ones that its progress bar shows.
_PUBLISHED = (
    (
        "densenet121",
        "densenet/densenet121_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "30ee3e1110167f948a6b9946edeeb738",
        29_084_464,
    ),
    (
        "efficientnetv2b0",
        "efficientnet_v2/efficientnetv2-b0_notop.h5",
        "893217f2bb855e2983157299931e43ff",
        24_274_472,
    ),
)

FILES: Mapping[str, RemoteFile] = {
    network: RemoteFile(path.rsplit("/", 1)[-1], f"{_FOLDER}/{path}", md5, num_bytes)
    for network, path, md5, num_bytes in _PUBLISHED
}


def require_published(path: Path, files: Mapping[str, RemoteFile] = FILES) -> None:
    """Check a file with a published name against its published MD5; any other name passes.

    Raises:
        InputError: the file has the name of one of `files`, but other content.
    """
    for network, file in files.items():
        if path.name == file.name and (found := published.md5(path)) != file.md5:
            raise InputError(
                f"{path} is named like the published weights of {network}, but its MD5 is {found} "
                f"instead of {file.md5}. Delete it and run `make weights NAME={network}`; if the "
                "weights are your own, give the file another name."
            )
