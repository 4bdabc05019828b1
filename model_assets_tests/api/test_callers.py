"""Faults A1, A2, A9 and A12: who calls, over real HTTP, and what tier the database gives them."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from fastapi import Request
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from model_assets.api.callers import (
    ANONYMOUS,
    Admin,
    Anyone,
    Caller,
    User,
    bearer,
    caller_of,
    require_secret,
    secret_matches,
)
from model_assets.api.database import Database
from model_assets.api.errors import Problem
from model_assets.api.profiles import REMEMBERED, Profiles
from model_assets.api.tokens import Verifier
from model_assets.errors import DatabaseDown
from model_assets_tests.api.conftest import Api, serving
from model_assets_tests.api.forgeries import FORGERIES
from model_assets_tests.api.signing import ISSUER, SECRET, USER, claims, settings, token
from model_assets_tests.fetching.misbehaving import answer
from model_assets_tests.fetching.misbehaving import serving as answering

TIERS = ("free", "pro", "enterprise", "admin")
SIGNED = {"JWT_SECRET": SECRET, "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": "models"}
CRON = "the secret of the cron job"


class Clock:
    """Seconds that pass as told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def with_routes(api: Api) -> Api:
    """Routes that say who calls, for each of the dependencies."""

    def said(caller: Caller) -> dict[str, Any]:
        return caller._asdict()

    def anyone(caller: Anyone) -> dict[str, Any]:
        return said(caller)

    def user(caller: User) -> dict[str, Any]:
        return said(caller)

    def admin(caller: Admin) -> dict[str, Any]:
        return said(caller)

    def cron(request: Request) -> str:
        require_secret(request, bearer(request.headers.get("authorization")), request.app.state.parts.settings.cron_secret)
        return "started"

    for route in (anyone, user, admin, cron):
        api.app.add_api_route(f"/trial/{route.__name__}", route)
    return api


@pytest.fixture(name="trial", scope="module")
def _trial(server: str, bundled: str) -> Iterator[Api]:
    """An API with those routes, and a user of each tier."""
    from model_assets_tests.conftest import copy_of

    with copy_of(server, bundled) as url, serving(url, **SIGNED, CRON_SECRET=CRON) as api:
        with api.connect() as connection:
            for tier in TIERS:
                connection.execute("insert into access.profile (user_id, tier) values (%s, %s)", (f"{tier} user", tier))
        yield with_routes(api)


def ask(api: Api, route: str, *headers: tuple[str, str], **parameters: str) -> httpx.Response:
    return httpx.get(f"{api.address}/trial/{route}", headers=list(headers), params=parameters, timeout=60, trust_env=False)


def signed(user: str, **others: Any) -> tuple[str, str]:
    return "Authorization", f"Bearer {token(None, claims(sub=user, **others))}"


# --- who calls ---


def test_without_a_token_one_is_nobody_in_particular_with_the_tier_free(trial: Api) -> None:
    assert ask(trial, "anyone").json() == {"user_id": None, "tier": "free", "authenticated": False}


@pytest.mark.parametrize("tier", TIERS)
def test_the_tier_is_the_accounts(trial: Api, tier: str) -> None:
    for route in ("anyone", "user", *(["admin"] if tier == "admin" else [])):
        assert ask(trial, route, signed(f"{tier} user")).json() == {"user_id": f"{tier} user", "tier": tier, "authenticated": True}


def test_a_user_whom_nobody_knows_has_the_tier_free(trial: Api) -> None:
    for name in ("somebody", "Admin User", "admin user'; --", "ADMIN USER"):
        assert ask(trial, "user", signed(name)).json() == {"user_id": name, "tier": "free", "authenticated": True}


def test_nothing_in_a_request_raises_a_tier(trial: Api) -> None:
    """Fault A2."""
    said = signed("free user", tier="admin", role="admin", roles=["admin"], app_metadata={"tier": "admin"}, scope="admin")
    pretended = [said, ("X-Admin", "true"), ("X-Tier", "admin"), ("X-User-Id", "admin user"), ("Cookie", "tier=admin; user_id=admin user")]
    assert ask(trial, "anyone", *pretended, tier="admin", user_id="admin user", access_token=signed("admin user")[1][7:]).json() == {
        "user_id": "free user", "tier": "free", "authenticated": True,
    }  # fmt: skip
    assert ask(trial, "anyone", *pretended[1:], tier="admin").json() == ANONYMOUS._asdict()
    assert ask(trial, "admin", *pretended).status_code == 403


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEARER"])
def test_the_case_of_the_scheme_does_not_matter(trial: Api, scheme: str) -> None:
    assert ask(trial, "user", ("Authorization", f"{scheme} {signed('pro user')[1][7:]}")).json()["tier"] == "pro"


