"""Check every section of params.yaml and that the source is there, before anything runs."""

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


def main() -> None:
    params.check_names(list(SECTIONS))
    for name, model in SECTIONS.items():
        params.read(name, model)
    data = params.read("data", ingesting.DataParams)
    ingesting.check(data)
    print(f"check: params.yaml is as it should be; data.source is {data.source}")


if __name__ == "__main__":
    stage.run(main)
