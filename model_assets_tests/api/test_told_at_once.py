"""What an admin says is heard by every process at once; and where it was said until an instant, its end is followed without anybody saying so."""

import dagster as dg

from model_assets.access.users import PROFILES, set_tier
from model_assets.database import connect
from model_assets_tests.api.conftest import Api, serving
from model_assets_tests.api.test_admin_words import settle, tick


def test_every_process_is_told_of_a_tier_that_changed(own_api: Api) -> None:
    with own_api.connect() as listener:
        listener.autocommit = True
        listener.execute(f"listen {PROFILES}".encode())
        answer = own_api.client("admin").put("/api/admin/users/somebody", json={"tier": "pro", "why": "a customer"})
        assert answer.status_code == 200
        assert [one.payload for one in listener.notifies(timeout=30, stop_after=1)] == ["somebody"]
        with connect(own_api.url) as connection:
            set_tier(connection, "somebody", "free", "a test")
        assert [one.payload for one in listener.notifies(timeout=30, stop_after=1)] == ["somebody"]


def test_the_end_of_a_word_is_followed_once_and_then_the_model_is_shown_again(own_api: Api, daemon: dg.DagsterInstance) -> None:
    with own_api.connect() as connection:
        [model] = connection.execute("select min(model_id) from catalog.model_card where visible_pro and kind = 'model'").fetchone()
        version = own_api.client("admin").get(f"/api/admin/models/{model}").headers["ETag"]
    said = {"status": "disabled", "until": "2100-01-01T00:00:00Z", "why": "for a while"}
    assert own_api.client("admin").patch(f"/api/admin/models/{model}", json=said, headers={"If-Match": version}).status_code == 200
    assert own_api.client("pro").get(f"/api/v1/models/{model}").status_code == 404
    _, cursor = tick(own_api, daemon, None)
    assert tick(own_api, daemon, cursor)[0] == []
    with own_api.connect() as connection:  # as if it was later
        connection.execute("update access.decision set decided_until = now() - interval '1 second' where model_id = %s", [model])
    asked, cursor = tick(own_api, daemon, cursor)
    assert len(asked) == 1
    assert settle(own_api, daemon)
    assert tick(own_api, daemon, cursor)[0] == []
    with own_api.connect() as connection:
        assert connection.execute("select visible_pro from catalog.model_card where model_id = %s", [model]).fetchone() == (True,)


def test_a_right_key_is_not_taken_after_too_many_wrong_ones_whichever_way_it_comes(own_api: Api) -> None:
    key = "a key of the tests, long enough"
    with serving(own_api.url, ADMIN_KEY=key, API_RATE_LIMITS="wrong:3/minute") as api:
        client = api.client()
        wrong = [client.get("/admin/model-sync/providers", headers={"Authorization": f"Bearer {place}"}).status_code for place in range(4)]
        assert wrong == [401, 401, 401, 429]
        for headers in ({"Authorization": f"Bearer {key}"}, {"X-Admin-Key": key}):
            assert client.get("/admin/model-sync/providers", headers=headers).status_code == 429
