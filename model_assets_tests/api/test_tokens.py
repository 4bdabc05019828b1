"""Fault A1: whose token it is. Good ones of each algorithm, every forgery of forgeries.py, and keys that change."""

import json
import logging
import os
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from model_assets.api.jwks import AT_MOST_EVERY, FIRST_TRIES_EVERY, FRESH, STALE, KeysAway
from model_assets.api.tokens import LEEWAY, Unauthenticated, Verifier
from model_assets.errors import SettingsError
from model_assets_tests.api.forgeries import FORGERIES, ORDER_OF_P256, Make, es, numbers
from model_assets_tests.api.signing import (
    AUDIENCE,
    KID,
    SECRET,
    USER,
    by_ec,
    by_rsa,
    by_secret,
    claims,
    ec_key,
    jwk,
    jwks,
    rsa_key,
    settings,
    token,
)
from model_assets_tests.fetching.misbehaving import Misbehaving, answer, serving


class Clock:
    """Seconds that pass as told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(name="keys")
def _keys(tmp_path: Path) -> Path:
    """A JWKS with a key of each algorithm, both of one id, as they may be."""
    path = tmp_path / "keys.json"
    path.write_bytes(jwks(jwk(rsa_key()), jwk(ec_key())))
    return path


def verifier(algorithm: str, keys: Path | str = "", **clocks: Any) -> Verifier:
    """A verifier as an operator of that algorithm has it."""
    others = {} if algorithm == "HS256" else {"JWT_SECRET": "", "JWT_JWKS": str(keys)}
    return Verifier(settings(JWT_ALGORITHM=algorithm, **others), **clocks)


# --- good ones ---


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
def test_a_good_token_of_the_configured_algorithm_says_whose_it_is(algorithm: str, keys: Path) -> None:
    assert verifier(algorithm, keys).verify(token(algorithm=algorithm)) == USER


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ({"typ": "at+jwt"}, {}),
        ({"typ": "jwt"}, {}),
        ({"kid": "any"}, {}),
        ({"x5t": "abc", "jku": "https://login.example/keys"}, {}),
        ({}, {"aud": ["others", AUDIENCE]}),
        ({}, {"nbf": None, "iat": None}),
        ({}, {"sub": "u" * 255}),
        ({}, {"sub": "auth0|Jörg 7"}),
        ({}, {"tier": "admin", "scope": "everything", "exp2": 1.5}),
        ({}, {"x": "y" * 4000}),
    ],
)
def test_what_a_token_may_say_besides(header: dict[str, Any], said: dict[str, Any]) -> None:
    assert verifier("HS256").verify(token(header, claims(**said))) == said.get("sub", USER)


def test_the_mirrored_signature_of_es256_says_the_same_and_no_more(keys: Path) -> None:
    """(r, n - s) is a signature wherever (r, s) is: by ECDSA's own arithmetic, of the same claims."""
    assert verifier("ES256", keys).verify(es(lambda r, s: numbers(r, ORDER_OF_P256 - s))()) == USER


@pytest.mark.parametrize(
    ("name", "seconds", "accepted"),
    [
        ("exp", 1 - LEEWAY, True), ("exp", -LEEWAY, False), ("nbf", LEEWAY, True), ("nbf", LEEWAY + 1, False),
        ("iat", LEEWAY, True), ("iat", LEEWAY + 1, False),
    ],
)  # fmt: skip
def test_clocks_may_differ_by_thirty_seconds_and_no_more(name: str, seconds: int, accepted: bool) -> None:
    now = 1_800_000_000
    said = claims(iat=now, nbf=now, exp=now + 60) | {name: now + seconds}
    found = verifier("HS256", now=lambda: float(now))
    if accepted:
        assert found.verify(token(None, said)) == USER
        return
    with pytest.raises(Unauthenticated):
        found.verify(token(None, said))


# --- forged ones ---


def test_there_are_forgeries_enough() -> None:
    assert len(FORGERIES) > 120


