"""The sources, by name. A new one is a page like these, a saved payload, its test, and its name here."""

from model_assets.sources import genai_prices, litellm, models_dev, models_dev_models, openrouter
from model_assets.sources.base import Source

SOURCES: dict[str, Source] = {
    source.name: source for source in (models_dev.SOURCE, models_dev_models.SOURCE, openrouter.SOURCE, litellm.SOURCE, genai_prices.SOURCE)
}
