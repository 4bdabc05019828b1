"""Reading a terminal that a process writes to."""

import os


def all_sent(ours: int) -> bytes:
    """All that was written to a terminal, once the other end is closed; then ours is closed too."""
    seen = b""
    try:
        while chunk := os.read(ours, 65_536):
            seen += chunk
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return seen
