"""Shows the network's errors, where it looks, and which labels may be wrong.

`auditing` finds these labels, `attention` computes where the network looks; `explanation_figures`
draws the figures, `region_gallery` patches that overlap.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from metastasis import plotting, tables
from metastasis.base import files, records
from metastasis.explain import attention, auditing, explanation_figures, region_gallery
from metastasis.members import Member
from metastasis.patches import shards
from metastasis.patches.shards import Patches, UInt8
from metastasis.results import provenance
from metastasis.results.attention import Attention, Explanation, ExplanationMetrics
from metastasis.results.decision import Decision

NUM_SHOWN = 12  # patches of a gallery
NUM_ATTENDED = 32  # patches whose attention is measured
NUM_DRAWN = 3  # patches of each outcome whose attention is drawn
IN_GALLERY, BESIDE_MAPS = 22, 14  # characters of a name that fit below a patch
NUM_UNTRAINED = 5  # networks of random weights
SEED = 0  # of the patches measured and drawn

# True label and call of each outcome, in the order they are drawn.
OUTCOMES = {
    "tumour, called tumour (true positives)": (1, True),
    "tumour, missed (false negatives)": (1, False),
    "no tumour, called tumour (false positives)": (0, True),
    "no tumour, called none (true negatives)": (0, False),
}


def explain(  # noqa: PLR0913  # a path for each thing that is read or written
    members: Sequence[Member],
    *,
    network_path: Path,
    decision_path: Path,
    scores_path: Path,
    source_path: Path,
    crops_folder: Path,
    patches_folder: Path,
    suspicious_path: Path,
    attention_path: Path,
    metrics_path: Path,
    plots_folder: Path,
) -> None:
    """Write galleries of errors, uncertain patches and suspicious labels, and maps of attention.

    They are from the test part, or from validation if there is no test part; suspicious labels are
    those of all scored patches. Nothing is deleted: the table is for a person to review. Patches
    that overlap are stitched together from the whole patches in `patches_folder`. Attention is that
    of the first member's network, everything else is about the members' mean scores.
    """
    note = provenance.read(source_path).note
    decision = records.read(decision_path, Decision)
    scores = tables.read_patches(scores_path)
    scores["probability"] = decision.probabilities(scores["logit"].to_numpy())
    scores["is_called"] = scores["probability"] >= decision.threshold
    patches = shards.read(crops_folder)
    part = scores[scores["split"] == tables.reported(set(scores["split"]))]

    suspicious = auditing.suspicious(scores)
    columns = ["id", "split", "slide", "label", "probability", "reason"]
    files.write_csv(suspicious_path, suspicious[columns])
    for name, (title, chosen) in galleries(part, decision.threshold).items():
        _write_gallery(title, chosen[:NUM_SHOWN], patches, plots_folder / f"{name}.png", note)
    title = "The labels that are the likeliest to be wrong"
    _write_gallery(title, suspicious[:NUM_SHOWN], patches, plots_folder / "suspicious.png", note)

    placed = shards.read_regions(patches_folder)
    figure = region_gallery.draw(placed, part, shards.read(patches_folder))
    plotting.save(figure, plots_folder / "regions.png", note)

    model = keras.saving.load_model(network_path)
    measured = measure_attention(model, _pixels(patches, _positives(part)))
    found = Explanation(**measured.model_dump(), num_suspicious=len(suspicious))
    records.write(attention_path, found)
    compared = found.model_dump(include=set(ExplanationMetrics.model_fields))
    records.write_metrics(metrics_path, ExplanationMetrics(**compared))
    figure = _attention_figure(model, part, patches, _whose(members))
    plotting.save(figure, plots_folder / "attention.png", note)
    print(f"explain: {_said(measured)}")


def _said(measured: Attention) -> str:
    if measured.occlusion_in_centre is None or measured.grad_cam_in_centre is None:
        return "where the network looks isn't measured: no patch with tumour shows it"
    return (
        f"{measured.shown('occlusion_in_centre')} of occlusion and "
        f"{measured.shown('grad_cam_in_centre')} of Grad-CAM attention falls in the centre "
        f"({measured.shown('centre_area')} of the area; Grad-CAM of untrained networks: "
        f"{measured.shown('grad_cam_in_centre_untrained')})"
    )


def galleries(part: pd.DataFrame, threshold: float) -> dict[str, tuple[str, pd.DataFrame]]:
    """Return the title and the ordered patches of each gallery, by the name of its file."""
    is_positive = part["label"] == 1
    doubt = (part["probability"] - threshold).abs()
    wrong = part[part["is_called"] != is_positive].sort_values(["probability", "id"])
    return {
        "false-positives": (
            "False positives with the highest probabilities",
            wrong[wrong["label"] == 0][::-1],
        ),
        "false-negatives": (
            "False negatives with the lowest probabilities",
            wrong[wrong["label"] == 1],
        ),
        "uncertain": (
            f"Nearest to the threshold, {threshold:.3f}",
            part.assign(doubt=doubt).sort_values(["doubt", "id"]),
        ),
    }


def measure_attention(model: keras.Model, positives: UInt8) -> Attention:
    """Return the share of attention in the centre, and whether Grad-CAM and occlusion agree.

    `positives` are patches (n, size, size, 3) called tumour. For comparison it also returns the
    Grad-CAM share of the same network with random weights, as the mean over several networks: a
    network that pools the centre separately looks there before it has learnt anything.
    """
    size = model.input_shape[1]
    centre = np.zeros((size, size), bool)
    inside = shards.centre(size)
    centre[inside, inside] = True
    looked, covered = (way(model, positives) for way in (attention.grad_cam, attention.occlusion))
    found = {
        "occlusion_in_centre": [attention.share_inside(covered, centre)],
        "grad_cam_in_centre": [attention.share_inside(looked, centre)],
        "agreement": [attention.agreement(looked, covered)],
        "grad_cam_in_centre_untrained": [],
        "agreement_untrained": [],
    }
    for seed in range(NUM_UNTRAINED):
        keras.utils.set_random_seed(seed)
        untrained = attention.grad_cam(keras.models.clone_model(model), positives)
        found["grad_cam_in_centre_untrained"].append(attention.share_inside(untrained, centre))
        found["agreement_untrained"].append(attention.agreement(untrained, covered))
    return Attention(
        centre_area=float(centre.mean()),
        num_patches=len(positives),
        **{name: _mean(np.concatenate(values)) for name, values in found.items()},
    )


def _mean(values: NDArray[np.float64]) -> float | None:
    """Return the mean of the defined values, or None if there are none."""
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else None


def _positives(part: pd.DataFrame) -> pd.DataFrame:
    found = part[part["is_called"] & (part["label"] == 1)]
    return found.sample(min(NUM_ATTENDED, len(found)), random_state=SEED)


def _pixels(patches: Patches, chosen: pd.DataFrame) -> UInt8:
    return patches.take(patches.locate(chosen["id"], "labelled"))


def _names(chosen: pd.DataFrame, most: int) -> list[str]:
    """Return a caption for each patch: its id above its slide, of at most `most` characters."""
    ids, slides = chosen["id"].map(tables.brief), chosen["slide"].fillna("slide unknown")
    return [
        f"{plotting.caption(i, most)}\n{plotting.caption(slide, most)}"
        for i, slide in zip(ids, slides, strict=True)
    ]


def _write_gallery(
    title: str, chosen: pd.DataFrame, patches: Patches, path: Path, note: str
) -> None:
    beside = zip(_names(chosen, IN_GALLERY), chosen["label"], chosen["probability"], strict=True)
    captions = [f"{name}\nlabel {label}, p {p:.3f}" for name, label, p in beside]
    figure = explanation_figures.gallery(title, _pixels(patches, chosen), captions)
    plotting.save(figure, path, note)


def _whose(members: Sequence[Member]) -> str:
    """Return whose attention is shown, if there are several networks, or an empty text."""
    if len(members) == 1:
        return ""
    first = members[0]
    return f"the first of {len(members)} members: seed {first.seed}, fold {first.fold}"


def _drawn(found: pd.DataFrame) -> pd.DataFrame:
    return found.sample(min(NUM_DRAWN, len(found)), random_state=SEED)


def _attention_figure(
    model: keras.Model, part: pd.DataFrame, patches: Patches, whose: str
) -> Figure:
    chosen = {
        name: _drawn(part[(part["label"] == label) & (part["is_called"] == is_called)])
        for name, (label, is_called) in OUTCOMES.items()
    }
    pixels = _pixels(patches, pd.concat(chosen.values()))
    looked, covered = (way(model, pixels) for way in (attention.grad_cam, attention.occlusion))
    rows, end = {}, 0
    for name, found in chosen.items():
        start, end = end, end + len(found)
        rows[name] = explanation_figures.Attended(
            pixels[start:end], _names(found, BESIDE_MAPS), looked[start:end], covered[start:end]
        )
    return explanation_figures.attention(rows, whose)
