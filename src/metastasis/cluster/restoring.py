"""Restores stages from the runs that DVC's cache records, and never runs one.

`dvc repro` restores a stage that was run before with the same code, params and data, but runs any
other; `dvc repro --dry` doesn't look for runs of a stage that dvc.lock doesn't know.
"""

from collections.abc import Iterable
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo, lock_repo
from dvc.stage.cache import RunCacheNotFoundError

from metastasis.base.errors import InputError


def restore(names: Iterable[str]) -> set[str]:
    """Restore these stages of dvc.yaml, and return those of them that would have to be run.

    Raises:
        InputError: DVC can't, for example because it is running in this folder.
    """
    try:
        with Repo() as repo, lock_repo(repo), repo.scm_context(quiet=True):
            return {name for name in names if not _is_restored(repo, name)}
    except DvcException as error:
        raise InputError(f"DVC: {error}") from error


def cache_folder() -> Path:
    """Return the absolute path of DVC's cache."""
    with Repo() as repo:
        return Path(repo.cache.local_cache_dir).absolute()


def _is_restored(repo: Repo, name: str) -> bool:
    [stage] = repo.stage.collect(name)
    if not stage.changed():
        return True
    try:
        repo.stage_cache.restore(stage)
    except RunCacheNotFoundError:
        return False
    stage.save()  # as `dvc repro` does after a run or in place of it
    stage.commit()
    stage.dump(update_pipeline=False)
    return True
