"""Runs the gate: checks labels, images, slide map and submission against named rules.

Good patches go into the manifest. `suites` evaluates the rules; `ingesting` has read the images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from metastasis import plotting, tables
from metastasis.base import files, records
from metastasis.base.errors import InputError
from metastasis.formats import leaving_out, sources
from metastasis.patches import shards
from metastasis.patches.shards import Patches, Pool
from metastasis.regions import labelling
from metastasis.results import provenance
from metastasis.results.gate import GateMetrics
from metastasis.results.provenance import Provenance
from metastasis.validate import (
    gate_figures,
    gate_report,
    joins,
    rereading,
    rules,
    slide_maps,
    slide_rules,
    suites,
    unjoined,
)
from metastasis.validate.gate_report import Findings
from metastasis.validate.rules import POOL_TABLES
from metastasis.validate.slide_maps import SlideMap
from metastasis.validate.suites import Verdict
from metastasis.validate.validate_params import ValidateParams

NUM_SAMPLES = 16  # patches of each class in the sample plot
TABLE_NAMES = {
    "labels": sources.LABELS_NAME,
    "submission": sources.SUBMISSION_NAME,
    "slides": sources.SLIDES_NAME,
}

QUARANTINE_COLUMNS = ("pool", "id", "label", "reason")
VERDICT_COLUMNS = ("rule", "severity", "verdict", "count", "examples")

Tables = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Links:
    """The pairs of patches that overlap, and the places of patches in regions (`shards`)."""

    overlaps: pd.DataFrame
    regions: pd.DataFrame


def validate(  # noqa: PLR0913  # the paths of the stage
    params: ValidateParams,
    *,
    source_path: Path,
    tables_folder: Path,
    inventory_path: Path,
    shards_folder: Path,
    manifest_path: Path,
    quarantine_path: Path,
    metrics_path: Path,
    plots_folder: Path,
    report_path: Path,
    verdicts_path: Path | None = None,
    leave_out_path: Path | None = None,
) -> None:
    """Check the source against every rule; write the manifest and the quarantine if it passes.

    The manifest has the columns id, label, slide, patient_name and official (split), the last three
    empty if unknown; the quarantine has pool, id, label and reason; the verdicts have
    `VERDICT_COLUMNS` and a row for each rule. Metrics, report and, if they have a path, verdicts
    are written in any case. The gate judges the findings of `ingest`; it reads the source at
    `source_path` only if something is wrong with them.

    Raises:
        InputError: a rule stops the run; the message names rule, count, examples and the report.
            Or the source has been fixed, but DVC couldn't notice it; or the user's list of patches
            to leave out has a mistake.
    """
    inventory = pd.read_parquet(inventory_path)
    patches = shards.read(shards_folder)
    links = Links(shards.read_overlaps(shards_folder), shards.read_regions(shards_folder))
    found, verdicts = judge(params, tables_folder, inventory, patches, links, leave_out_path)
    stopping = [verdict for verdict in verdicts if verdict.stops]
    quarantine = _quarantine([] if stopping else verdicts, found.get("labels"))
    manifest = None if stopping else _manifest(found, quarantine)

    known = provenance.read(tables_folder / provenance.TABLE_NAME)
    records.write_metrics(metrics_path, _metrics(verdicts, manifest, quarantine, known))
    if verdicts_path is not None:
        files.write_csv(verdicts_path, _verdicts(verdicts))
    labelled = _labelled(inventory, found) if found else pd.DataFrame()
    regions = joins.regions(links.regions, labelled) if found else links.regions[:0]
    findings = Findings(
        settings=params.model_dump(),
        verdicts=verdicts,
        inventory=inventory,
        patches=patches,
        labelled=labelled,
        regions=regions,
        quarantine=quarantine,
        manifest=manifest,
        source=known,
    )
    gate_report.write(report_path, findings)
    bad = _bad_rows(verdicts, inventory)
    if stopping or len(bad):
        mended = rereading.changed(source_path, bad, tables_folder)
        if mended:
            raise InputError(rereading.advice(source_path, mended))
    _warn(params, verdicts, labelled)
    if manifest is None:
        sentences = "\n".join(f"- {_sentence(verdict)}" for verdict in stopping)
        if found and any(
            verdict.rule.name == rules.IMAGES_WHOLE["labelled"] for verdict in stopping
        ):
            strays = tables.read_text(tables_folder / sources.STRAYS_NAME)
            sentences += f"\n{unjoined.explain(found['labels'], inventory, strays)}"
        raise InputError(
            f"the source failed these rules:\n{sentences}\nSee the report: {report_path}"
        )
    _check_rest(manifest, report_path)
    tables.write_patches(manifest_path, manifest)
    files.write_csv(quarantine_path, quarantine)
    _plot(params, manifest, patches, plots_folder, known.note)
    num_left_out = int((quarantine["pool"] == "labelled").sum())
    if len(bad):
        print(
            "validate: DVC notices a fixed file by its time. After fixing one of those left out, "
            "give it a new time with `touch`, or run `dvc repro --force --single-item ingest`."
        )
    print(f"validate: {len(manifest):,} patches pass, {num_left_out:,} are left out; {report_path}")


def _bad_rows(verdicts: Sequence[Verdict], inventory: pd.DataFrame) -> pd.DataFrame:
    """Return the inventory's rows for patches that stop the run or are left out."""
    broken = [
        verdict
        for verdict in verdicts
        if verdict.stops or (verdict.rule.is_quarantined and verdict.rule.name != rules.LEFT_OUT)
    ]
    bad = {(verdict.rule.pool, id_) for verdict in broken for id_, _ in verdict.rows}
    rows = zip(inventory["pool"], inventory["id"], strict=True)
    return inventory[[row in bad for row in rows]]


