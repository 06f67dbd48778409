"""One run of a plan over its items. The lock is held only to change items and scopes, never while somebody's code runs."""

from __future__ import annotations

from .advance import Advance
from .calls import Calls
from .faults import Faults


class Run(Calls, Advance, Faults):
    """See state.py for what it holds."""
