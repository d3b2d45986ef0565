"""Pushes to DVC's remote, and completes what `dvc push` leaves out after a push that broke off.

DVC takes a folder's list of files in the remote as proof that the files are there too. It uploads a
file that two folders hold (`data/patches` and `data/crops`) with one of them. If that upload fails,
the list of the other folder is uploaded all the same, and no later `dvc push` uploads the file.
"""

import subprocess
import sys
from collections.abc import Iterator

from dvc.exceptions import DvcException
from dvc.repo import Repo

from metastasis.base.errors import InputError

LIST = ".dir"  # ends the hash of a folder's list of files


def push() -> tuple[int, int]:
    """Push, and return how many files the pipeline's outputs are and how many DVC had left out.

    Raises:
        InputError: `dvc push` failed, there is no remote, or files are neither in it nor here.
    """
    if subprocess.run([sys.executable, "-m", "dvc", "push"], check=False).returncode:
        raise InputError("`dvc push` failed (see above); the same command goes on from there.")
    try:
        with Repo() as repo:
            return _complete(repo)
    except DvcException as error:
        raise InputError(f"DVC: {error}") from error


def _complete(repo: Repo) -> tuple[int, int]:
    cache, remote = repo.cache.local, repo.cloud.get_remote_odb()
    outputs = dict(_outputs(repo))
    hashes = set(outputs).union(*outputs.values())
    missing = hashes - set(remote.oids_exist(hashes))
    lost = {each for each in missing if not cache.exists(each)}
    # A list whose files aren't all there would be taken as proof that they are.
    files = {each for each in missing - lost if not each.endswith(LIST)}
    lists = {each for each in missing - lost - files if not outputs[each] & lost}
    # The lists last, as DVC does.
    for chosen in (sorted(files), sorted(lists)):
        if chosen:
            remote.add([cache.oid_to_path(each) for each in chosen], cache.fs, chosen)
    if lost:
        raise InputError(
            f"{len(lost):,} of {len(hashes):,} files of dvc.lock are neither in the remote nor in "
            "DVC's cache here; the others are pushed. Run `dvc repro`, or `dvc pull` from where "
            "they are, and push again."
        )
    return len(hashes), len(missing)


def _outputs(repo: Repo) -> Iterator[tuple[str, set[str]]]:
    """Yield the hash of each output, and those of a folder's files as far as known.

    They are those that `dvc push` would push to the default remote: not outputs with `push: false`,
    those with a `remote` of their own, and what `dvc import` took from another repository.
    """
    for out in repo.index.outs:
        is_pushed = out.can_push and not out.remote and not out.stage.is_repo_import
        if out.use_cache and out.hash_info and is_pushed:
            tree = out.get_obj() if out.hash_info.isdir else None
            yield out.hash_info.value, {file.value for _, _, file in tree or ()}