def judge(
    params: ValidateParams,
    tables_folder: Path,
    inventory: pd.DataFrame,
    patches: Patches,
    links: Links,
    leave_out_path: Path | None = None,
) -> tuple[Tables, list[Verdict]]:
    """Return the tables (none if one can't be read) and the verdicts on all rules that apply."""
    found, verdicts = _read_tables(tables_folder)
    if any(verdict.stops for verdict in verdicts):
        return {}, verdicts
    left_out = leaving_out.read(leave_out_path)
    labels = found["labels"]
    # A label that the user leaves out refutes no other one.
    kept = labels[~labels["id"].isin(left_out["id"])]
    verdicts += _check(params, found, kept, inventory, patches)
    verdicts += suites.run(joins.left_out(labels, left_out), rules.left_out())
    verdicts += suites.run(joins.without_label(left_out, labels), rules.known_left_out())
    mapped = _map(found["slides"], found, inventory)
    verdicts += _check_slides(mapped, found, tables_folder, inventory)
    verdicts += suites.run(joins.overlaps(links.overlaps, mapped.patches), rules.overlaps())
    verdicts += suites.run(
        labelling.contradictions(joins.regions(links.regions, kept)),
        rules.contradictions(is_quarantined=params.bad_patches == "quarantine"),
    )
    return found | {"slides": mapped.patches}, verdicts


def _read_tables(folder: Path) -> tuple[Tables, list[Verdict]]:
    """Return the available tables, and the verdicts on their form."""
    found, verdicts = {}, []
    for name, file_name in TABLE_NAMES.items():
        path = folder / file_name
        if name == "submission" and not path.exists():  # some sources only train
            continue
        table, form = tables.look(path)
        verdicts += suites.run(pd.DataFrame([form]), rules.form(name))
        has_columns = len(table.columns) > 0
        if name == "slides":
            verdicts += suites.run(slide_maps.unread(table), slide_rules.unread())
            table = slide_maps.standard(table)
        if has_columns:
            verdicts += suites.run(table, rules.columns(name))
        found[name] = table
    strays = tables.read_text(folder / sources.STRAYS_NAME)
    verdicts += suites.run(strays, rules.strays())
    return found, verdicts


def _check(
    params: ValidateParams,
    found: Tables,
    kept: pd.DataFrame,
    inventory: pd.DataFrame,
    patches: Patches,
) -> list[Verdict]:
    """Return the verdicts on labels and images; `kept` are the labels of patches not left out."""
    labels = found["labels"]
    verdicts = suites.run(
        joins.counted(labels), [*rules.ids("labels", params.ids), *_labels(params)]
    )
    if "submission" in found:
        verdicts += suites.run(found["submission"], rules.ids("submission", params.ids))
        verdicts += suites.run(joins.apart(found["submission"], labels), rules.apart())
    verdicts += suites.run(
        joins.unlabelled_pool(inventory, found.get("submission")), rules.unlabelled_pool()
    )
    for pool in POOL_TABLES:
        images = inventory[inventory["pool"] == pool]
        # Without a submission or without unlabelled patches, there is nothing to predict.
        if POOL_TABLES[pool] in found and (pool == "labelled" or len(images)):
            verdicts += _check_images(params, pool, found, images, patches)
    if not any(verdict.stops and verdict.rule.pool is None for verdict in verdicts):
        verdicts += _check_copies(params, kept, inventory)
    return verdicts


def _map(slides: pd.DataFrame, found: Tables, inventory: pd.DataFrame) -> SlideMap:
    others = [inventory["id"], *(found[name]["id"] for name in ("submission",) if name in found)]
    return slide_maps.read(slides, found["labels"], pd.concat(others))


