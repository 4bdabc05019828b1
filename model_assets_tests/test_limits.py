"""What one load may take (fault D18): a list thirty times as long as the usual, in a process of its own."""

import json
import resource
import subprocess
import sys
import time

from model_assets_tests.test_pipeline import at, model, payload, record, select

LOAD = """
import resource, sys
from datetime import datetime
from model_assets import pipeline
from model_assets.ledger.observations import Observation
from model_assets.sources import SOURCES
url, instant, digest = sys.argv[1:]
source, one = SOURCES["openrouter"], Observation("openrouter", datetime.fromisoformat(instant), bytes.fromhex(digest))
print(pipeline.publish(url, source, pipeline.audit(url, source, one), lambda _: None).outcome, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
MODELS = 20_000
UNIT = 1024 if sys.platform == "linux" else 1  # of ru_maxrss


def test_twenty_thousand_models_are_loaded_within_half_a_gigabyte_and_a_minute(url: str) -> None:
    one = record(url, at(0), payload(*[model(f"lab/m{number}") for number in range(MODELS)], others=0))
    started = time.monotonic()
    command = [sys.executable, "-c", LOAD, url, one.observed_at.isoformat(), one.sha256.hex()]
    limits = {resource.RLIMIT_CPU: (60, 60)}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        preexec_fn=lambda: [resource.setrlimit(*one) for one in limits.items()],
    )
    assert done.stderr == ""
    outcome, peak = done.stdout.split()
    assert outcome == "changes"
    assert select(url, "select count(*) from history.listing") == [MODELS]
    assert int(peak) * UNIT < 512 * 1024 * 1024, json.dumps({"MiB": int(peak) * UNIT / 2**20, "seconds": time.monotonic() - started})