# --- who is not let in ---


def refusal(response: httpx.Response) -> tuple[Any, ...]:
    """What a refused caller can see, without what differs from request to request."""
    body = response.json()
    body["error"].pop("request_id")
    body.pop("timestamp")
    return response.status_code, body, response.headers["www-authenticate"], response.headers["cache-control"], len(response.content)


def sendable(forged: str) -> bool:
    return forged.isascii() and forged.isprintable() and forged == forged.strip() and 0 < len(forged) < 30_000


def test_every_forged_token_gets_the_same_answer_on_every_route(trial: Api) -> None:
    forged = [made for algorithm, make in FORGERIES.values() if algorithm == "HS256" and sendable(made := make())]
    assert len(forged) > 80
    wanted = refusal(ask(trial, "user"))
    assert wanted[:2] == (401, {"error": {"code": "UNAUTHORIZED", "message": wanted[1]["error"]["message"], "details": None}})
    assert wanted[2] == "Bearer"
    with httpx.Client(base_url=trial.address, trust_env=False, timeout=60) as client:
        for one in forged:
            assert refusal(client.get("/trial/anyone", headers={"Authorization": f"Bearer {one}"})) == wanted, one[:200]
        for route in ("user", "admin"):
            assert refusal(client.get(f"/trial/{route}", headers={"Authorization": f"Bearer {forged[0]}"})) == wanted


@pytest.mark.parametrize(
    "header",
    [
        "", " ", "Bearer", "Bearer ", "Bearer  TOKEN", "Bearer TOKEN TOKEN", "Bearer TOKEN, Bearer TOKEN", "BearerTOKEN", "Bearer:TOKEN", "TOKEN",
        "Token TOKEN", "Basic TOKEN", "JWT TOKEN", "Bearer\tTOKEN", "Bearer \"TOKEN\"", "Bearer token=TOKEN", "Digest username=admin", "Bearer null",
    ],
)  # fmt: skip
def test_a_header_that_is_there_and_wrong_is_never_a_caller_without_a_token(header: str) -> None:
    with pytest.raises(Problem) as refused:
        caller_of(header.replace("TOKEN", token()), Verifier(settings()), Profiles(nobody_asks))
    assert (refused.value.status, refused.value.headers) == (401, {"WWW-Authenticate": "Bearer"})


def test_two_authorizations_are_none(trial: Api) -> None:
    assert ask(trial, "anyone", signed("free user"), signed("admin user")).status_code == 401
    assert ask(trial, "anyone", signed("free user"), ("Authorization", "Basic x")).status_code == 401


def test_without_a_token_401_and_with_one_of_no_admin_403(trial: Api) -> None:
    assert [ask(trial, route).status_code for route in ("anyone", "user", "admin")] == [200, 401, 401]
    for tier in ("free", "pro", "enterprise"):
        assert ask(trial, "admin", signed(f"{tier} user")).status_code == 403
    assert "www-authenticate" not in ask(trial, "admin", signed("free user")).headers


def test_where_the_keys_of_tokens_cannot_be_read_the_answer_is_to_come_again() -> None:
    with answering(answer(500)) as server:
        found = Verifier(settings(JWT_SECRET="", JWT_ALGORITHM="RS256", JWT_JWKS=server.url("/keys")))
        with pytest.raises(Problem) as refused:
            caller_of(f"Bearer {token(algorithm='RS256')}", found, Profiles(nobody_asks))
    assert refused.value.status == 503
    assert "Retry-After" in refused.value.headers


def test_the_document_says_which_routes_take_a_token(trial: Api) -> None:
    trial.app.openapi_schema = None
    document = trial.app.openapi()
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for route in ("anyone", "user", "admin"):
        assert document["paths"][f"/trial/{route}"]["get"]["security"] == [{"HTTPBearer": []}]