def _check_slides(
    mapped: SlideMap, found: Tables, tables_folder: Path, inventory: pd.DataFrame
) -> list[Verdict]:
    """Return the verdicts on the slide map, and on other maps, if it has rows."""
    labels, rows = found["labels"], mapped.rows
    if not len(rows):
        return []
    verdicts = suites.run(rows, slide_rules.rows())
    verdicts += suites.run(slide_maps.findings(mapped, labels), slide_rules.whole())
    verdicts += suites.run(joins.joined(mapped.patches, labels), slide_rules.coverage())
    said = slide_maps.contradictions(mapped, labels)
    verdicts += suites.run(said, slide_rules.contradictions())
    return verdicts + _check_other_maps(mapped, found, tables_folder, inventory)


def _check_other_maps(
    mapped: SlideMap, found: Tables, tables_folder: Path, inventory: pd.DataFrame
) -> list[Verdict]:
    """Return the verdicts on the slide maps that aren't read, compared with the one that is."""
    verdicts = []
    for path in sorted(tables_folder.glob(f"{sources.OTHER_SLIDES}*")):
        name = path.name.removeprefix(sources.OTHER_SLIDES)
        table = slide_maps.standard(tables.look(path)[0])
        is_readable = {"id", "slide"} <= set(table)
        form = pd.DataFrame({"found": ["" if is_readable else f"{name} has no id and slide"]})
        verdicts += suites.run(form, slide_rules.other_form())
        if is_readable:
            other = _map(table, found, inventory)
            differences = slide_maps.differences(mapped, other, name)
            verdicts += suites.run(differences, slide_rules.other_maps())
    return verdicts


def _labels(params: ValidateParams) -> list[suites.Rule]:
    return rules.labels(params.num_labels, params.min_positive_share, params.max_positive_share)


def _check_images(
    params: ValidateParams,
    pool: Pool,
    found: Tables,
    images: pd.DataFrame,
    patches: Patches,
) -> list[Verdict]:
    table = found[POOL_TABLES[pool]]
    listed = images[images["id"].isin(table["id"])].reset_index(drop=True)
    usable = listed[listed["flaw"] == ""]
    is_unlabelled = pool == "unlabelled"  # bad unlabelled patches are always left to predict
    is_quarantined = is_unlabelled or params.bad_patches == "quarantine"
    max_missing = params.max_missing_unlabelled_share if is_unlabelled else params.max_missing_share
    verdicts = suites.run(joins.joined(table, images), rules.presence(pool, max_missing))
    verdicts += suites.run(joins.flaws(listed), rules.images(pool, is_quarantined=is_quarantined))
    if params.ids == "sha1":
        ordered = usable.assign(channel_order=joins.channel_order(usable, patches))
        verdicts += suites.run(ordered, rules.hashes(pool, is_quarantined=is_quarantined))
    is_left_out = not is_unlabelled and params.outliers == "quarantine"
    return verdicts + suites.run(usable, rules.outliers(pool, is_quarantined=is_left_out))


def _check_copies(
    params: ValidateParams, labels: pd.DataFrame, inventory: pd.DataFrame
) -> list[Verdict]:
    is_quarantined = params.bad_patches == "quarantine"
    return suites.run(joins.copies(labels, inventory), rules.pixels(is_quarantined=is_quarantined))


def _quarantine(verdicts: Sequence[Verdict], labels: pd.DataFrame | None) -> pd.DataFrame:
    """Return a row for each patch that is left out or, if unlabelled, left to predict."""
    rows = [
        (verdict.rule.pool, id_, f"{verdict.rule.name}: {found}")
        for verdict in verdicts
        if verdict.rule.is_quarantined
        for id_, found in verdict.rows
    ]
    table = pd.DataFrame(rows, columns=["pool", "id", "reason"], dtype="str")
    table = table.groupby(["pool", "id"])["reason"].agg("; ".join).reset_index()
    if labels is not None:
        table = table.merge(labels.assign(pool="labelled"), on=["pool", "id"], how="left")
    return table.reindex(columns=list(QUARANTINE_COLUMNS))


def _labelled(inventory: pd.DataFrame, found: Tables) -> pd.DataFrame:
    """Return the inventory of the usable labelled images, with label and slide."""
    usable = inventory[(inventory["pool"] == "labelled") & (inventory["flaw"] == "")]
    labels, slides = (found[name].drop_duplicates("id") for name in ("labels", "slides"))
    return usable.merge(labels, on="id").merge(slides[["id", "slide"]], on="id", how="left")


