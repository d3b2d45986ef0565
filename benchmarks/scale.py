"""Run the whole pipeline at several sizes, up to Kaggle's, and measure each stage and DVC itself.

For each size, the demo is drawn and packed as one zip, and the stages run one after another in a
fresh clone, each by `dvc repro --single-item`: what a stage costs includes what DVC does for it.
Then the overhead of DVC is measured, with `benchmarks/stand_in.py` in the place of the stages.

CPU time is that of the process and all its children. Memory is sampled four times a second over the
tree of processes, so Linux is needed: the processes' own pages, and apart from them the file pages
that they map, which the system takes back when it needs them. Disk is what the blocks of all files
in the clone take, each file once however many links it has.

What is measured is written to FOLDER/scale.csv after each step. A step that is there already is
left out, so that a stopped run goes on. `--plot` draws the file.
"""

import argparse
import os
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import psutil
import yaml

from metastasis import plotting

ROOT = Path(__file__).resolve().parents[1]
KAGGLE = (220_025, 57_458)  # labelled and unlabelled patches
NUM_SLIDES = (320, 80)  # at Kaggle's size, 400 as in Camelyon16; fewer by the root of the size
STAGES = (
    "check", "ingest", "validate", "split", "crop", "train@1-0", "score@1-0", "evaluate",
    "explain", "predict", "report",
)  # fmt: skip
# How often a drawn patch is cut beside the one before: the demo's shares, and shares that give half
# as many pairs that overlap as are expected in Kaggle's data, and take less time.
DEMOS_SHARES, SHARES = "{True: 0.2, False: 0.04}", "{True: 0.8, False: 0.8}"
NUM_RUN = 7  # stages that another learning rate runs: check, and train to report
NUM_ROUNDS = 5
PACKED_BYTES = 96 * 96 * 3  # of a patch in the shards
SAMPLED = 0.25  # seconds between two looks at the memory
MIB = 2**20
SHOWN = ("ingest", "validate", "split", "train@1-0", "score@1-0", "evaluate", "explain", "predict")


@dataclass(frozen=True)
class Cost:
    """What one command costs: seconds, and MiB at the greatest moment."""

    wall: float
    cpu: float
    own: float  # pages that belong to the processes
    mapped: float  # file pages beside them, at the moment of the greatest sum


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where everything is kept; 25 GB at full size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 20_000, KAGGLE[0]])
    parser.add_argument("--tta", choices=("none", "d4"), default="none", help="evaluate.tta")
    parser.add_argument("--trained", type=int, help="train on so many patches, and not on all")
    parser.add_argument("--plot", type=Path, help="draw what was measured as this PNG")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    if folder.is_relative_to(ROOT):
        sys.exit(f"scale.py: {folder} is inside the project: name a folder elsewhere.")
    folder.mkdir(parents=True, exist_ok=True)
    for size in arguments.sizes:
        measure(folder, size, arguments.tta, arguments.trained)
    table = pd.read_csv(folder / "scale.csv")
    print(table.to_markdown(index=False) if arguments.plot is None else "")
    if arguments.plot:
        plot(table, arguments.plot)


def measure(folder: Path, size: int, tta: str, num_trained: int | None) -> None:
    """Draw a source of `size` labelled patches, run the pipeline on it, and then DVC alone.

    If `num_trained` is given, the epoch has only so many patches.
    """
    home = folder / str(size)
    home.mkdir(exist_ok=True)
    source, project = home / "source.zip", home / "project"
    if not project.exists():
        make_project(project, source, size, tta)
    note = Notes(folder / "scale.csv", size, project, source)
    if not source.exists():
        drawn = home / "drawn"
        python = [sys.executable, "stages/demo.py", str(drawn), str(home / "truth")]
        note.take("demo", partial(watched, project, python))
        pack(drawn, source)
        shutil.rmtree(drawn)
    for stage in STAGES:
        if num_trained is not None:
            if stage == "train@1-0":
                shorten(project, num_trained)
            elif stage == "predict":
                restore(project)
        command = ["dvc", "repro", "--single-item", stage]
        note.take(stage.partition("@")[0], partial(watched, project, command))
    run(project, "git", "add", "--all")
    run(project, "git", "commit", "--quiet", "--allow-empty", "--message", "measured")
    for name in ("repro", "status"):
        note.take(f"no-op dvc {name}", partial(typical, project, ["dvc", name]))
    for number, (name, ways) in enumerate(WAYS.items(), 1):
        note.take(name, partial(overhead, project, ways, number))


