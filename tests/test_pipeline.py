"""Tests that dvc.yaml tells the truth: about code, paths and params; and that the pipeline runs."""

import ast
import importlib
import re
import shlex
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.files import ROOT
from metastasis.base import params
from metastasis.check import locking
from metastasis.report import reporting
from metastasis.report.reporting import FIGURES

SOURCE = ROOT / "src" / "metastasis"
MODULES = {
    ".".join(file.relative_to(ROOT / "src").with_suffix("").parts): file
    for file in SOURCE.rglob("*.py")
}
TEMPLATES = sorted(file for kind in ("html", "css", "md") for file in SOURCE.rglob(f"*.{kind}"))
PIPELINES = {"dvc.yaml": ROOT, "data/dvc.yaml": ROOT / "data"}
LIBRARIES = "libraries.yaml"
DISTRIBUTIONS = packages_distributions()
# Libraries that compute through another one, which no file of ours has to import.
BEHIND = {
    "keras": {"h5py"},  # holds the weights of a saved model
    "matplotlib": {"pillow"},  # writes PNG
    "pandas": {"pyarrow"},  # holds strings, reads and writes Parquet
    "scikit-learn": {"scipy"},
}
# Libraries that can change no output. A params value is accepted as it stands, or refused.
WITHOUT_EFFECT = {
    "packaging",  # the check reads uv.lock with it
    "pydantic",  # params and small files: refuses a value, and computes none
    "pydantic-core",  # the names of pydantic's errors
    "pyyaml",  # reads dvc.yaml and libraries.yaml
    "ruamel.yaml",  # reads params.yaml
    "tqdm",  # a bar on the terminal
}
EXTRAS = {"onnxruntime"}  # libraries.yaml records only what every environment has


# A stage that DVC repeats for each entry of params is tested for one such entry: of a mapping
# (`foreach`), and of two lists (`matrix`).
ENTRIES = {
    "${probe.networks}": {"key": "densenet121", "item": "data/raw/densenet121.h5"},
    "${export.formats}": {"key": "openvino", "item": "8"},
    "${data.listed}": {"key": "kaggle", "item": "data/raw/kaggle"},
}
MEMBER = {"key": "1-0", "item.seed": "1", "item.fold": "0"}


def stages() -> dict[str, dict[str, Any]]:
    """Every stage of both files, its paths relative to the root, ${...} resolved."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    found: dict[str, dict[str, Any]] = {}
    for file in PIPELINES:
        for name, stage in load((ROOT / file).read_text()).items():
            text = yaml.safe_dump(stage.get("do", stage), width=10_000, sort_keys=False)
            entry = MEMBER if "matrix" in stage else ENTRIES.get(stage.get("foreach", ""), {})
            for key, value in entry.items():
                text = text.replace(f"${{{key}}}", value)
            text = re.sub(r"\$\{(\w+)\.(\w+)\}", lambda m: str(params[m[1]][m[2]]), text)
            text = re.sub(r"\$\{(\w+)\.(\w+)\[0\]\}", lambda m: str(params[m[1]][m[2]][0]), text)
            found[name] = yaml.safe_load(text)
    return found


def load(text: str) -> dict[str, dict[str, Any]]:
    """The stages of a pipeline file, as written."""
    written: dict[str, dict[str, Any]] = yaml.safe_load(text)["stages"]
    return written


def repeated_over() -> set[str]:
    """The params that DVC repeats stages over, which these receive by their commands."""
    written = [stage for file in PIPELINES for stage in load((ROOT / file).read_text()).values()]
    lists = [stage.get("foreach") for stage in written]
    lists += [each for stage in written for each in stage.get("matrix", {}).values()]
    found = (re.fullmatch(r"\$\{([\w.]+)\}", str(each)) for each in lists)
    return {match[1] for match in found if match}


STAGES = stages()


def names(entries: list[Any]) -> list[str]:
    """The paths of deps or outs: an entry with options is a mapping of one key."""
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


SHARED = {
    "base",
    "engines",
    "formats",
    "hashes",
    "pages",
    "patches",
    "pretrained",
    "regions",
    "results",
    "scores",
}  # what several stages need
CHECKED = "data/checked.txt"  # what orders the check before all others; none of them reads it


def is_code(dependency: str) -> bool:
    return dependency.startswith(("src/", "stages/"))


def imported(path: Path) -> set[Path]:
    """The files of this package that a file imports, directly."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "metastasis":
            place = SOURCE.joinpath(*str(node.module).split(".")[1:])
            modules = (place / f"{alias.name}.py" for alias in node.names)
            found |= set(modules) if place.is_dir() else {place.with_suffix(".py")}
        elif isinstance(node, ast.Import) and [alias.name for alias in node.names] == ["here"]:
            found.add(path.parent / "here.py")
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("metastasis") for alias in node.names), path
    return found


