"""Runs a command and says what it took: python -S launch.py OUT COMMAND...; OUT gets its exit code, seconds and peak resident MiB as JSON.

A process of its own, and a small one: the kernel counts the memory of whoever starts a program as the program's, until that is larger.
"""

import json
import os
import sys
import time


def main() -> None:
    start = time.perf_counter()
    pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
    _, status, usage = os.wait4(pid, 0)
    took = {"code": os.waitstatus_to_exitcode(status), "seconds": time.perf_counter() - start, "peak_mib": usage.ru_maxrss / 1024}
    with open(sys.argv[1], "w") as out:
        json.dump(took, out)


main()
