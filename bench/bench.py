#!/usr/bin/env python3
"""./run bench FAMILY [options]: this engine beside pinned peers; see README.md for the rules of measuring."""

from __future__ import annotations

import argparse
import importlib
import sys

FAMILIES = ("frames", "joins", "windows", "sort", "tpch", "files", "spill", "scaling", "determinism", "flows", "kernels", "ocp", "records", "streams")


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    commands = parser.add_subparsers(dest="family", required=True)
    for name in FAMILIES:
        module = importlib.import_module(f"families.{name}")
        command = commands.add_parser(name, help=module.HELP)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args()
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
