"""Tests of `train.training`: a whole run in a few steps on coloured noise."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from dvclive import Live
from numpy.typing import NDArray

from helpers.files import ROOT, assert_same_bytes
from helpers.networks import assert_same_but_rounding, unsettle
from helpers.training import CALM, MILD, PARAMS, train, write_noise
from metastasis import members, models, saving, tables
from metastasis.base import files, processor, records
from metastasis.base.errors import InputError
from metastasis.patches import shards, symmetries
from metastasis.scores import scoring
from metastasis.train import devices, feeding, fitting, resuming, train_params, training

pytestmark = pytest.mark.medium


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with crops of 32 pixels and a split: 12 train, 8 validation, 4 test."""
    monkeypatch.chdir(tmp_path)
    write_noise(tmp_path)
    return tmp_path


def weights(folder: Path) -> list[NDArray[np.float32]]:
    arrays: list[NDArray[np.float32]] = keras.saving.load_model(
        folder / "network.keras"
    ).get_weights()
    return arrays


def test_two_runs_give_the_same_bytes_and_another_seed_other_weights(data: Path) -> None:
    first, second, other = train(data, "a"), train(data, "b"), train(data, "c", seed=2)
    assert_same_bytes(first, second, 10)
    pairs = zip(weights(first), weights(other), strict=True)
    assert any(not np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"model": "p4m", "schedule": "plateau", "average_decay": 0.0, "class_weights": "balanced"},
        {"model": "baseline", "optimizer": "adamw", "geometry": "affine", "label_smoothing": 0.1},
    ],
    ids=["compact", "p4m", "baseline"],
)
def test_a_run_that_broke_off_goes_on_and_ends_in_the_same_bytes(
    data: Path,
    changes: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = train(data, "whole", epochs=4, **changes)
    save, num_saved = resuming.save, 0

    def save_twice(path: Path, state: resuming.State) -> None:
        nonlocal num_saved
        save(path, state)
        num_saved += 1
        if num_saved == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(resuming, "save", save_twice)
        with pytest.raises(KeyboardInterrupt):
            train(data, "broken", epochs=4, **changes)
    shutil.rmtree(data / "broken")  # as DVC does with outputs before it reruns a stage
    capsys.readouterr()
    assert_same_bytes(whole, train(data, "broken", epochs=4, **changes), 10)
    assert "resumes after epoch 2" in capsys.readouterr().out
    assert list((training.STATE_FOLDER / "1-0").iterdir()) == []


@pytest.fixture
def known(data: Path) -> str:
    """A file of `compact`'s weights that no initialiser gives."""
    network = models.build("compact", 32)
    unsettle(network)
    saving.save(network, data / "known.keras")
    return str(data / "known.keras")


def kernels(path: Path) -> dict[str, NDArray[np.float32]]:
    network = keras.saving.load_model(path)
    return {layer.name: layer.get_weights()[0] for layer in network.layers if layer.weights}


def test_a_network_starts_from_a_files_weights_and_moves_its_body_slowly(
    data: Path, known: str
) -> None:
    """At rate 0 no kernel of the body changes, while head and batch norms adapt to the patches."""
    before = kernels(Path(known))
    frozen, slow, fast = (
        kernels(
            train(data, str(rate), weights=known, body_rate=rate, average_decay=0.0)
            / "network.keras"
        )
        for rate in (0.0, 0.01, 1.0)
    )
    for name, kernel in before.items():
        if "conv" in name:
            np.testing.assert_array_equal(frozen[name], kernel)
            distances = [np.linalg.norm(after[name] - kernel) for after in (slow, fast)]
            assert 0 < distances[0] < 0.1 * distances[1]
    assert frozen["logit"].any()  # it started at zero
    record = records.read(data / "0.0/network.json", members.Trained)
    expected = members.InitialWeights(name=Path(known).name, sha256=files.sha256(Path(known)))
    assert record.training.initial_weights == expected
    assert known not in (data / "0.0/network.json").read_text()  # no path
    means = [
        keras.saving.load_model(path).get_layer("norm1").get_weights()[2]
        for path in (Path(known), data / "0.0/network.keras")
    ]
    assert not np.array_equal(*means)


@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_the_body_stands_still_in_a_warm_up_and_only_then(
    known: str, schedule: train_params.Schedule
) -> None:
    changes = {"weights": known, "schedule": schedule, "warmup_epochs": 1, "epochs": 2}
    recipe = PARAMS.model_copy(update=changes)
    network = training.compiled_network(recipe, 32, 10, "float32")
    body = network.trainable_variables[0]
    before = body.numpy()
    noise = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.float32)
    for _ in range(2):  # in the first, the head is zero and gives no gradient
        network.train_on_batch(noise, np.array([[0.0], [1.0], [0.0], [1.0]]))
    assert np.array_equal(body.numpy(), before) == (schedule == "cosine")


