"""Scores a user's patches, regions and slides, and writes all outputs.

The modules beside it find and read images, score them, and write one kind of output each.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from metastasis.base import files
from metastasis.base.errors import InputError
from metastasis.engines import engines
from metastasis.engines.engines import Engine, EngineName
from metastasis.inference import (
    finding,
    heat_maps,
    judging,
    opening,
    overlays,
    polygons,
    resolutions,
    rows,
    tiling,
    unfinished,
    views,
)
from metastasis.inference.finding import Failure, Image
from metastasis.inference.judging import Scored
from metastasis.inference.unfinished import State
from metastasis.model_folder import ModelFolder
from metastasis.results import card as cards

NUM_REASONS = 10  # that are printed; the file has all


@dataclass(frozen=True)
class Options:
    """The user's options, but for paths."""

    engine: EngineName
    stride: int
    mpp: float | None  # micrometres per pixel of larger images; None: what their files say
    form: rows.Form


@dataclass(frozen=True)
class Summary:
    """What became of a call."""

    num_patches: int  # scored, those of regions and slides included
    num_images: int  # scored
    failures: list[Failure]


@dataclass(frozen=True)
class _Call:
    """What all images of a call share."""

    model: ModelFolder
    output: Path
    options: Options
    engine: Engine
    states: list[State]  # that were used; removed at the end

    def state(self, kind: str, width: int, paths: list[Path], um_per_pixel: float = 0) -> State:
        """Return the state of some images for this model and these options."""
        # The table's format doesn't change scores.
        facts = asdict(replace(self.options, form="csv")) | {
            "kind": kind,
            "um_per_pixel": um_per_pixel,
            "model": self.model.card.files[cards.MODEL_NAME],
        }
        found = unfinished.state(self.output, width, facts, paths)
        self.states.append(found)
        return found


def infer(paths: list[Path], model: ModelFolder, output: Path, options: Options) -> Summary:
    """Score the images of `paths` with `model`, and write all outputs to the folder `output`.

    It gets `predictions.csv` (or `.jsonl`), and for each region and slide its tumour regions
    (`NAME.geojson`), heat map (`NAME.ome.tiff`) and picture (`NAME.png`). What can't be scored is
    listed with its reason in `failures.csv`, and doesn't stop the rest. An interrupted call goes
    on where it was, if the files, the model and the options are the same.

    Raises:
        InputError: an option or the engine can't be used, or the output folder can't be written or
            holds an image that is to be scored.
    """
    tiling.require_stride(options.stride)
    resolutions.require_plausible(options.mpp)
    found, failures = finding.find(paths, output)
    _require_writable(output)
    if not found:
        rows.write_failures(output, failures)
        return Summary(0, 0, failures)
    engine = engines.open_engine(options.engine, model.network_path)
    call = _Call(model, output, options, engine, [])
    num_patches, num_images = 0, 0
    with files.whole_file(output / rows.table_name(options.form)) as path, path.open("wb") as table:
        state = call.state("files", 1, [each.path for each in found])
        result = judging.judge_files(found, engine, model.card.input_size, state)
        failures += result.failures
        of_patches = rows.of_patches(result.patches, result.logits, model.decision)
        rows.append(table, of_patches, options.form)
        num_patches += len(result.patches)
        num_images += len(result.patches)
        for image in result.larger:
            try:
                scored = _judge_region(call, image)
            except (InputError, OSError) as error:
                failures.append(Failure(image.path, judging.reason(error)))
                continue
            rows.append(table, rows.of_view(image, scored, model.decision), options.form)
            num_patches += int(np.isfinite(scored.logits).sum())
            num_images += 1
    rows.write_failures(output, failures)
    unfinished.remove(output, call.states)
    return Summary(num_patches, num_images, failures)


def report(summary: Summary, output: Path, form: rows.Form) -> None:
    """Print what was scored and where it is, and what wasn't and why."""
    if summary.num_images:
        print(
            f"predict: {_counted(summary.num_patches, 'patch', 'patches')} of "
            f"{_counted(summary.num_images, 'image', 'images')} scored; "
            f"{output / rows.table_name(form)} has a row for each"
        )
    if summary.failures:
        print(f"predict: {len(summary.failures):,} not scored:")
        for each in summary.failures[:NUM_REASONS]:
            print(f"  {each.path}: {each.reason}")
        print(f"  All are in {output / rows.FAILURES_NAME}.")


def _judge_region(call: _Call, image: Image) -> Scored:
    """Score a region or slide and write its own outputs."""
    region = opening.region(image.path)
    try:
        model = call.model.card.um_per_pixel
        resolution = resolutions.choose(call.options.mpp, region.tagged, model)
        width, height = region.raster.sizes[0]
        view = views.at(region.raster, model / resolution.um_per_pixel)
        print(
            f"{image.path}: {width:,} x {height:,} pixels of {resolution.um_per_pixel:.4g} um "
            f"({resolution.origin}), scored as {view.size.width:,} x {view.size.height:,} of "
            f"{resolution.um_per_pixel * view.scale:.4g} um"
        )
        if resolution.warning:
            print(f"warning: {image.path}: {resolution.warning}")
        scored = judging.judge_view(
            view,
            call.options.stride,
            call.engine,
            call.model.card.input_size,
            lambda columns: call.state("view", columns, [image.path], resolution.um_per_pixel),
        )
        _write(call, image, scored, resolution.um_per_pixel)
    finally:
        region.raster.close()
    return scored


def _write(call: _Call, image: Image, scored: Scored, um_per_pixel: float) -> None:
    """Write the outputs of one region or slide, and print what was found."""
    decision, probabilities = call.model.decision, scored.probabilities
    is_called = np.nan_to_num(probabilities) >= decision.threshold
    side = scored.grid.stride * scored.view.scale
    paths = [call.output / f"{image.name}{suffix}" for suffix in (".geojson", ".ome.tiff", ".png")]
    num_regions = polygons.write(paths[0], probabilities, is_called, side)
    heat_maps.write(paths[1], probabilities, side * um_per_pixel)
    overlays.write(paths[2], scored, decision.threshold, image.name)
    num_scored = int(np.isfinite(probabilities).sum())
    print(
        f"  {num_scored:,} patches scored ({num_scored / probabilities.size:.0%} of the image; the "
        f"rest is glass), {int(is_called.sum()):,} called tumour in {num_regions:,} regions"
    )
    print(f"  {', '.join(map(str, paths))}")


def _counted(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"


def _require_writable(folder: Path) -> None:
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"{folder} can't be written ({error.strerror}); name another folder by --output."
        ) from None
