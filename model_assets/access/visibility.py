"""Who sees what: one condition, which every query uses that answers somebody."""

from model_assets.errors import ModelAssetsError

TIERS = ("free", "pro", "enterprise", "admin")


def sees(tier: str, card: str = "card") -> str:
    """The SQL condition on rows of catalog.model_card (under that alias) that a tier may see. An admin sees all.

    Raises ModelAssetsError for what is no tier."""
    if tier not in TIERS:
        raise ModelAssetsError(f"There is no tier {tier!r}. Let an admin give the account one of {', '.join(TIERS)}.")
    return "true" if tier == "admin" else f"{card}.visible_{tier}"


def shows(tier: str, offer: str = "offer", card: str = "card") -> str:
    """The SQL condition on offers of a model that a tier sees: whether the plan that each is of is shown to it."""
    return "true" if tier == "admin" else f"{offer}.offer <> all({card}.hidden_offers)"


def widened(tier: str, least: str) -> str:
    """The tier by which somebody sees the catalogue where everybody sees at least what `least` does (API_CATALOGUE_TIER)."""
    return max(tier, least, key=TIERS.index)
