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
        InputError: `dvc push` failed, or there is no remote.
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
    hashes = set(_hashes(repo))
    missing = hashes - set(remote.oids_exist(hashes))
    missing = {each for each in missing if cache.exists(each)}
    # The lists last, as DVC does.
    for chosen in (_files(missing), sorted(missing - set(_files(missing)))):
        if chosen:
            remote.add([cache.oid_to_path(each) for each in chosen], cache.fs, chosen)
    return len(hashes), len(missing)


def _hashes(repo: Repo) -> Iterator[str]:
    """Yield the hash of each file in DVC's cache that dvc.lock names, and of each folder's list."""
    for out in repo.index.outs:
        if out.use_cache and out.hash_info:
            yield out.hash_info.value
            if out.hash_info.isdir and (tree := out.get_obj()):
                yield from (file.value for _, _, file in tree)


def _files(hashes: set[str]) -> list[str]:
    return sorted(each for each in hashes if not each.endswith(LIST))
