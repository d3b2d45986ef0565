"""Writes the final model in another format, and measures it on validation beside Keras's.

`converting` writes it and `quantising` quantises it; `scoring` runs both.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from metastasis import members, tables
from metastasis.base import files, records
from metastasis.engines import converting
from metastasis.engines.export_params import Bits
from metastasis.export import quantising
from metastasis.members import Member
from metastasis.patches import shards
from metastasis.results import provenance
from metastasis.results.decision import to_probabilities
from metastasis.results.export import NAMES, NOTE_NAME, ExportMetrics, ExportNote
from metastasis.scores import scoring

MAX_AREA_CHANGE = 0.001  # of the AUC on validation, by which 8 bits are refused
NUM_CALIBRATION, CALIBRATION_SEED = 300, 0  # training patches; more change little


def export(
    bits: Bits,
    chosen: Sequence[Member],
    *,
    model_path: Path,
    split_path: Path,
    crops_folder: Path,
    source_path: Path,
    exported_folder: Path,
    metrics_path: Path,
) -> None:
    """Write the final model to a folder named after its format, and its metrics on validation.

    With 8 `bits` it is quantised on training patches. If that changes the AUC on validation by more
    than `MAX_AREA_CHANGE`, the floats of 32 bits are kept. With folds, validation is that of the
    first of the `chosen` members. If others trained on it, its AUC says too little about 8 bits,
    and the floats are kept too.

    Raises:
        InputError: the format's libraries aren't installed.
    """
    split = tables.read_patches(split_path)
    divided = members.divide(split, chosen[0])
    patches = shards.read(crops_folder)
    validation = divided[divided["split"] == "validation"]
    is_learnt = not all(
        validation["id"].isin(members.unseen(split, member)["id"]).all() for member in chosen
    )
    labels, places = validation["label"].to_numpy(), patches.locate(validation["id"], "labelled")
    keras_logits = scoring.score(model_path, patches, places)
    keras_area = float(roc_auc_score(labels, keras_logits))
    change = None
    with files.whole_folder(exported_folder) as folder:
        path = folder / NAMES[exported_folder.name][0]
        converting.convert(model_path, path)
        kept: Bits = 32
        if bits == 8 and not is_learnt:  # noqa: PLR2004
            quantised = folder / f"8-bits{path.suffix}"
            quantising.quantise(path, _calibration(divided, patches), quantised)
            logits = scoring.score(quantised, patches, places)
            change = float(roc_auc_score(labels, logits)) - keras_area
            kept = 8 if abs(change) <= MAX_AREA_CHANGE else 32
            _choose(quantised, path, is_chosen=kept == bits)
        if kept == 32:  # noqa: PLR2004
            logits = scoring.score(path, patches, places)
        written = {each.name: files.sha256(each) for each in sorted(folder.iterdir())}
        note = ExportNote(
            format=1, exported_from=files.sha256(model_path), bits=kept, files=written
        )
        records.write(folder / NOTE_NAME, note)
        num_bytes = sum(each.stat().st_size for each in folder.iterdir())
    known = provenance.read(source_path)
    apart = to_probabilities(logits) - to_probabilities(keras_logits)
    found = ExportMetrics(
        roc_auc=float(roc_auc_score(labels, logits)),
        roc_auc_keras=keras_area,
        max_difference=float(np.abs(apart).max()),
        bits=kept,
        roc_auc_change_8_bits=change,
        num_bytes=num_bytes,
        is_drawn=known.is_drawn,
        **({"is_learnt": True} if is_learnt else {}),
    )
    records.write_metrics(metrics_path, found)
    _report(exported_folder, found, bits, len(validation))
    if known.warning:
        print(f"warning: {known.warning}")


def _calibration(divided: pd.DataFrame, patches: shards.Patches) -> shards.UInt8:
    """Return training patches drawn at random: what a network sees decides its ranges."""
    ids = divided.loc[divided["split"] == "train", "id"]
    drawn = ids.sample(min(NUM_CALIBRATION, len(ids)), random_state=CALIBRATION_SEED)
    return patches.take(patches.locate(drawn, "labelled"))


def _choose(quantised: Path, path: Path, *, is_chosen: bool) -> None:
    """Replace the network at `path` by the quantised one, or remove the latter."""
    for ending in (".xml", ".bin"):
        if is_chosen:
            quantised.with_suffix(ending).replace(path.with_suffix(ending))
        else:
            quantised.with_suffix(ending).unlink()


def _report(folder: Path, found: ExportMetrics, asked: Bits, num_patches: int) -> None:
    print(
        f"export: {folder}, {found.bits} bits, {found.num_bytes / 1e6:.1f} MB: AUC "
        f"{found.roc_auc:.4f} on {num_patches:,} validation patches, Keras "
        f"{found.roc_auc_keras:.4f}; probabilities differ by at most {found.max_difference:.2g}"
    )
    if found.is_learnt:
        kept = ", and 8 bits can't be judged by them: the floats of 32 bits are kept"
        print(
            "warning: some members trained on these patches: the AUCs are optimistic"
            + (f"{kept}." if asked == 8 else ".")  # noqa: PLR2004
        )
    elif found.roc_auc_change_8_bits is not None and found.bits != 8:  # noqa: PLR2004
        print(
            f"warning: 8 bits change the AUC by {found.roc_auc_change_8_bits:+.4f}, more than "
            f"{MAX_AREA_CHANGE:g}: the floats of 32 bits are kept."
        )
