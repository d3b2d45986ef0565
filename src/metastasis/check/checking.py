"""Checks params, source and recorded libraries, and removes outputs of members no longer named.

DVC deletes a stage's outputs before it runs the stage, so that a later check would cost them.
Each section's own module defines its keys and values.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from metastasis import cropping, members
from metastasis.base import params, pipeline
from metastasis.base.errors import InputError
from metastasis.check import locking
from metastasis.demo import demo_params
from metastasis.engines.export_params import ExportParams
from metastasis.evaluate import evaluate_params
from metastasis.formats import leaving_out, listings, opening
from metastasis.ingest import data_params
from metastasis.members import Member
from metastasis.predict import predict_params
from metastasis.pretrained import catalogue
from metastasis.pretrained import weights as pretrained_weights
from metastasis.probe.probe_params import ProbeParams
from metastasis.split.split_params import SplitParams
from metastasis.train import train_params
from metastasis.train.train_params import TrainParams
from metastasis.validate import validate_params

SECTIONS: dict[str, type[params.Section]] = {
    "data": data_params.DataParams,
    "demo": demo_params.DemoParams,
    "validate": validate_params.ValidateParams,
    "split": SplitParams,
    "crop": cropping.CropParams,
    "train": TrainParams,
    "evaluate": evaluate_params.EvaluateParams,
    "export": ExportParams,
    "predict": predict_params.PredictParams,
    "probe": ProbeParams,
}
DEMO_PATH, LISTED = Path("data/demo"), Path("data/listed")  # what data/dvc.yaml builds
PASSED = "params.yaml has passed the check.\n"  # always the same: no other stage reruns


def check(
    params_path: Path,
    *,
    libraries_path: Path,
    lock_path: Path,
    pipeline_paths: Sequence[Path],
    checked_path: Path,
) -> None:
    """Check sections, recorded libraries, source and networks; write `checked_path` if all pass.

    `pipeline_paths` are the pipeline files whose outputs must be apart from the source. After that,
    outputs of members that `train.seeds` and `train.folds` no longer name are removed: DVC leaves
    them, and stages that depend on a folder of all members would depend on them too.

    Raises:
        InputError: a section, key or value is wrong, the libraries aren't those of the lock, or
            there is no source or no file of a network. The message lists every mistake in the
            sections and says how to undo the change.
    """
    require_values(params_path)
    leaving_out.read(Path(params.LEAVE_OUT))
    locking.check(libraries_path, lock_path)
    training = params.read("train", TrainParams, params_path)
    if training.starts_from:
        pretrained_weights.read(training.starts_from)
    data = params.read("data", data_params.DataParams, params_path)
    opening.check_slides(Path(data.slides))
    stages = pipeline.stages(pipeline_paths).values()
    outputs = [path for stage in stages for path in pipeline.outputs(stage)]
    folders = {path for stage in stages if "matrix" in stage for path in pipeline.outputs(stage)}
    probe = params.read("probe", ProbeParams, params_path)
    _check_networks(probe, outputs, folders, training.members)
    _check_scoring(
        Path(params.read("predict", predict_params.PredictParams, params_path).network),
        params.read("export", ExportParams, params_path),
        outputs,
    )
    _check_source(data, outputs)
    members.remove_others(folders, training.members, "check")
    checked_path.parent.mkdir(parents=True, exist_ok=True)
    checked_path.write_text(PASSED, encoding="utf-8")
    print(f"check: {params_path} is valid; data.source is {data.source}")


def require_values(params_path: Path) -> None:
    """Check the sections alone, and change nothing.

    Raises:
        InputError: a section, key or value is wrong; it lists every mistake.
    """
    faults = [*_missing(), *_faults(params_path)]
    if faults:
        # `dvc exp run -S` writes the value and git's index within a second. If the size stays the
        # same, git then shows no difference, and only restores the file if it is missing.
        raise InputError(
            "\n".join(faults)
            + "\nNo other stage ran, and no other stage's output was touched. Correct the file; to "
            "undo all changes since the last commit, delete it and run "
            f"`git checkout {params_path}`."
        )


def _check_source(data: data_params.DataParams, outputs: Sequence[Path]) -> None:
    """Raise InputError unless the source can be read, or is what a stage writes."""
    folders = {LISTED / f"{name}{listings.ENDING}": Path(data.listed[name]) for name in data.listed}
    source = Path(data.source)
    if source == DEMO_PATH:
        return
    if source.parent == LISTED and source not in folders:
        raise InputError(
            f"data.source: {source} would be the listing of a folder, and data.listed names "
            f"{', '.join(data.listed) or 'none'}; expected {{{source.stem}: FOLDER}} "
            "(docs/scaling.md)."
        )
    if source in folders and source.is_file() and not folders[source].exists():
        return  # a clone without the source, whose listing was pulled
    opening.check_apart(folders.get(source, source), outputs)
    opening.open_source(folders.get(source, source)).close()


def _check_networks(
    probe: ProbeParams, outputs: Sequence[Path], folders: Collection[Path], chosen: Sequence[Member]
) -> None:
    """Raise InputError unless the file of each frozen network exists, or a stage writes it.

    `folders` hold the outputs of members, of which only those of the `chosen` ones will stay. A
    probe is judged on the first fold, so that no network may have learnt it.
    """
    keys = {member.key for member in chosen}
    learnt = {member.key for member in chosen if member.fold}
    for name, file in probe.networks.items():
        path = Path(file)
        is_of_member = path.parent in folders
        is_final = path in outputs and path.suffix == ".keras"
        if learnt and ((is_of_member and path.stem in learnt) or is_final):
            raise InputError(
                f"probe.networks.{name}: {file} learnt from fold 0, on which the probe is "
                "validated; expected a network that didn't, such as a member of fold 0 "
                "(models/members/SEED-0.keras)."
            )
        if path.is_file() and not is_of_member:
            catalogue.require_published(path)
        elif path not in outputs and not (is_of_member and path.stem in keys):
            raise InputError(
                f"probe.networks.{name}: {file} is not a file; expected a network or features "
                f"(docs/probe.md).{opening.of_a_copy(path)}"
            )


def _check_scoring(network: Path, export: ExportParams, outputs: Sequence[Path]) -> None:
    """Raise InputError unless `network` is the final model, or an export that a stage writes."""
    is_final = network in outputs and network.suffix == ".keras"
    is_exported = network.parent in outputs and network.name in export.formats
    if not (is_final or is_exported):
        named = ", ".join(f"{name}: {bits}" for name, bits in export.formats.items())
        raise InputError(
            f"predict.network is {network}: expected models/model.keras, or models/exported/NAME "
            f"with a NAME of export.formats, which is {{{named}}} (docs/engines.md)."
        )


def _missing() -> Iterator[str]:
    """Yield a message if the list of patches to leave out, which no param names, isn't there."""
    if not Path(params.LEAVE_OUT).is_file():
        yield f"{params.LEAVE_OUT} is missing: restore it with `git checkout {params.LEAVE_OUT}`."