def started(path: Path) -> set[Path]:
    """The files of this package that a file runs as processes: it names their modules."""
    nodes = ast.walk(ast.parse(path.read_text()))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return {file for name, file in MODULES.items() if name in texts}


def templates(path: Path) -> set[Path]:
    """The templates of this package that a file names."""
    return {file for file in TEMPLATES if file.name in path.read_text()}


def closure(script: Path) -> set[str]:
    """The script and all files of this package that running it reads."""
    todo, seen = {script, SOURCE / "__init__.py"}, set()  # which every import runs
    while todo:
        path = todo.pop()
        seen.add(path)
        found = imported(path) | started(path) if path.suffix == ".py" else set()
        todo |= (found | templates(path)) - seen
    return {str(path.relative_to(ROOT)) for path in seen}


def inside(file: str, declared: set[str]) -> bool:
    return any(file == place or file.startswith(f"{place}/") for place in declared)


@pytest.mark.parametrize("name", STAGES)
def test_what_is_imported_lies_in_the_code_dependencies_and_none_is_unused(name: str) -> None:
    script = shlex.split(STAGES[name]["cmd"])[1]
    declared = {dep for dep in names(STAGES[name]["deps"]) if is_code(dep)}
    needed = closure(ROOT / script)
    assert [file for file in sorted(needed) if not inside(file, declared)] == []
    unused = {place for place in declared if not any(inside(file, {place}) for file in needed)}
    assert unused == set()


