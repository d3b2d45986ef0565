"""Tests of `check.checking`: what is wrong is named before anything is touched."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.files import ROOT
from metastasis import models
from metastasis.base import params
from metastasis.base.errors import InputError
from metastasis.check import checking
from metastasis.pretrained import catalogue
from metastasis.train import train_params

LOCKED = ("libraries.yaml", "uv.lock")
PLACEHOLDERS = (
    "data/slides.csv",
    "data/leave-out.csv",
    params.NO_WEIGHTS,
)  # files that a param names if there is none


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's own params, its pipelines and an empty slide map."""
    (tmp_path / "data").mkdir()
    for name in ("params.yaml", "dvc.yaml", "data/dvc.yaml", *PLACEHOLDERS, *LOCKED):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(tree: Path, section: str, **values: Any) -> None:  # noqa: ANN401  # YAML's own values
    sections = yaml.safe_load((tree / "params.yaml").read_text())
    sections[section] = sections.get(section, {}) | values
    (tree / "params.yaml").write_text(yaml.safe_dump(sections))


def check() -> None:
    checking.check(
        Path("params.yaml"),
        libraries_path=Path("libraries.yaml"),
        lock_path=Path("uv.lock"),
        pipeline_paths=[Path("dvc.yaml"), Path("data/dvc.yaml")],
        checked_path=Path("data/checked.txt"),
    )


def test_what_is_written_is_the_same_for_other_params(tree: Path) -> None:
    check()
    first = (tree / "data/checked.txt").read_bytes()
    edit(tree, "train", epochs=3)
    check()
    assert (tree / "data/checked.txt").read_bytes() == first


def test_all_that_is_wrong_is_named_at_once_with_the_way_back(tree: Path) -> None:
    edit(tree, "train", learning_rate=-1, epoch=3)
    edit(tree, "split", fold=1)
    edit(tree, "prdict")
    with pytest.raises(InputError) as raised:
        check()
    for part in (
        "train.learning_rate is -1: should be greater than 0",
        "train.epoch is unknown. Did you mean 'epochs'?",
        "split.fold is unknown. Did you mean 'folds'?",
        "section 'prdict' is unknown. Did you mean 'predict'?",
        "no other stage's output was touched",
        "delete it and run `git checkout params.yaml`",
    ):
        assert part in str(raised.value)
    assert not (tree / "data/checked.txt").exists()


@pytest.mark.parametrize("size", range(32, 98, 2))
def test_a_crop_that_the_network_does_not_take_is_refused_as_the_network_would(
    tree: Path, size: int
) -> None:
    edit(tree, "crop", size=size)
    if size in train_params.SIZES["compact"]:
        models.build("compact", size)
        check()
    else:
        with pytest.raises(InputError, match=r"need crop\.size 32, 48, 64, 80 or 96"):
            models.build("compact", size)
        with pytest.raises(InputError, match=f"crop.size is {size}: expected 32,"):
            check()


def test_workers_that_cannot_share_a_batch_are_refused(tree: Path) -> None:
    edit(tree, "train", batch_size=64, workers=4)
    check()
    edit(tree, "train", workers=3)
    with pytest.raises(
        InputError, match=r"train\.workers is 3: expected .* train\.batch_size = 64"
    ):
        check()


def test_several_workers_cannot_train_on_patches_on_one_device(tree: Path) -> None:
    edit(tree, "train", workers=2, feed="device")
    with pytest.raises(
        InputError, match=r"train\.feed: device .* and train\.workers is 2: expected"
    ):
        check()


@pytest.mark.parametrize("model", ["densenet121", "densenet121-x2"])
def test_a_published_network_needs_a_file_of_weights_that_is_there(tree: Path, model: str) -> None:
    edit(tree, "train", model=model)
    with pytest.raises(InputError, match=rf"{model} starts from.*make weights NAME=densenet121`"):
        check()
    edit(tree, "train", weights="data/raw/none.h5")
    with pytest.raises(InputError, match=r"train\.weights names data/raw/none\.h5, which is not a"):
        check()
    edit(tree, "train", weights=f"./{params.NO_WEIGHTS}")
    with pytest.raises(InputError, match=rf"{model} starts from"):
        check()
    edit(tree, "train", weights=str(tree / "any.h5"))
    (tree / "any.h5").write_bytes(b"damaged")
    with pytest.raises(InputError, match=r"any\.h5 can't be read as weights"):
        check()
    models.build("compact", 32).save_weights(tree / "any.weights.h5")
    (tree / "any.weights.h5").rename(tree / "any.h5")
    check()
    edit(tree, "crop", size=48)
    with pytest.raises(InputError, match=r"crop\.size is 48: expected 32, (64, )?96 with train"):
        check()


def test_p4m_cannot_start_from_weights(tree: Path) -> None:
    edit(tree, "train", model="p4m", weights=str(tree / "any.h5"))
    with pytest.raises(InputError, match=r"p4m can't start from weights.*eight orientations"):
        check()


