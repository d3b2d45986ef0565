"""Writes the gate's report: one static HTML page that opens offline, with its pictures inside.

This module computes the content; `gate.html` holds the layout. `validating` judges the
source.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from metastasis import plotting, stains
from metastasis.hashes import perceptual
from metastasis.pages import templating
from metastasis.patches.shards import Patches, Pool
from metastasis.regions import drawing
from metastasis.results import numbers
from metastasis.results.provenance import Provenance
from metastasis.validate import contact_sheets, gate_figures, rules
from metastasis.validate.suites import Verdict

TEMPLATE_NAME = "gate.html"
NUM_SAMPLES = 16  # patches of each class
NUM_REGIONS = 6  # whose labels contradict each other
NUM_OTHERS = 12  # labels that are neither 0 nor 1
CLASSES = {"0": "no tumour", "1": "tumour"}
KINDS = ("flat", "white", "black")  # of outliers
# The measures of a patch in figures, with their units.
MEASURES = {
    "brightness": "brightness (mean of a patch, 0 to 255)",
    "haematoxylin": "haematoxylin (optical density)",
    "eosin": "eosin (optical density)",
}
QUARTILES = (0.25, 0.5, 0.75)
SHOWN_SHARE = 0.998  # of the patches in a stain histogram: a few black ones would compress it
INKS = {"light": "#25292e", "dark": "#d9dde2"}  # of text and axes in figures

Picture = dict[str, str]  # a figure as a data: URI for each of `INKS`


@dataclass(frozen=True)
class Findings:
    """The gate's findings, which its report shows.

    `labelled` are the usable labelled images: the inventory's columns with label ("0", "1" or
    another text in the label table) and slide (text; empty or missing if unknown). It has no
    columns if the tables couldn't be read. `regions` are those of them that overlap others, with
    label 0 or 1 and their places (`shards.REGION_COLUMNS`). `quarantine` has the columns pool, id,
    label and reason. `manifest` is None if the run is stopped.
    """

    settings: dict[str, Any]  # section validate of params.yaml
    verdicts: Sequence[Verdict]
    inventory: pd.DataFrame
    patches: Patches
    labelled: pd.DataFrame
    regions: pd.DataFrame
    quarantine: pd.DataFrame
    manifest: pd.DataFrame | None
    source: Provenance


@dataclass(frozen=True)
class Slides:
    """Each known slide's share of positives (n,), and quartiles (n, 3) of each measure."""

    names: list[str]
    shares: NDArray[np.floating]
    quartiles: dict[str, NDArray[np.floating]]


def write(path: Path, findings: Findings) -> None:
    """Write the report to `path`; the same findings give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(findings), encoding="utf-8", newline="\n")


def render(findings: Findings) -> str:
    """Return the report as HTML."""
    environment = templating.environment(Path(__file__).parent)
    environment.filters |= {"brief": contact_sheets.brief, "percent": numbers.percent}
    patches = _known(findings)
    shown = patches if findings.manifest is None else _passing(patches, findings.manifest)
    return environment.get_template(TEMPLATE_NAME).render(
        source=findings.source,
        verdict=_verdict(findings),
        rules=_rules(findings),
        counts=_counts(findings, shown),
        settings={name: json.dumps(value) for name, value in findings.settings.items()},
        classes=_classes(shown),
        samples=_samples(shown, findings),
        stain=_stain(patches, findings.verdicts),
        sheets=list(_sheets(findings)),
        contradicted=_contradicted(findings),
    )


def _known(findings: Findings) -> pd.DataFrame:
    """Return the usable labelled images with measures of their stain."""
    columns = ["id", "label", "slide", "mean", *stains.COLOURS]
    table = findings.labelled.reindex(columns=columns).sort_values("id", ignore_index=True)
    colours = table[stains.COLOURS].to_numpy(np.float64)
    amounts = stains.unmix(stains.optical_density(colours))
    return pd.DataFrame(
        {
            "id": table["id"],
            "label": table["label"].astype("str"),
            "slide": table["slide"].replace({"": None}).astype("str"),
            "brightness": table["mean"].to_numpy(np.float64),
            "haematoxylin": amounts[:, 0],
            "eosin": amounts[:, 1],
        }
    )


def _passing(patches: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    return patches[patches["id"].isin(manifest["id"])].reset_index(drop=True)


def _verdict(findings: Findings) -> dict[str, Any]:
    """Return whether the run continues, and the numbers for the page's first sentence."""
    broken = [verdict for verdict in findings.verdicts if not verdict.is_met]
    manifest = findings.manifest
    learnable = manifest is not None and manifest["label"].nunique() == len(CLASSES)
    return {
        "passed": learnable,
        "has_manifest": manifest is not None,
        "num_passing": len(manifest) if manifest is not None else 0,
        "num_left_out": int((findings.quarantine["pool"] == "labelled").sum()),
        "num_errors": sum(verdict.rule.severity == "error" for verdict in broken),
        "num_warnings": sum(verdict.rule.severity == "warning" for verdict in broken),
        "num_met": len(findings.verdicts) - len(broken),
        "num_rules": len(findings.verdicts),
        "stopped_by": [verdict.rule.name for verdict in broken if verdict.stops],
    }