def test_train_depends_on_nothing_that_it_does_not_import() -> None:
    declared = {dep for dep in names(STAGES["train"]["deps"]) if is_code(dep)}
    files = (
        str(path.relative_to(ROOT)) for path in [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.html")]
    )
    lying = {file for file in files if inside(file, declared) and not file.endswith("__init__.py")}
    needed = closure(ROOT / "stages/train.py") - {"src/metastasis/__init__.py"}
    assert lying | {"stages/train.py", "stages/here.py"} == needed


def reruns(file: str) -> list[str]:
    """The stages that declare a file of this package as code, but for the check."""
    return [
        name
        for name, stage in STAGES.items()
        if name != "check"
        and inside(f"src/metastasis/{file}", {dep for dep in names(stage["deps"]) if is_code(dep)})
    ]


def test_the_table_of_what_an_edit_reruns_is_true() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = re.findall(r"^\| .*?: (`.*`) \| ([a-z, ]+) \|$", text, re.MULTILINE)
    said = {file: stages for files, stages in rows for file in re.findall("`(.*?)`", files)}
    assert len(rows) >= 10
    assert all((SOURCE / file).is_file() for file in said)
    assert {file: ", ".join(reruns(file)) or "none" for file in said} == said


def drawn_or_judged() -> list[str]:
    """Every file of a figure, a page or a rule of the gate."""
    found = [*SOURCE.rglob("*figure*.py"), *SOURCE.rglob("*plot*.py"), *SOURCE.rglob("*rules.py")]
    found += [*(SOURCE / "pages").glob("*.py"), *TEMPLATES]
    return sorted(str(path.relative_to(SOURCE)) for path in found)


@pytest.mark.parametrize("file", drawn_or_judged())
def test_no_edit_of_a_figure_a_page_or_a_rule_trains_again(file: str) -> None:
    assert "train" not in reruns(file)


def libraries(script: Path) -> set[str]:
    """The libraries that running the script computes with, as uv.lock names them."""
    found = set()
    for name in closure(script):
        if not name.endswith(".py"):
            continue
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [str(node.module)]
            else:
                continue
            for module in modules:
                found |= set(DISTRIBUTIONS.get(module.split(".")[0], []))
    normal = {name.lower().replace("_", "-") for name in found} - {"metastasis"}
    for name in sorted(normal):
        normal |= BEHIND.get(name, set())
    if script.stem == "report":
        normal |= set(reporting.LIBRARIES)  # whose versions it names
    return normal - WITHOUT_EFFECT - EXTRAS


def declared_libraries(stage: dict[str, Any]) -> list[str]:
    mappings = [entry for entry in stage.get("params", []) if not isinstance(entry, str)]
    return [name for mapping in mappings for name in mapping[LIBRARIES]]


@pytest.mark.parametrize("name", [name for name in STAGES if name != "check"])
def test_the_libraries_declared_are_those_computed_with(name: str) -> None:
    script = ROOT / shlex.split(STAGES[name]["cmd"])[1]
    assert declared_libraries(STAGES[name]) == sorted(libraries(script))


def test_the_check_runs_again_on_any_change_of_the_libraries() -> None:
    assert {LIBRARIES, "uv.lock"} <= set(names(STAGES["check"]["deps"]))


def test_libraries_yaml_is_what_is_made_of_uv_lock(tmp_path: Path) -> None:
    made = tmp_path / LIBRARIES
    locking.write(ROOT / "uv.lock", [ROOT / file for file in PIPELINES], made)
    assert made.read_text() == (ROOT / LIBRARIES).read_text()


def test_no_library_has_a_name_that_dvc_takes_for_something_else() -> None:
    recorded = yaml.safe_load((ROOT / LIBRARIES).read_text())
    assert not {name for name in recorded if "." in name or name in {"size", "nfiles"}}


@pytest.mark.parametrize("name", STAGES)
def test_the_command_names_its_inputs_and_then_its_outputs_and_nothing_else(name: str) -> None:
    stage = STAGES[name]
    _, _, *arguments = shlex.split(stage["cmd"])
    paths = [argument for argument in arguments if not argument.isdigit()]  # a member's, or bits
    assert arguments[len(arguments) - len(paths) :] == paths
    # The stage reads the path of the weights from its param: most networks start without any.
    # The list of patches to leave out has one place: who runs `validate` by hand may have none.
    named = {CHECKED, params.NO_WEIGHTS, params.LEAVE_OUT}
    data = [dep for dep in names(stage["deps"]) if not is_code(dep) and dep not in named]
    # DVCLive takes a folder, of which DVC wants the metrics and the plots by themselves.
    outs, metrics = (
        dict.fromkeys(
            re.sub(r"^(metrics/train/1-0)/.*", r"\1", path) for path in names(stage.get(kind, []))
        )
        for kind in ("outs", "metrics")
    )
    written = [path for path in paths if path in {*outs, *metrics}]
    given = paths[: len(paths) - len(written)]
    assert paths == given + written
    if name == "list":  # a folder of very many files, which DVC mustn't look at
        assert given == [ENTRIES["${data.listed}"]["item"]]
        given = []
    if name == "report":  # what every stage wrote: it takes the folders, and no other
        given = [next(path for path in given if inside(dep, {path})) for dep in data]
        given = list(dict.fromkeys(given))
        data = paths[: len(paths) - len(written)]
    assert given == data
    assert [path for path in written if path in outs] == list(outs)
    assert sorted(written) == sorted(outs | metrics)


def test_the_metrics_shown_are_all_that_is_in_git_and_nothing_else_is() -> None:
    """An out in git that is no metric would keep DVC's run cache from its stage."""
    files = [ROOT / file for file in PIPELINES]
    assert not any("metrics" in yaml.safe_load(file.read_text()) for file in files)
    for stage in STAGES.values():
        # Without options; an output that persists keeps the run cache away too, and so does a
        # stage that always runs.
        kept = [{CHECKED: {"persist": True}}] if not stage.get("always_changed") else stage["outs"]
        assert all(isinstance(out, str) or out in kept for out in stage["outs"])
        for metric in stage.get("metrics", []):
            assert list(metric.values()) == [{"cache": False}]


def test_dvc_shows_the_figures_of_the_page_and_no_others() -> None:
    shown = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    paths = {path for path in shown if isinstance(path, str)}
    figures = {f"plots/{stage}/{name}.png" for stage, names in FIGURES.items() for name in names}
    assert [path for path in sorted(figures) if not inside(path, paths)] == []
    assert {path for path in paths if path.endswith(".png")} <= figures


def read_by(script: Path, function: str) -> dict[str, type[params.Section]]:
    """The sections that a script reads by a function of `params`, each with its model."""
    tree = ast.parse(script.read_text())
    modules = {
        alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("metastasis")
        for alias in node.names
    }
    calls = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"params.{function}"
    )
    found = {}
    for call in calls:
        section, model = call.args
        module, name = ast.unparse(model).split(".")
        assert isinstance(section, ast.Constant)
        found[str(section.value)] = getattr(importlib.import_module(modules[module]), name)
    return found


