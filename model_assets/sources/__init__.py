"""The sources, by name. A new one is a page like these, a saved payload, its test, and its name here."""

from model_assets.sources import (
    aider,
    artificial_analysis,
    bfcl,
    curated,
    discussions,
    epoch,
    genai_prices,
    huggingface,
    jobs,
    litellm,
    livebench,
    lmarena,
    models_dev,
    models_dev_models,
    news,
    openrouter,
    swebench,
)
from model_assets.sources.base import Source

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        models_dev.SOURCE,
        models_dev_models.SOURCE,
        openrouter.SOURCE,
        litellm.SOURCE,
        genai_prices.SOURCE,
        huggingface.SOURCE,
        curated.SOURCE,
        aider.SOURCE,
        swebench.SOURCE,
        livebench.SOURCE,
        bfcl.SOURCE,
        lmarena.SOURCE,
        epoch.SOURCE,
        artificial_analysis.SOURCE,
        news.SOURCE,
        discussions.SOURCE,
        jobs.SOURCE,
    )
}


def of_kind(*kinds: str) -> dict[str, Source]:
    """The sources that are read for prices, models, scores or mentions."""
    return {name: source for name, source in SOURCES.items() if source.kind in kinds}
