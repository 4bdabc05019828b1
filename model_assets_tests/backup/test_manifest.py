"""Whatever happened to the files of a backup is found before anything is restored."""

import random
from pathlib import Path

import pytest

from model_assets.backup.manifest import BadBackup, manifest_file, read_manifest, whole
from model_assets_tests.backup.conftest import reseal


def flip(path: Path, place: int) -> None:
    """Change one bit of the byte at `place`."""
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))


def test_what_was_made_is_whole(dump: Path) -> None:
    assert whole(dump) == read_manifest(dump)
    assert whole(dump).parts["ledger"].tables["history.price"].rows > 0


def test_a_flipped_bit_anywhere_in_the_dump_is_found(dump: Path) -> None:
    size = dump.stat().st_size
    places = [0, 4, 5, size // 2, size - 1, *random.Random(4).sample(range(size), 40)]
    for place in places:
        flip(dump, place)
        with pytest.raises(BadBackup, match="damaged"):
            whole(dump)
        flip(dump, place)
    whole(dump)


def test_a_flipped_bit_anywhere_in_the_manifest_is_found(dump: Path) -> None:
    path = manifest_file(dump)
    for place in range(path.stat().st_size):
        flip(path, place)
        with pytest.raises(BadBackup, match=r"manifest|as it was written"):
            read_manifest(dump)
        flip(path, place)
    read_manifest(dump)


@pytest.mark.parametrize("left", [0, 1, 4, 1000, -1])
def test_a_cut_dump_is_found(dump: Path, left: int) -> None:
    content = dump.read_bytes()
    dump.write_bytes(content[:left])
    with pytest.raises(BadBackup, match="it is cut or damaged"):
        whole(dump)


def test_another_file_of_the_same_size_is_told_from_a_dump(dump: Path) -> None:
    dump.write_bytes(b"\x1f\x8b" * (dump.stat().st_size // 2) + b"\0" * (dump.stat().st_size % 2))
    with pytest.raises(BadBackup, match="does not begin as a dump of pg_dump does"):
        whole(dump)


def test_a_dump_without_its_manifest_is_refused(dump: Path) -> None:
    manifest_file(dump).unlink()
    with pytest.raises(BadBackup, match=r"ledger\.json is missing"):
        whole(dump)


def test_a_manifest_without_a_dump_is_refused(dump: Path) -> None:
    dump.unlink()
    with pytest.raises(BadBackup, match="is no backup"):
        whole(dump)


def test_the_manifest_is_no_dump(dump: Path) -> None:
    with pytest.raises(BadBackup, match=r"name the \.dump file"):
        whole(manifest_file(dump))


def test_a_missing_part_is_found(dump: Path) -> None:
    parts = read_manifest(dump).parts
    dump.with_suffix(".dagster.dump").write_bytes(dump.read_bytes())
    reseal(dump, parts={**parts, "dagster": parts["ledger"]})
    whole(dump)
    dump.with_suffix(".dagster.dump").unlink()
    with pytest.raises(BadBackup, match=r"ledger\.dagster\.dump is missing"):
        whole(dump)


def test_a_manifest_of_a_later_format_is_refused(dump: Path) -> None:
    reseal(dump, format=2)
    with pytest.raises(BadBackup, match="is of format 2, this version reads 1"):
        whole(dump)
