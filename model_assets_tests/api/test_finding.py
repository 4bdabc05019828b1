"""The resolver that answers for ids which nobody lists: made for what is published, and not made again for every second reader."""

from sqlalchemy import text

from model_assets.api.finding import Resolvers
from model_assets.database import connect

GIVEN, MODEL = "some-proxy/openai/gpt-4o", "openai/gpt-4o"


def test_readers_of_two_published_times_do_not_make_it_anew_for_each_other(settled: str) -> None:
    resolvers = Resolvers()
    with connect(settled) as connection:
        older, newer = (resolvers.of(connection, day) for day in ("2026-05-01", "2026-05-02"))
        assert older is not newer
        for _ in range(2):
            assert resolvers.of(connection, "2026-05-01") is older
            assert resolvers.of(connection, "2026-05-02") is newer
        resolvers.of(connection, "2026-05-03")
        assert resolvers.of(connection, "2026-05-02") is newer
        assert resolvers.of(connection, "2026-05-01") is not older  # the last two are kept


def test_after_an_older_backup_was_restored_what_it_does_not_hold_is_known_no_more(settled_copy: str) -> None:
    resolvers = Resolvers()
    with connect(settled_copy) as connection:
        assert resolvers.of(connection, "2026-05-02").resolve_id(GIVEN, None, None).model == MODEL
        connection.execute(text("delete from history.listing where listed_id like '%gpt-4o%'"))
        assert resolvers.of(connection, "2026-05-01").resolve_id(GIVEN, None, None).model != MODEL
