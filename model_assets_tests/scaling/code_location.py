"""The real assets of three sources, and nothing that starts runs by itself; executed where the environment says."""

import warnings

import dagster as dg

from model_assets.executors import executor
from model_assets.resources import Feeds, Postgres
from model_assets.settings import read_settings
from model_assets.source_assets import source_assets
from model_assets.sources import SOURCES

warnings.filterwarnings("ignore", category=dg.BetaWarning)

NAMES = ("genai_prices", "litellm", "openrouter")
KEYS = [dg.AssetKey([layer, name]) for name in NAMES for layer in ("raw", "staged", "history")]

defs = dg.Definitions(
    assets=[asset for name in NAMES for asset in source_assets(SOURCES[name])],
    resources={"postgres": Postgres(), "feeds": Feeds()},
    executor=executor(read_settings()),
)
