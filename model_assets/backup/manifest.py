"""What a backup says of itself, and whether its files are still what it says. Any byte that changed is found."""

import hashlib
from pathlib import Path

import msgspec

from model_assets.errors import ModelAssetsError

FORMAT = 1
MAGIC = b"PGDMP"
LEDGER, DAGSTER = "ledger", "dagster"


class BadBackup(ModelAssetsError):
    """The files are no backup, or not the one that was made."""


class TableSum(msgspec.Struct, frozen=True):
    """How many rows a table had, and the checksum of all their values, whatever their order."""

    rows: int
    checksum: str


class Part(msgspec.Struct, frozen=True):
    """One database's dump. `database_bytes` is what it took on the server, with its indexes."""

    database: str
    bytes: int
    sha256: str
    database_bytes: int
    tables: dict[str, TableSum]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`server` and `pg_dump` are major versions of Postgres; `revision` is the ledger's; `made_at` is when the snapshot was taken, in UTC."""

    format: int
    made_at: str
    made_by: str
    server: int
    pg_dump: int
    revision: str
    parts: dict[str, Part]


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    manifest: Manifest


def manifest_file(dump: Path) -> Path:
    """Where the manifest of a dump is."""
    return dump.with_suffix(".json")


def part_file(dump: Path, part: str) -> Path:
    """Where the dump of one of the databases is, given the ledger's."""
    return dump if part == LEDGER else dump.with_suffix(f".{part}.dump")


def sealed(manifest: Manifest) -> bytes:
    """The manifest as it is written: JSON with its own checksum, in the one way that is accepted when it is read."""
    own = hashlib.sha256(msgspec.json.encode(manifest)).hexdigest()
    return msgspec.json.format(msgspec.json.encode(_Sealed(own, manifest)), indent=1) + b"\n"


def read_manifest(dump: Path) -> Manifest:
    """The manifest beside a dump. Raises BadBackup where there is none, or it is not as it was written."""
    path = manifest_file(dump)
    if dump.suffix != ".dump" or not dump.is_file():
        raise BadBackup(f"{dump} is no backup: name the .dump file that `model-assets backup` made. `model-assets backup list` shows them.")
    if not path.is_file():
        raise BadBackup(
            f"{path} is missing, and without it nobody can tell whether {dump.name} is whole. Copy it from where the backup was made."
        )
    content = path.read_bytes()
    try:
        manifest = msgspec.json.decode(content, type=_Sealed).manifest
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadBackup(
            f"{path} is no manifest of this version ({error}): it is damaged, or a newer version made it. Take another backup."
        ) from None
    if content != sealed(manifest):
        raise BadBackup(f"{path} is not as it was written: it is damaged, or somebody changed it. Take another copy of it.")
    if manifest.format != FORMAT or LEDGER not in manifest.parts:
        raise BadBackup(
            f"{path} is of format {manifest.format}, this version reads {FORMAT}. Use the version that made it ({manifest.made_by})."
        )
    return manifest


def whole(dump: Path) -> Manifest:
    """The manifest of a backup all of whose files are, byte for byte, what was made. Raises BadBackup."""
    manifest = read_manifest(dump)
    for name, part in manifest.parts.items():
        _check(part_file(dump, name), part)
    return manifest


def _check(path: Path, part: Part) -> None:
    remedy = "Take another copy of it, or another backup."
    if not path.is_file():
        raise BadBackup(f"{path} is missing, and it belongs to this backup. Copy it from where the backup was made.")
    found = path.stat().st_size
    if found != part.bytes:
        raise BadBackup(f"{path} has {found:,} bytes, {part.bytes:,} were written: it is cut or damaged. {remedy}")
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise BadBackup(f"{path} does not begin as a dump of pg_dump does: it is damaged, or another file. {remedy}")
    if sha256_of(path) != part.sha256:
        raise BadBackup(f"{path} is not what was written: its SHA-256 differs. It is damaged. {remedy}")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
