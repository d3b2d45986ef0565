"""Scores a user's patches, regions and slides, and writes all outputs.

The modules beside it find and read images, score them, and write one kind of output each.
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from metastasis.base import errors, files, libraries
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
from metastasis.inference.judging import BrokenNetworkError, Scored
from metastasis.inference.unfinished import State
from metastasis.model_folder import ModelFolder
from metastasis.patches.shards import UInt8
from metastasis.results import card as cards
from metastasis.results import numbers

NUM_REASONS = 10  # that are printed; the file has all
SUFFIXES = (".geojson", ".ome.tiff", ".png")  # of the outputs of a region or slide


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
            "version": libraries.installed("metastasis"),  # of the code
        }
        found = unfinished.state(self.output, width, facts, paths)
        self.states.append(found)
        return found


@dataclass(frozen=True)
class _Judged:
    """All that the outputs of a region or slide need: nothing else is read from its file."""

    scored: Scored
    um_per_pixel: float
    thumbnail: UInt8


def infer(paths: list[Path], model: ModelFolder, output: Path, options: Options) -> Summary:
    """Score the images of `paths` with `model`, and write all outputs to the folder `output`.

    It gets `predictions.csv` (or `.jsonl`), and for each region and slide its tumour regions
    (`NAME.geojson`), heat map (`NAME.ome.tiff`) and picture (`NAME.png`). What can't be scored is
    listed with its reason in `failures.csv`, and doesn't stop the rest. An interrupted call goes
    on where it was, if the files, the model and the options are the same.

    Raises:
        InputError: an option, the engine or the network can't be used, or the output folder can't
            be written, is in use or holds an image that is to be scored.
        OSError: an output can't be written. States are kept: the same call goes on.
    """
    tiling.require_stride(options.stride)
    resolutions.require_plausible(options.mpp)
    found, failures = finding.find(paths, output)
    _require_writable(output)
    with unfinished.alone(output):
        return _infer(found, failures, model, output, options)


def _infer(
    found: list[Image], failures: list[Failure], model: ModelFolder, output: Path, options: Options
) -> Summary:
    """Score the images that were found, and write all outputs."""
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
            scored = _judge_region(call, image, failures)
            if scored is None:
                continue
            rows.append(table, rows.of_view(image, scored, model.decision), options.form)
            num_patches += int(np.isfinite(scored.logits).sum())
            num_images += 1
    rows.write_failures(output, failures)
    _remove_outputs(output, found, failures)
    unfinished.remove(output, call.states)
    return Summary(num_patches, num_images, failures)


def report(summary: Summary, output: Path, form: rows.Form) -> None:
    """Print what was scored and where it is, and what wasn't and why."""
    if summary.num_images:
        print(
            f"predict: {numbers.count(summary.num_patches, 'patch', 'patches')} of "
            f"{numbers.count(summary.num_images, 'image')} scored; "
            f"{output / rows.table_name(form)} has a row for each"
        )
    if summary.failures:
        print(f"predict: {len(summary.failures):,} not scored:")
        for each in summary.failures[:NUM_REASONS]:
            print(f"  {each.path}: {each.reason}")
        print(f"  All are in {output / rows.FAILURES_NAME}.")


def _judge_region(call: _Call, image: Image, failures: list[Failure]) -> Scored | None:
    """Score a region or slide and write its own outputs; add a failure if it can't be scored."""
    try:
        region = opening.region(image.path)
    except (InputError, OSError) as error:
        failures.append(Failure(image.path, judging.reason(error)))
        return None
    try:
        found = _judge(call, image, region)
        # Outside the `except` of reading: what goes wrong in writing isn't the image's fault.
        if isinstance(found, Failure):
            failures.append(found)
            return None
        _write(call, image, found)
        return found.scored
    finally:
        region.raster.close()


def _judge(call: _Call, image: Image, region: opening.Region) -> _Judged | Failure:
    """Score an open image, or return why it can't be scored.

    Raises:
        BrokenNetworkError: no image can be scored.
        OSError: the disk is full, so that no state can be stored.
    """
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
        thumbnail = overlays.thumbnail(view)
    except (BrokenNetworkError, BrokenPipeError):  # the latter of a terminal that was closed
        raise
    except (InputError, OSError) as error:
        if isinstance(error, OSError) and error.errno in errors.FULL:
            raise
        return Failure(image.path, judging.reason(error))
    return _Judged(scored, resolution.um_per_pixel, thumbnail)


def _write(call: _Call, image: Image, judged: _Judged) -> None:
    """Write the outputs of one region or slide, and print what was found."""
    scored = judged.scored
    decision, probabilities = call.model.decision, scored.probabilities
    is_called = probabilities >= decision.threshold  # NaN, which is glass, never is
    side = scored.grid.stride * scored.view.scale
    paths = _outputs(call.output, image)
    outlines, labels = polygons.regions(is_called, side)
    polygons.write(paths[0], probabilities, outlines, labels)
    heat_maps.write(paths[1], probabilities, side * judged.um_per_pixel)
    overlays.write(paths[2], judged.thumbnail, scored, outlines, decision.threshold)
    num_scored = int(np.isfinite(probabilities).sum())
    print(
        f"  {numbers.count(num_scored, 'patch', 'patches')} scored "
        f"({num_scored / probabilities.size:.0%} of the image; the rest is glass), "
        f"{int(is_called.sum()):,} called tumour in {numbers.count(len(outlines), 'region')}"
    )
    print(f"  {', '.join(map(str, paths))}")


def _outputs(output: Path, image: Image) -> list[Path]:
    return [output / f"{image.name}{suffix}" for suffix in SUFFIXES]


def _remove_outputs(output: Path, found: list[Image], failures: list[Failure]) -> None:
    """Remove what an earlier run wrote for images that couldn't be scored now."""
    failed = {each.path for each in failures}
    for image in found:
        if image.path in failed:
            for path in _outputs(output, image):
                path.unlink(missing_ok=True)


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