def shorten(project: Path, num_trained: int) -> None:
    """Leave only so many training patches in the split, as if DVC had run the stage like that."""
    path, whole = project / "data/split.csv", project.parent / "split.csv"
    if whole.exists():
        return
    shutil.copyfile(path, whole)
    rows = pd.read_csv(path, dtype="str", keep_default_na=False)
    is_left = (rows["split"] == "train") & ((rows["split"] == "train").cumsum() > num_trained)
    put(project, rows[~is_left].to_csv(index=False), "split")


def restore(project: Path) -> None:
    """Put the whole split back, which `predict` compares the unlabelled patches with."""
    whole = project.parent / "split.csv"
    if (project / "data/split.csv").read_bytes() != whole.read_bytes():
        put(project, whole.read_text(), "split", "train@1-0", "score@1-0", "evaluate")


def put(project: Path, split: str, *stages: str) -> None:
    (project / "data/split.csv").unlink()  # a link into DVC's cache
    (project / "data/split.csv").write_text(split)
    run(project, "dvc", "commit", "--force", "--quiet", *stages)


def num_patches(size: int) -> tuple[int, int]:
    """Return the labelled and the unlabelled patches, in the proportion of Kaggle's."""
    return size, round(size * KAGGLE[1] / KAGGLE[0])


def make_project(project: Path, source: Path, size: int, tta: str) -> None:
    """Clone what is committed here, with the params of this size."""
    run(project.parent, "git", "clone", "--quiet", str(ROOT), project.name)
    share = (size / KAGGLE[0]) ** 0.5
    slides = [max(3, round(number * share)) for number in NUM_SLIDES]
    labelled, unlabelled = num_patches(size)
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["data"]["source"] = str(source)
    params["demo"] |= {
        "num_slides": slides[0],
        "num_patches": labelled,
        "num_test_slides": slides[1],
        "num_test_patches": unlabelled,
    }
    params["train"]["epochs"] = 1
    params["evaluate"]["tta"] = tta
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    drawing = project / "src/metastasis/demo/demo.py"
    drawing.write_text(drawing.read_text().replace(DEMOS_SHARES, SHARES))
    for key, value in (("user.name", "scale"), ("user.email", "scale@example.org")):
        run(project, "git", "config", key, value)
    run(project, "git", "commit", "--quiet", "--all", "--message", "the params of this size")


def pack(folder: Path, path: Path) -> None:
    """Write a folder as a zip, deflated as Kaggle's is."""
    part = path.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, file.relative_to(folder))
    part.rename(path)


class Notes:
    """The table of what was measured at one size, which a step is added to at once."""

    def __init__(self, path: Path, size: int, project: Path, source: Path) -> None:
        self._path, self._size, self._project, self._source = path, size, project, source

    def take(self, step: str, measured: Callable[[], Cost]) -> None:
        """Measure a step, unless the table has it."""
        rows = pd.read_csv(self._path).to_dict("records") if self._path.exists() else []
        if any((row["size"], row["step"]) == (self._size, step) for row in rows):
            return
        cost = measured()
        packed = sum(num_patches(self._size)) * PACKED_BYTES
        row = {
            "size": self._size,
            "step": step,
            **{name: round(value, 2) for name, value in asdict(cost).items()},
            "disk": round(disk(self._project) / packed, 3),
            "disk_with_source": round(disk(self._project, self._source) / packed, 3),
        }
        print(row, flush=True)
        pd.DataFrame([*rows, row]).to_csv(self._path, index=False)


def disk(*paths: Path) -> int:
    """Return the bytes that files take on disk, each file once."""
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    found = {}
    for file in files:
        with suppress(FileNotFoundError):
            seen = file.lstat()
            found[seen.st_dev, seen.st_ino] = 512 * seen.st_blocks
    return sum(found.values())


def watched(project: Path, command: list[str], **environment: str) -> Cost:
    """Run a command of this environment in the project; return what it costs."""
    start = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603  # a command of this file
        command, cwd=project, env=own(environment), stdout=subprocess.DEVNULL
    )
    greatest = [(0.0, 0.0)]
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(SAMPLED):
            own_pages, mapped = map(sum, zip(*memory(process.pid), strict=True))
            greatest[0] = max(greatest[0], (own_pages, mapped), key=sum)

    thread = threading.Thread(target=look)
    thread.start()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    is_over.set()
    thread.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"scale.py: {' '.join(command)} failed in {project}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, *greatest[0])


