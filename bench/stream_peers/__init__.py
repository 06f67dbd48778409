"""Jobs of the Kafka part of the streams family: counts and sums by key and second of event time, from a topic into another one.

Each NAME_job.py is one engine's: python NAME_job.py SERVERS IN OUT WAIT runs until it is killed; WAIT is how
many milliseconds an engine waits that must wait for messages behind. Messages are {"k": text, "v": whole number}, their
time is the message's; a result is {"k", "start" (milliseconds), "n", "total"}, once for each key and second, when the second is over. The peers
have an environment of their own.
"""

from __future__ import annotations

import sys
from pathlib import Path

from measure.environment import CACHE, Environment

HERE = Path(__file__).resolve().parent
ENVIRONMENT = Environment(CACHE / "stream-peers", HERE / "requirements.txt", {})
OURS = "gristmill"


def command(engine: str) -> list[str]:
    return [sys.executable if engine == OURS else ENVIRONMENT.python, str(HERE / f"{engine}_job.py")]
