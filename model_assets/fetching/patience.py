"""How patiently sources are asked. Apart from the resources of Dagster, which the command line can do without."""

from model_assets.fetching.http import Policy
from model_assets.settings import read_settings


def fetch_policy(allow_loopback: bool = False) -> Policy:
    """The retry policy that the environment asks for."""
    settings = read_settings()
    return Policy(
        attempts=settings.model_sync_retry_attempts, backoff_seconds=settings.model_service_retry_ms / 1000, allow_loopback=allow_loopback
    )
