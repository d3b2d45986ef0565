"""Gathers the stages' findings on one static page and in a model card; measures nothing itself.

`report.html` and `card.md` hold the layout and most of the text.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from metastasis import members, plotting, tables
from metastasis.base import files, params, records
from metastasis.members import Member, MemberParams
from metastasis.pages import templating
from metastasis.report import history_figure
from metastasis.results import numbers, provenance
from metastasis.results.attention import Explanation
from metastasis.results.decision import NO_TUMOUR, TUMOUR, Decision
from metastasis.results.evaluation import (
    ABSTAINED,
    METRICS,
    Abstention,
    Evaluation,
    Part,
    Uncalibrated,
)
from metastasis.results.gate import GateMetrics
from metastasis.results.parts import SplitMetrics
from metastasis.results.prediction import Unlabelled
from metastasis.results.training_metrics import TrainingMetrics
from metastasis.scores import intervals
from metastasis.tables import UNITS

TEMPLATE_NAMES = ("report.html", "card.md")
# The stage declares them, so that it runs again after an upgrade of one.
LIBRARIES = ("tensorflow", "keras", "numpy", "scikit-learn", "opencv-python-headless")
NUM_WORST = 5  # slides and stains
UNDEFINED = {"roc_auc": [""], "accuracy": [""]}  # only these: names are text
NUM_SUSPICIOUS = 20  # labels in the table
WIDE = 620  # pixels: a wider figure gets its own row, and scrolls on a phone
PNG_SIZE = slice(16, 24)  # in a PNG's bytes: width and height, big-endian
SMALL = 1e-3  # smaller numbers need more than four decimals
SEVERITIES = ("error", "warning")

HISTORY = "Loss, accuracy and AUC of training and validation, by epoch"
SEVERAL = 2  # members of an ensemble
# The alternative text of each stage's figures, in the order of the page.
FIGURES = {
    "split": {
        "balance": "Bars of the patches without and with tumour in each part",
        "leaks": "Table of the patients, slides and copies that are in two parts",
        "slides": "Number of patches of each slide, by part",
    },
    "evaluate": {
        "roc": "ROC curves of test and validation",
        "precision-recall": "Precision-recall curves of test and validation",
        "confusion": "Confusion matrices of test and validation",
        "scores": "Histogram of the probabilities of patches without and with tumour",
        "risk-coverage": "Share of wrong calls by the share of patches decided, the surest first",
        "reliability": "Share with tumour over predicted probability, before and after calibration",
        "slides": "AUC of each slide, by part",
        "one-class-slides": "Specificity of each slide without tumour, sensitivity of each with "
        "only tumour, by part",
    },
    "explain": {
        "false-positives": "False positives with the highest probabilities",
        "false-negatives": "False negatives with the lowest probabilities",
        "uncertain": "Patches nearest to the threshold",
        "attention": "Patches of each outcome, overlaid with Grad-CAM and occlusion maps",
        "suspicious": "Patches whose labels are the likeliest to be wrong",
        "regions": "Patches that overlap, stitched together, with their labels and probabilities",
    },
}


@dataclass(frozen=True)
class Inputs:
    """The folders that the stages write to; dvc.yaml declares which of their files are read."""

    params_path: Path
    data: Path
    models: Path
    reports: Path
    metrics: Path
    plots: Path

    @property
    def split_path(self) -> Path:
        """The path of the split, which has the part of each patch."""
        return self.data / "split.csv"

    @property
    def members(self) -> list[Member]:
        """The members of the ensemble; by default there is one."""
        return params.read_some("train", MemberParams, self.params_path).members

    def training_of(self, member: Member) -> Path:
        """Return the folder of a member's training metrics and logs."""
        return self.metrics / "train" / member.key

    @property
    def model_path(self) -> Path:
        """The path of the final model."""
        return self.models / "model.keras"


@dataclass(frozen=True)
class Measured:
    """The measurements of each stage."""

    validate: GateMetrics
    split: SplitMetrics
    train: dict[Member, TrainingMetrics]
    evaluate: Evaluation
    explain: Explanation
    unlabelled: Unlabelled


@dataclass(frozen=True)
class Picture:
    """A PNG as a data: URI, with its size in pixels and a description."""

    uri: str
    width: int
    height: int
    alt: str
    note: str  # additional text below it

    @property
    def is_wide(self) -> bool:
        """Whether it is too wide for a phone."""
        return self.width >= WIDE


