"""Defines the metrics that `export` writes about the final model in another format."""

from typing import Literal

from metastasis.base.records import Record


class ExportMetrics(Record, frozen=True):
    """metrics/export/FORMAT.json; all is measured on validation, on the processor of the run.

    `bits` are those written: 32, if 8 were asked for but changed the AUC too much, by
    `roc_auc_change_8_bits` (None if 8 weren't asked for).
    """

    roc_auc: float
    roc_auc_keras: float
    max_difference: float  # of a patch's probability from Keras's
    bits: Literal[32, 8]
    roc_auc_change_8_bits: float | None
    num_bytes: int  # of all files
    is_drawn: bool
    is_learnt: bool = False  # set if members trained on patches that validate the first of them
