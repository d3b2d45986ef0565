"""Tests of `validate.gate_report`: the page says what was found, all of it, and nothing else."""

import base64
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from helpers.pages import MARKUP, Page
from helpers.patches import sha1
from metastasis.patches import shards
from metastasis.patches.shards import Patches
from metastasis.results.provenance import Provenance
from metastasis.validate import gate_report, rules
from metastasis.validate.gate_report import Findings
from metastasis.validate.suites import Verdict

NUM_LABELLED = 20
PATCHES = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3), np.uint8)
IDS = [sha1(patch) for patch in PATCHES]
SLIDES = ["slide 0", "slide 1", "slide 2", "slide 3"]
RULES = {
    rule.name: rule
    for rule in (
        *rules.form("labels"),
        *rules.labels(None, 0.2, 0.6),
        *rules.images("labelled", is_quarantined=False),
        *rules.hashes("labelled", is_quarantined=True),
        *rules.presence("labelled", 0),
        *rules.presence("unlabelled", 0),
        *rules.outliers("labelled", is_quarantined=True),
        *rules.outliers("unlabelled", is_quarantined=False),
    )
}


def broken(name: str, *rows: tuple[str, str]) -> Verdict:
    return Verdict(RULES[name], rows)


def verdicts(*found: Verdict) -> list[Verdict]:
    """Those found, and all other rules as met."""
    names = {verdict.rule.name for verdict in found}
    return [*(Verdict(rule) for name, rule in RULES.items() if name not in names), *found]


def good() -> Findings:
    """All is well: 20 labelled patches of 4 slides, the even ones positive, and 4 to predict."""
    inventory = pd.DataFrame(
        {
            "pool": ["labelled"] * NUM_LABELLED + ["unlabelled"] * 4,
            "id": IDS,
            "shard": np.repeat([0, 1], 12),
            "row": [*range(12), *range(12)],
            "mean": PATCHES.mean(axis=(1, 2, 3)),
            **{
                f"mean_{colour}": PATCHES[..., channel].mean(axis=(1, 2))
                for channel, colour in enumerate(("red", "green", "blue"))
            },
        }
    )
    labelled = inventory[:NUM_LABELLED].assign(label=["1", "0"] * 10, slide=SLIDES * 5)
    index = inventory[["pool", "id", "shard", "row"]]
    return Findings(
        settings={"ids": "sha1", "num_labels": None, "samples_seed": 1},
        verdicts=verdicts(),
        inventory=inventory,
        patches=Patches(index, (PATCHES[:12], PATCHES[12:])),
        labelled=labelled,
        regions=pd.DataFrame(columns=[*shards.REGION_COLUMNS, "label"]),
        quarantine=pd.DataFrame(columns=["pool", "id", "label", "reason"], dtype="str"),
        manifest=labelled[["id", "label", "slide"]].assign(official=""),
        source=Provenance(name="a folder", is_drawn=False),
    )


@pytest.fixture
def findings() -> Findings:
    return good()


@pytest.fixture
def bare() -> Findings:
    """The same but for the labelled patches: a page without figures is made in no time."""
    return replace(good(), labelled=good().labelled[:0])


@pytest.fixture(scope="module")
def good_text() -> str:
    return gate_report.render(good())


@pytest.fixture
def good_page(good_text: str) -> Page:
    return Page(good_text)


def page(findings: Findings) -> Page:
    return Page(gate_report.render(findings))


def stopped(findings: Findings, *found: Verdict, **changes: Any) -> Findings:  # noqa: ANN401
    return replace(findings, verdicts=verdicts(*found), manifest=None, **changes)


def without(findings: Findings, left_out: Sequence[str], *found: Verdict) -> Findings:
    """The findings with the patches of these ids quarantined."""
    assert findings.manifest is not None
    manifest = findings.manifest[~findings.manifest["id"].isin(left_out)]
    rows = [("labelled", id_, "0", "reason") for id_ in left_out]
    quarantine = pd.DataFrame(rows, columns=findings.quarantine.columns, dtype="str")
    return replace(findings, verdicts=verdicts(*found), manifest=manifest, quarantine=quarantine)