def report(inputs: Inputs, *, page_path: Path, card_path: Path) -> None:
    """Write the page and the model card; the same inputs and libraries give the same bytes."""
    environment = templating.environment(Path(__file__).parent)
    environment.filters |= {
        "shown": shown,
        "as_json": partial(json.dumps, ensure_ascii=False),
        "brief": tables.brief,
    }
    environment.filters |= {"rate": numbers.rate, "percent": numbers.percent}
    members.remove_others([inputs.metrics / "train"], inputs.members, "report")  # see `evaluate`
    found = _gather(inputs)
    for path, name in zip((page_path, card_path), TEMPLATE_NAMES, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        text = environment.get_template(name).render(found)
        path.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
    print(f"report: {found['headline']} {page_path}, {card_path}")
    for warning in filter(None, [*found["warnings"], found["source"].warning]):
        print(f"warning: {warning}")


def shown(value: float | str | None) -> str:
    """Return a number for readers: counts with commas, others with four decimals."""
    if value is None:
        return numbers.UNDEFINED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if 0 < abs(value) < SMALL else f"{value:,.4f}"


def headline(evaluation: Evaluation) -> str:
    """Return the AUC of the reported part and its interval, as a sentence."""
    name, part = evaluation.reported
    words = (
        f"95 % interval {part.area_interval} over {part.counted}"
        if part.area_interval
        else f"no interval defined ({part.counted})"
    )
    return f"{name.capitalize()} AUC {part.area}, {words}."


def _gather(inputs: Inputs) -> dict[str, Any]:
    """Return the variables of the templates."""
    metrics = _metrics(inputs)
    source = provenance.read(inputs.data / "tables" / provenance.TABLE_NAME)
    evaluation = metrics.evaluate
    decision = records.read(inputs.models / "decision.json", Decision)
    part, _ = evaluation.reported
    return {
        "source": source,
        "headline": headline(evaluation),
        "warnings": evaluation.warnings(),
        "reported": part,
        "metrics": metrics,
        "rules": _rules(pd.read_csv(inputs.reports / "verdicts.csv", keep_default_na=False)),
        "parts": _records(pd.read_csv(inputs.plots / "split" / "parts.csv")),
        "kept_whole": _kept_whole(metrics.split),
        "min_told": intervals.MIN_TOLD,
        "measured": _measured(evaluation),
        "calibrated_unit": intervals.SINGULAR[evaluation.validation.interval.over],
        "limits": list(_limits(metrics, decision)),
        "members": _members(metrics),
        "trained": next(iter(metrics.train.values())),  # of a model that is one member
        "decision": decision,
        "pictures": _pictures(inputs, source.note),
        "worst": {
            name: _worst(inputs.plots / "evaluate" / f"{name}s.csv", name, part)
            for name in ("slide", "stain")
        },
        "suspicious": _suspicious(inputs.data / "suspicious.csv"),
        "params": (parameters := _parameters(inputs.params_path)),
        "initial_weights": _initial_weights(parameters["train"]["weights"]),
        "data": _data(inputs.data / "inventory.parquet", inputs.split_path),
        "model_hash": files.sha256(inputs.model_path),
        "versions": {name: version(name) for name in ("metastasis", *LIBRARIES)},
    }


def _kept_whole(split: SplitMetrics) -> str:
    """Return what the split keeps in one part, unless its groups are the source's or patches."""
    if split.groups != "slide":
        return split.groups
    return split.unit if split.unit in UNITS else "slide that is known"


def _metrics(inputs: Inputs) -> Measured:
    return Measured(
        validate=records.read(inputs.metrics / "validate.json", GateMetrics),
        split=records.read(inputs.metrics / "split.json", SplitMetrics),
        train={
            member: records.read(inputs.training_of(member) / "metrics.json", TrainingMetrics)
            for member in inputs.members
        },
        evaluate=records.read(inputs.reports / "evaluation.json", Evaluation),
        explain=records.read(inputs.reports / "attention.json", Explanation),
        unlabelled=records.read(inputs.reports / "unlabelled.json", Unlabelled),
    )


def _rules(verdicts: pd.DataFrame) -> dict[str, Any]:
    """Return the gate's broken rules, errors first, its other rules, and the numbers of each."""
    is_met = verdicts["verdict"] == "met"
    order = sorted(
        _records(verdicts[~is_met]),
        key=lambda rule: (SEVERITIES.index(rule["severity"]), rule["rule"]),
    )
    return {
        "num_rules": len(verdicts),
        "broken": order,
        "met": sorted(verdicts.loc[is_met, "rule"]),
        "num_broken": {
            severity: sum(rule["severity"] == severity for rule in order) for severity in SEVERITIES
        },
    }


def _measured(evaluation: Evaluation) -> dict[str, Any]:
    """Return rows of (name, meaning, value and interval of each part), and those of calibration."""
    parts = evaluation.parts.values()
    rows = [
        (name, meaning, [_with_interval(part, key, part.num_patches) for part in parts])
        for key, (name, meaning) in METRICS.items()
    ]
    calibration = [
        (
            METRICS[key][0],
            [
                tuple(
                    numbers.rate(getattr(found, key), part.num_patches)
                    for found in (part.uncalibrated, part)
                )
                for part in parts
            ],
        )
        for key in METRICS
        if key in Uncalibrated.model_fields
    ]
    sets = [(part.abstention, part.num_patches) for part in parts if part.abstention]
    abstained = [
        (
            name,
            meaning.format(units=evaluation.validation.interval.over),
            [_with_interval(found, key, num) for found, num in sets],
        )
        for key, (name, meaning) in ABSTAINED.items()
        if sets
    ]
    return {
        "parts": list(evaluation.parts),
        "rows": rows,
        "calibration": calibration,
        "abstained": abstained,
    }


def _limits(metrics: Measured, decision: Decision) -> Iterator[str]:
    """Yield what weakens the promise of the sets of classes in this run, as sentences."""
    if decision.sets is None:
        return
    for name, start in (
        (TUMOUR, decision.sets.tumour_from),
        (NO_TUMOUR, decision.sets.no_tumour_from),
    ):
        if start == 0:
            yield f"Validation holds too few groups with patches of {name}: every set holds {name}."
    if not metrics.evaluate.slide_disjoint:
        yield "Slides are unknown or shared: patches of new slides may be covered less often."
    if len({member.fold for member in metrics.train}) > 1:
        yield "With several folds, the promise holds only approximately."


def _members(metrics: Measured) -> list[dict[str, Any]]:
    """Return a row for each member, with its own AUC on each part; none if there is only one."""
    if len(metrics.train) < SEVERAL:
        return []
    parts = metrics.evaluate.parts
    return [
        {
            "seed": member.seed,
            "fold": member.fold,
            "num_epochs": trained.step,
            "best_epoch": trained.best_epoch,
            "areas": [
                numbers.rate(getattr(own, name), part.num_patches) for name, part in parts.items()
            ],
        }
        for (member, trained), own in zip(
            metrics.train.items(), metrics.evaluate.members, strict=True
        )
    ]


def _with_interval(found: Part | Abstention, key: str, num_patches: int) -> tuple[str, str]:
    interval = getattr(found.interval, key).shown(num_patches)
    return numbers.rate(getattr(found, key), num_patches), interval or numbers.UNDEFINED


def _pictures(inputs: Inputs, note: str) -> dict[str, dict[str, Picture]]:
    """Return every PNG of the stages' plots: those in `FIGURES` in its order, then any other.

    The history of the training is drawn here: `train` draws no figures, so that a change of a
    figure doesn't rerun it.
    """
    found = {stage: _files(inputs.plots / stage, stage, note) for stage in FIGURES}
    logs = [inputs.training_of(member) / "plots" / "metrics" for member in inputs.members]
    history = history_figure.draw(logs)
    return found | {"train": {"history": _picture(plotting.png(history), HISTORY, note)}}


def _files(folder: Path, stage: str, note: str) -> dict[str, Picture]:
    found = {path.stem: path.read_bytes() for path in sorted(folder.glob("*.png"))}
    names = [name for name in FIGURES[stage] if name in found]
    names += [name for name in found if name not in names]
    return {name: _picture(found[name], FIGURES[stage].get(name, name), note) for name in names}


def _picture(content: bytes, alt: str, note: str) -> Picture:
    width, height = struct.unpack(">II", content[PNG_SIZE])
    return Picture(templating.data_uri("image/png", content), width, height, alt, note)


def _worst(path: Path, column: str, part: str) -> list[dict[str, Any]]:
    """Return the slides or stains of a part with the lowest AUC, without those of few patches."""
    table = pd.read_csv(path, dtype={column: "str"}, keep_default_na=False, na_values=UNDEFINED)
    return _records(intervals.lowest(table, column, part)[:NUM_WORST])


def _suspicious(path: Path) -> list[dict[str, Any]]:
    table = tables.read_patches(path)[:NUM_SUSPICIOUS]
    return _records(table.assign(slide=table["slide"].fillna("unknown")))


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _parameters(path: Path) -> dict[str, dict[str, Any]]:
    """Return each section; absolute paths are cut to their last name, the rest being local."""
    return {
        name: {str(key): _without_folder(value) for key, value in section.items()}
        for name, section in params.load(path).items()
    }


def _without_folder(value: Any) -> Any:  # noqa: ANN401  # YAML's own values
    if isinstance(value, dict):
        return {name: _without_folder(item) for name, item in value.items()}
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _initial_weights(name: str) -> str | None:
    """Return the file of weights that training started from; None if they were random."""
    return None if Path(name).name == Path(params.NO_WEIGHTS).name else name


def _data(inventory_path: Path, split_path: Path) -> dict[str, Any]:
    """Return the number of images, and hashes by which others can compare their data."""
    inventory = pd.read_parquet(inventory_path, columns=["pool", "sha1"])
    return {
        "num_images": len(inventory),
        "num_labelled": int((inventory["pool"] == "labelled").sum()),
        "num_unlabelled": int((inventory["pool"] == "unlabelled").sum()),
        "pixels_hash": tables.pixels_hash(inventory),
        "split_hash": files.sha256(split_path),
    }
