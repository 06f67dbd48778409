"""Resident memory of this process, and its peak since a moment of our choice (Linux)."""

from __future__ import annotations


def _status(field: str) -> float:
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(field):
                return int(line.split()[1]) / 1024
    return 0.0


def resident_mib() -> float:
    return _status("VmRSS:")


def peak_mib() -> float:
    """The highest resident size since reset_peak() (or since the process began where that is not allowed)."""
    return _status("VmHWM:")


def reset_peak() -> None:
    try:
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
    except OSError:
        pass
