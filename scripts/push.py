"""Push the pipeline's outputs to DVC's remote, and check that each file is there."""

from metastasis import pushing
from metastasis.base import stage


def main() -> None:
    num_files, num_left_out = pushing.push()
    print(
        f"push: the remote has all {num_files} files of dvc.lock"
        + (f"; `dvc push` had left out {num_left_out}" if num_left_out else "")
    )


if __name__ == "__main__":
    stage.run(main)