def _manifest(found: Tables, quarantine: pd.DataFrame) -> pd.DataFrame:
    """Return all labelled patches except those left out; the rules ensure that they have images."""
    left_out = quarantine.loc[quarantine["pool"] == "labelled", "id"]
    slides = found["slides"].rename(columns={"split": "official"}).replace("", None)
    manifest = found["labels"][~found["labels"]["id"].isin(left_out)]
    manifest = manifest.merge(slides[["id", "slide", "patient", "official"]], on="id", how="left")
    return manifest.sort_values("id", ignore_index=True)


def _check_rest(manifest: pd.DataFrame, report_path: Path) -> None:
    if manifest["label"].nunique() < 2:  # noqa: PLR2004  # the two classes
        counts = manifest["label"].value_counts().to_dict()
        raise InputError(
            f"after the quarantine {len(manifest):,} patches remain (by label: {counts}), and at "
            f"least one class has none. {report_path} says what is wrong with the others."
        )


def _metrics(
    verdicts: Sequence[Verdict],
    manifest: pd.DataFrame | None,
    quarantine: pd.DataFrame,
    known: Provenance,
) -> GateMetrics:
    """Return the metrics that are compared between data sets."""
    broken = [verdict.rule.severity for verdict in verdicts if not verdict.is_met]
    metrics = GateMetrics(
        num_errors=broken.count("error"),
        num_warnings=broken.count("warning"),
        is_drawn=known.is_drawn,
    )
    if manifest is None:
        return metrics
    share = float((manifest["label"] == "1").mean()) if len(manifest) else None
    return metrics.model_copy(
        update={
            "num_patches": len(manifest),
            "num_left_out": int((quarantine["pool"] == "labelled").sum()),
            "num_bad_unlabelled": int((quarantine["pool"] == "unlabelled").sum()),
            "num_patients": int(manifest["patient"].nunique()),
            "num_slides": int(manifest["slide"].nunique()),
            "num_without_slide": int(manifest["slide"].isna().sum()),
            "positive_share": share,
        }
    )


def _verdicts(verdicts: Sequence[Verdict]) -> pd.DataFrame:
    rows = [
        (
            verdict.rule.name,
            verdict.rule.severity,
            "met" if verdict.is_met else "broken",
            len(verdict.rows),
            "; ".join(verdict.examples),
        )
        for verdict in verdicts
    ]
    return pd.DataFrame(rows, columns=list(VERDICT_COLUMNS))


def _warn(params: ValidateParams, verdicts: Sequence[Verdict], labelled: pd.DataFrame) -> None:
    """Print a warning for each broken rule that doesn't stop the run, and for lost positives."""
    table = labelled.reindex(columns=["id", "label"])
    positives = frozenset(table.loc[table["label"] == "1", "id"])
    outliers: set[str] = set()
    for verdict in verdicts:
        if verdict.is_met or verdict.stops:
            continue
        found = tables.SHA1.sub(lambda id_: tables.brief(id_[0]), _sentence(verdict, positives))
        print(f"warning: {found}")
        if rules.is_of_outliers(verdict.rule) and verdict.rule.is_quarantined:
            outliers |= {id_ for id_, _ in verdict.rows}
    lost = outliers & positives
    if lost:
        print(
            f"warning: validate.outliers: {params.outliers} leaves out {len(lost):,} with tumour, "
            f"{len(lost) / len(positives):.1%} of all patches with tumour. Pale tissue may hold "
            "tumour: look at them in the report, or set validate.outliers: keep."
        )


def _sentence(verdict: Verdict, positives: frozenset[str] = frozenset()) -> str:
    examples = ", ".join(verdict.examples)
    is_of_rows = any(id_ for id_, _ in verdict.rows) or len(verdict.rows) > 1
    found = f"{len(verdict.rows):,} found ({examples})" if is_of_rows else f"found {examples}"
    if rules.is_of_outliers(verdict.rule) and positives:
        num_positive = sum(id_ in positives for id_, _ in verdict.rows)
        found += f", {num_positive:,} of {len(verdict.rows):,} with tumour"
    return f"{verdict.rule.name}: {found}. {verdict.rule.protects}"


def _plot(
    params: ValidateParams,
    manifest: pd.DataFrame,
    patches: Patches,
    plots_folder: Path,
    note: str,
) -> None:
    is_positive = manifest["label"] == "1"
    figure = gate_figures.class_balance(int((~is_positive).sum()), int(is_positive.sum()))
    plotting.save(figure, plots_folder / "class-balance.png", note)
    random = np.random.default_rng(params.samples_seed)
    samples = {}
    for title, chosen in (("no tumour in the centre", ~is_positive), ("tumour", is_positive)):
        ids = manifest.loc[chosen, "id"].to_numpy()
        ids = random.choice(ids, min(NUM_SAMPLES, len(ids)), replace=False)
        samples[title] = patches.take(patches.locate(pd.Series(ids), "labelled"))
    plotting.save(gate_figures.samples(samples), plots_folder / "samples.png", note)
