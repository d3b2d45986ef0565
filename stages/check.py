"""Check every section of params.yaml and that the source is there, before anything runs."""

from pathlib import Path

import yaml

from metastasis import (
    cropping,
    demo,
    ingesting,
    params,
    splitting,
    stage,
    validating,
)

with stage.tensorflow_starting():
    from metastasis import evaluating, predicting, training

SECTIONS: dict[str, type[params.Section]] = {
    "data": ingesting.DataParams,
    "demo": demo.DemoParams,
    "validate": validating.ValidateParams,
    "split": splitting.SplitParams,
    "crop": cropping.CropParams,
    "train": training.TrainParams,
    "evaluate": evaluating.EvaluateParams,
    "predict": predicting.PredictParams,
}


def outputs() -> list[Path]:
    """Every path that a stage of dvc.yaml, or of data/dvc.yaml, writes."""
    texts = [Path(name).read_text(encoding="utf-8") for name in ("dvc.yaml", "data/dvc.yaml")]
    entries = [
        entry
        for text in texts
        for written in yaml.safe_load(text)["stages"].values()
        for kind in ("outs", "metrics", "plots")
        for entry in written.get(kind, [])
    ]
    return [Path(entry if isinstance(entry, str) else next(iter(entry))) for entry in entries]


def main() -> None:
    params.check_names(list(SECTIONS))
    for name, model in SECTIONS.items():
        params.read(name, model)
    data = params.read("data", ingesting.DataParams)
    ingesting.check(data, outputs())
    print(f"check: params.yaml is as it should be; data.source is {data.source}")


if __name__ == "__main__":
    stage.run(main)
