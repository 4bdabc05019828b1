"""What one load may take (fault D18): a list thirty times as long as the usual, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from model_assets_tests.small_ledger import at, model, payload, record, select

#: merges an observation, and prints what came of it and the most memory that the process held, in KiB
LOAD = """
import re, resource, sys
from datetime import datetime
from pathlib import Path
from model_assets import pipeline
from model_assets.ledger.observations import Observation
from model_assets.sources import SOURCES
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
url, instant, digest = sys.argv[1:]
source, one = SOURCES["openrouter"], Observation("openrouter", datetime.fromisoformat(instant), bytes.fromhex(digest))
outcome = pipeline.publish(url, source, pipeline.audit(url, source, one), lambda _: None).outcome
print(outcome, re.search("VmHWM:[^0-9]*([0-9]+)", Path("/proc/self/status").read_text())[1])
"""
MODELS = 20_000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells there how much memory a process held at most")
def test_twenty_thousand_models_are_loaded_within_half_a_gigabyte_and_a_minute(url: str) -> None:
    one = record(url, at(0), payload(*[model(f"lab/m{number}") for number in range(MODELS)], others=0))
    command = [sys.executable, "-c", LOAD, url, one.observed_at.isoformat(), one.sha256.hex()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.stderr == ""
    outcome, most = done.stdout.split()
    assert outcome == "changes"
    assert select(url, "select count(*) from history.listing") == [MODELS]
    assert int(most) < 512 * 1024
