"""What a licence lets a business do, in one word, by the id that Hugging Face gives it. No legal advice: a warning light.

safe        lets anyone use, change and sell it, asking for little more than that its notice is kept
restricted  known, and forbids business or asks for more: non-commercial, copyleft, use policies that bind users
custom      the author's own terms: somebody has to read them
gated       the terms must be accepted before the weights can be had
unknown     not stated, or not in this table. Never taken for safe
"""

from functools import lru_cache
from typing import NamedTuple

CLASSES = ("safe", "restricted", "custom", "gated", "unknown")

SAFE = frozenset(
    """
    apache-2.0 mit bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear cc0-1.0 cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 unlicense wtfpl 0bsd
    isc zlib bsl-1.0 afl-3.0 artistic-2.0 ecl-2.0 ms-pl ncsa postgresql pddl odc-by cdla-permissive-1.0 cdla-permissive-2.0 openmdw-1.0
    openmdw-1.1 openmdw cc-by etalab-2.0
    """.split()  # noqa: SIM905
)
_COPYLEFT = """
    gpl gpl-2.0 gpl-3.0 agpl-3.0 lgpl lgpl-2.1 lgpl-3.0 lgpl-lr mpl-2.0 eupl-1.1 eupl-1.2 epl-1.0 epl-2.0 osl-3.0 cc-by-sa-3.0
    cc-by-sa-4.0 gfdl ofl-1.1 odbl cdla-sharing-1.0 lppl-1.3c
    """.split()  # noqa: SIM905
_NON_COMMERCIAL = """
    cc-by-nc cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 c-uda
    apple-amlr fair-noncommercial-research-license intel-research
    """.split()  # noqa: SIM905
_NO_CHANGES = ["cc-by-nd-4.0"]
_USE_POLICY = [
    "openrail",
    "openrail++",
    "creativeml-openrail-m",
    "bigscience-openrail-m",
    "bigscience-bloom-rail-1.0",
    "bigcode-openrail-m",
]
RESTRICTED: dict[str, str] = {
    **dict.fromkeys(_COPYLEFT, "copyleft: what is made of it must be shared alike"),
    **dict.fromkeys(_NON_COMMERCIAL, "forbids commercial use"),
    **dict.fromkeys(_NO_CHANGES, "forbids changed versions"),
    **dict.fromkeys(_USE_POLICY, "binds its users, and theirs, to a use policy"),
}
CUSTOM = frozenset(
    """
    llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 gemma deepfloyd-if-license apple-ascl h-research cc other
    """.split()  # noqa: SIM905
)


class Verdict(NamedTuple):
    """One of CLASSES, and why."""

    licence_class: str
    why: str


@lru_cache(maxsize=4096)
def classify(licence: str | None, named: str | None = None, gated: str | None = None) -> Verdict:
    """The class of a licence by its id; `named` is what the author calls it where the id is "other". `gated` says how access is given where
    it has to be asked for: that counts first, since nobody gets at the weights without it."""
    ungated = _by_id(licence, named)
    if gated:
        how = {"auto": "access is given once the terms are accepted", "manual": "access is given by the author, one by one"}
        return Verdict(
            "gated", f"{how.get(gated, f'access is gated ({gated})')}; the licence itself is {ungated.licence_class}: {ungated.why}"
        )
    return ungated


def _by_id(licence: str | None, named: str | None) -> Verdict:
    if not licence:
        return Verdict("unknown", "no licence is stated")
    id = licence.lower()
    if id in SAFE:
        return Verdict("safe", f"{id} lets anyone use, change and sell it")
    if id in RESTRICTED:
        return Verdict("restricted", f"{id} {RESTRICTED[id]}" if not RESTRICTED[id].startswith("copyleft") else f"{id} is {RESTRICTED[id]}")
    if id == "other":
        return Verdict("custom", f"terms of the author's own: {named or 'without a name'}")
    if id in CUSTOM or id.startswith(("llama", "gemma")):
        return Verdict("custom", f"{id} has terms of its author's own")
    if id == "unknown":
        return Verdict("unknown", "the author calls the licence unknown")
    return Verdict("unknown", f"{id[:60]} is not in the table of licences")
