"""The commands of bench.py: each module has add_arguments(parser) and run(options) -> exit code."""