def test_a_path_that_dvc_would_take_literally_is_refused(tree: Path) -> None:
    edit(tree, "train", weights="~/any.h5")
    with pytest.raises(InputError, match=r"train\.weights is '~/any\.h5'"):
        check()


def test_a_wrong_list_of_patches_to_leave_out_is_told_before_outputs_are_deleted(
    tree: Path,
) -> None:
    (tree / params.LEAVE_OUT).write_text("id,reason\nabc,\n")
    with pytest.raises(InputError, match=r"leave-out\.csv: abc has no reason: write one\."):
        check()


def test_official_splits_have_no_folds(tree: Path) -> None:
    edit(tree, "split", official=True, folds=5)
    with pytest.raises(InputError, match=r"folds must be null while official is true"):
        check()


@pytest.mark.parametrize("name", [params.LEAVE_OUT, params.NO_WEIGHTS])
def test_a_missing_placeholder_is_restored_by_git(tree: Path, name: str) -> None:
    (tree / name).unlink()
    with pytest.raises(InputError, match=f"is missing: restore it with `git checkout {name}"):
        check()


def test_published_weights_of_another_hash_are_refused_before_training(tree: Path) -> None:
    """A file that has a published name holds what was published."""
    name = catalogue.FILES["densenet121"].name
    edit(tree, "train", model="densenet121", weights=str(tree / name))
    (tree / name).write_bytes(b"something else")
    with pytest.raises(InputError, match=rf"{name}.* MD5"):
        check()


def test_libraries_that_were_not_made_anew_after_an_upgrade_are_named(tree: Path) -> None:
    lock = tree / "uv.lock"
    version = yaml.safe_load((tree / "libraries.yaml").read_text())["keras"]
    old, new = (f'name = "keras"\nversion = "{number}"' for number in (version, "9.9.9"))
    assert old in lock.read_text()
    lock.write_text(lock.read_text().replace(old, new))
    with pytest.raises(InputError, match=r"keras .* instead of 9\.9\.9\. Run `make libraries`"):
        check()
    assert not (tree / "data/checked.txt").exists()


def test_a_crop_of_any_size_is_right_for_the_baseline(tree: Path) -> None:
    edit(tree, "crop", size=40)
    edit(tree, "train", model="baseline")
    check()


def test_a_missing_slide_map_is_named(tree: Path) -> None:
    edit(tree, "data", slides="none.csv")
    with pytest.raises(InputError, match=r"data\.slides: none\.csv is not a file; expected a CSV"):
        check()


@pytest.mark.parametrize("place", [".", "data", "data/patches", "data/patches/mine", "link"])
def test_a_source_that_is_or_holds_or_lies_in_an_output_is_refused(tree: Path, place: str) -> None:
    (tree / "data/patches/mine").mkdir(parents=True)
    (tree / "link").symlink_to("data/patches")
    edit(tree, "data", source=place)
    with pytest.raises(InputError, match=r"is, contains or is in .*, an output"):
        check()


def test_a_source_that_is_not_there_is_named(tree: Path) -> None:
    edit(tree, "data", source="nowhere")
    with pytest.raises(InputError, match=r"data\.source: nowhere does not exist; expected Kaggle"):
        check()


@pytest.mark.parametrize(
    ("split", "folds", "message"),
    [
        ({}, [1], r"train\.folds is \[1\]: expected \[0\] while split\.folds is null\."),
        ({}, [0, 1], r"train\.folds is \[0, 1\]: expected \[0\] while split\.folds is null"),
        ({"folds": 3}, [0, 3], r"\[0, 3\]: expected folds from 0 to 2 while split\.folds is 3\."),
        ({"official": True}, [0, 1], r"expected \[0\] while split\.official is true"),
        ({}, [0, 0], r"train\.folds is \[0, 0\]: names 0 twice"),
    ],
)
def test_folds_that_the_split_will_not_have_are_refused(
    tree: Path, split: dict[str, Any], folds: list[int], message: str
) -> None:
    edit(tree, "split", **split)
    edit(tree, "train", folds=folds)
    with pytest.raises(InputError, match=message):
        check()


def test_folds_that_the_split_will_have_pass(tree: Path) -> None:
    edit(tree, "split", folds=3)
    edit(tree, "train", folds=[2, 0])
    check()


def write_outputs(tree: Path, *keys: str) -> None:
    """Write a file for each output of these members, and one beside them that is no member's."""
    for key in keys:
        for name in (
            f"models/members/{key}.keras",
            f"models/members/{key}.json",
            f"data/members/{key}.csv",
            f"metrics/train/{key}/metrics.json",
            f"metrics/train/{key}/plots/metrics/eval/auc.tsv",
            "models/members/notes-1-0.txt",
            "metrics/train/.gitignore",
        ):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).touch()