@pytest.mark.parametrize(("algorithm", "make"), list(FORGERIES.values()), ids=list(FORGERIES))
def test_a_forged_token_is_nobodys(algorithm: str, make: Make, keys: Path) -> None:
    with pytest.raises(Unauthenticated) as refused:
        verifier(algorithm, keys).verify(make())
    assert str(refused.value) == ""
    assert refused.value.__cause__ is None


def test_the_log_says_why_without_a_letter_of_the_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "model_assets.api")
    for header, said in [
        ({"crit": ["sneaky"], "sneaky": 1}, {}),
        ({}, {"aud": "sneaky"}),
        ({"alg": "sneaky"}, {}),
        ({}, {"sub": "sneaky\n"}),
    ]:
        with pytest.raises(Unauthenticated):
            verifier("HS256").verify(token(header, claims(**said)))
    assert caplog.messages == [
        "a token was refused: the header demands an extension",
        "a token was refused: another audience",
        "a token was refused: the signature does not hold (InvalidAlgorithmError)",
        "a token was refused: no usable subject",
    ]


def test_without_a_secret_and_without_keys_no_token_is_anybodys() -> None:
    found = Verifier(settings(JWT_SECRET="", JWT_ISSUER="", JWT_AUDIENCE=""))
    assert not found.configured
    for secret in ("", SECRET):
        with pytest.raises(Unauthenticated):
            found.verify(token(None, None, by_secret(secret)))


def test_how_a_token_is_wrong_cannot_be_told_from_the_time_that_it_takes() -> None:
    found = verifier("HS256")
    kinds = [token(None, None, by_secret("x" * 40)), token({"alg": "none"}), token(None, claims(exp=1)), token(None, claims(aud="other"))]
    taken: list[list[float]] = [[] for _ in kinds]
    for _ in range(200):
        for kind, times in zip(kinds, taken, strict=True):
            began = time.perf_counter()
            with pytest.raises(Unauthenticated):
                found.verify(kind)
            times.append(time.perf_counter() - began)
    medians = [statistics.median(times) for times in taken]
    assert max(medians) - min(medians) < 0.001


# --- settings that contradict each other ---


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"JWT_ISSUER": ""}, "JWT_ISSUER or JWT_AUDIENCE is missing"),
        ({"JWT_AUDIENCE": ""}, "JWT_ISSUER or JWT_AUDIENCE is missing"),
        ({"JWT_ALGORITHM": "RS256"}, "JWT_SECRET is set, but JWT_ALGORITHM is RS256"),
        ({"JWT_JWKS": "https://login.example/keys"}, "JWT_JWKS is set, but JWT_ALGORITHM is HS256"),
        ({"JWT_ALGORITHM": "ES256", "JWT_SECRET": ""}, "JWT_ALGORITHM is ES256, but JWT_JWKS is not set"),
        ({"JWT_ALGORITHM": "ES256", "JWT_SECRET": "", "JWT_JWKS": "/nowhere/keys.json"}, "cannot be used: No such file or directory"),
    ],
)
def test_settings_that_cannot_be_meant_stop_the_start(variables: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Verifier(settings(**variables))


def test_a_public_key_is_no_secret() -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    for secret in (public, json.dumps(jwk(rsa_key()))):
        with pytest.raises(SettingsError, match="JWT_SECRET is a public key"):
            Verifier(settings(JWT_SECRET=secret))


# --- keys in a file ---


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not JSON"),
        (b"[]", "no JWKS"),
        (b'{"keys": {}}', "no JWKS"),
        (jwks(), "no key that verifies RS256"),
        (jwks(jwk(ec_key())), "no key that verifies RS256"),
        (jwks({"kty": "oct", "k": "c2VjcmV0", "kid": KID}), "no key that verifies RS256"),
        (jwks(jwk(rsa_key(), use="enc")), "no key that verifies RS256"),
        (jwks(jwk(rsa_key(), alg="RS512")), "no key that verifies RS256"),
        (jwks(jwk(rsa_key(), key_ops=["encrypt"])), "no key that verifies RS256"),
        (jwks(jwk(rsa_key(1, 1024))), "no key that verifies RS256"),
        (jwks(jwk(rsa_key(), n=5)), "no key that verifies RS256"),
        (jwks(jwk(rsa_key(), d="AQ")), "a private key"),
        (jwks(jwk(rsa_key()), jwk(rsa_key(9))), "two RS256 keys have one id"),
    ],
    ids=[str(number) for number in range(13)],
)
def test_a_file_without_usable_keys_stops_the_start(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "keys.json").write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        verifier("RS256", tmp_path / "keys.json")


