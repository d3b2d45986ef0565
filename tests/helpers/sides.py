"""Sides of a comparison: folders with metrics and params, and scores of made-up models."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from helpers import simulating
from metastasis.base import files


def make(folder: Path, metrics: dict[str, Any], params: dict[str, Any]) -> Path:
    """Write a side's metrics, by their files' names, and its params; return its folder."""
    folder.mkdir(exist_ok=True)
    for name, content in metrics.items():
        path = folder / "metrics" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


def write_scores(path: Path, apart: float) -> None:
    """Write the scores of a model on always the same slides."""
    _, scores = simulating.models(np.random.default_rng(0), 30, 2.6, apart)
    columns = ["id", "split", "label", "slide", "logit"]
    files.write_csv(path, scores[columns])