def left(tree: Path) -> set[str]:
    folders = (tree / name for name in ("models/members", "data/members", "metrics/train"))
    return {path.name for folder in folders for path in folder.iterdir()}


def test_outputs_of_members_no_longer_named_are_removed_and_nothing_else(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(tree, "train", seeds=[1, 30])
    write_outputs(tree, "1-0", "2-0", "30-0", "1-4")
    check()
    stems = {name.partition(".")[0] for name in left(tree)}
    assert stems == {"1-0", "30-0", "notes-1-0", ""}
    assert "removed the outputs of member 1-4, 2-0, which" in capsys.readouterr().out
    check()
    assert "removed" not in capsys.readouterr().out


def test_nothing_is_removed_if_anything_is_wrong(tree: Path) -> None:
    write_outputs(tree, "1-0", "2-0")
    edit(tree, "data", source="nowhere")
    before = left(tree)
    with pytest.raises(InputError, match="nowhere does not exist"):
        check()
    assert left(tree) == before


def test_a_member_is_probed_only_if_it_is_named(tree: Path) -> None:
    edit(tree, "probe", networks={"own": "models/members/1-0.keras"})
    check()
    write_outputs(tree, "2-0")
    edit(tree, "probe", networks={"own": "models/members/2-0.keras"})
    with pytest.raises(InputError, match=r"own: models/members/2-0\.keras is not a file"):
        check()  # it is, but it won't stay
    edit(tree, "train", seeds=[1, 2])
    check()


def test_no_probe_is_validated_on_what_its_network_learnt(tree: Path) -> None:
    edit(tree, "split", folds=3)
    edit(tree, "train", folds=[0, 1])
    edit(tree, "probe", networks={"own": "models/members/1-0.keras"})
    check()
    for file in ("models/members/1-1.keras", "models/model.keras"):
        edit(tree, "probe", networks={"own": file})
        with pytest.raises(InputError, match=f"own: {file} learnt from fold 0"):
            check()


def test_the_file_of_a_frozen_network_has_to_exist_unless_a_stage_writes_it(tree: Path) -> None:
    edit(tree, "probe", networks={"own": "models/model.keras"})
    check()
    edit(tree, "probe", networks={"own": "models/model.keras", "other": "data/raw/n.onnx"})
    with pytest.raises(InputError, match=r"probe\.networks\.other: data/raw/n\.onnx is not a file"):
        check()
    (tree / "data/raw").mkdir()
    (tree / "data/raw/n.onnx").touch()
    check()


def test_a_name_that_no_stage_can_have_is_refused(tree: Path) -> None:
    edit(tree, "probe", networks={"a/b": "data/raw/n.onnx"})
    with pytest.raises(InputError, match=r"probe\.networks\.a/b.* should be a name of lower-case"):
        check()


@pytest.mark.parametrize("place", ["data/features", "data/features/mine", "data/probe/mine.csv"])
def test_a_source_in_the_output_of_a_repeated_stage_is_refused(tree: Path, place: str) -> None:
    (tree / place).mkdir(parents=True)
    edit(tree, "data", source=place)
    with pytest.raises(InputError, match=r"is, contains or is in .*, an output"):
        check()


def test_what_predicts_is_the_final_model_or_an_export_that_a_stage_writes(tree: Path) -> None:
    for network in ("models/exported/openvino", "models/members/1-0.keras", "other.keras"):
        edit(tree, "predict", network=network)
        with pytest.raises(InputError, match=rf"network is {network}: expected .* which is \{{\}}"):
            check()
    edit(tree, "predict", network="models/exported/openvino")
    edit(tree, "export", formats={"onnx": 32})
    with pytest.raises(InputError, match=r"which is \{onnx: 32\}"):
        check()
    edit(tree, "export", formats={"onnx": 32, "openvino": 8})
    check()


def test_a_format_that_does_not_exist_is_refused(tree: Path) -> None:
    edit(tree, "export", formats={"torchscript": 32})
    with pytest.raises(InputError, match=r"export\.formats\.torchscript.*'openvino' or 'onnx'"):
        check()


def test_a_listed_folder_is_checked_before_it_is_listed(source: Path, tree: Path) -> None:
    edit(tree, "data", source="data/listed/kaggle.json", listed={"kaggle": str(source)})
    check()
    edit(tree, "data", listed={"other": str(source)})
    with pytest.raises(InputError, match=r"data\.listed names other; expected \{kaggle: FOLDER\}"):
        check()
    edit(tree, "data", listed={"kaggle": str(tree / "nowhere")})
    with pytest.raises(InputError, match="nowhere does not exist"):
        check()


def test_a_listing_that_was_pulled_needs_no_folder(tree: Path) -> None:
    edit(tree, "data", source="data/listed/kaggle.json", listed={"kaggle": str(tree / "nowhere")})
    (tree / "data/listed").mkdir()
    (tree / "data/listed/kaggle.json").write_text("{}")
    check()
