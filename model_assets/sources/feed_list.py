"""Which feeds the news are read from: the list that comes with the project, or a file of one's own."""

from pathlib import Path

import yaml

from model_assets.errors import SettingsError

DEFAULT = Path(__file__).with_name("feeds.yml")
MOST_FEEDS = 500
MOST_LETTERS = 400


def read_feeds(path: Path) -> list[str]:
    """The addresses in a file of feeds, in its order. Raises SettingsError where it is no such file."""
    remedy = f"Write `feeds:` and below it one `- https://...` per feed, as {DEFAULT} has it."
    try:
        text = path.read_text(encoding="utf-8")
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise SettingsError(f"{path} uses YAML aliases, which a list of feeds does not need. {remedy}")
        found = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as broken:
        raise SettingsError(f"the list of feeds {path} cannot be read: {' '.join(str(broken).split())[:200]}. {remedy}") from None
    feeds = found.get("feeds") if isinstance(found, dict) else None
    if not isinstance(feeds, list) or not feeds:
        raise SettingsError(f"{path} lists no feeds. {remedy}")
    if len(feeds) > MOST_FEEDS:
        raise SettingsError(f"{path} lists {len(feeds)} feeds, and at most {MOST_FEEDS} are read at a time. Leave some out.")
    for feed in feeds:
        web = isinstance(feed, str) and feed.startswith(("https://", "http://")) and feed.isprintable() and " " not in feed
        if not web or len(feed) > MOST_LETTERS:
            raise SettingsError(f"{path} has {str(feed)[:60]!r} where the address of a feed belongs. {remedy}")
        if feeds.count(feed) > 1:
            raise SettingsError(f"{path} lists {feed} twice. Take one of them out.")
    return feeds
