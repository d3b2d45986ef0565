"""Tests of `evaluate.evaluating`: the threshold knows validation alone; numbers match scores."""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn import metrics

from helpers.files import ROOT, assert_same_bytes
from helpers.patches import write_shards
from metastasis import members, model_folder, models, saving, stains, tables
from metastasis.base import records
from metastasis.base.errors import InputError
from metastasis.evaluate import evaluate_params, evaluating, evaluation_plots
from metastasis.members import Member
from metastasis.patches import shards, symmetries
from metastasis.report import reporting
from metastasis.results import provenance
from metastasis.results.card import TrainedMember
from metastasis.results.decision import Decision
from metastasis.scores import intervals, member_scores

LINKED = ("crops", "network.keras", "another.keras", "inventory.parquet", "source.json")
MEMBER = Member(seed=1, fold=0)
TRAINING = members.Training(recipe={"model": "compact", "epochs": 10}, initial_weights=None)
NETWORKS = {Member(seed=2, fold=0): "another.keras"}  # every other member's is network.keras


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops of 32 pixels, a split of 10 train, 30 validation and 40 test, an untrained network."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "crops").mkdir()
    write_shards(folder / "crops", 80, size=32)
    split = ["train"] * 10 + ["validation"] * 30 + ["test"] * 40
    table = pd.DataFrame({"id": [f"p{number}" for number in range(80)], "split": split})
    table["label"] = np.random.default_rng(0).integers(0, 2, 80)
    table["slide"] = table["split"] + [f"-{number % 10}" for number in range(80)]
    table["region"] = table["id"]
    table.to_csv(folder / "split.csv", index=False)
    colours = np.random.default_rng(1).uniform(100, 200, (80, 3))
    inventory = pd.DataFrame(colours, columns=stains.COLOURS).assign(
        id=table["id"], sha1=table["id"]
    )
    inventory.assign(pool="labelled").to_parquet(folder / "inventory.parquet")
    keras.utils.set_random_seed(1)
    for name in ("network.keras", "another.keras"):
        saving.save(models.build("compact", 32), folder / name)
    provenance.write(folder / "source.json", provenance.Provenance(name="a folder", is_drawn=False))
    return folder


def evaluate(
    data: Path,
    out: Path,
    sensitivity: float | None = None,
    coverage: float | None = None,
    tta: symmetries.TestTime = "none",
    chosen: Sequence[Member] = (MEMBER,),
) -> dict[str, Any]:
    """Score with each member as if it had been trained on this split, and evaluate them all."""
    split = tables.read_patches(data / "split.csv")
    for member in chosen:
        network = out / "members" / f"{member.key}.keras"
        network.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data / NETWORKS.get(member, "network.keras"), network)
        record = network.with_suffix(".json")
        divided = members.divide(split, member)
        ids = divided.loc[divided["split"] == "train", "id"]
        records.write(record, members.record(member, ids, network, TRAINING))
        member_scores.score(
            member,
            tta,
            network_path=network,
            record_path=record,
            split_path=data / "split.csv",
            crops_folder=data / "crops",
            scores_path=out / "members" / f"{member.key}.csv",
        )
    return combine(data, out, chosen, sensitivity, tta, coverage)


def combine(
    data: Path,
    out: Path,
    chosen: Sequence[Member] = (MEMBER,),
    sensitivity: float | None = None,
    tta: symmetries.TestTime = "none",
    coverage: float | None = None,
) -> dict[str, Any]:
    """Evaluate the members whose networks, records and scores are in `out`."""
    evaluating.evaluate(
        evaluate_params.EvaluateParams(coverage=coverage, sensitivity=sensitivity, tta=tta),
        chosen,
        0.972,
        networks_folder=out / "members",
        member_scores_folder=out / "members",
        split_path=data / "split.csv",
        inventory_path=data / "inventory.parquet",
        source_path=data / "source.json",
        scores_path=out / "scores.csv",
        decision_path=out / "decision.json",
        evaluation_path=out / "evaluation.json",
        model_path=out / "model.keras",
        card_path=out / "card.json",
        metrics_path=out / "evaluate.json",
        plots_folder=out / "plots",
    )
    numbers: dict[str, Any] = json.loads((out / "evaluation.json").read_text())
    return numbers


