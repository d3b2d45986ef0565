"""Writes a Keras model so that older Keras versions read it, and always to the same bytes.

The caller chooses the model.
"""

import importlib
import inspect
import json
import zipfile
from pathlib import Path
from typing import Any

import keras

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold


def save(model: keras.Model, path: Path) -> None:
    """Write `model` as .keras: equal layers and weights give equal bytes.

    Keras writes the date of saving and object ids of the process into the archive; both are
    replaced by constants, which loading doesn't need. Options that are off by default and off here
    are left out, because a Keras older than such an option refuses its name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    model.save(partial)
    with zipfile.ZipFile(partial) as archive:
        items = {name: archive.read(name) for name in sorted(archive.namelist())}
    metadata = json.loads(items["metadata.json"]) | {"date_saved": "1980-01-01@00:00:00"}
    items["metadata.json"] = _encode(metadata)
    config = _without_what_is_off(json.loads(items["config.json"]))
    items["config.json"] = _encode(_renumbered(config, {}))
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, content in items.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content)
    partial.replace(path)


def _encode(content: Any) -> bytes:  # noqa: ANN401  # JSON's own values
    return json.dumps(content, sort_keys=True).encode()


def _without_what_is_off(value: Any) -> Any:  # noqa: ANN401  # JSON's own values
    """Return a config without those options of Keras's objects that are off, and off by default.

    Off is None or False. Numbers and names stay even if they are defaults, so that a Keras with
    another default can't compute something else. The arguments of an omitted option
    (`renorm_momentum` of `renorm`) are omitted too, if they have their defaults.
    """
    if isinstance(value, list):
        return [_without_what_is_off(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_what_is_off(item) for key, item in value.items()}
    if isinstance(value.get("config"), dict):
        defaults = _defaults(value)
        config = {
            name: item
            for name, item in value["config"].items()
            if name in defaults and item == defaults[name] and type(item) is type(defaults[name])
        }
        off = {name for name, item in config.items() if item is None or item is False}
        belonging = {name for name in config if any(name.startswith(f"{part}_") for part in off)}
        for name in off | belonging:
            del kept["config"][name]
    return kept


def _defaults(described: dict[str, Any]) -> dict[str, Any]:
    """Return the constructor's defaults of one of Keras's objects; nothing for other objects."""
    module = described.get("module") or ""
    if module.split(".")[0] != "keras":
        return {}
    made = getattr(importlib.import_module(module), described["class_name"])
    parameters = inspect.signature(made.__init__).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


def _renumbered(value: Any, numbers: dict[int, int]) -> Any:  # noqa: ANN401  # JSON's own values
    """Return `value` with its shared object ids renumbered from 0 in their order of appearance."""
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