def _faults(path: Path) -> Iterator[str]:
    """Yield a message for each mistake in the file's sections."""
    try:
        params.check_names(list(SECTIONS), path)
    except InputError as error:
        yield str(error)
    sections = {}
    for name, model in SECTIONS.items():
        try:
            sections[name] = params.read(name, model, path)
        except InputError as error:
            yield str(error)
    match sections:
        case {"crop": cropping.CropParams(size=size), "train": TrainParams(model=network)} if (
            size not in train_params.SIZES.get(network, (size,))
        ):
            sizes = ", ".join(map(str, train_params.SIZES[network]))
            yield f"{path}: crop.size is {size}: expected {sizes} with train.model {network}."
    yield from _wrong_workers(path, sections.get("train"))
    match sections:
        case {"split": SplitParams() as split, "train": TrainParams(folds=folds)}:
            yield from _wrong_folds(path, split, folds)
    match sections:
        case {"train": TrainParams(starts_from=None, model=network)} if (
            network in train_params.PRETRAINED
        ):
            yield (
                f"{path}: train.model {network} starts from published weights, and train.weights "
                f"names none: run `make weights NAME={train_params.PRETRAINED[network]}`, which "
                "prints what to set."
            )
        case {"train": TrainParams(starts_from=None)} if not Path(params.NO_WEIGHTS).is_file():
            yield (
                f"{params.NO_WEIGHTS} is missing: restore it with "
                f"`git checkout {params.NO_WEIGHTS}`."
            )
        case {"train": TrainParams(starts_from=Path(), model="p4m")}:
            yield (
                f"{path}: train.weights: p4m can't start from weights, since a file holds its "
                "filters in all eight orientations; expected another train.model, or "
                f"{params.NO_WEIGHTS}."
            )
        case {"train": TrainParams(starts_from=Path() as weights)} if not weights.is_file():
            yield (
                f"{path}: train.weights names {weights}, which is not a file. `make weights` lists "
                f"the published weights; {params.NO_WEIGHTS} starts from random ones."
                + opening.of_a_copy(weights)
            )


def _wrong_workers(path: Path, section: params.Section | None) -> Iterator[str]:
    """Yield a message if the workers can't share a batch, or patches on one device."""
    match section:
        case TrainParams(feed="device", workers=num) if num > 1:
            yield (
                f"{path}: train.feed: device keeps the patches on one device, and train.workers "
                f"is {num}: expected train.feed: host, or one worker."
            )
    match section:
        case TrainParams(batch_size=size, workers=num) if size % num:
            yield (
                f"{path}: train.workers is {num}: expected a number that divides "
                f"train.batch_size = {size}."
            )


def _wrong_folds(path: Path, split: SplitParams, folds: list[int]) -> Iterator[str]:
    """Yield a message if a fold is to validate that the split won't have."""
    if split.official:
        why, num_folds = "split.official is true", 1
    elif split.folds is None:
        why, num_folds = "split.folds is null", 1
    else:
        why, num_folds = f"split.folds is {split.folds}", split.folds
    if max(folds) >= num_folds:
        accepted = "[0]" if num_folds == 1 else f"folds from 0 to {num_folds - 1}"
        yield f"{path}: train.folds is {folds}: expected {accepted} while {why}."
