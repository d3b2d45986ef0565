"""The command `metastasis predict PATH...`: scores a user's own patches, regions and slides."""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from metastasis.base import stage
from metastasis.base.errors import InputError
from metastasis.commands import screens

if TYPE_CHECKING:  # they take a second to import
    from metastasis.engines.engines import EngineName
    from metastasis.model_folder import ModelFolder

NOTHING_SCORED, SOME_NOT_SCORED = 1, 2  # exit codes; wrong usage ends with argparse's 2
ENGINES = (
    "keras",
    "openvino",
    "onnx",
)  # as `engines.engines.EngineName` has them, which takes seconds to import
FEW_BITS = 8  # with which probabilities move more
FORMS = ("csv", "jsonl")  # as `inference.rows` has them, likewise

DESCRIPTION = """\
Score your own images with a trained model: is there tumour in the central 32x32 pixels?

A PATH is an image or a folder, which is searched for images to any depth. TIFF, PNG and JPEG of
96x96 pixels are patches, and each gets one probability. Larger images are regions, and whole-slide
formats (SVS, NDPI, MRXS ...) are slides, which need the extra `slides`. Both are resampled to the
model's resolution and tiled; bare glass isn't scored."""

OUTPUTS = f"""\
Written to the output folder:
  predictions.csv   a row for each patch: probability, call, place of its central square
  NAME.geojson      tumour regions of a region or slide; drag the file onto the image in QuPath
  NAME.ome.tiff     heat map, one pixel for each patch, not a number where nothing was scored
  NAME.png          picture of both
  failures.csv      what wasn't scored, and why; only if there is something

An interrupted run goes on where it was if you repeat the command.
Exit code: 0 all scored, 1 nothing scored, 2 some images not scored, or wrong usage.
{screens.RESEARCH} More in docs/prediction.md."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "predict",
        help="score your own patches, regions and slides",
        description=DESCRIPTION,
        epilog=OUTPUTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="an image or a folder")
    parser.add_argument(
        "--model",
        metavar="FOLDER",
        type=Path,
        default=Path("models"),
        help="folder of the trained model; by default models, where `dvc repro` writes it",
    )
    parser.add_argument(
        "--output",
        metavar="FOLDER",
        type=Path,
        default=Path("predictions"),
        help="folder for the results; by default predictions",
    )
    parser.add_argument(
        "--mpp",
        metavar="UM",
        type=float,
        help="micrometres per pixel of larger images, if their files don't say it or are wrong",
    )
    parser.add_argument(
        "--stride",
        metavar="PIXELS",
        type=int,
        default=32,
        help="distance of neighbouring patches at the model's resolution; by default 32, so that "
        "their central squares touch. 64 is 4 times as fast, and skips three quarters of the area",
    )
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="keras",
        help="what computes: keras (the default), which gives the pipeline's own bits, or openvino "
        "or onnx, which are extras and faster on most processors. openvino computes in bfloat16 "
        "where the processor has it: probabilities differ from keras' by some 0.001, at most 0.01 "
        "as measured; with an export of 8 bits in the model's folder, by up to 0.08",
    )
    parser.add_argument(
        "--format",
        choices=FORMS,
        default="csv",
        help="of the predictions: csv, the default, or jsonl (a JSON object a line)",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="score on a Ray cluster, an extra, for what one machine takes too long: HOST:6379 of "
        "its first node, ray://HOST:10001, auto on one of its machines, or local. Every node has "
        "to see the images under the same paths. The results are the same",
    )
    parser.add_argument(
        "--ray-cpus",
        metavar="N",
        type=_at_least_one,
        default=1,
        help="processors that each worker of the cluster takes; by default 1. With more, there are "
        "fewer workers, which take less memory together",
    )
    parser.set_defaults(run=run, refuse=parser.error)


def run(arguments: argparse.Namespace) -> int:
    """Score the images and return the exit code."""
    try:
        return _predict(arguments)
    except (InputError, OSError) as error:
        message = stage.advice(error)
        if message is None:
            raise
        print(f"predict: {message}", file=sys.stderr)
        return NOTHING_SCORED
    except KeyboardInterrupt:
        print("\npredict: interrupted; the same command goes on where it was", file=sys.stderr)
        raise


def _engine(name: "EngineName", model: "ModelFolder") -> str:
    network = model.network_for(name)
    if network.bits is None:
        return (
            f"{model.folder} has no export of this model for {name}, so it is converted in each "
            "call; the stage `export` does it once (docs/engines.md)"
        )
    told = f"computed by {name} from {network.path}, the model's export with {network.bits} bits"
    return told if network.bits != FEW_BITS else f"{told}: calls close to the threshold may change"


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processors")
    return int(text)


def _predict(arguments: argparse.Namespace) -> int:
    from metastasis import model_folder  # noqa: PLC0415
    from metastasis.inference import resolutions, tiling  # noqa: PLC0415

    try:
        tiling.require_stride(arguments.stride)
        resolutions.require_plausible(arguments.mpp)
    except InputError as error:
        arguments.refuse(str(error))  # ends with 2, as for an option that argparse refuses
    # Before TensorFlow starts: a mistake in the path is reported at once.
    model = model_folder.read(arguments.model)
    from metastasis.base import starting  # noqa: PLC0415

    # Other engines don't need TensorFlow, and a cluster has its own.
    is_needed = arguments.engine == "keras" and not arguments.ray
    with starting.tensorflow() if is_needed else contextlib.nullcontext():
        from metastasis.formats import images  # noqa: PLC0415
        from metastasis.inference import inferring  # noqa: PLC0415
    images.silence()  # what is damaged is reported once, by us
    card = model.card
    print(
        f"predict: model {arguments.model} ({card.network}, trained on {card.source.name}; "
        f"{card.um_per_pixel:g} um per pixel)"
    )
    if arguments.engine != "keras":
        print(f"predict: {_engine(arguments.engine, model)}")
    print(screens.RESEARCH)
    if card.source.is_drawn:
        print("warning: the model was trained on drawn patches: its scores say nothing of tissue.")
    options = inferring.Options(
        engine=arguments.engine, stride=arguments.stride, mpp=arguments.mpp, form=arguments.format
    )
    cluster = inferring.Cluster(arguments.ray, arguments.ray_cpus) if arguments.ray else None
    summary = inferring.infer(arguments.paths, model, arguments.output, options, cluster)
    inferring.report(summary, arguments.output, arguments.format)
    if not summary.num_images:
        return NOTHING_SCORED
    return SOME_NOT_SCORED if summary.failures else 0
