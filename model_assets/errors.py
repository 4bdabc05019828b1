"""What can go wrong, in words for the person who has to mend it.

Every error says what was found, where, and what to do. `exit_code` is what the command line ends with.
"""


class ModelAssetsError(Exception):
    """An error whose message is meant for a person; the command line prints it in one line, without a traceback."""

    exit_code = 1


class BadPayload(ModelAssetsError):
    """The bytes are not the catalogue they should be: not JSON, cut, too large, or without the expected envelope."""


class BadRecording(ModelAssetsError):
    """A file that should be a recording is not one: a wrong name, a cut gzip, an empty body."""


class FetchFailed(ModelAssetsError):
    """A live source could not be read. `kind` is one word for it: timeout, throttled, refused, dns, tls, status, redirect, encoding, too_large,
    cut, protocol, forbidden_address. `wait` is how many seconds the server asked for, where it asked for more than a fetch waits."""

    def __init__(self, message: str, kind: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.kind, self.wait = kind, wait


class SourceOff(ModelAssetsError):
    """A source that is not read as things are set. The message says what to set."""


class NothingRecorded(ModelAssetsError):
    """A past day was asked for, and there is neither a payload nor a recording of it."""


class PayloadRefused(ModelAssetsError):
    """The gate refused a payload as a whole. The ledger did not move; the payload is kept in `raw`."""


class SourceBusy(ModelAssetsError):
    """Another run holds this source and day. The message names the run."""


class Fenced(ModelAssetsError):
    """This run was cancelled, or another one replaced it: it may not commit any more."""


class DatabaseDown(ModelAssetsError):
    """The database does not answer."""

    exit_code = 2


class NoRoom(ModelAssetsError):
    """The disk of the embedded database has too little space left to write to it."""


class SettingsError(ModelAssetsError):
    """An environment variable or a file of settings has a value that cannot be used."""

    exit_code = 2
