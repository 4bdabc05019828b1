"""The backups in a folder."""

from dataclasses import dataclass
from pathlib import Path

from model_assets.backup.manifest import BadBackup, Manifest, read_manifest


@dataclass(frozen=True)
class Backup:
    """A dump and what its manifest says."""

    dump: Path
    manifest: Manifest

    @property
    def bytes(self) -> int:
        """The size of all its dumps."""
        return sum(part.bytes for part in self.manifest.parts.values())


def backups(folder: Path) -> list[Backup]:
    """The backups in a folder, the newest first; what has no readable manifest is left out (`strangers` has it)."""
    found = [Backup(dump, manifest) for dump, manifest, _ in _read(folder) if manifest]
    return sorted(found, key=lambda one: one.manifest.made_at, reverse=True)


def strangers(folder: Path) -> list[str]:
    """Why each of the other dumps in the folder is no backup."""
    return [said for _, manifest, said in _read(folder) if manifest is None]


def _read(folder: Path) -> list[tuple[Path, Manifest | None, str]]:
    found: list[tuple[Path, Manifest | None, str]] = []
    for dump in sorted(folder.glob("*.dump")):
        if dump.name.endswith(".dagster.dump"):
            continue  # part of another
        try:
            found.append((dump, read_manifest(dump), ""))
        except BadBackup as error:
            found.append((dump, None, str(error)))
    return found
