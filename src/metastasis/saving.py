"""Writes a Keras model to the same bytes each time. Which model, the caller says."""

import json
import zipfile
from pathlib import Path
from typing import Any

import keras

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold


def save(model: keras.Model, path: Path) -> None:
    """Write `model` as .keras: equal layers and weights give equal bytes.

    Keras writes the date of saving and object ids of the process into the archive; both are
    replaced by constants, and nothing that loading needs depends on them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    model.save(partial)
    with zipfile.ZipFile(partial) as archive:
        items = {name: archive.read(name) for name in sorted(archive.namelist())}
    metadata = json.loads(items["metadata.json"]) | {"date_saved": "1980-01-01@00:00:00"}
    items["metadata.json"] = _encode(metadata)
    items["config.json"] = _encode(_renumbered(json.loads(items["config.json"]), {}))
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, content in items.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
    partial.replace(path)


def _encode(content: Any) -> bytes:  # noqa: ANN401  # JSON's own values
    return json.dumps(content, sort_keys=True).encode()


def _renumbered(value: Any, numbers: dict[int, int]) -> Any:  # noqa: ANN401  # JSON's own values
    """Return `value` with its shared object ids counted from 0 in the order they appear."""
    if isinstance(value, dict):
        return {
            key: numbers.setdefault(item, len(numbers))
            if key == "shared_object_id"
            else _renumbered(item, numbers)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    return value
