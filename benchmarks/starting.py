"""Measure what looking for garbage costs a process that starts: with it, and as the stages do.

Both ways alternate, each in processes of its own, in CPU seconds with the end of the process.
"""

import os
import statistics
import subprocess
import sys

NUM_ROUNDS = 9
MODULES = ("tensorflow, keras", "great_expectations", "metastasis.split.splitting")
WAYS = {
    "collected": "import {}",
    "left": "from metastasis.base import garbage; garbage.leave(); import {}; garbage.collect()",
}


def main() -> None:
    print(f"CPU s of {NUM_ROUNDS} alternating rounds: min median max")
    for modules in MODULES:
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        for _ in range(NUM_ROUNDS):
            for way, code in WAYS.items():
                seconds[way].append(measure(code.format(modules)))
        seconds["ratio"] = [left / whole for whole, left in zip(*seconds.values(), strict=True)]
        for name, found in seconds.items():
            low, middle, high = min(found), statistics.median(found), max(found)
            print(f"{modules:27} {name:10} {low:5.2f} {middle:5.2f} {high:5.2f}")


def measure(code: str) -> float:
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: S603  # code from above
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{code} failed")
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
