"""YAML from elsewhere, read as text only and with suspicion."""

import yaml

from model_assets.errors import BadPayload

MOST_CHARACTERS = 4_000_000


class _Plain(yaml.BaseLoader):
    """YAML in which every scalar is the text that was written: no float comes near a score. An alias is refused, since a few lines of them
    stand for more than there is memory; so is a key that occurs twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias, which no payload has a use for")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        found: dict[object, object] = super().construct_mapping(node, deep=deep)
        if len(found) < len(node.value):
            raise yaml.YAMLError(f"a key that occurs twice{node.start_mark}")
        return found


def load(text: str) -> object:
    """The value of a YAML text, each scalar as text. Raises BadPayload."""
    if len(text) > MOST_CHARACTERS:
        raise BadPayload(f"a YAML text of {len(text):,} characters is not read (at most {MOST_CHARACTERS:,}). Look at the payload in raw.")
    try:
        return yaml.load(text, Loader=_Plain)  # noqa: S506  builds nothing but texts, lists and dicts
    except RecursionError:
        raise BadPayload("not YAML: nested too deep. Look at the payload in raw.") from None
    except yaml.YAMLError as broken:
        said = ascii(" ".join(str(broken).split())[:200])[1:-1]
        raise BadPayload(f"not YAML: {said}. Look at the payload in raw.") from None
