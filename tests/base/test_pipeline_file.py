"""Tests of `base.pipeline`: what is read of stages, also of those that DVC repeats."""

from pathlib import Path

import pytest

from metastasis.base import pipeline

PIPELINE = """
stages:
  once:
    cmd: python stages/once.py ${data.source} data/a metrics/once.json
    deps: [src/metastasis/tables.py]
    params: [{libraries.yaml: [numpy]}]
    outs: [data/a]
    metrics: [{metrics/once.json: {cache: false}}]
  each:
    foreach: ${probe.networks}
    do:
      cmd: python stages/each.py ${item} data/each/${key} metrics/each/${key}.json
      deps: [src/metastasis/base/files.py]
      params: [{libraries.yaml: [keras, numpy]}]
      outs:
        - data/each/${key}
      metrics:
        - metrics/each/${key}.json:
            cache: false
"""


@pytest.fixture
def stages(tmp_path: Path) -> dict[str, pipeline.Stage]:
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    return pipeline.stages([tmp_path / "dvc.yaml"])


def test_a_repeated_stage_declares_code_and_libraries_like_any_other(
    stages: dict[str, pipeline.Stage],
) -> None:
    assert list(stages) == ["once", "each"]
    root = pipeline.ROOT / "src/metastasis"
    assert pipeline.code(stages["each"]) == [root / "base/files.py"]
    assert pipeline.libraries(stages["each"], "libraries.yaml") == ["keras", "numpy"]


def test_an_output_named_by_a_param_is_given_by_the_folder_above(
    stages: dict[str, pipeline.Stage],
) -> None:
    assert pipeline.outputs(stages["once"]) == [Path("data/a"), Path("metrics/once.json")]
    assert pipeline.outputs(stages["each"]) == [Path("data/each"), Path("metrics/each")]
