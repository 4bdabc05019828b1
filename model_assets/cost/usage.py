"""What a request used: a quantity per meter, and how the counts that providers report map to them.

The counts are apart from each other, so that their sum is the prompt, or the answer:

- `input` is what of the prompt was neither read from a cache nor written to one. Anthropic counts so; OpenAI's `prompt_tokens` and
  Gemini's `promptTokenCount` hold the cached ones too: take `cached_tokens` off first;
- audio, image and video tokens are not in `input` or `output` where they are given apart;
- `reasoning` is the one exception: every provider counts it in `output` too, so it is a part of `output` here.

What has no meter of its own name is called by what it counts: `images` are made, `input_images` are shown, `seconds` are of whatever the
model charges by the second.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from model_assets.contracts import METERS
from model_assets.errors import ModelAssetsError

Quantity = int | Decimal

#: second names of meters
NAMES = {
    "cache_write": "cache_write_5m",
    "images": "image",
    "input_images": "input_image_unit",
    "requests": "request",
    "searches": "web_search",
    "web_searches": "web_search",
    "pages": "page",
    "queries": "query",
}
#: seconds of whatever the offer charges by the second
SECONDS = "seconds"
SECOND_METERS = ("second", "audio_second", "video_second", "input_audio_second", "input_video_second")
#: all that is read before the answer begins; their sum is the prompt that a bound is compared with
PROMPT_METERS = (
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "cache_write_12h", "input_audio", "input_image", "input_video",
    "cache_read_audio", "cache_write_audio", "cache_read_image",
)  # fmt: skip


class Usage(NamedTuple):
    """Quantities above 0 by meter (`seconds` may stand for one of them), and the sizes or qualities that were asked for."""

    quantities: dict[str, Quantity]
    details: Mapping[str, str] = {}

    @property
    def prompt_tokens(self) -> int:
        """How long the prompt was: tokens of any kind, cached or not."""
        return int(sum(self.quantities.get(meter, 0) for meter in PROMPT_METERS))


def usage(counts: Mapping[str, Quantity], details: Mapping[str, str] | None = None) -> Usage:
    """The usage of one request, from counts by meter or by a second name (see NAMES). A request is one call unless `requests` says more.

    Raises ModelAssetsError for a name that is no meter, a count that is negative or no finite number, and more reasoning than output.
    """
    quantities: dict[str, Quantity] = {"request": 1}
    for name, count in counts.items():
        meter = NAMES.get(name, name)
        if meter not in METERS and meter != SECONDS:
            known = ", ".join((*METERS, SECONDS, *NAMES))
            raise ModelAssetsError(f"{name!r} is nothing that is counted. Use one of {known}.")
        if isinstance(count, bool) or not isinstance(count, int | Decimal) or not Decimal(count).is_finite() or count < 0:
            raise ModelAssetsError(f"{name} is {count!r}: a count is a whole or decimal number that is not negative.")
        quantities[meter] = count if meter == "request" else quantities.get(meter, 0) + count
    if quantities.get("reasoning", 0) > quantities.get("output", 0):
        raise ModelAssetsError(
            f"{quantities['reasoning']} reasoning tokens are more than the {quantities.get('output', 0)} of output, in which they are counted."
            " Give the whole answer as output."
        )
    return Usage({meter: count for meter, count in quantities.items() if count}, dict(details or {}))