def test_the_same_findings_give_the_same_bytes(
    findings: Findings, good_text: str, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "validate.html"
    gate_report.write(path, findings)
    assert path.read_bytes() == good_text.encode()
    assert str(tmp_path) not in good_text


def test_the_page_loads_nothing_from_elsewhere(good_page: Page) -> None:
    loaded = [*good_page.values("src"), *good_page.values("srcset")]
    assert len(loaded) > NUM_LABELLED
    assert all(uri.startswith("data:image/") for uri in loaded)
    assert all(uri.startswith(("#", "data:")) for uri in good_page.values("href"))
    assert "url(" not in good_page.style
    assert "@import" not in good_page.style
    loading = {"script", "iframe", "object", "embed", "form", "base"}
    assert not loading & {tag for tag, _ in good_page.tags}
    policy = next(tag["content"] for _, tag in good_page.tags if tag.get("http-equiv"))
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_a_figure_holds_no_date_and_no_version(good_page: Page) -> None:
    kind = "data:image/svg+xml;base64,"
    uris = [*good_page.values("src"), *good_page.values("srcset")]
    svgs = [base64.b64decode(uri[len(kind) :]).decode() for uri in uris if uri.startswith(kind)]
    assert len(svgs) == 10  # class balance, three measures by class, slides; light and dark
    for svg in svgs:
        assert "<metadata>" not in svg
        assert not re.search(r"20\d\d-\d\d-\d\d|v3\.\d", svg)
    for ink in gate_report.INKS.values():
        assert sum(ink in svg for svg in svgs) == 5


def test_the_page_can_be_read_by_anyone(good_page: Page) -> None:
    assert ("html", {"lang": "en"}) in good_page.tags
    assert "viewport" in good_page.values("name")
    assert "Data gate: passed" in good_page.text
    assert "Research software, not a medical device" in good_page.text
    assert all(tag["alt"] for name, tag in good_page.tags if name == "img")
    targets = {target.removeprefix("#") for target in good_page.values("href")} - {"data:,"}
    assert len(targets) == 6
    assert targets <= set(good_page.values("id"))


def test_good_data_passes_in_one_sentence(good_page: Page) -> None:
    assert (
        "✓ Passed. 20 patches pass and 0 are left out; 0 errors, 0 warnings; "
        f"{len(RULES)} of {len(RULES)} rules met." in good_page.text
    )
    assert "Every rule is met." in good_page.text
    assert all(name in good_page.text for name in RULES)
    assert "Stopped" not in good_page.text


def test_a_stopped_run_says_so_and_by_which_rules(bare: Findings) -> None:
    size = broken("labelled-image-size", (IDS[0], "50x96"))
    text = page(stopped(bare, size, broken("labelled-patch-white", (IDS[1], "240")))).text
    assert (
        "✕ Stopped. No patch passes and none is left out; 1 error, 1 warning; "
        f"{len(RULES) - 2} of {len(RULES)} rules met. Stopped by labelled-image-size ." in text
    )
    assert "Data gate: stopped" in text
    assert "Passed" not in text
    assert "What would be quarantined labelled-patch-white" in text


def test_a_quarantine_that_leaves_one_class_stops_the_run(bare: Findings) -> None:
    text = page(without(bare, IDS[1:NUM_LABELLED:2])).text
    assert "Stopped. The quarantine leaves 10 patches, and at least one class has none;" in text
    assert "Passed" not in text


def test_every_broken_rule_stands_there_with_count_and_examples(bare: Findings) -> None:
    found = [
        broken("labels-line-ends", ("", "CRLF")),
        broken("labelled-id-is-hash", *((id_, "f" * 40) for id_ in IDS[:7])),
        broken("labelled-image-depth", (IDS[8], "uint16")),
        broken("unlabelled-image-present", ("lost", "no image")),
    ]
    shown = page(without(bare, IDS[:7], *found))
    assert rows_of_broken_rules(shown) == [
        ("labelled-image-depth", "error", "stopped the run", "1"),  # errors first, this above all
        ("labelled-id-is-hash", "error", "quarantined", "7"),
        ("labels-line-ends", "warning", "noted", "1"),
        ("unlabelled-image-present", "warning", "left to predict", "1"),
    ]
    for verdict in found:
        assert verdict.rule.protects in shown.text
        assert all(example in shown.text for example in verdict.examples)
    assert f"{len(RULES) - 4} rules that are met" in shown.text


def rows_of_broken_rules(shown: Page) -> list[tuple[str, ...]]:
    """Name, severity, consequence and count, read from the words of the table."""
    table = shown.text.partition("First examples")[2].partition("rules that are met")[0]
    names = "|".join(map(re.escape, RULES))
    followed = "stopped the run|quarantined|noted|left to predict"
    return re.findall(rf"({names}) .*? (error|warning) ({followed}) ([\d,]+) ", table)


def test_what_is_data_stays_text(findings: Findings) -> None:
    flat = broken("labelled-patch-flat", (MARKUP, MARKUP), (IDS[0], f'" onload="{MARKUP}'))
    labelled = findings.labelled.assign(slide=MARKUP, label=["1", "0", MARKUP, "1"] * 5)
    shown = page(replace(findings, verdicts=verdicts(flat), labelled=labelled))
    assert shown.text.count(MARKUP) >= 6  # examples, patches with and without pixels, slide, label
    assert "onload" not in {name for _, attributes in shown.tags for name in attributes}
    assert all(tag != "script" for tag, _ in shown.tags)


def test_random_patches_are_of_their_class(good_page: Page) -> None:
    shown = [patch.tobytes() for patch in good_page.patches()]
    assert set(shown[:10]) == {patch.tobytes() for patch in PATCHES[1:NUM_LABELLED:2]}
    assert set(shown[10:]) == {patch.tobytes() for patch in PATCHES[0:NUM_LABELLED:2]}
    assert len(shown) == NUM_LABELLED


def test_random_patches_are_those_that_the_stage_plots(findings: Findings) -> None:
    """The stage draws from the manifest, sorted by id, and first from the negatives."""
    seeded = replace(findings, settings={**findings.settings, "samples_seed": 5})
    drawn = np.random.default_rng(5).choice(sorted(IDS[1:NUM_LABELLED:2]), 10, replace=False)
    expected = [PATCHES[IDS.index(id_)].tobytes() for id_ in drawn]
    assert [patch.tobytes() for patch in page(seeded).patches()[:10]] == expected


@pytest.mark.parametrize("is_stopped", [True, False])
def test_a_contact_sheet_shows_the_patches_that_broke_the_rule(
    bare: Findings, *, is_stopped: bool
) -> None:
    chosen = [3, 14, 7]
    name = "labelled-image-size" if is_stopped else "labelled-channels-in-order"
    verdict = broken(name, *((IDS[row], "why") for row in chosen), ("lost", "gone"))
    shown = page(stopped(bare, verdict) if is_stopped else without(bare, [], verdict))
    np.testing.assert_array_equal(shown.patches(), PATCHES[chosen])
    title = "What stopped the run" if is_stopped else "What was quarantined"
    sheet = shown.text[shown.text.rindex(title) :]
    assert f"3 patches: {IDS[3][:8]}… why {IDS[14][:8]}… why {IDS[7][:8]}… why" in sheet
    assert "1 patch without pixels to show: lost gone" in sheet


def test_a_contact_sheet_shows_the_class_of_each_labelled_patch(findings: Findings) -> None:
    white = broken("labelled-patch-white", (IDS[4], "240"), (IDS[7], "241"))
    of_test = broken("unlabelled-patch-white", (IDS[21], "242"))
    text = page(without(findings, [], white, of_test)).text
    assert f"{IDS[4][:8]}… mean 240, tumour {IDS[7][:8]}… mean 241, no tumour" in text
    assert f"1 patch: {IDS[21][:8]}… mean 242 " in f"{text} "
    assert "mean 242, " not in text


def test_a_contact_sheet_of_test_patches_takes_them_from_their_pool(bare: Findings) -> None:
    flat = broken("unlabelled-patch-flat", (IDS[21], "1.5"), (IDS[2], "2"))
    twin = bare.patches.index[:1].assign(id=IDS[21])  # an id may stand in both pools
    index = pd.concat([twin, bare.patches.index], ignore_index=True)
    both = replace(bare, patches=replace(bare.patches, index=index))
    shown = page(without(both, [], flat))
    np.testing.assert_array_equal(shown.patches(), PATCHES[[21]])
    assert "deviation 1.5" in shown.text  # the rule's row has the number alone
    assert f"1 patch without pixels to show: {IDS[2]} deviation 2" in shown.text
    assert "What was noted" in shown.text


def test_a_contact_sheet_stops_at_24_patches_and_says_how_many_there_are(bare: Findings) -> None:
    ids = [f"p{row}" for row in range(1000)]
    index = pd.DataFrame({"pool": "labelled", "id": ids, "shard": 0, "row": 5})
    rows = [(id_, "1") for id_ in [*ids, *(f"q{row}" for row in range(1000))]]
    many = replace(bare, patches=Patches(index, (PATCHES,)))
    shown = page(without(many, [], broken("labelled-patch-white", *rows)))
    assert len(shown.patches()) == 24
    assert "The first 24 of 1,000 patches:" in shown.text
    assert "1,000 patches without pixels to show:" in shown.text
    assert "and 988 more" in shown.text


def test_counts_classes_settings_and_samples_are_of_what_passes(findings: Findings) -> None:
    labelled = findings.labelled.assign(slide=pd.Series(["a", "b", "", None] * 5))
    passing = without(replace(findings, labelled=labelled), IDS[:1])
    shown = page(passing)
    for said in (
        "labelled images 20 unlabelled images 4 usable, with a label 20 left out 1 slides 2",
        "without slide 10 with tumour 47.4 %",
        "num_labels null samples_seed 1",
        "no tumour 10 52.6 % tumour 9 47.4 %",
    ):
        assert said in shown.text
    expected = {patch.tobytes() for patch in PATCHES[1:NUM_LABELLED]}
    assert {patch.tobytes() for patch in shown.patches()} == expected


def test_outliers_are_counted_by_kind(bare: Findings) -> None:
    white = broken("labelled-patch-white", (IDS[0], "240"), (IDS[1], "250"))
    text = page(without(bare, [], white, broken("unlabelled-patch-black", (IDS[20], "3")))).text
    assert "white 2 0 mean above 233" in text
    assert "black 0 1 mean below 25" in text


def test_labels_that_contradict_each_other_are_drawn_in_their_region(findings: Findings) -> None:
    ids = list(findings.labelled["id"][:3])
    placed = pd.DataFrame({"region": ids[0], "pool": "labelled", "id": ids})
    regions = placed.assign(down=0, right=[0, 16, 32], label=[0, 1, 0])
    whole = Patches(findings.patches.index, (np.zeros((12, 96, 96, 3), np.uint8),) * 2)
    rule = rules.contradictions(is_quarantined=False)[0]
    broken = Verdict(rule, ((ids[1], "label 1"),))
    verdicts = [*findings.verdicts, broken]
    shown = replace(findings, patches=whole, regions=regions, verdicts=verdicts)
    assert "Labels that contradict each other" in gate_report.render(shown)
    without = replace(findings, regions=regions)
    assert "Labels that contradict each other" not in gate_report.render(without)


def test_unreadable_tables_leave_a_page(findings: Findings) -> None:
    verdict = broken("labels-encoding", ("", "byte 7 is not UTF-8"))
    unread = replace(findings, verdicts=[verdict], labelled=pd.DataFrame(), manifest=None)
    text = page(unread).text
    assert "1 error, 0 warnings; 0 of 1 rule met. Stopped by labels-encoding" in text
    assert "labelled images 20 unlabelled images 4 The run is stopped" in text
    assert "There is no usable patch with a label of 0 or 1." in text
    assert "The run stopped before the images were checked for outliers." in text
    assert "The fault that stopped the run is in the tables" in text


def test_without_an_unlabelled_pool_or_any_usable_image_there_is_a_page(bare: Findings) -> None:
    present = broken("labelled-image-decodable", *((id_, "") for id_ in IDS[:NUM_LABELLED]))
    inventory, nothing = bare.inventory[:NUM_LABELLED], Patches(bare.patches.index[:0], ())
    shown = page(stopped(bare, present, inventory=inventory, patches=nothing))
    assert not shown.patches()
    assert "unlabelled images 0 usable, with a label 0" in shown.text
    assert "There is no usable patch with a label to measure." in shown.text
    assert shown.text.count("No patch of this class.") == 2
    assert "20 patches without pixels to show" in shown.text


def test_odd_labels_are_named_and_so_are_the_extreme_slides(findings: Findings) -> None:
    means = findings.labelled["slide"].map(
        dict(zip(SLIDES, (90.0, 100.0, 240.0, 20.0), strict=True))
    )
    labelled = findings.labelled.assign(label=["1", "0", "maybe", "", " 1"] * 4, mean=means)
    text = page(stopped(findings, broken("labels-value", ("", "maybe")), labelled=labelled)).text
    assert "12 patches have a label that is neither 0 nor 1" in text
    assert "(empty) , 1 , maybe ." in text
    assert "no tumour 4 50.0 %" in text
    assert "brightness slide 3 (20) slide 2 (240)" in text


def test_one_class_and_no_slide_are_said_and_shown(findings: Findings) -> None:
    share = broken("labels-positive-share", ("", "1.0"))
    labelled = findings.labelled.assign(label="1", slide=None)
    text = page(stopped(findings, share, labelled=labelled)).text
    assert "There is no patch of the class no tumour ." in text
    assert "with tumour 100.0 %" in text
    assert "No patch's slide is known" in text
    assert "slides 0 without slide 20" in text


def test_one_patch_of_one_slide_is_shown(findings: Findings) -> None:
    share = broken("labels-positive-share", ("", "1.0"))
    shown = page(stopped(findings, share, labelled=findings.labelled[:1]))
    assert "slides 1 without slide 0" in shown.text
    np.testing.assert_array_equal(shown.patches(), PATCHES[:1])


def test_a_gate_passed_by_drawn_patches_says_drawn_and_is_not_green(bare: Findings) -> None:
    assert "drawn" not in Page(gate_report.render(bare)).text
    drawn = replace(bare, source=Provenance(name="the demo", is_drawn=True))
    page = gate_report.render(drawn)
    assert "These patches are drawn. No tissue was seen: the demo makes" in Page(page).text
    assert 'class="verdict good"' not in page