def _rules(findings: Findings) -> dict[str, Any]:
    """Return the broken rules, errors first, each with its consequence, and the met rules."""
    broken = [verdict for verdict in findings.verdicts if not verdict.is_met]
    broken.sort(key=lambda verdict: (verdict.rule.severity != "error", not verdict.stops))
    is_stopped = findings.manifest is None
    return {
        "broken": [(verdict, _consequence(verdict, is_stopped=is_stopped)) for verdict in broken],
        "met": [verdict.rule for verdict in findings.verdicts if verdict.is_met],
    }


def _consequence(verdict: Verdict, *, is_stopped: bool) -> str:
    if verdict.stops:
        return "stopped the run"
    if not verdict.rule.is_quarantined:
        return "noted"
    if verdict.rule.pool == "unlabelled":
        return "left to predict"
    return "would be quarantined" if is_stopped else "quarantined"


def _counts(findings: Findings, shown: pd.DataFrame) -> dict[str, str]:
    pools = findings.inventory["pool"].value_counts()
    counts = {
        "labelled images": f"{pools.get('labelled', 0):,}",
        "unlabelled images": f"{pools.get('unlabelled', 0):,}",
    }
    if not len(findings.labelled.columns):
        return counts
    is_classed = shown["label"].isin(CLASSES)
    share = (
        numbers.percent((shown.loc[is_classed, "label"] == "1").mean())
        if is_classed.any()
        else "unknown"
    )
    num_left_out = int((findings.quarantine["pool"] == "labelled").sum())
    return {
        **counts,
        "usable, with a label": f"{len(findings.labelled):,}",
        "left out": "none yet" if findings.manifest is None else f"{num_left_out:,}",
        "slides": f"{shown['slide'].nunique():,}",
        "without slide": f"{shown['slide'].isna().sum():,}",
        "with tumour": share,
    }


def _classes(shown: pd.DataFrame) -> dict[str, Any]:
    """Return the number and share of each class, and the other labels."""
    counts = [int((shown["label"] == label).sum()) for label in CLASSES]
    others = shown.loc[~shown["label"].isin(CLASSES), "label"]
    total = sum(counts)
    return {
        "rows": [
            (name, count, count / total if total else 0.0)
            for name, count in zip(CLASSES.values(), counts, strict=True)
        ],
        "num_others": len(others),
        "others": sorted(others.dropna().unique())[:NUM_OTHERS],
        "figure": _figure(partial(gate_figures.class_balance, *counts)) if total else None,
    }


def _samples(shown: pd.DataFrame, findings: Findings) -> dict[str, list[contact_sheets.Shown]]:
    """Return random patches of each class."""
    random = np.random.default_rng(findings.settings["samples_seed"])
    samples = {}
    for label, name in CLASSES.items():
        ids = shown.loc[shown["label"] == label, "id"].to_numpy()
        chosen = random.choice(ids, min(NUM_SAMPLES, len(ids)), replace=False)
        samples[name] = contact_sheets.pictures(
            dict.fromkeys(chosen, ""), "labelled", findings.patches
        )
    return samples