def test_scores_are_the_saved_networks_and_the_numbers_are_the_scores(
    data: Path, tmp_path: Path
) -> None:
    numbers = evaluate(data, tmp_path)
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert scores["split"].value_counts().to_dict() == {"test": 40, "validation": 30}
    patches = shards.read(data / "crops")
    model = keras.saving.load_model(data / "network.keras")
    expected = model(patches.take(patches.locate(scores["id"], "labelled"))).numpy()[:, 0]
    assert expit(scores["logit"].to_numpy()) == pytest.approx(expected, abs=1e-5)
    for name, part in scores.groupby("split"):
        area = metrics.roc_auc_score(part["label"], part["logit"])
        assert numbers[str(name)]["roc_auc"] == pytest.approx(area, abs=1e-6)
        called = expit(part["logit"].to_numpy() / numbers["temperature"]) >= numbers["threshold"]
        assert numbers[str(name)]["accuracy"] == pytest.approx((called == part["label"]).mean())
    assert numbers["slide_disjoint"] is True


def test_scores_over_flips_and_turns_are_the_means_of_the_eight(data: Path, tmp_path: Path) -> None:
    numbers = evaluate(data, tmp_path, tta="d4")
    scores = pd.read_csv(tmp_path / "scores.csv")
    patches = shards.read(data / "crops")
    pixels = patches.take(patches.locate(scores["id"], "labelled"))
    network = models.to_logits(keras.saving.load_model(data / "network.keras"))
    sides = (pixels, pixels[:, ::-1])
    turned = [np.rot90(side, number, axes=(1, 2)) for side in sides for number in range(4)]
    each = np.array([network(images).numpy()[:, 0] for images in turned])
    assert each.std(axis=0).min() > 1e-4  # the network does tell them apart
    assert scores["logit"].to_numpy() == pytest.approx(each.mean(axis=0), abs=1e-5)
    area = metrics.roc_auc_score(
        *scores[scores["split"] == "test"][["label", "logit"]].T.to_numpy()
    )
    assert numbers["test"]["roc_auc"] == pytest.approx(area, abs=1e-6)
    assert json.loads((tmp_path / "decision.json").read_text())["tta"] == "d4"


def test_the_report_describes_every_picture(data: Path, tmp_path: Path) -> None:
    evaluate(data, tmp_path)
    names = {path.stem for path in (tmp_path / "plots").glob("*.png")}
    assert len(names) >= 7
    assert names <= set(reporting.FIGURES["evaluate"])


def test_the_threshold_does_not_know_the_test_labels(data: Path, tmp_path: Path) -> None:
    before = evaluate(data, tmp_path / "before")
    split = pd.read_csv(data / "split.csv")
    is_test = split["split"] == "test"
    flipped = split.assign(label=split["label"].where(~is_test, 1 - split["label"]))
    changed = tmp_path / "changed"
    changed.mkdir()
    for name in LINKED:
        (changed / name).symlink_to(data / name)
    flipped.to_csv(changed / "split.csv", index=False)
    after = evaluate(changed, tmp_path / "after")
    assert after["threshold"] == before["threshold"]
    assert after["validation"] == before["validation"]
    assert after["test"]["roc_auc"] == pytest.approx(1 - before["test"]["roc_auc"], abs=2e-6)


def test_the_asked_sensitivity_is_reached_on_validation(data: Path, tmp_path: Path) -> None:
    assert evaluate(data, tmp_path, sensitivity=0.9)["validation"]["sensitivity"] >= 0.9


def test_the_same_scores_give_the_same_bytes(data: Path, tmp_path: Path) -> None:
    evaluate(data, tmp_path / "a")
    evaluate(data, tmp_path / "b")
    assert_same_bytes(tmp_path / "a", tmp_path / "b", 22)


