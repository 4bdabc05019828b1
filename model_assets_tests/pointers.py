"""JSON pointers, followed without the code that makes them."""

from typing import Any


def followed(payload: Any, pointer: str) -> Any:
    """What a JSON pointer leads to, step by step."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        payload = payload[int(name)] if isinstance(payload, list) else payload[name]
    return payload
