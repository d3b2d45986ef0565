"""The demo at its default size is no toy: a network needs the centre, and finds most of it."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from helpers.files import ROOT
from helpers.ingesting import ingest
from metastasis import members
from metastasis.base import params
from metastasis.demo import demo, demo_params
from metastasis.explain import attention
from metastasis.patches import shards
from metastasis.scores import scoring
from metastasis.split import split_params, splitting
from metastasis.train import train_params, training
from metastasis.validate import validate_params, validating


def section(name: str, model: type[params.SectionType]) -> params.SectionType:
    return params.read(name, model, ROOT / "params.yaml")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default demo, packed and split as the pipeline does it."""
    folder = tmp_path_factory.mktemp("demo")
    demo.draw(section("demo", demo_params.DemoParams), folder / "demo", folder / "truth")
    ingest(folder / "demo", folder)
    validating.validate(
        section("validate", validate_params.ValidateParams),
        source_path=folder / "demo",
        tables_folder=folder / "tables",
        inventory_path=folder / "inventory.parquet",
        shards_folder=folder / "patches",
        manifest_path=folder / "manifest.csv",
        quarantine_path=folder / "quarantine.csv",
        report_path=folder / "validate.html",
        metrics_path=folder / "validate.json",
        plots_folder=folder / "plots",
    )
    splitting.split(
        section("split", split_params.SplitParams),
        folder / "manifest.csv",
        folder / "inventory.parquet",
        folder / "patches",
        split_path=folder / "split.csv",
        metrics_path=folder / "split.json",
        plots_folder=folder / "plots",
    )
    return folder


def blank_centre(source: Path, target: Path) -> None:
    """Copy the shards with the central 32x32 of every patch painted grey."""
    target.mkdir()
    (target / shards.INDEX_NAME).symlink_to(source / shards.INDEX_NAME)
    for path in shards.paths(source):
        patches = np.load(path)
        patches[:, 32:64, 32:64] = 128
        np.save(target / path.name, patches)


def auc_on_unseen_slides(data: Path, patches_folder: Path) -> float:
    training.train(
        params.read_some("train", train_params.Recipe, ROOT / "params.yaml"),
        members.Member(seed=1, fold=0),
        data / "split.csv",
        patches_folder,
        network_path=data / "network.keras",
        record_path=data / "network.json",
        log_folder=data / "logs",
    )
    tested = pd.read_csv(data / "split.csv").query("split == 'test'")
    patches = shards.read(patches_folder)
    places = patches.locate(tested["id"], "labelled")
    logits = scoring.score(data / "network.keras", patches, places)
    return float(roc_auc_score(tested["label"], expit(logits)))


@pytest.mark.slow
def test_the_default_network_needs_the_centre_and_finds_tumour_on_unseen_slides(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data)
    blank_centre(data / "patches", data / "ring")
    ring = auc_on_unseen_slides(data, data / "ring")
    whole = auc_on_unseen_slides(data, data / "patches")
    print(f"AUC on unseen slides: whole patch {whole:.4f}, without the centre {ring:.4f}")
    assert 0.90 <= whole <= 0.985
    assert ring <= whole - 0.05

    trained = keras.saving.load_model(data / "network.keras")
    found, random = times_the_area(data, trained, trained), []
    for seed in range(5):
        keras.utils.set_random_seed(seed)
        random.append(times_the_area(data, trained, keras.models.clone_model(trained)))
    print(f"heat in the tumour, beside its area: {found:.2f}, of random weights {random}")
    assert found >= 1.5
    assert found >= 1.5 * np.mean(random)


def times_the_area(data: Path, called_by: keras.Model, looked_by: keras.Model) -> float:
    """How much more heat than area lies in the true tumour, where that takes a fourth at most."""
    patches = shards.read(data / "patches")
    tested = pd.read_csv(data / "split.csv").query("split == 'test' and label == 1")
    pixels = patches.take(patches.locate(tested["id"], "labelled"))
    is_found = called_by.predict(pixels, verbose=0)[:, 0] >= 0.5
    rows = pd.read_csv(data / "truth" / "masks.csv").reset_index().set_index("id")["index"]
    packed = np.load(data / "truth" / "masks.npy")[rows.loc[tested["id"]]]
    masks = np.unpackbits(packed, axis=2).astype(bool)
    chosen = is_found & (masks.mean(axis=(1, 2)) <= 0.25)
    assert chosen.sum() >= 50
    heat = attention.grad_cam(looked_by, pixels[chosen])
    shares = attention.share_inside(heat, masks[chosen])
    return float(np.nanmean(shares) / masks[chosen].mean())