def _stain(patches: pd.DataFrame, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return figures of brightness and stain by class and by slide, and the numbers of outliers."""
    classed = patches[patches["label"].isin(CLASSES)]
    slides = _slides(classed)
    return {
        "by_class": {name: _densities(classed, name) for name in MEASURES} if len(classed) else {},
        "slides": _extremes(slides) if slides.names else [],
        "by_slide": _figure(partial(gate_figures.slide_quartiles, slides.quartiles, slides.shares))
        if slides.names
        else None,
        "outliers": _outliers(verdicts),
        "thresholds": {
            "flat": f"standard deviation below {perceptual.FLAT_STD}",
            "white": f"mean above {rules.WHITE_MEAN}",
            "black": f"mean below {rules.BLACK_MEAN}",
        },
    }


def _densities(patches: pd.DataFrame, measure: str) -> Picture:
    values = patches[measure].to_numpy()
    limits, marks = (0.0, 255.0), {"black": rules.BLACK_MEAN, "white": rules.WHITE_MEAN}
    if measure != "brightness":
        rest = (1 - SHOWN_SHARE) / 2
        low, high = np.quantile(values, [rest, 1 - rest])
        limits, marks = (low - 0.01, high + 0.01), {}
    groups = {name: values[patches["label"] == label] for label, name in CLASSES.items()}
    return _figure(
        partial(
            gate_figures.class_densities,
            groups,
            xlabel=MEASURES[measure],
            limits=limits,
            marks=marks,
        )
    )


def _slides(patches: pd.DataFrame) -> Slides:
    known = patches[patches["slide"].notna()]
    grouped = known.groupby("slide")
    shares = known["label"].eq("1").astype("float64").groupby(known["slide"]).mean()
    quartiles = {
        name: np.stack([grouped[name].quantile(share).to_numpy() for share in QUARTILES], axis=1)
        for name in MEASURES
    }
    return Slides(shares.index.tolist(), shares.to_numpy(), quartiles)


def _extremes(slides: Slides) -> list[tuple[str, str, str]]:
    """Return the slides with the lowest and with the highest median of each measure."""
    extremes = []
    for name, quartiles in slides.quartiles.items():
        medians = quartiles[:, 1]
        digits = 0 if name == "brightness" else 2
        lowest, highest = (
            f"{slides.names[row]} ({medians[row]:.{digits}f})"
            for row in (medians.argmin(), medians.argmax())
        )
        extremes.append((name, lowest, highest))
    return extremes


def _outliers(verdicts: Sequence[Verdict]) -> dict[Pool, dict[str, int]]:
    """Return the number of outliers of each kind in each checked pool."""
    found = {verdict.rule.name: len(verdict.rows) for verdict in verdicts}
    return {
        pool: {kind: found[f"{pool}-patch-{kind}"] for kind in KINDS}
        for pool in rules.POOL_TABLES
        if f"{pool}-patch-{KINDS[0]}" in found
    }


def _sheets(findings: Findings) -> Iterator[tuple[str, list[contact_sheets.Sheet]]]:
    """Yield each title with the rules that patches broke, and those patches."""
    groups: dict[str, list[contact_sheets.Sheet]] = {}
    table = findings.labelled.reindex(columns=["id", "label"])
    classes = dict(zip(table["id"], table["label"].map(CLASSES).fillna(""), strict=True))
    for verdict, consequence in _rules(findings)["broken"]:
        if verdict.rule.pool is not None:
            groups.setdefault(consequence, []).append(
                contact_sheets.sheet(verdict, findings.patches, classes)
            )
    titles = {
        "stopped the run": "What stopped the run",
        "would be quarantined": "What would be quarantined",
        "quarantined": "What was quarantined",
        "left to predict": "Unlabelled patches left to predict",
        "noted": "What was noted",
    }
    for consequence, title in titles.items():
        if consequence in groups:
            yield title, groups[consequence]


def _contradicted(findings: Findings) -> Picture | None:
    """Return a figure of regions whose labels contradict each other, if there are any."""
    verdicts = [verdict for verdict in findings.verdicts if verdict.rule.name == rules.CONTRADICTED]
    ids = [id_ for verdict in verdicts for id_, _ in verdict.rows]
    if not ids:
        return None
    found = findings.regions[findings.regions["id"].isin(ids)]
    found = found.sort_values("label", ascending=False, kind="stable").drop_duplicates("region")
    regions = findings.regions.assign(said="", is_wrong=findings.regions["id"].isin(ids))
    shown = [
        drawing.show(
            contact_sheets.brief(id_), regions[regions["region"] == name], id_, findings.patches
        )
        for name, id_ in found[["region", "id"]][:NUM_REGIONS].itertuples(index=False)
    ]
    title = "Regions whose labels can't all be right"
    legend = f"{drawing.LEGEND}Thick boxes: label 1, though all of the centre is free."
    return _figure(lambda: drawing.draw(title, shown, legend))


def _figure(draw: Callable[..., Figure]) -> Picture:
    """Return the figure for a light page, and in another ink for a dark page."""
    light = plotting.svg(draw, INKS["light"])
    return {
        scheme: templating.data_uri("image/svg+xml", light.replace(INKS["light"], ink).encode())
        for scheme, ink in INKS.items()
    }