def memory(pid: int) -> Iterator[tuple[float, float]]:
    """Yield the MiB of own and of mapped file pages of each process in the tree below `pid`."""
    yield 0, 0
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                held = process.memory_info()  # on Linux, `shared` are the file pages and tmpfs
                yield (held.rss - held.shared) / MIB, held.shared / MIB


def typical(project: Path, command: list[str]) -> Cost:
    """Return the run of median wall time; the first one, which warms the disk, doesn't count."""
    watched(project, command)
    costs = [watched(project, command) for _ in range(NUM_ROUNDS)]
    return sorted(costs, key=lambda cost: cost.wall)[NUM_ROUNDS // 2]


# Each way to run an experiment, as commands of which the last one ends when it is done.
EXPERIMENT = ["dvc", "exp", "run"]
WAYS: dict[str, list[list[str]]] = {
    "overhead of dvc exp run": [EXPERIMENT],
    "overhead of dvc exp run --temp": [[*EXPERIMENT, "--temp"]],
    "overhead of dvc exp run --queue": [[*EXPERIMENT, "--queue"], [*EXPERIMENT, "--run-all"]],
}


def overhead(project: Path, ways: list[list[str]], number: int) -> Cost:
    """Return what DVC costs around the stages that another learning rate runs.

    Their commands find a `python` that only puts their outputs back. Its seconds are taken off the
    wall time; that it starts seven times is not, nor is anything taken off the CPU time.
    """
    tools = project.parent / "tools"
    kept, log = project.parent / "kept", project.parent / f"stand-in-{number}.log"
    if not kept.exists():
        keep(project, kept)
    log.unlink(missing_ok=True)
    tools.mkdir(exist_ok=True)
    stand_in = tools / "python"
    stand_in.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/benchmarks/stand_in.py "$@"\n')
    stand_in.chmod(0o755)
    values = {"STAND_IN": f"{kept}:{log}:{number}", "TOOLS": str(tools)}
    rate = f"train.learning_rate={0.003 + number / 10_000:g}"
    costs = []
    for way in ways:
        is_queued = way[-1] == "--run-all"
        costs.append(watched(project, way if is_queued else [*way, "-S", rate], **values))
    inside = [float(line.split()[1]) for line in log.read_text().splitlines()]
    if len(inside) != NUM_RUN:
        sys.exit(f"scale.py: {len(inside)} stages ran instead of {NUM_RUN}, see {log}")
    wall, cpu = (sum(getattr(cost, name) for cost in costs) for name in ("wall", "cpu"))
    own_pages, mapped = (max(getattr(cost, name) for cost in costs) for name in ("own", "mapped"))
    return Cost(wall - sum(inside), cpu, own_pages, mapped)


def keep(project: Path, kept: Path) -> None:
    """Copy the outputs of the stages that another learning rate runs."""
    stages = yaml.safe_load((project / "dvc.lock").read_text())["stages"]
    for stage in STAGES[STAGES.index("train@1-0") :]:
        for path in (Path(out["path"]) for out in stages[stage]["outs"]):
            (kept / path).parent.mkdir(parents=True, exist_ok=True)
            if (project / path).is_dir():
                shutil.copytree(project / path, kept / path, copy_function=shutil.copyfile)
            else:
                shutil.copyfile(project / path, kept / path)


def run(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, env=own({}), check=True)  # noqa: S603  # likewise


def own(environment: dict[str, str]) -> dict[str, str]:
    """Return this environment with its own commands first, or the stand-ins in `TOOLS`."""
    first = [environment.get("TOOLS", ""), str(Path(sys.executable).parent)]
    path = ":".join([*filter(None, first), os.environ["PATH"]])
    return {**os.environ, **environment, "PATH": path}


def plot(table: pd.DataFrame, path: Path) -> None:
    """Draw the CPU seconds of the stages by the size, and a line of linear growth."""
    figure, axes = plotting.new_axes("CPU time of the stages", plotting.BROAD, 5)
    sizes = sorted(table["size"].unique())
    for name in SHOWN:
        rows = table[table["step"] == name.partition("@")[0]].sort_values("size")
        axes.plot(rows["size"], rows["cpu"], marker="o", label=name.partition("@")[0])
    last = table[table["step"] == "ingest"].sort_values("size").iloc[-1]
    axes.plot(sizes, [last["cpu"] / last["size"] * size for size in sizes], "k:", label="linear")
    axes.set(xscale="log", yscale="log", xlabel="labelled patches", ylabel="CPU seconds")
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    plotting.save(figure, path)


if __name__ == "__main__":
    main()