@pytest.mark.parametrize("name", STAGES)
def test_the_params_declared_are_those_read(name: str) -> None:
    """A whole section by its name or by all its leaves, some of its keys by these leaves."""
    script = ROOT / shlex.split(STAGES[name]["cmd"])[1]
    whole, some = (read_by(script, function) for function in ("read", "read_some"))
    declared = {entry for entry in STAGES[name].get("params", []) if isinstance(entry, str)}
    sections = yaml.safe_load((ROOT / "params.yaml").read_text())
    expected = {f"{section}.{key}" for section, model in some.items() for key in model.model_fields}
    for section in whole:
        if section in declared:
            # DVC drops such keys, at any depth, from the key of its run cache: a change of theirs
            # would restore the outputs of another value. Listed as a leaf, they count.
            assert not {"size", "nfiles"} & set(sections[section]), section
            expected.add(section)
        else:
            expected |= {f"{section}.{key}" for key in sections[section]} - repeated_over()
    assert declared == expected


def test_another_member_does_not_train_the_first_again() -> None:
    """Training declares every key of its section but those that name the members."""
    declared = {entry for entry in STAGES["train"]["params"] if isinstance(entry, str)}
    keys = yaml.safe_load((ROOT / "params.yaml").read_text())["train"]
    assert {f"train.{key}" for key in keys} - declared == {"train.seeds", "train.folds"}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_is_a_verb_with_a_script_of_its_name(name: str) -> None:
    assert shlex.split(STAGES[name]["cmd"])[:2] == ["python", f"stages/{name}.py"]


def test_every_script_is_a_stage() -> None:
    scripts = {path.stem for path in (ROOT / "stages").glob("*.py")}
    assert scripts == set(STAGES) | {"here"}


def test_the_check_covers_every_section() -> None:
    text = (SOURCE / "check" / "checking.py").read_text()
    checked = set(re.findall(r'^    "(\w+)":', text, re.MULTILINE))
    assert checked == set(yaml.safe_load((ROOT / "params.yaml").read_text()))


def test_every_parameter_has_a_comment() -> None:
    lines = (ROOT / "params.yaml").read_text().splitlines()
    bare = [line for line in lines if line.startswith("  ") and "#" not in line]
    assert bare == []


def test_no_module_imports_sideways_or_back() -> None:
    """A stage's room is its own; shared rooms know nothing of stages; check alone reads params.

    The console script's commands are no stage, and use the code of all.
    """
    commands = {SOURCE / "__main__.py", *(SOURCE / "commands").glob("*.py")}
    for path in set(SOURCE.rglob("*.py")) - commands:
        own = path.parent.name
        for file in imported(path):
            room = file.parent.name
            is_params = own == "check" and file.stem.endswith("_params")
            assert room in {own, *SHARED, "metastasis"} or is_params, path


def test_no_module_is_left_that_nothing_imports() -> None:
    scripts = [*(ROOT / "stages").glob("*.py"), *(ROOT / "scripts").glob("*.py")]
    entries = [*scripts, SOURCE / "__main__.py"]
    used = {file for entry in entries for file in closure(entry)}
    unused = {path for path in SOURCE.rglob("*.py") if str(path.relative_to(ROOT)) not in used}
    assert {path.name for path in unused} == {"__init__.py"}
