"""Defines what `export` writes about the final model in another format: metrics, and a note.

The note lies beside the network, so that `model_folder` knows whose export it is.
"""

from typing import Literal

from metastasis.base.records import Record
from metastasis.engines.export_params import Bits
from metastasis.results.card import Sha256

FOLDER_NAME = "exported"  # in the model's folder; a folder in it for each format
NAMES: dict[str, tuple[str, ...]] = {
    "openvino": ("model.xml", "model.bin"),
    "onnx": ("model.onnx",),
}  # of the files of each format, the network's first
NOTE_NAME = "export.json"  # beside them


class ExportMetrics(Record, frozen=True):
    """metrics/export/FORMAT.json; all is measured on validation, on the processor of the run.

    `bits` are those written: 32, if 8 were asked for but changed the AUC too much, by
    `roc_auc_change_8_bits` (None if 8 weren't asked for).
    """

    roc_auc: float
    roc_auc_keras: float
    max_difference: float  # of a patch's probability from Keras's
    bits: Bits
    roc_auc_change_8_bits: float | None
    num_bytes: int  # of all files
    is_drawn: bool
    is_learnt: bool = False  # set if members trained on patches that validate the first of them


class ExportNote(Record, frozen=True):
    """export.json: the network that was exported, and the files that it became."""

    format: Literal[1]  # a later one may have other fields
    exported_from: Sha256  # model.keras
    bits: Bits
    files: dict[str, Sha256]  # beside the note
