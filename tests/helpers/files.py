"""The project's folder, and a comparison of folders byte by byte."""

from pathlib import Path

ROOT = Path(__file__).parents[2]


def assert_same_bytes(first: Path, second: Path, num_files: int) -> None:
    """Assert that the `num_files` files below `first` equal those below `second`."""
    written = [path for path in first.rglob("*") if path.is_file()]
    assert len(written) == num_files
    for path in written:
        assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path
