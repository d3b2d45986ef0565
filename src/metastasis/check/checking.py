"""Checks params, source and recorded libraries before any stage runs: DVC deletes outputs first.

Which keys and values a section takes, its own module says.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from metastasis import crop_params
from metastasis.base import params, pipeline
from metastasis.base.errors import InputError
from metastasis.check import locking
from metastasis.demo import demo_params
from metastasis.evaluate import evaluate_params
from metastasis.formats import opening
from metastasis.ingest import data_params
from metastasis.predict import predict_params
from metastasis.split import split_params
from metastasis.train import train_params
from metastasis.train.train_params import TrainParams
from metastasis.validate import validate_params

SECTIONS: dict[str, type[params.Section]] = {
    "data": data_params.DataParams,
    "demo": demo_params.DemoParams,
    "validate": validate_params.ValidateParams,
    "split": split_params.SplitParams,
    "crop": crop_params.CropParams,
    "train": TrainParams,
    "evaluate": evaluate_params.EvaluateParams,
    "predict": predict_params.PredictParams,
}
DEMO_PATH = Path("data/demo")  # what data/dvc.yaml builds
PASSED = "params.yaml has passed the check.\n"  # the same each time, so that nothing else reruns


def check(
    params_path: Path,
    *,
    libraries_path: Path,
    lock_path: Path,
    pipeline_paths: Sequence[Path],
    checked_path: Path,
) -> None:
    """Write to `checked_path` that sections, recorded libraries and source are right.

    `pipeline_paths` are the files whose outputs may not be the source.

    Raises:
        InputError: a section, key or value is wrong, the libraries aren't those of the lock, or
            there is no source; the message names all that is wrong with the sections, and how to
            get back.
    """
    faults = list(_faults(params_path))
    if faults:
        raise InputError(
            "\n".join(faults)
            + f"\nNo stage ran, and no output was touched. `git diff {params_path}` "
            f"shows what changed, `git checkout {params_path}` takes it back."
        )
    locking.check(libraries_path, lock_path)
    data = params.read("data", data_params.DataParams, params_path)
    opening.check_slides(Path(data.slides))
    if Path(data.source) != DEMO_PATH:
        stages = pipeline.stages(pipeline_paths).values()
        outputs = [path for stage in stages for path in pipeline.outputs(stage)]
        opening.check_apart(Path(data.source), outputs)
        opening.open_source(Path(data.source)).close()
    checked_path.parent.mkdir(parents=True, exist_ok=True)
    checked_path.write_text(PASSED, encoding="utf-8")
    print(f"check: {params_path} is as it should be; data.source is {data.source}")


def _faults(path: Path) -> Iterator[str]:
    """Yield what is wrong with the file's sections, a text each."""
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
        case {"crop": crop_params.CropParams(size=size), "train": TrainParams(model=network)} if (
            network in train_params.RESIDUAL and size not in train_params.RESIDUAL_SIZES
        ):
            sizes = ", ".join(map(str, train_params.RESIDUAL_SIZES))
            yield f"{path}: crop.size is {size}: train.model {network} takes {sizes}."