# --- secrets ---


@pytest.mark.parametrize(
    ("given", "expected", "same"),
    [
        (CRON, CRON, True), ("schlüssel ß", "schlüssel ß", True), (CRON[:-1], CRON, False), (CRON + "x", CRON, False), (CRON.upper(), CRON, False),
        ("", CRON, False), (None, CRON, False), ("", "", False), (None, "", False), ("x", "", False), ("\ud800", CRON, False),
    ],
)  # fmt: skip
def test_a_secret_matches_only_itself_and_an_empty_one_nothing(given: str | None, expected: str, same: bool) -> None:
    assert secret_matches(given, expected) is same


def test_only_the_whole_secret_in_its_header_lets_in(trial: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Fault A9."""
    caplog.set_level(logging.DEBUG)
    assert ask(trial, "cron", ("Authorization", f"Bearer {CRON}")).json() == "started"
    trial.app.state.parts.settings = settings(CRON_SECRET="a-secret-of-the-cron-job")
    assert ask(trial, "cron", ("Authorization", "Bearer a-secret-of-the-cron-job")).json() == "started"
    wrong = [
        "Bearer a-secret-of-the-cron-jo",
        "Bearer a-secret-of-the-cron-jobb",
        "Bearer",
        "Basic a-secret-of-the-cron-job",
        "Bearer A-SECRET-OF-THE-CRON-JOB",
    ]
    for header in wrong:
        assert ask(trial, "cron", ("Authorization", header)).status_code == 401
    assert ask(trial, "cron", secret="a-secret-of-the-cron-job", token="a-secret-of-the-cron-job").status_code == 401
    assert ask(trial, "cron").headers["www-authenticate"] == "Bearer"
    trial.app.state.parts.settings = settings()
    assert [ask(trial, "cron", ("Authorization", f"Bearer {given}")).status_code for given in ("x", "None", "''")] == [401] * 3
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("model_assets")]
    assert not [said for said in ours if "a-secret-of" in said]


# --- too often ---


@contextmanager
def limited(server: str, bundled: str, limits: str, **others: str) -> Iterator[Api]:
    from model_assets_tests.conftest import copy_of

    with copy_of(server, bundled) as url, serving(url, **SIGNED, API_RATE_LIMITS=limits, **others) as api:
        yield with_routes(api)


def test_who_guesses_is_stopped_before_the_guess_is_looked_at_and_others_go_on(server: str, bundled: str) -> None:
    """Fault A12. Each client has an address of its own behind the proxy, which is this machine."""
    with limited(server, bundled, "wrong:5/hour", API_TRUSTED_PROXIES="127.0.0.1", CRON_SECRET="a-secret-of-the-cron-job") as api:
        mallory, alice = ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "2.2.2.2")
        wrong = ("Authorization", "Bearer wrong")
        assert [ask(api, route, mallory, wrong).status_code for route in ("user", "cron", "anyone", "user", "cron", "user", "cron")] == [
            401
        ] * 5 + [429] * 2
        stopped = ask(api, "user", mallory, signed(USER))
        assert stopped.status_code == 429
        assert 600 < int(stopped.headers["retry-after"]) <= 720
        assert stopped.headers["x-ratelimit-remaining"] == "0"
        assert ask(api, "cron", mallory, ("Authorization", "Bearer a-secret-of-the-cron-job")).status_code == 429
        assert ask(api, "anyone", mallory).status_code == 200
        assert ask(api, "user", alice, signed(USER)).status_code == 200


def test_right_tokens_and_missing_ones_are_no_guesses(server: str, bundled: str) -> None:
    with limited(server, bundled, "wrong:2/hour") as api:
        assert {ask(api, "user").status_code for _ in range(5)} == {401}
        assert {ask(api, "user", signed(USER)).status_code for _ in range(5)} == {200}
        assert {ask(api, "admin", signed(USER)).status_code for _ in range(5)} == {403}


def test_requests_are_counted_by_user_or_by_address(server: str, bundled: str) -> None:
    with limited(server, bundled, "anonymous:2,free:3") as api:
        assert [ask(api, "anyone").status_code for _ in range(3)] == [200, 200, 429]
        assert [ask(api, "user", signed("ann")).headers["x-ratelimit-remaining"] for _ in range(3)] == ["2", "1", "0"]
        over = ask(api, "user", signed("ann"))
        assert (over.status_code, over.json()["error"]["code"]) == (429, "TOO_MANY_REQUESTS")
        assert 1000 < int(over.headers["retry-after"]) <= 1200
        assert over.headers["x-ratelimit-limit"] == "3"
        assert ask(api, "user", signed("bob")).status_code == 200


# --- what is remembered of tiers ---


def nobody_asks() -> Any:
    raise AssertionError("nobody should have asked for a tier")


class Counted:
    """Transactions on a database, counted. `during`: what happens after a tier was read, before it is known."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.count = engine, 0
        self.during: Any = lambda: None

    @contextmanager
    def __call__(self) -> Iterator[Connection]:
        self.count += 1
        with self.engine.connect() as connection:
            yield connection
        self.during()


def set_tier(engine: Engine, user: str, tier: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "insert into access.profile (user_id, tier) values (:user, :tier) on conflict (user_id) do update set tier = excluded.tier"
            ),
            {"user": user, "tier": tier},
        )


