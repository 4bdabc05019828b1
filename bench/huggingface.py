"""Hugging Face's list at any size: time of a first load and of a day on which only downloads and likes moved, and the peak of memory.

python -m bench.huggingface [MODELS ...]        as many models as said, 763, 20,000 and 200,000 if left out; ends with 1 where a goal is missed

No full recording of the list exists: the models are made up, in the shape that the address returns with full=true&cardData=true&config=true,
always the same ones. Each load runs in a process of its own, its whole resident memory counted; the links from listings to models are found
after it, as `model-assets sync` does, and so are the tables that are served.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench.machine import server_cpu
from bench.server import scratch
from model_assets import database
from model_assets.sources.hugging_face.payload import Filter, Page, Writer

SIZES = (763, 20_000, 200_000)
PAGE = 1_000
#: what 200,000 models may take: seconds of a first load, of an unchanged day, MiB at the peak
MOST_FIRST, MOST_UNCHANGED, MOST_MIB = 60.0, 10.0, 500.0
_OWNERS = ("litert-community", "google", "qualcomm", "unsloth", "bartowski", "mlx-community", "apple", "Qwen", "onnx-community", "somebody")
_BASES = (
    "gemma-3-1b-it",
    "Qwen2.5-1.5B-Instruct",
    "MobileNet-v3",
    "whisper-base",
    "Phi-4-mini-instruct",
    "SmolLM2-360M",
    "YOLOv8-Detection",
    "BGE-M3",
)
_TAGS = (
    "litert",
    "tflite",
    "text-generation",
    "conversational",
    "en",
    "region:us",
    "endpoints_compatible",
    "android",
    "quantized",
    "chat",
    "arxiv:2503.19786",
)
_LICENCES = ("apache-2.0", "mit", "gemma", "llama3.2", "other", "cc-by-nc-4.0", "bsd-3-clause")


def model(number: int, moved: int = 0) -> dict[str, object]:
    """An entry of the list. `moved` says how much its counters went up."""
    chance = random.Random(number)
    owner, base = chance.choice(_OWNERS), chance.choice(_BASES)
    name, licence = f"{base}-{number}", chance.choice(_LICENCES)
    files = [
        ".gitattributes",
        "README.md",
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        *(f"{name}_q{bits}.tflite" for bits in range(chance.randint(1, 6))),
    ]
    found: dict[str, object] = {
        "_id": f"{number:024x}", "id": f"{owner}/{name}", "author": owner, "gated": chance.choice((False, False, False, "auto")),
        "lastModified": f"2026-{chance.randint(1, 9):02}-{chance.randint(1, 28):02}T10:11:12.000Z", "likes": chance.randint(0, 500) + moved // 7,
        "trendingScore": moved % 5, "private": False, "sha": f"{chance.getrandbits(160):040x}", "downloads": chance.randint(0, 90_000) + moved,
        "tags": [*chance.sample(_TAGS, 7), f"license:{licence}", f"base_model:{owner}/{base}", f"base_model:quantized:{owner}/{base}"],
        "createdAt": f"2025-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}T01:02:03.000Z", "modelId": f"{owner}/{name}",
        "siblings": [{"rfilename": file} for file in files],
        "cardData": {"license": licence, "base_model": f"{owner}/{base}", "library_name": "litert", "tags": ["chat"], "language": ["en"]},
        "config": {"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text"},
    }  # fmt: skip
    if number % 4:
        found["pipeline_tag"] = "text-generation"
    if number % 3:
        found["library_name"] = "litert"
    return found


def payload(count: int, moved: int = 0) -> bytes:
    """The payload of `count` models in pages of 1,000, with what the weights of every other one are."""
    writer = Writer()
    for start in range(0, count, PAGE):
        entries = [model(number, moved) for number in range(start, min(start + PAGE, count))]
        last = start + PAGE >= count
        page = f"https://huggingface.co/api/models?filter=litert&cursor={start}"
        writer.page(
            Page(page, "litert", f'W/"{start}-{moved}"', None if last else f"{page}1"), json.dumps(entries, separators=(",", ":")).encode()
        )
        writer.weights(
            len(writer.pages) - 1,
            {str(one["id"]): (str(one["sha"]), f"{number:032x}", 2, 10**9) for number, one in enumerate(entries, start) if number % 2},
        )
    return writer.finish([Filter("litert")], 0)


def load(url: str, path: Path, day: int) -> dict[str, float]:
    """Record, parse, compare, merge: all that an observation goes through. Seconds, and MiB at the peak of this process."""
    from model_assets import pipeline
    from model_assets.attempts import attempt
    from model_assets.database import connect
    from model_assets.ledger import observations
    from model_assets.sources.huggingface import SOURCE

    started = time.monotonic()
    at = datetime(2026, 1, day, tzinfo=UTC)
    with connect(url) as connection:
        observation = observations.record(connection, SOURCE.name, at, path.read_bytes(), url=SOURCE.url, origin="recording")
    with attempt(url, SOURCE.name, at.date(), "bench") as running:
        pipeline.load(url, SOURCE, observation, running)
    return took(started) | {"moved": running.tally.added + running.tally.changed + running.tally.closed}


def took(started: float) -> dict[str, float]:
    """Seconds since then, and CPU seconds and the peak of memory, in MiB, of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"seconds": time.monotonic() - started, "cpu": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024}