def test_the_head_starts_at_zero_so_that_no_random_gradient_reaches_the_body(
    data: Path, known: str
) -> None:
    params = PARAMS.model_copy(update={"weights": known})
    network = training.compiled_network(params, 32, 3, "float32")
    assert not network(np.random.default_rng(0).uniform(0, 255, (3, 32, 32, 3))).numpy().any()
    feed = training.make_feed(
        params, shards.read(data / "crops"), pd.read_csv(data / "split.csv").iloc[:12], 1
    )
    before = [weight.numpy() for weight in network.get_layer("conv1").trainable_weights]
    network.train_on_batch(*feed.batch(0))
    for mine, old in zip(network.get_layer("conv1").trainable_weights, before, strict=True):
        np.testing.assert_array_equal(mine.numpy(), old)


def test_a_run_from_weights_that_broke_off_goes_on_only_with_the_same_weights(
    data: Path, known: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = train(data, "whole", weights=known)
    log = Live.next_step

    def interrupt(live: Live) -> None:
        log(live)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Live, "next_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(data, "broken", weights=known)
    shutil.rmtree(data / "broken")
    capsys.readouterr()
    other = models.build("compact", 32)
    saving.save(other, data / "other.keras")
    train(data, "other", weights=str(data / "other.keras"))
    assert "resumes" not in capsys.readouterr().out
    assert_same_bytes(whole, train(data, "broken", weights=known), 10)
    assert "resumes after epoch 1" in capsys.readouterr().out


def test_weights_of_another_network_stop_before_any_training(data: Path) -> None:
    saving.save(models.build("baseline", 32), data / "other.keras")
    with pytest.raises(InputError, match=r"other\.keras holds no weights of compact"):
        train(data, "out", weights=str(data / "other.keras"))
    assert not (data / "out").exists()  # neither a network nor an empty log


def test_ctrl_c_says_how_to_go_on(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    epoch, asked = feeding.Feed.epoch, []

    def pressed_in_the_second(feed: feeding.Feed, number: int) -> object:
        asked.append(number)
        if number == 1:
            raise KeyboardInterrupt
        return epoch(feed, number)

    monkeypatch.setattr(feeding.Feed, "epoch", pressed_in_the_second)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(data)
        assert "interrupted; the same command resumes after the last" in capsys.readouterr().out
    assert asked == [0, 1, 1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux alone has this device")
def test_a_full_disk_leaves_the_state_before(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full when the second epoch's state is written, and no longer when run again."""
    save = resuming.save

    def save_to_a_full_disk(path: Path, state: resuming.State) -> None:
        if len(state.history) == 2:
            path.with_name(path.name + ".partial").symlink_to("/dev/full")
        save(path, state)

    with monkeypatch.context() as patched:
        patched.setattr(resuming, "save", save_to_a_full_disk)
        with pytest.raises(OSError, match="No space left on device"):
            train(data, "full")
    shutil.rmtree(data / "full")
    assert_same_bytes(train(data, "whole"), train(data, "full"), 10)


def test_the_order_of_sums_is_that_of_the_processor_with_its_cores_or_of_the_gpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpus: list[str] = []
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda _: gpus)
    details = "tensorflow.config.experimental.get_device_details"
    monkeypatch.setattr(details, lambda gpu: {"device_name": f"a GPU {gpu}"})
    few = devices.order_of_sums()
    monkeypatch.setattr(processor, "usable_cores", lambda: 97)
    many = devices.order_of_sums()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    older = devices.order_of_sums()
    gpus.append("H")
    assert devices.order_of_sums() == ["a GPU H"]
    assert len({*map(tuple, (few, many, older))}) == 3


@pytest.mark.parametrize("other", ["params", "devices"])
def test_a_state_of_other_params_or_devices_is_left_alone(
    data: Path, other: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(fitting, "_log", lambda *_: 1 / 0)  # after the state of epoch 1
        with pytest.raises(ZeroDivisionError):
            train(data, "broken")
    left = list((training.STATE_FOLDER / "1-0").iterdir())
    if other == "devices":
        monkeypatch.setattr(devices, "order_of_sums", lambda: ["another"])
    train(data, "other", **({"learning_rate": 0.002} if other == "params" else {}))
    assert "resumes" not in capsys.readouterr().out
    assert list((training.STATE_FOLDER / "1-0").iterdir()) == left


SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from typing import Any
from metastasis.train import resuming
from helpers.training import train
if sys.argv[2] == "in the writing":
    savez, fsync = resuming.np.savez, resuming.os.fsync
    def remember(file, **arrays):
        global num_epochs
        num_epochs = len(json.loads(arrays["history"].tobytes()))
        savez(file, **arrays)
    def die(descriptor):
        if num_epochs == 3:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
    resuming.np.savez, resuming.os.fsync = remember, die
train(Path(), sys.argv[1], epochs=20, patience=20)
"""


@pytest.mark.slow
def test_a_run_killed_at_any_moment_goes_on_and_ends_in_the_same_bytes(data: Path) -> None:
    """Killed while it starts, in 4 random moments of the epochs, and with a state half written."""

    def start(out: str, how: str = "") -> subprocess.Popen[str]:
        shutil.rmtree(data / out, ignore_errors=True)
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, out, how],
            cwd=data,
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
            stdout=subprocess.PIPE,
            text=True,
        )

    def epochs(process: subprocess.Popen[str]) -> Iterator[int]:
        assert process.stdout is not None
        return (int(line.split(":")[0][6:]) for line in process.stdout if line[:5] == "epoch")

    random = np.random.default_rng()  # any moment: a failure would be a defect, whatever the seed
    starting = time.perf_counter()
    with start("whole") as process:
        finished = [time.perf_counter() for _ in epochs(process)]
    assert (process.returncode, len(finished)) == (0, 20)
    per_epoch = float(np.median(np.diff(finished)))

    with start("killed", "in the writing") as process:
        assert list(epochs(process)) == [1, 2, 3]
    assert process.returncode == -signal.SIGKILL
    assert len(list((data / ".state/train/1-0").glob("*.partial"))) == 1
    with start("killed") as process:
        time.sleep(random.uniform(0, finished[0] - starting))
        process.kill()
    seen = []
    for _ in range(4):
        with start("killed") as process:
            seen.append(next(epochs(process)))
            time.sleep(random.uniform(0, 2) * per_epoch)
            process.kill()
    with start("killed") as process:
        seen += epochs(process)
    assert process.returncode == 0
    # The third epoch's state was not whole, so the second's was gone on from; how many epochs the
    # start then did before it was killed, the machine's speed says.
    assert seen[0] >= 3
    assert seen[1:] == sorted(seen[1:])
    assert seen[-1] == 20
    assert_same_bytes(data / "whole", data / "killed", 10)


def test_it_stops_when_validation_does_not_improve_and_saves_the_best_epoch(data: Path) -> None:
    # A rate this high moves the loss far in every epoch.
    out = train(data, epochs=30, patience=1, schedule="constant", learning_rate=0.03)
    auc, loss = (
        pd.read_csv(out / f"metrics/plots/metrics/eval/{name}.tsv", sep="\t")[name]
        for name in ("auc", "loss")
    )
    best = int(auc.argmax())
    assert len(auc) == best + 2 < 30
    table = pd.read_csv(data / "split.csv").query("split == 'validation'")
    patches = shards.read(data / "crops")
    logits = scoring.score(out / "network.keras", patches, patches.locate(table["id"], "labelled"))
    saved_loss = np.logaddexp(0, np.where(table["label"] == 1, -logits, logits)).mean()
    assert saved_loss == pytest.approx(loss[best], rel=1e-4)
    assert saved_loss != pytest.approx(loss[best + 1], rel=1e-3)


def test_every_epoch_is_logged_with_a_rate_that_warms_up_and_follows_the_cosine(
    data: Path,
) -> None:
    out = train(data, epochs=3, learning_rate=0.01)
    logged = {
        name: pd.read_csv(out / "metrics" / "plots" / "metrics" / f"{name}.tsv", sep="\t")
        for name in ("train/loss", "train/auc", "train/learning_rate", "eval/loss", "eval/auc")
    }
    assert {len(table) for table in logged.values()} == {3}
    # 3 steps an epoch: full height after the warm-up epoch, then half of the cosine's 6 steps.
    rates = logged["train/learning_rate"]["learning_rate"]
    assert rates.tolist() == pytest.approx([0.01, 0.00505, 0.0001], rel=1e-3)
    metrics = json.loads((out / "metrics" / "metrics.json").read_text())
    assert metrics["best_auc"] == pytest.approx(logged["eval/auc"]["auc"].max())
    said = ["slide_disjoint", "patient_disjoint", "unit"]
    assert list(metrics) == ["best_auc", "best_epoch", "train", "eval", *said, "step"]


def test_a_constant_rate_is_constant(data: Path) -> None:
    out = train(data, schedule="constant", learning_rate=0.002)
    rates = pd.read_csv(out / "metrics/plots/metrics/train/learning_rate.tsv", sep="\t")
    assert rates["learning_rate"].tolist() == pytest.approx([0.002, 0.002])


def test_balanced_classes_weigh_the_same(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.read_csv(data / "split.csv")
    table.loc[table["split"] == "train", "label"] = np.repeat([0, 1], [9, 3])
    table.to_csv(data / "split.csv", index=False)
    plans: list[fitting.Plan] = []
    states: list[resuming.State] = []
    fit = fitting.fit

    def recorded(*args: object, **others: object) -> resuming.State:
        plans.extend(arg for arg in args if isinstance(arg, fitting.Plan))
        states.append(fit(*args, **others))  # type: ignore[arg-type]
        return states[-1]

    monkeypatch.setattr(fitting, "fit", recorded)
    # The prior of weighted classes is a half: the network that is written has that of the patches.
    for choice, offset in (("none", 0), ("balanced", np.log((3 / 12) / (9 / 12)))):
        saved = train(data, choice, epochs=1, class_weights=choice) / "network.keras"
        head = keras.saving.load_model(saved).get_layer("logit")
        assert head.bias.numpy() == pytest.approx(states[-1].best[-1] + offset, abs=1e-6)
        assert np.array_equal(head.kernel.numpy(), states[-1].best[-2])
    assert [plan.class_weights for plan in plans] == [None, [12 / (2 * 9), 12 / (2 * 3)]]


def test_the_optimiser_and_each_jitter_asked_for_are_used(data: Path) -> None:
    usual = weights(train(data, "usual", epochs=1))
    changes = {"optimizer": "adamw", "stain_jitter": 0.0, "focus_jitter": 0.0, "weight_decay": 0.5}
    for name, value in changes.items():
        changed = weights(train(data, name, epochs=1, **{name: value}))
        pairs = zip(usual, changed, strict=True)
        assert any(not np.array_equal(mine, other) for mine, other in pairs), name


def test_smoothing_moves_labels_towards_a_half(data: Path) -> None:
    """The loss is linear in the label, so that half of the smoothing is half of the change."""
    losses = []
    for smoothing in (0.0, 0.4, 0.8):
        out = train(
            data,
            f"smoothed-{smoothing}",
            epochs=1,
            learning_rate=1e-12,
            schedule="constant",
            label_smoothing=smoothing,
        )
        logged = pd.read_csv(out / "metrics/plots/metrics/train/loss.tsv", sep="\t")
        losses.append(logged["loss"].item())
    assert losses[1] == pytest.approx((losses[0] + losses[2]) / 2, rel=1e-4)
    assert abs(losses[2] - losses[0]) > 0.01


def test_a_loss_that_is_no_number_stops_with_its_epoch_and_leaves_no_model(data: Path) -> None:
    with pytest.raises(InputError, match=r"is not a number any more in epoch \d+.*learning_rate"):
        train(data, learning_rate=1e30, schedule="constant", epochs=5)
    assert not (data / "out" / "network.keras").exists()


def test_a_member_learns_only_from_the_folds_of_the_others(data: Path) -> None:
    """Its own fold and test may have any labels; the record tells which patches it learnt from."""
    split = pd.read_csv(data / "split.csv")
    split["fold"] = [*"012" * 6, *"01", *[""] * 4]

    def train_fold(name: str, flipped: pd.Series) -> Path:
        labels = split["label"].where(~flipped, 1 - split["label"])
        split.assign(label=labels).to_csv(data / "split.csv", index=False)
        return train(data, name, fold=1, epochs=1)

    is_own, is_other = split["fold"] == "1", split["fold"] == "2"
    plain, same = train_fold("a", is_own & False), train_fold("b", is_own | (split["fold"] == ""))
    assert (plain / "network.keras").read_bytes() == (same / "network.keras").read_bytes()
    assert (plain / "network.json").read_bytes() == (same / "network.json").read_bytes()
    other = train_fold("c", is_other)
    assert (plain / "network.keras").read_bytes() != (other / "network.keras").read_bytes()
    record = records.read(plain / "network.json", members.Trained)
    assert (record.seed, record.fold, record.num_patches) == (1, 1, 13)
    table = tables.read_patches(data / "split.csv")
    own = members.Member(1, 1)
    members.require_own(table, own, plain / "network.keras", plain / "network.json")
    assert record.training.recipe["epochs"] == 1
    assert not {"seeds", "folds", "weights"} & set(record.training.recipe)
    assert record.training.initial_weights is None


def test_two_members_may_train_at_once_and_one_may_not_twice(data: Path) -> None:
    with resuming.alone(training.STATE_FOLDER / "1-0"):
        assert (train(data, "second", **CALM, seed=2) / "network.keras").exists()
        with pytest.raises(InputError, match="this member is already training in this folder"):
            train(data, "first", **CALM)


def test_the_state_of_another_member_is_not_taken_up(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Even where the states of all lie in one folder."""
    names = []
    key = resuming.key

    def noted(*arguments: Any) -> str:  # noqa: ANN401  # as the real one takes them
        names.append(key(*arguments))
        return names[-1]

    monkeypatch.setattr(resuming, "key", noted)
    split = pd.read_csv(data / "split.csv")
    split.assign(fold=[*"0011" * 5, *[""] * 4]).to_csv(data / "split.csv", index=False)
    for seed, fold in ((1, 0), (2, 0), (1, 1)):
        train(data, f"{seed}-{fold}", **CALM, seed=seed, fold=fold)
    assert len(set(names)) == 3
    assert "resumes" not in capsys.readouterr().out


def test_fewer_patches_than_a_batch_are_told(data: Path) -> None:
    with pytest.raises(InputError, match="12 training patches are fewer than one batch"):
        train(data, batch_size=64)


def test_the_baseline_trains_too(data: Path) -> None:
    assert (train(data, model="baseline", epochs=1) / "network.keras").exists()


MIRRORED = """
from pathlib import Path
from typing import Any
import tensorflow as tf
from metastasis.base.errors import InputError
from helpers.training import MILD, train
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    train(Path(), "mirrored", **MILD)
    train(Path(), "transferred", weights="mirrored/network.keras", **MILD)
    try:
        train(Path(), "uneven", **MILD, batch_size=3)
    except InputError as error:
        print(error)
"""


@pytest.mark.slow
def test_two_devices_share_each_batch_and_train_one_network(data: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", MIRRORED],
        cwd=data,
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "2 GPUs" in result.stdout
    assert "GPUs can't share train.batch_size = 3 evenly; choose a multiple of 2" in result.stdout
    start = str(data / "mirrored" / "network.keras")
    for shared, alone in (
        ("mirrored", train(data, "alone", **MILD)),
        ("transferred", train(data, "transferred-alone", weights=start, **MILD)),
    ):
        assert_same_but_rounding(data / shared / "network.keras", alone / "network.keras")


def test_p4m_trains_in_bfloat16_and_is_saved_as_invariant(data: Path) -> None:
    out = train(data, model="p4m", precision="bfloat16", epochs=1)
    model = keras.saving.load_model(out / "network.keras")
    patches = shards.read(data / "crops")
    patch = patches.take(patches.locate(pd.Series(["p20"]), "labelled"))
    turned = np.concatenate([symmetries.turn(patch, element) for element in range(8)])
    assert np.ptp(model(turned)) <= 1e-5