def test_a_tier_is_remembered_for_five_seconds_at_most(database: Engine) -> None:
    clock, reading = Clock(), Counted(database)
    profiles = Profiles(reading, clock)
    set_tier(database, "ann", "pro")
    assert [profiles.tier("ann") for _ in range(10)] == ["pro"] * 10
    set_tier(database, "ann", "free")
    clock.seconds += REMEMBERED - 0.01
    assert (profiles.tier("ann"), profiles.remembered("ann"), reading.count) == ("pro", "pro", 1)
    clock.seconds += 0.01
    assert profiles.remembered("ann") is None
    assert (profiles.tier("ann"), reading.count) == ("free", 2)
    assert REMEMBERED <= 5


@pytest.mark.parametrize("whose", ["ann", None])
def test_what_was_told_to_have_changed_is_read_at_once(database: Engine, whose: str | None) -> None:
    profiles = Profiles(Counted(database), Clock())
    assert profiles.tier("ann") == "free"
    set_tier(database, "ann", "admin")
    profiles.forget("bob")
    assert profiles.tier("ann") == "free"
    profiles.forget(whose)
    assert profiles.tier("ann") == "admin"


def test_a_tier_that_changed_while_it_was_read_is_not_remembered(database: Engine) -> None:
    reading = Counted(database)
    profiles = Profiles(reading, Clock())
    set_tier(database, "ann", "admin")

    def meanwhile() -> None:
        set_tier(database, "ann", "free")
        profiles.forget("ann")

    reading.during = meanwhile
    assert profiles.tier("ann") == "admin"  # it was, when it was asked for
    reading.during = lambda: None
    assert profiles.tier("ann") == "free"


def test_only_so_many_users_are_remembered(database: Engine) -> None:
    profiles = Profiles(Counted(database), Clock(), most=10)
    for number in range(100):
        profiles.tier(f"user {number}")
    assert len(profiles._known) == 10


def test_without_the_database_nobody_has_a_tier() -> None:
    nowhere = Database("postgresql+psycopg://nobody@127.0.0.1:9/nothing")
    with pytest.raises((DatabaseDown, OperationalError)):
        Profiles(nowhere.reading).tier("ann")


def test_a_change_in_the_database_is_heard_of_within_moments(trial: Api) -> None:
    said = signed("promoted user")
    assert ask(trial, "user", said).json()["tier"] == "free"
    with trial.connect() as connection:
        connection.execute("insert into access.profile (user_id, tier) values ('promoted user', 'enterprise')")
    deadline = time.monotonic() + 30
    while ask(trial, "user", said).json()["tier"] != "enterprise":
        assert time.monotonic() < deadline, "the tier stayed what it was"
        time.sleep(0.05)


def test_forty_at_once_are_told_apart(trial: Api) -> None:
    found: dict[int, str] = {}

    def go(number: int) -> None:
        for _ in range(5):
            found[number] = ask(trial, "user", signed(f"{TIERS[number % 4]} user")).json()["tier"]

    threads = [threading.Thread(target=go, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: TIERS[number % 4] for number in range(40)}