def settled(url: str) -> dict[str, float]:
    """What follows from a load: which model each listing is, and the tables that are served."""
    from model_assets.settings import read_settings
    from model_assets.settling import settle

    started = time.monotonic()
    settle(url, read_settings({}).model_policy_file)
    return took(started)


def apart(postmaster: int, *arguments: str) -> dict[str, float]:
    """A step in a process of its own, and what the server did for it."""
    before = server_cpu(postmaster)
    done = subprocess.run([sys.executable, "-m", "bench.huggingface", "step", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found | {"server_cpu": server_cpu(postmaster) - before}


def measure(url: str, postmaster: int, count: int, folder: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Each step with what it took."""
    for day, (step, moved) in enumerate((("first load", 0), ("unchanged day", 1_000)), 1):
        path = folder / f"{count}-{moved}.zip"
        path.write_bytes(payload(count, moved))
        yield step, apart(postmaster, "load", url, str(path), str(day))
    yield "settled", apart(postmaster, "settled", url)


def said(count: int, step: str, found: dict[str, float]) -> bool:
    """Print what a step took; whether it reached its goal."""
    goal = {"first load": MOST_FIRST, "unchanged day": MOST_UNCHANGED}.get(step, float("inf"))
    good = found["seconds"] < goal and (step == "settled" or found["mib"] < MOST_MIB) and (step != "unchanged day" or not found["moved"])
    cpu = f"CPU {found['cpu']:6.2f} s, of the server {found['server_cpu']:6.2f} s"
    print(
        f"{count:>8,} models  {step:<14} {found['seconds']:7.2f} s  {cpu}  {found['mib']:5.0f} MiB  {'' if good else 'missed'}", flush=True
    )
    return good


def main(sizes: list[int]) -> int:
    """Print what each size takes; 1 where a goal is missed."""
    good = True
    with tempfile.TemporaryDirectory(prefix="model-assets-bench-") as folder:
        for count in sizes:
            with scratch() as (url, postmaster):
                database.engine(url).dispose()
                for step, found in measure(url, postmaster, count, Path(folder)):
                    good &= said(count, step, found)
    return 0 if good else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["step"]:
        what, url, *rest = sys.argv[2:]
        print(json.dumps(load(url, Path(rest[0]), int(rest[1])) if what == "load" else settled(url)))
    else:
        sys.exit(main([int(size) for size in sys.argv[1:]] or list(SIZES)))
