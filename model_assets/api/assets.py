"""Which files of a repository an app needs to run a model, and where each is, at one revision."""

from collections.abc import Iterable
from urllib.parse import quote

ADDRESS = "https://huggingface.co"
KINDS = ("tflite", "litert_lm", "task", "labels", "tokenizer", "vocab", "anchors")
_WORDS = (".txt", ".json", ".csv", ".pbtxt")


def kind_of(file: str) -> str | None:
    """What a file is to an app, by its name; null where it is nothing that an app asks for."""
    name = file.rpartition("/")[2].lower()
    for ending, kind in ((".tflite", "tflite"), (".litertlm", "litert_lm"), (".task", "task")):
        if name.endswith(ending):
            return kind
    if "anchor" in name:
        return "anchors"
    if "label" in name and name.endswith(_WORDS):
        return "labels"
    if (
        name in ("tokenizer.json", "tokenizer.model")
        or name.endswith(".spm")
        or (name.endswith(".model") and ("spiece" in name or "sentencepiece" in name))
    ):
        return "tokenizer"
    if "vocab" in name and name.endswith(_WORDS):
        return "vocab"
    return None


def assets(hugging_face_id: str, sha: str | None, files: Iterable[str]) -> dict[str, list[str]]:
    """kind -> addresses of the files of that kind at a revision, the shortest name first. Without a revision there is none: the files behind a
    branch change."""
    found: dict[str, list[str]] = {}
    for file in sorted(files, key=lambda file: (len(file), file)) if sha else ():
        kind = kind_of(file)
        if kind and not {"", ".", ".."} & set(file.split("/")):  # a path that leads out of the repository
            found.setdefault(kind, []).append(f"{ADDRESS}/{quote(hugging_face_id)}/resolve/{quote(str(sha), safe='')}/{quote(file)}")
    return {kind: found[kind] for kind in KINDS if kind in found}
