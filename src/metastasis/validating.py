"""The gate: labels, images, slide map and submission against named rules; good patches go on.

How a rule is evaluated, `suites` knows; how images were read, `ingesting` knows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from metastasis import files, plotting, rules, shards, sources, suites, tables
from metastasis.errors import InputError
from metastasis.params import Section, Seed
from metastasis.suites import Verdict

NUM_SAMPLES = 16  # patches of each class in the sample plot

Share = Annotated[float, Field(ge=0, le=1)]


class ValidateParams(Section):
    """What the gate asks of the source."""

    ids: Literal["sha1", "any"]
    min_positive_share: Share
    max_positive_share: Share
    samples_seed: Seed

    @model_validator(mode="after")
    def _is_ordered(self) -> "ValidateParams":
        if self.min_positive_share >= self.max_positive_share:
            raise ValueError("min_positive_share must be below max_positive_share")
        return self


def validate(
    params: ValidateParams,
    *,
    tables_folder: Path,
    inventory_path: Path,
    shards_folder: Path,
    manifest_path: Path,
    metrics_path: Path,
    plots_folder: Path,
) -> None:
    """Hold the source against every rule; write the manifest (id, label, slide) if it passes.

    The metrics are written either way.

    Raises:
        InputError: a rule of severity error is broken; the message names rule, count and examples.
    """
    labels = tables.read_text(tables_folder / sources.LABELS_NAME)
    slides = _read_slides(tables_folder / sources.SLIDES_NAME)
    submission_path = tables_folder / sources.SUBMISSION_NAME
    submission = tables.read_text(submission_path) if submission_path.exists() else None
    inventory = pd.read_parquet(inventory_path)

    verdicts = _check(params, labels, slides, submission, inventory)
    broken = [verdict for verdict in verdicts if not verdict.is_met]
    errors = [verdict for verdict in broken if verdict.rule.severity == "error"]
    manifest = None if errors else _manifest(labels, slides)
    files.write_json(metrics_path, _metrics(verdicts, inventory, manifest))
    for verdict in broken:
        if verdict.rule.severity == "warning":
            print(f"warning: {_sentence(verdict)}")
    if manifest is None:
        raise InputError("the source broke the gate:\n" + "\n".join(map(_sentence, errors)))
    files.write_csv(manifest_path, manifest)
    _plot(params, manifest, shards_folder, plots_folder)


def _read_slides(path: Path) -> pd.DataFrame:
    """Return the slide map (id, slide), without rows if nothing is known."""
    table = tables.read_text(path)
    if "slide" not in table:
        table = table.rename(columns={"wsi": "slide"})
    if not {"id", "slide"} <= set(table.columns):
        found = ", ".join(table.columns)
        raise InputError(f"the slide map has the columns {found}; expected id and slide (or wsi).")
    return table[["id", "slide"]]


def _check(
    params: ValidateParams,
    labels: pd.DataFrame,
    slides: pd.DataFrame,
    submission: pd.DataFrame | None,
    inventory: pd.DataFrame,
) -> list[Verdict]:
    verdicts = suites.run(labels, rules.columns("labels"))
    if submission is not None:
        verdicts += suites.run(submission, rules.columns("submission"))
    if not all(verdict.is_met for verdict in verdicts):
        return verdicts  # nothing else can be asked of tables without their columns
    shares = (params.min_positive_share, params.max_positive_share)
    numeric = labels.assign(positive=pd.to_numeric(labels["label"], errors="coerce"))
    verdicts += suites.run(numeric, rules.labels(params.ids, *shares))
    if len(slides):
        verdicts += suites.run(slides, rules.slides())
        verdicts += suites.run(_joined(slides, labels), rules.slide_coverage())
    labelled, tested = (inventory[inventory["pool"] == pool] for pool in ("labelled", "test"))
    verdicts += _check_images(params, "labelled", labels, labelled)
    if submission is not None and len(tested):  # a source of training patches alone is normal
        verdicts += _check_images(params, "test", submission, tested)
    return verdicts


def _check_images(
    params: ValidateParams, pool: str, table: pd.DataFrame, images: pd.DataFrame
) -> list[Verdict]:
    verdicts = suites.run(_joined(table, images), rules.images(pool))
    if params.ids == "sha1":
        usable = images[(images["problem"] == "") & images["id"].isin(table["id"])]
        verdicts += suites.run(usable, rules.hashes(pool))
    return verdicts


def _joined(table: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """One row for each id of either side; a column is empty where the row is as it should be."""
    joined = table[["id"]].drop_duplicates().merge(images, on="id", how="outer", indicator=True)
    side, ids = joined["_merge"], joined["id"]
    columns = {
        "without_image": ids.where(side == "left_only", ""),
        "without_row": ids.where(side == "right_only", ""),
    }
    if "problem" in images:
        problem = joined["problem"].fillna("")
        columns["unusable"] = (ids + ": " + problem).where((side == "both") & (problem != ""), "")
    return pd.DataFrame(columns)


def _manifest(labels: pd.DataFrame, slides: pd.DataFrame) -> pd.DataFrame:
    """All labelled patches: the rules let through only labels whose image is there and usable."""
    manifest = labels.merge(slides, on="id", how="left")
    return manifest[["id", "label", "slide"]].sort_values("id", ignore_index=True)


def _metrics(
    verdicts: Sequence[Verdict], inventory: pd.DataFrame, manifest: pd.DataFrame | None
) -> dict[str, Any]:
    pools = inventory["pool"].value_counts()
    metrics: dict[str, Any] = {
        "num_labelled_images": int(pools.get("labelled", 0)),
        "num_test_images": int(pools.get("test", 0)),
        "rules": {
            verdict.rule.name: {
                "severity": verdict.rule.severity,
                "verdict": "met" if verdict.is_met else "broken",
                "num_unexpected": verdict.num_unexpected,
            }
            for verdict in verdicts
        },
    }
    if manifest is not None:
        metrics["num_patches"] = len(manifest)
        metrics["num_slides"] = int(manifest["slide"].nunique())
        metrics["num_without_slide"] = int(manifest["slide"].isna().sum())
        metrics["positive_share"] = float((manifest["label"] == "1").mean())
    return metrics


def _sentence(verdict: Verdict) -> str:
    examples = ", ".join(verdict.examples)
    rule = verdict.rule
    return f"- {rule.name}: {verdict.num_unexpected:,} found ({examples}). {rule.protects}"


def _plot(
    params: ValidateParams, manifest: pd.DataFrame, shards_folder: Path, plots_folder: Path
) -> None:
    is_positive = manifest["label"] == "1"
    figure = plotting.class_balance(int((~is_positive).sum()), int(is_positive.sum()))
    plotting.save(figure, plots_folder / "class-balance.png")
    patches = shards.read(shards_folder)
    random = np.random.default_rng(params.samples_seed)
    samples = {}
    for title, chosen in (("no tumour in the centre", ~is_positive), ("tumour", is_positive)):
        ids = manifest.loc[chosen, "id"].to_numpy()
        ids = random.choice(ids, min(NUM_SAMPLES, len(ids)), replace=False)
        samples[title] = patches.take(patches.locate(pd.Series(ids), "labelled"))
    plotting.save(plotting.samples(samples), plots_folder / "samples.png")