def test_a_key_on_another_curve_is_none_of_es256(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_bytes(jwks(jwk(ec_key(1, ec.SECP384R1))))
    with pytest.raises(SettingsError, match="no key that verifies ES256"):
        verifier("ES256", tmp_path / "keys.json")


def test_a_token_that_names_no_key_is_verified_only_where_there_is_one_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    nameless = token(b'{"alg":"RS256"}', None, None, "RS256")
    path.write_bytes(jwks(jwk(rsa_key())))
    assert verifier("RS256", path).verify(nameless) == USER
    path.write_bytes(jwks(jwk(rsa_key()), jwk(rsa_key(9), "key-2")))
    with pytest.raises(Unauthenticated):
        verifier("RS256", path).verify(nameless)


def test_a_file_that_changes_is_read_again_and_one_that_breaks_is_not_believed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, clock = tmp_path / "keys.json", Clock()
    path.write_bytes(jwks(jwk(rsa_key())))
    found = verifier("RS256", path, clock=clock)
    old, new = token(algorithm="RS256"), token({"kid": "key-2"}, None, by_rsa(rsa_key(9)), "RS256")
    assert found.verify(old) == USER
    replace(path, jwks(jwk(rsa_key(9), "key-2")))
    assert found.verify(new) == USER
    with pytest.raises(Unauthenticated):
        found.verify(old)
    replace(path, b"<html>")
    for _ in range(3):
        assert found.verify(new) == USER
    assert len([said for said in caplog.messages if "could not be read" in said]) == 1
    clock.seconds += STALE + 1
    with pytest.raises(KeysAway):
        found.verify(new)
    replace(path, jwks(jwk(rsa_key(9), "key-2")))
    assert found.verify(new) == USER


def test_a_file_that_could_not_be_read_is_tried_again_every_minute_though_its_mark_stays(tmp_path: Path) -> None:
    """As one that is rotated in place and may be read only a little later; root, as whom tests may run, can read anything."""
    path, clock, old, new = tmp_path / "keys.json", Clock(), jwks(jwk(rsa_key())), jwks(jwk(rsa_key(9), "key-2"))
    path.write_bytes(old)
    found = verifier("RS256", path, clock=clock)
    path.write_bytes(b"<" * len(new))
    marked = path.stat().st_mtime_ns
    assert found.verify(token(algorithm="RS256")) == USER
    path.write_bytes(new)
    os.utime(path, ns=(marked, marked))
    with pytest.raises(Unauthenticated):
        found.verify(signed_by(rsa_key(9), "key-2"))
    clock.seconds += AT_MOST_EVERY
    assert found.verify(signed_by(rsa_key(9), "key-2")) == USER


def replace(path: Path, content: bytes) -> None:
    """As a careful operator changes a file: another one takes its name."""
    path.with_suffix(".new").write_bytes(content)
    os.replace(path.with_suffix(".new"), path)


# --- keys behind a URL ---


def at(server: Misbehaving, clock: Clock) -> Verifier:
    return verifier("RS256", server.url("/keys"), clock=clock)


def signed_by(key: RSAPrivateKey, kid: str) -> str:
    return token({"kid": kid}, None, by_rsa(key), "RS256")


FIRST, SECOND = jwks(jwk(rsa_key())), jwks(jwk(rsa_key()), jwk(rsa_key(9), "key-2"))


def test_keys_that_are_changed_behind_a_url_are_found() -> None:
    clock = Clock()
    with serving(answer(200, FIRST), answer(200, SECOND)) as server:
        found = at(server, clock)
        assert server.connections == 0
        assert found.verify(signed_by(rsa_key(), KID)) == USER
        clock.seconds += AT_MOST_EVERY
        assert found.verify(signed_by(rsa_key(9), "key-2")) == USER
        assert found.verify(signed_by(rsa_key(), KID)) == USER
        assert server.connections == 2


def test_a_key_that_was_taken_back_counts_for_ten_minutes_at_most() -> None:
    clock = Clock()
    with serving(answer(200, SECOND), answer(200, FIRST)) as server:
        found = at(server, clock)
        assert found.verify(signed_by(rsa_key(9), "key-2")) == USER
        clock.seconds += FRESH
        with pytest.raises(Unauthenticated):
            found.verify(signed_by(rsa_key(9), "key-2"))


def test_tokens_that_name_keys_of_nobody_make_us_ask_once_a_minute() -> None:
    clock = Clock()
    with serving(answer(200, FIRST)) as server:
        found = at(server, clock)
        for minute in range(3):
            for number in range(20):
                with pytest.raises(Unauthenticated):
                    found.verify(signed_by(rsa_key(9), f"{minute}-{number}"))
            clock.seconds += AT_MOST_EVERY
        assert server.connections == 3


def test_twenty_at_once_ask_for_the_keys_once() -> None:
    with serving(answer(200, FIRST)) as server:
        found, subjects, start = at(server, Clock()), [], threading.Barrier(20)

        def go() -> None:
            start.wait()
            subjects.append(found.verify(token(algorithm="RS256")))

        threads = [threading.Thread(target=go) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert subjects == [USER] * 20
        assert server.connections == 1


def test_old_keys_count_for_a_day_while_the_url_fails_and_then_nobody_is_let_in() -> None:
    clock = Clock()
    with serving(answer(200, FIRST), answer(500), answer(500), answer(200, FIRST)) as server:
        found = at(server, clock)
        assert found.verify(token(algorithm="RS256")) == USER
        clock.seconds += FRESH
        assert found.verify(token(algorithm="RS256")) == USER
        assert found.verify(token(algorithm="RS256")) == USER
        assert server.connections == 2
        clock.seconds += STALE + 1
        with pytest.raises(KeysAway):
            found.verify(token(algorithm="RS256"))
        clock.seconds += AT_MOST_EVERY
        assert found.verify(token(algorithm="RS256")) == USER
        assert server.connections == 4


@pytest.mark.parametrize(
    "bad",
    [
        answer(500),
        answer(200, b"<html>"),
        answer(200, b"{" * 300_000),
        answer(302, b"", "Location: http://169.254.169.254/"),
        answer(200, jwks()),
    ],
    ids=["an error", "a page", "too much", "a redirect elsewhere", "no keys"],
)
def test_where_no_keys_could_be_read_yet_nobody_can_say_and_we_ask_again_soon(bad: bytes) -> None:
    clock = Clock()
    with serving(bad, answer(200, FIRST)) as server:
        found = at(server, clock)
        for _ in range(5):
            with pytest.raises(KeysAway):
                found.verify(token(algorithm="RS256"))
        assert server.connections == 1
        clock.seconds += FIRST_TRIES_EVERY
        assert found.verify(token(algorithm="RS256")) == USER


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/keys", "http://login.example/keys", "https://169.254.169.254/keys", "http://user:pw@127.0.0.1/keys"]
)
def test_keys_are_not_read_without_tls_or_from_inside_a_private_network(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeysAway):
        verifier("RS256", url).verify(token(algorithm="RS256"))
    assert "Use an https URL of a public host" in caplog.text


def test_es256_by_url_works_alike() -> None:
    with serving(answer(200, jwks(jwk(rsa_key()), jwk(ec_key())))) as server:
        assert verifier("ES256", server.url("/keys")).verify(token(None, None, by_ec(), "ES256")) == USER