def test_a_shared_slide_is_said(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leaking = tmp_path / "leaking"
    leaking.mkdir()
    for name in LINKED:
        (leaking / name).symlink_to(data / name)
    pd.read_csv(data / "split.csv").assign(slide="one").to_csv(leaking / "split.csv", index=False)
    assert evaluate(leaking, tmp_path / "out")["slide_disjoint"] is False
    assert "these numbers are optimistic" in capsys.readouterr().out


def test_a_thinned_curve_keeps_its_ends_and_its_area() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 40_000)
    scores = labels + random.normal(0, 1, len(labels))
    fpr, tpr, _ = metrics.roc_curve(labels, scores)
    assert len(fpr) > 10_000
    x, y = evaluation_plots._thinned(fpr, tpr)  # noqa: SLF001
    assert len(x) <= evaluation_plots.MAX_CURVE_POINTS + 1
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-3)


def test_without_a_test_part_validation_alone_is_reported(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = pd.read_csv(data / "split.csv")
    for name in LINKED:
        (tmp_path / name).symlink_to(data / name)
    split = split.replace({"split": {"test": "train"}}).assign(slide=None)
    split.to_csv(tmp_path / "split.csv", index=False)
    numbers = evaluate(tmp_path, tmp_path / "out")
    said = {"threshold", "temperature", "is_drawn", "slide_disjoint", "patient_disjoint", "unit"}
    assert set(numbers) == {"validation", *said}
    assert numbers["validation"]["num_patches"] == 30
    assert "There is no test part" in capsys.readouterr().out
    # DVC says that plots failed to load, but not which, if it misses one of those to be shown.
    text = (ROOT / "dvc.yaml").read_text()
    shown = set(re.findall(r"plots/evaluate/([\w-]+[.](?:png|csv))", text))
    assert len(shown) >= 10
    assert shown <= {path.name for path in (tmp_path / "out" / "plots").iterdir()}


def with_split(data: Path, folder: Path, split: pd.DataFrame) -> Path:
    """The same network and patches with another split."""
    folder.mkdir()
    for name in LINKED:
        (folder / name).symlink_to(data / name)
    split.to_csv(folder / "split.csv", index=False)
    return folder


def test_every_metric_lies_in_its_interval_over_slides(data: Path, tmp_path: Path) -> None:
    numbers = evaluate(data, tmp_path)
    for name in ("validation", "test"):
        found = numbers[name]
        ends = found["interval"]
        assert ends.pop("over") == "slides"
        assert found["num_slides"] == 10
        counts = {"num_patches", "num_slides", "num_patients", "num_regions", "num_unknown"}
        assert set(ends) == set(found) - counts - {"interval", "uncalibrated"}
        for metric, interval in ends.items():
            if interval["low"] is not None:
                assert interval["low"] <= found[metric] <= interval["high"], metric
        assert ends["roc_auc"]["high"] - ends["roc_auc"]["low"] > 0.05


def test_the_metrics_are_the_compared_numbers_of_the_evaluation_test_first(
    data: Path, tmp_path: Path
) -> None:
    numbers = evaluate(data, tmp_path)
    compared = json.loads((tmp_path / "evaluate.json").read_text())
    unit = ["slide_disjoint", "patient_disjoint", "unit"]
    assert list(compared) == ["test", "validation", "threshold", *unit, "is_drawn"]
    for name in ("test", "validation"):
        part = compared[name]
        assert list(part)[:3] == ["roc_auc", "roc_auc_low", "roc_auc_high"]
        ends = {part.pop(f"roc_auc_{end}"): end for end in ("low", "high")}
        assert ends == {numbers[name]["interval"]["roc_auc"][end]: end for end in ends.values()}
        assert part == {metric: numbers[name][metric] for metric in part}
        assert len(part) == 6


def test_patients_that_are_known_are_what_intervals_are_over(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = pd.read_csv(data / "split.csv")
    number = split["slide"].str[-1].astype(int) // 2
    split["patient"] = split["split"] + "-" + number.astype(str)
    numbers = evaluate(with_split(data, tmp_path / "data", split), tmp_path / "out")
    assert (numbers["unit"], numbers["patient_disjoint"]) == ("patient", True)
    assert numbers["test"]["interval"]["over"] == "patients"
    assert (numbers["test"]["num_slides"], numbers["test"]["num_patients"]) == (10, 5)
    told = capsys.readouterr().out
    assert "on 40 patches of 5 patients" in told
    assert "warning: Test has 5 patients; below 15 the intervals are rough" in told
    assert "slides" not in told
    slides = evaluate(data, tmp_path / "slides")["test"]["interval"]["roc_auc"]
    assert numbers["test"]["interval"]["roc_auc"] != slides
    scores = pd.read_csv(tmp_path / "out" / "scores.csv")
    assert set(scores["patient_name"]) == set(split.loc[split["split"] != "train", "patient"])


def test_a_patient_in_two_parts_is_told_though_slides_are_in_one(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = pd.read_csv(data / "split.csv").assign(patient="one")
    numbers = evaluate(with_split(data, tmp_path / "data", split), tmp_path / "out")
    assert (numbers["slide_disjoint"], numbers["patient_disjoint"]) == (True, False)
    assert (
        "Patients are shared between the parts: these numbers are optimistic"
        in capsys.readouterr().out
    )


def test_one_unknown_slide_is_told_and_leaves_the_intervals_over_slides(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = pd.read_csv(data / "split.csv")
    known = evaluate(with_split(data, tmp_path / "known", split), tmp_path / "all")["test"]
    split.loc[split.index[split["split"] == "test"][0], "slide"] = None
    numbers = evaluate(with_split(data, tmp_path / "data", split), tmp_path / "out")["test"]
    assert numbers["interval"]["over"] == "slides"
    assert (numbers["num_slides"], numbers["num_unknown"]) == (known["num_slides"], 1)
    said = capsys.readouterr().out
    assert "The slide of 1 of the 40 test patches is unknown: intervals count them" in said
    assert "these numbers are optimistic" in said  # the slide may be shared


def test_mostly_unknown_slides_make_intervals_over_regions(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = pd.read_csv(data / "split.csv")
    split.loc[split["split"] == "test", "slide"] = [*[None] * 21, *["a"] * 19]
    split.loc[split["split"] == "test", "region"] = [f"r{number // 4}" for number in range(40)]
    numbers = evaluate(with_split(data, tmp_path / "data", split), tmp_path / "out")
    assert numbers["test"]["interval"]["over"] == "regions"
    assert numbers["test"]["num_regions"] == 10
    assert "Test has 10 regions; below 15 the intervals are rough" in capsys.readouterr().out
    assert numbers["test"]["num_slides"] is None
    assert numbers["test"]["interval"]["accuracy"]["low"] is not None
    assert numbers["validation"]["interval"]["over"] == "slides"


def test_a_test_part_of_one_class_has_no_auc_and_keeps_its_accuracy(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = pd.read_csv(data / "split.csv")
    split.loc[split["split"] == "test", "label"] = 0
    numbers = evaluate(with_split(data, tmp_path / "data", split), tmp_path / "out")
    assert numbers["test"]["roc_auc"] is None
    assert numbers["test"]["accuracy"] == numbers["test"]["specificity"]
    assert "test AUC not defined" in capsys.readouterr().out
    assert (tmp_path / "out" / "plots" / "roc-test.csv").read_text() == "fpr,tpr\n"


@pytest.mark.parametrize("num_patches", [1, 7])
def test_one_slide_has_numbers_and_no_interval(
    data: Path, tmp_path: Path, num_patches: int
) -> None:
    split = pd.read_csv(data / "split.csv")
    is_test = split["split"] == "test"
    split = split[~is_test | (is_test.cumsum() <= num_patches)].copy()
    split.loc[split["split"] == "test", "slide"] = "only"
    numbers = evaluate(with_split(data, tmp_path / "data", split), tmp_path / "out")
    assert numbers["test"]["num_patches"] == num_patches
    assert numbers["test"]["accuracy"] is not None
    assert numbers["test"]["interval"]["accuracy"] == {"low": None, "high": None}


def test_a_network_that_gives_no_numbers_is_refused(data: Path, tmp_path: Path) -> None:
    broken = with_split(data, tmp_path / "data", pd.read_csv(data / "split.csv"))
    network = keras.saving.load_model(data / "network.keras")
    logit = network.get_layer("logit")
    logit.set_weights([np.full_like(weights, np.nan) for weights in logit.get_weights()])
    (broken / "network.keras").unlink()
    saving.save(network, broken / "network.keras")
    with pytest.raises(InputError, match="output is not a number for 70 patches"):
        evaluate(broken, tmp_path / "out")


def test_slides_and_stains_have_their_own_auc_the_lowest_first(data: Path, tmp_path: Path) -> None:
    evaluate(data, tmp_path)
    scores = pd.read_csv(tmp_path / "scores.csv").query("split == 'test'")
    slides = pd.read_csv(tmp_path / "plots" / "slides.csv").query("split == 'test'")
    assert slides["roc_auc"].dropna().is_monotonic_increasing
    row: Any  # pandas knows no type of a column
    for row in slides.itertuples():
        part = scores[scores["slide"] == row.slide]
        assert (row.num_patches, row.num_positive) == (len(part), part["label"].sum())
        if 0 < row.num_positive < row.num_patches:
            assert row.roc_auc == pytest.approx(metrics.roc_auc_score(part["label"], part["logit"]))
    stains = pd.read_csv(tmp_path / "plots" / "stains.csv").query("split == 'test'")
    assert stains["num_patches"].sum() == 40


@pytest.mark.parametrize("tta", ["none", "d4"])
def test_the_final_model_gives_the_probabilities_and_calls_that_are_reported(
    data: Path, tmp_path: Path, tta: symmetries.TestTime
) -> None:
    numbers = evaluate(data, tmp_path, tta=tta)
    scores = pd.read_csv(tmp_path / "scores.csv").query("split == 'test'")
    patches = shards.read(data / "crops")
    pixels = patches.take(patches.locate(scores["id"], "labelled"))
    model = keras.saving.load_model(tmp_path / "model.keras")
    given = model.predict(pixels, verbose=0)[:, 0]
    assert given == pytest.approx(expit(scores["logit"] / numbers["temperature"]), abs=1e-6)
    decision = json.loads((tmp_path / "decision.json").read_text())
    calls = given >= decision["threshold"]
    assert (calls == scores["label"]).mean() == pytest.approx(numbers["test"]["accuracy"], abs=1e-6)
    assert decision["model_is_calibrated"] is True


def test_calibration_on_validation_lowers_its_loss(data: Path, tmp_path: Path) -> None:
    validation = evaluate(data, tmp_path)["validation"]
    assert validation["nll"] <= validation["uncalibrated"]["nll"]


def test_a_promised_coverage_gives_sets_and_their_metrics_and_none_gives_neither(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = evaluate(data, tmp_path / "plain")
    assert "abstention" not in plain["test"]
    assert "sets" not in json.loads((tmp_path / "plain/decision.json").read_text())
    capsys.readouterr()
    numbers = evaluate(data, tmp_path, coverage=0.8)
    decision = records.read(tmp_path / "decision.json", Decision)
    scores = pd.read_csv(tmp_path / "scores.csv").query("split == 'test'")
    held = decision.held(decision.probabilities(scores["logit"].to_numpy()))
    assert held is not None
    found = numbers["test"]["abstention"]
    assert found["left_share"] == pytest.approx((held == "both").mean())
    covered = pd.Series(held != "no tumour")[(scores["label"] == 1).to_numpy()]
    by_slide = covered.groupby(scores["slide"].to_numpy()[covered.index]).mean()
    assert found["tumour_coverage"] == pytest.approx(by_slide.mean(), abs=1e-6)
    assert set(found["interval"]) == set(found) - {"interval"}
    compared = json.loads((tmp_path / "evaluate.json").read_text())["test"]
    assert compared.items() >= {name: found[name] for name in found if name != "interval"}.items()
    assert "of test are left to a pathologist" in capsys.readouterr().out
    # Nothing else changes.
    for name in ("test", "validation"):
        del numbers[name]["abstention"]
    assert numbers == plain


def test_a_coverage_that_takes_more_slides_is_warned_of(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = evaluate(data, tmp_path, coverage=0.99)
    assert numbers["test"]["abstention"]["left_share"] == 1
    assert numbers["test"]["abstention"]["decided_accuracy"] is None
    told = capsys.readouterr().out
    assert "warning: evaluate.coverage: 0.99 takes 99 slides with patches of tumour" in told


def test_patches_of_unknown_slides_promise_no_coverage(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of ten slides, six are known: these are too few, whatever the others are dealt into."""
    split = pd.read_csv(data / "split.csv")
    known = sorted(set(split.loc[split["split"] == "validation", "slide"]))[:6]
    is_unknown = (split["split"] == "validation") & ~split["slide"].isin(known)
    split.loc[is_unknown, "slide"] = None
    evaluate(with_split(data, tmp_path / "data", split), tmp_path / "out", coverage=0.88)
    told = capsys.readouterr().out
    assert "warning: evaluate.coverage: 0.88 takes 8 slides with patches of tumour" in told
    assert "in validation, which has 6" in told


def test_without_slides_a_coverage_takes_regions_of_which_there_are_more_than_groups(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The jackknife's groups are no units of which a new one is drawn."""
    monkeypatch.setattr(intervals, "NUM_DEALT", 4)
    unknown = Path(shutil.copytree(data, tmp_path / "data"))
    split = pd.read_csv(unknown / "split.csv").assign(slide="")
    split.to_csv(unknown / "split.csv", index=False)
    found = evaluate(unknown, tmp_path, coverage=0.9)["test"]["abstention"]
    assert "evaluate.coverage" not in capsys.readouterr().out
    decision = records.read(tmp_path / "decision.json", Decision)
    scores = pd.read_csv(tmp_path / "scores.csv").query("split == 'test' and label == 1")
    held = decision.held(decision.probabilities(scores["logit"].to_numpy()))
    assert held is not None
    assert found["tumour_coverage"] == pytest.approx((held != "no tumour").mean(), abs=1e-6)


def test_the_risk_coverage_curve_ends_at_the_share_of_wrong_calls(
    data: Path, tmp_path: Path
) -> None:
    numbers = evaluate(data, tmp_path)
    points = pd.read_csv(tmp_path / "plots" / "risk-coverage.csv")
    for name, part in points.groupby("split"):
        last = part.iloc[-1]
        assert last["share_decided"] == 1
        assert last["share_wrong"] == pytest.approx(1 - numbers[str(name)]["accuracy"], abs=1e-6)


def test_several_members_are_scored_by_their_mean_logit_and_named_with_their_spread(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = [MEMBER, Member(seed=2, fold=0)]
    numbers = evaluate(data, tmp_path, chosen=chosen)
    scores = pd.read_csv(tmp_path / "scores.csv")
    each = [pd.read_csv(tmp_path / f"members/{member.key}.csv") for member in chosen]
    own = np.array([table.set_index("id").loc[scores["id"], "logit"] for table in each])
    assert own.std(axis=0).min() > 0
    assert scores["logit"].to_numpy() == pytest.approx(own.mean(axis=0), abs=1e-6)
    is_test = (scores["split"] == "test").to_numpy()
    areas = [metrics.roc_auc_score(scores["label"][is_test], logits[is_test]) for logits in own]
    assert [member["test"] for member in numbers["members"]] == pytest.approx(areas, abs=1e-5)
    assert [(member["seed"], member["fold"]) for member in numbers["members"]] == [(1, 0), (2, 0)]
    spread = json.loads((tmp_path / "evaluate.json").read_text())["members"]
    assert spread["number"] == 2
    assert spread["test"]["roc_auc_mean"] == pytest.approx(np.mean(areas), abs=1e-5)
    assert spread["test"]["roc_auc_std"] == pytest.approx(np.std(areas, ddof=1), abs=1e-5)
    assert "test AUC of each of the 2 members alone: " in capsys.readouterr().out
    patches = shards.read(data / "crops")
    pixels = patches.take(patches.locate(scores["id"], "labelled"))
    given = keras.saving.load_model(tmp_path / "model.keras").predict(pixels, verbose=0)[:, 0]
    assert given == pytest.approx(expit(scores["logit"] / numbers["temperature"]), abs=1e-6)


FOLDS = [Member(seed=1, fold=fold) for fold in range(3)]


@pytest.fixture
def folded(data: Path, tmp_path: Path) -> Path:
    """The same patches, with all but test in three folds of two slides of each old part."""
    split = pd.read_csv(data / "split.csv")
    number = (split["slide"].str[-1].astype(int) % 3).astype(str)
    fold = number.where(split["split"] != "test", "")
    part = np.where(fold == "", "test", np.where(fold == "0", "validation", "train"))
    return with_split(data, tmp_path / "folded", split.assign(fold=fold, split=part))


def test_with_folds_every_patch_outside_test_is_validated_by_the_member_of_its_fold(
    folded: Path, tmp_path: Path
) -> None:
    numbers = evaluate(folded, tmp_path / "out", chosen=FOLDS)
    assert numbers["validation"]["num_patches"] == 40
    assert numbers["slide_disjoint"] is True
    scores = pd.read_csv(tmp_path / "out/scores.csv")
    assert scores["split"].value_counts().to_dict() == {"test": 40, "validation": 40}
    split = tables.read_patches(folded / "split.csv").set_index("id")
    for member in FOLDS:
        own = pd.read_csv(tmp_path / f"out/members/{member.key}.csv").set_index("id")["logit"]
        ids = split.index[split["fold"] == str(member.fold)]
        assert 0 < len(ids) < 40
        assert scores.set_index("id").loc[ids, "logit"].to_numpy() == pytest.approx(own[ids])


def test_a_fold_that_slides_are_shared_with_is_said_whichever_it_is(
    folded: Path, tmp_path: Path
) -> None:
    """Fold 0 alone, which the column `split` shows, is apart."""
    split = pd.read_csv(folded / "split.csv", dtype={"fold": "str"})
    split.loc[split["fold"].isin(["1", "2"]), "slide"] = "shared"
    leaking = with_split(folded, tmp_path / "leaking", split)
    assert evaluate(leaking, tmp_path / "a", chosen=FOLDS[:1])["slide_disjoint"] is True
    assert evaluate(leaking, tmp_path / "b", chosen=FOLDS)["slide_disjoint"] is False


def swap(folder: Path, ending: str) -> None:
    """Put the files of folds 0 and 1 in each other's place."""
    first, second = (folder / f"members/1-{fold}{ending}" for fold in (0, 1))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def test_members_whose_folds_are_swapped_are_refused(folded: Path, tmp_path: Path) -> None:
    """A planted leak: each file lies where another fold's should."""
    out = tmp_path / "out"
    evaluate(folded, out, chosen=FOLDS)
    swap(out, ".csv")
    with pytest.raises(InputError, match=r"scores of member 1-0 .* that it trained on"):
        combine(folded, out, FOLDS)
    swap(out, ".csv")
    swap(out, ".json")
    with pytest.raises(
        InputError, match=r"1-0\.keras isn't the network .* value of fold, .*patches than"
    ):
        combine(folded, out, FOLDS)
    swap(out, ".json")
    network = out / "members/1-1.keras"
    network.write_bytes((folded / "another.keras").read_bytes())
    with pytest.raises(InputError, match=r"1-1\.keras isn't the network .* value of network than"):
        combine(folded, out, FOLDS)


def test_the_card_says_what_the_model_is_and_what_it_learnt_from(
    data: Path, tmp_path: Path
) -> None:
    numbers = evaluate(data, tmp_path, tta="d4")
    found = model_folder.read(tmp_path)
    card = found.card
    assert (card.network, card.recipe) == ("compact", TRAINING.recipe)
    assert (card.patch_size, card.input_size, card.um_per_pixel) == (96, 32, 0.972)
    assert (card.tta, card.colours) == ("d4", "RGB, 0 to 255")
    assert card.members == (TrainedMember(seed=1, fold=0, num_patches=10),)
    assert card.num_training_patches == 10
    ids = "\n".join(sorted(f"p{number}" for number in range(80)))  # they stand for SHA-1s
    assert card.source.pixels == hashlib.sha256(ids.encode()).hexdigest()
    assert (card.source.name, card.source.is_drawn) == ("a folder", False)
    for name, part in (("test", card.measured.test), ("validation", card.measured.validation)):
        assert part is not None
        assert part.roc_auc.value == numbers[name]["roc_auc"]
        ends = numbers[name]["interval"]["roc_auc"]
        assert (part.roc_auc.low, part.roc_auc.high) == (ends["low"], ends["high"])
        assert part.sensitivity.value == numbers[name]["sensitivity"]
        assert (part.num_patches, part.num_units) == (numbers[name]["num_patches"], 10)
        assert part.over == "slides"
    assert "Test has 10 slides; below 15 the intervals are rough." in card.notes
    assert "weights" not in card.licence
    assert card.versions["keras"] == keras.__version__
    assert str(tmp_path) not in (tmp_path / "card.json").read_text()


def test_the_card_of_an_ensemble_counts_each_patch_once(folded: Path, tmp_path: Path) -> None:
    evaluate(folded, tmp_path / "out", chosen=FOLDS)
    card = model_folder.read(tmp_path / "out").card
    split = tables.read_patches(folded / "split.csv")
    sizes = [int((~split["fold"].isin(["", str(member.fold)])).sum()) for member in FOLDS]
    assert [member.num_patches for member in card.members] == sizes
    assert [(member.seed, member.fold) for member in card.members] == [(1, 0), (1, 1), (1, 2)]
    assert card.num_training_patches == 40  # each in two of the three


def test_initial_weights_are_named_with_what_they_may_restrict(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = members.InitialWeights(name="densenet.h5", sha256="1" * 64)
    training = TRAINING.model_copy(update={"initial_weights": weights})
    monkeypatch.setitem(globals(), "TRAINING", training)
    evaluate(data, tmp_path)
    card = model_folder.read(tmp_path).card
    assert card.initial_weights == weights
    assert "the weights that its training started from" in card.licence


def test_members_that_were_trained_in_different_ways_are_refused(
    data: Path, tmp_path: Path
) -> None:
    chosen = [MEMBER, Member(seed=2, fold=0)]
    evaluate(data, tmp_path, chosen=chosen)
    path = tmp_path / "members/2-0.json"
    record = records.read(path, members.Trained)
    training = TRAINING.model_copy(update={"recipe": {"model": "compact", "epochs": 11}})
    records.write(path, record.model_copy(update={"training": training}))
    with pytest.raises(InputError, match=r"members 1-0 and 2-0 were trained in different ways"):
        combine(data, tmp_path, chosen)


def test_what_members_no_longer_named_have_left_is_removed(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else DVC records it: another machine, which lacks it, would evaluate again."""
    chosen = [MEMBER, Member(seed=2, fold=0)]
    evaluate(data, tmp_path, chosen=chosen)
    folder = tmp_path / "members"
    (folder / "partial-2-0.keras").touch()  # of a killed process
    (folder / "4-4").symlink_to(data)
    (folder / "notes.txt").touch()
    combine(data, tmp_path)
    assert {path.name for path in folder.iterdir()} == {
        "1-0.keras", "1-0.json", "1-0.csv", "notes.txt",
    }  # fmt: skip
    assert data.exists()
    assert "evaluate: removed the outputs of member 2-0, 4-4, which" in capsys.readouterr().out


def test_a_member_of_another_split_does_not_score(folded: Path, data: Path, tmp_path: Path) -> None:
    """Its record says that it trained on other patches."""
    evaluate(data, tmp_path / "out")
    with pytest.raises(InputError, match=r"has another value of num_patches, patches than"):
        combine(folded, tmp_path / "out")
