"""Scores a user's patches, regions and slides, and writes all outputs.

The modules beside it find and read images, score them, and write one kind of output each.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np

from metastasis.base import files, libraries
from metastasis.base.errors import InputError
from metastasis.engines import engines
from metastasis.engines.engines import EngineName
from metastasis.inference import (
    finding,
    heat_maps,
    judging,
    overlays,
    polygons,
    region_judging,
    resolutions,
    rows,
    slides,
    tiling,
    unfinished,
)
from metastasis.inference.crews import Alone, Crew
from metastasis.inference.finding import Failure, Image
from metastasis.inference.region_judging import Judged
from metastasis.inference.unfinished import State
from metastasis.inference.working import Terms, Worker
from metastasis.model_folder import ModelFolder, Network
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
class Cluster:
    """Where many workers score, and how many processors each of them takes."""

    address: str  # Ray's
    cpus: int


@dataclass(frozen=True)
class _Call:
    """What all images of a call share."""

    model: ModelFolder
    network: Network
    output: Path
    options: Options
    crew: Crew
    states: list[State]  # that were used; removed at the end

    def state(
        self, kind: str, size: tuple[int, int], height: int, paths: list[Path], um_per_pixel: float
    ) -> State:
        """Return the state of some images for this model and these options."""
        # The table's format doesn't change scores.
        facts = asdict(replace(self.options, form="csv")) | {
            "kind": kind,
            "um_per_pixel": um_per_pixel,
            "model": self.network.digest,
            "version": libraries.installed("metastasis"),  # of the code
        }
        found = unfinished.state(self.output, size, height, facts, paths)
        self.states.append(found)
        return found

    def of_files(self, found: list[Image]) -> State:
        """Return the state of files, a row of one logit for each."""
        paths = [each.path for each in found]
        return self.state("files", (len(found), 1), judging.FILES, paths, 0)

    def of_region(self, image: Image, size: tuple[int, int], um_per_pixel: float) -> State:
        """Return the state of a region or slide with a grid of `size`."""
        return self.state("view", size, region_judging.BAND, [image.path], um_per_pixel)


def infer(
    paths: list[Path],
    model: ModelFolder,
    output: Path,
    options: Options,
    cluster: Cluster | None = None,
) -> Summary:
    """Score the images of `paths` with `model`, and write all outputs to the folder `output`.

    It gets `predictions.csv` (or `.jsonl`), and for each region and slide its tumour regions
    (`NAME.geojson`), heat map (`NAME.ome.tiff`) and picture (`NAME.png`). What can't be scored is
    listed with its reason in `failures.csv`, and doesn't stop the rest. An interrupted call goes
    on where it was, if the files, the model and the options are the same, on a cluster or not.

    Raises:
        InputError: an option, the engine, the network or the cluster can't be used, or the output
            folder can't be written, is in use or holds an image that is to be scored.
        OSError: an output can't be written. States are kept: the same call goes on.
    """
    tiling.require_stride(options.stride)
    resolutions.require_plausible(options.mpp)
    found, failures = finding.find(paths, output)
    found = slides.each_once(found)
    _require_writable(output)
    with unfinished.alone(output):
        if not found:
            rows.write_failures(output, failures)
            return Summary(0, 0, failures)
        network = model.network_for(options.engine)
        with _crew(model, network, options, cluster) as crew:
            call = _Call(model, network, output, options, crew, [])
            return _infer(call, found, failures)


@contextmanager
def _crew(
    model: ModelFolder, network: Network, options: Options, cluster: Cluster | None
) -> Iterator[Crew]:
    """Yield who scores: one worker in this process, or many on a cluster."""
    card = model.card
    terms = Terms(card.input_size, card.um_per_pixel, options.stride, options.mpp)
    if cluster is None:
        worker = Worker(engines.open_engine(options.engine, network.path), terms)
        try:
            yield Alone(worker)
        finally:
            worker.close()
        return
    from metastasis.inference import spreading  # noqa: PLC0415  # needs an extra

    with spreading.crew(cluster.address, cluster.cpus, options.engine, network.path, terms) as crew:
        yield crew


def _infer(call: _Call, found: list[Image], failures: list[Failure]) -> Summary:
    """Score the images that were found, and write all outputs."""
    form, decision = call.options.form, call.model.decision
    with files.whole_file(call.output / rows.table_name(form)) as path, path.open("wb") as table:
        result = judging.judge_files(found, call.crew, call.of_files(found))
        failures += result.failures
        rows.append(table, rows.of_patches(result.patches, result.logits, decision), form)
        num_patches = num_images = len(result.patches)

        def hand_over(image: Image, judged: Judged | Failure) -> None:
            nonlocal num_patches, num_images
            if isinstance(judged, Failure):
                failures.append(judged)
                return
            _write(call, image, judged)
            rows.append(table, rows.of_view(image, judged.scored, decision), form)
            num_patches += int(np.isfinite(judged.scored.logits).sum())
            num_images += 1

        region_judging.judge_regions(
            result.larger, call.crew, call.options.stride, call.of_region, hand_over
        )
    rows.write_failures(call.output, failures)
    _remove_earlier(call.output, form, found, failures)
    unfinished.remove(call.output, call.states)
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


def _write(call: _Call, image: Image, judged: Judged) -> None:
    """Write the outputs of one region or slide, and print what was found."""
    scored = judged.scored
    decision, probabilities = call.model.decision, scored.probabilities
    is_called = probabilities >= decision.threshold  # NaN, which is glass, never is
    side = scored.grid.stride * scored.scale
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


def _remove_earlier(
    output: Path, form: rows.Form, found: list[Image], failures: list[Failure]
) -> None:
    """Remove what an earlier run wrote for images that couldn't be scored now, and its other table.

    Of a table in each form, nobody could say which one is of this run.
    """
    for other in get_args(rows.Form):
        if other != form:
            (output / rows.table_name(other)).unlink(missing_ok=True)
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
