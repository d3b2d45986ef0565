"""Tests that the gate fails: faults are planted one by one, each caught by its own finding."""

from pathlib import Path

import pandas as pd
import pytest

from helpers.faults import FAULTS, Fault, table
from helpers.files import ROOT
from helpers.ingesting import ingest
from helpers.validating import PARAMS, validate
from metastasis.base.errors import InputError
from metastasis.patches import shards
from metastasis.validate import validating
from metastasis.validate.rules import LEFT_OUT, UNKNOWN_LEFT_OUT
from metastasis.validate.suites import Verdict

OF_INGEST = (
    "pcam-",
    "zip-",
    "table-",
    "labels-folders",
)  # what can't be opened stops before there is anything to judge
# What stops beside the finding: the same fault, seen from another side.
ALSO = {
    "labels-rows": ["labels-positive-share", "labelled-images-whole"],
    "labels-id-form": ["labelled-images-whole"],
    "labels-id-agrees": ["labels-id-unique"],
    "submission-id-form": ["unlabelled-images-whole"],
    "labelled-channels-in-order": ["labelled-id-is-hash"],
}
DOCS = ROOT / "docs" / "faults.md"
# A zip that repeats a name is what some of these faults are.
pytestmark = [
    pytest.mark.medium,
    pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning"),
]


def broken(source: Path, out: Path, **changes: object) -> dict[str, Verdict]:
    """Ingest and judge; return the verdicts on the rules that are broken, by their names."""
    inventory = ingest(source, out)
    patches = shards.read(out / "patches")
    links = validating.Links(
        shards.read_overlaps(out / "patches"), shards.read_regions(out / "patches")
    )
    asked = PARAMS.model_copy(update=changes)
    _, verdicts = validating.judge(asked, out / "tables", inventory, patches, links)
    return {verdict.rule.name: verdict for verdict in verdicts if not verdict.is_met}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.where}: {fault.what}")
def test_a_planted_fault_is_caught_by_its_own_finding(
    fault: Fault, source: Path, tmp_path: Path
) -> None:
    planted = fault.plant(source) or source
    if fault.finding.startswith(OF_INGEST):
        with pytest.raises(InputError, match=f"^{fault.finding}: "):
            ingest(planted, tmp_path / "out")
        return
    found = broken(planted, tmp_path / "out", **fault.params)
    assert fault.finding in found
    assert found[fault.finding].stops is not fault.is_warning
    stopping = {name for name, verdict in found.items() if verdict.stops}
    if fault.is_warning:
        assert stopping == set()
    else:
        assert stopping <= {fault.finding, *ALSO.get(fault.finding, ())}


@pytest.mark.parametrize("ids", ["sha1", "any"])
def test_without_a_fault_no_finding_is_broken(source: Path, tmp_path: Path, ids: str) -> None:
    """The same rules over the same source: else the faults above would prove nothing."""
    assert broken(source, tmp_path / "out", ids=ids, num_labels=20, max_missing_share=0.05) == {}


def test_every_rule_of_the_gate_has_its_fault(source: Path, tmp_path: Path) -> None:
    """Of rules that are twins, for another pool or table, one will do."""
    slides = pd.read_csv(source / "slides.csv", dtype="str")
    slides.to_csv(source / "patch_id_wsi_full.csv", index=False)
    slides.assign(patient="p" + slides["slide"]).to_csv(source / "slides.csv", index=False)
    validate(source, tmp_path / "out", num_labels=20)
    rules = pd.read_csv(tmp_path / "out" / "verdicts.csv")["rule"]
    caught = {fault.finding for fault in FAULTS}
    twins = {
        "unlabelled": "labelled",
        "slides": "labels",
        "submission": "labels",
        "patients": "slides",
    }
    for rule in rules[~rules.isin([LEFT_OUT, UNKNOWN_LEFT_OUT])]:  # no faults of a source
        group, _, rest = rule.partition("-")
        assert caught & {rule, f"{twins.get(group, group)}-{rest}"}, rule


def test_the_documentation_lists_these_faults() -> None:
    assert table() in DOCS.read_text(encoding="utf-8")
