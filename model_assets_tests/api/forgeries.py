"""Tokens that nobody may be let in with: name -> (the algorithm that is configured, how the token is made)."""

import base64
import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from model_assets_tests.api.signing import (
    AUDIENCE,
    ISSUER,
    SECRET,
    USER,
    base64url,
    by_ec,
    by_rsa,
    by_secret,
    claims,
    ec_key,
    jwk,
    rsa_key,
    token,
)

Make = Callable[[], str]
ORDER_OF_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
EMPTY = by_secret(b"")
NOW = int(time.time())


def unsigned(_: bytes) -> bytes:
    return b""


def raw(text: str) -> Make:
    return lambda: text


def hs(header: dict[str, Any] | None = None, sign: Callable[[bytes], bytes] | None = None, **changed: Any) -> Make:
    """Signed with the right secret, unless told otherwise; some claims changed (null: left out)."""
    return lambda: token(header, claims(**changed), sign)


def body(text: str) -> Make:
    """Signed with the right secret; the claims as text, with `OK` for those that should be there."""
    usual = json.dumps(claims())[1:-1]
    return lambda: token(None, text.replace("OK", usual).encode())


def head(text: str) -> Make:
    """Signed with the right secret; the header as text."""
    return lambda: token(text.encode())


def cut(change: Callable[[str], str], algorithm: str = "HS256") -> Make:
    """A good token, changed as text."""
    return lambda: change(token(algorithm=algorithm))


def public(encoding: Encoding, form: PublicFormat) -> bytes:
    return rsa_key().public_key().public_bytes(encoding, form)


def confused(secret: Callable[[], bytes], algorithm: str) -> Make:
    """HS256 with what everybody may know for a secret."""
    return lambda: token({"alg": "HS256"}, None, by_secret(secret()), algorithm)


def own_key(header: Callable[[], dict[str, Any]]) -> Make:
    """Signed with the forger's own RSA key, which the header offers."""
    return lambda: token(header(), None, by_rsa(rsa_key(9)), "RS256")


def es(change: Callable[[int, int], bytes]) -> Make:
    """Signed with the right EC key; the two numbers of the signature changed."""

    def sign(said: bytes) -> bytes:
        both = by_ec()(said)
        return change(int.from_bytes(both[:32], "big"), int.from_bytes(both[32:], "big"))

    return lambda: token(None, None, sign, "ES256")


def numbers(r: int, s: int, width: int = 32) -> bytes:
    return r.to_bytes(width, "big") + s.to_bytes(width, "big")


def pss(said: bytes) -> bytes:
    return rsa_key().sign(said, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def other_last_bits(text: str) -> str:
    """The same bytes in another spelling: the last letter has bits that no byte uses."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) ^ 1]


FORGERIES: dict[str, tuple[str, Make]] = {
    # the algorithm
    **{f"alg {name!r} and no signature": ("HS256", hs({"alg": name}, unsigned)) for name in ("none", "None", "NONE", "nOnE", "", " none")},
    "alg none with a signature": ("HS256", hs({"alg": "none"})),
    "alg none for RS256": ("RS256", lambda: token({"alg": "none"}, None, unsigned, "RS256")),
    "alg none and two parts": ("HS256", cut(lambda text: text.rpartition(".")[0])),
    "alg null": ("HS256", hs({"alg": None})),
    "alg a number": ("HS256", hs({"alg": 256})),
    "alg a list": ("HS256", hs({"alg": ["HS256"]})),
    "no alg": ("HS256", head('{"typ":"JWT"}')),
    "alg in small letters": ("HS256", hs({"alg": "hs256"})),
    "alg nobody knows": ("HS256", hs({"alg": "HS257"})),
    "HS512 with the right secret": ("HS256", hs({"alg": "HS512"}, by_secret(SECRET, "sha512"))),
    "HS384 with the right secret": ("HS256", hs({"alg": "HS384"}, by_secret(SECRET, "sha384"))),
    "RS256 where HS256 is configured": ("HS256", lambda: token({"alg": "RS256"}, None, by_rsa())),
    "ES256 where RS256 is configured": ("RS256", lambda: token({"alg": "ES256"}, None, by_ec(), "RS256")),
    "RS256 where ES256 is configured": ("ES256", lambda: token({"alg": "RS256"}, None, by_rsa(), "ES256")),
    "PS256 with the right key": ("RS256", lambda: token({"alg": "PS256"}, None, pss, "RS256")),
    "RS256 signed as PS256": ("RS256", lambda: token(None, None, pss, "RS256")),
    "ES256 signed by RSA": ("ES256", lambda: token(None, None, by_rsa(), "ES256")),
    # a public key for a secret
    "HS256 with the public key as PEM": ("RS256", confused(lambda: public(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "RS256")),
    "HS256 with the public key as PEM without its last line end": (
        "RS256", confused(lambda: public(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).strip(), "RS256"),
    ),
    "HS256 with the public key as PKCS1": ("RS256", confused(lambda: public(Encoding.PEM, PublicFormat.PKCS1), "RS256")),
    "HS256 with the public key as DER": ("RS256", confused(lambda: public(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "RS256")),
    "HS256 with the public key as JWK": ("RS256", confused(lambda: json.dumps(jwk(rsa_key())).encode(), "RS256")),
    "HS256 with the modulus": ("RS256", confused(lambda: rsa_key().public_key().public_numbers().n.to_bytes(256, "big"), "RS256")),
    "HS256 with the public key of ES256": (
        "ES256", confused(lambda: ec_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "ES256"),
    ),
    # the key
    "another secret": ("HS256", hs(None, by_secret("x" * 40))),
    "an empty secret": ("HS256", hs(None, EMPTY)),
    "the secret cut": ("HS256", hs(None, by_secret(SECRET[:-1]))),
    "the secret as base64": ("HS256", hs(None, by_secret(base64.b64encode(SECRET.encode())))),
    "another RSA key": ("RS256", lambda: token(None, None, by_rsa(rsa_key(9)), "RS256")),
    "another EC key": ("ES256", lambda: token(None, None, by_ec(ec_key(9)), "ES256")),
    "jku": ("RS256", own_key(lambda: {"jku": "http://127.0.0.1:9/keys"})),
    "x5u": ("RS256", own_key(lambda: {"x5u": "file:///etc/passwd"})),
    "x5c": ("RS256", own_key(lambda: {"x5c": [base64.b64encode(b"certificate").decode()]})),
    "jwk": ("RS256", own_key(lambda: {"jwk": jwk(rsa_key(9))})),
    "jwk of an empty secret": ("HS256", hs({"jwk": {"kty": "oct", "k": ""}}, EMPTY)),
    "jwk and its kid": ("RS256", own_key(lambda: {"jwk": jwk(rsa_key(9), "mine"), "kid": "mine"})),
    "kid a path, HS256": ("HS256", hs({"kid": "../../../../dev/null"}, EMPTY)),
    "kid a path": ("RS256", own_key(lambda: {"kid": "../../../../../../dev/null"})),
    "kid SQL": ("RS256", own_key(lambda: {"kid": "x' union select 'secret' --"})),
    "kid SQL, HS256": ("HS256", hs({"kid": "x' union select 'secret' --"}, by_secret("secret"))),
    "kid a command": ("RS256", own_key(lambda: {"kid": "key-1; cat /etc/passwd |"})),
    "kid a URL": ("RS256", own_key(lambda: {"kid": "http://127.0.0.1:9/keys"})),
    "kid a number": ("RS256", own_key(lambda: {"kid": 1})),
    "kid an object": ("RS256", own_key(lambda: {"kid": {"$ne": ""}})),
    "kid null": ("HS256", hs({"kid": None})),
    "kid empty": ("HS256", hs({"kid": ""})),
    "kid too long": ("HS256", hs({"kid": "k" * 256})),
    "kid of nobody": ("RS256", lambda: token({"kid": "key-2"}, None, None, "RS256")),
    # the rest of the header
    "crit": ("HS256", hs({"crit": ["exp"], "exp": 1})),
    "crit that the library knows": ("HS256", hs({"crit": ["b64"], "b64": True})),
    "crit empty": ("HS256", hs({"crit": []})),
    "b64 false": ("HS256", hs({"b64": False, "crit": ["b64"]})),
    "b64 false, not critical": ("HS256", hs({"b64": False})),
    "typ of a logout token": ("HS256", hs({"typ": "logout+jwt"})),
    "typ of encryption": ("HS256", hs({"typ": "JWE"})),
    "typ a list": ("HS256", hs({"typ": ["JWT"]})),
    "alg twice": ("HS256", head('{"alg":"none","alg":"HS256"}')),
    "kid twice": ("HS256", head('{"alg":"HS256","kid":"a","kid":"b"}')),
    "header a list": ("HS256", head('["HS256"]')),
    "header no JSON": ("HS256", head("HS256")),
    "header empty": ("HS256", cut(lambda text: text[text.index(".") :])),
    "header nested deep": ("HS256", head('{"alg":"HS256","x":' + "[" * 2000 + "]" * 2000 + "}")),
    # when
    "expired": ("HS256", hs(exp=NOW - 120)),
    "expired for long": ("HS256", hs(exp=1)),
    "exp 0": ("HS256", hs(exp=0)),
    "no exp": ("HS256", hs(exp=None)),
    "exp null": ("HS256", lambda: token(None, {**claims(), "exp": None})),
    "exp as text": ("HS256", hs(exp=str(NOW + 3600))),
    "exp a fraction": ("HS256", hs(exp=NOW + 3600.5)),
    "exp with an exponent": ("HS256", lambda: token(None, json.dumps(claims(exp=7)).replace('"exp": 7', '"exp": 9e9').encode())),
    "exp in the year 10000": ("HS256", hs(exp=253_402_300_800)),
    "exp huge": ("HS256", hs(exp=10**40)),
    "exp infinite": ("HS256", hs(exp=float("inf"))),
    "exp not a number": ("HS256", hs(exp=float("nan"))),
    "exp negative": ("HS256", hs(exp=-1)),
    "exp true": ("HS256", hs(exp=True)),
    "exp a list": ("HS256", hs(exp=[NOW + 3600])),
    "nbf in the future": ("HS256", hs(nbf=NOW + 3600)),
    "nbf as text": ("HS256", hs(nbf=str(NOW))),
    "iat in the future": ("HS256", hs(iat=NOW + 3600)),
    "iat negative": ("HS256", hs(iat=-5)),
    # from whom, for whom, whose
    "no iss": ("HS256", hs(iss=None)),
    "iss wrong": ("HS256", hs(iss="https://evil.example/")),
    "iss without its slash": ("HS256", hs(iss=ISSUER.rstrip("/"))),
    "iss in capitals": ("HS256", hs(iss=ISSUER.upper())),
    "iss a list": ("HS256", hs(iss=[ISSUER])),
    "no aud": ("HS256", hs(aud=None)),
    "aud wrong": ("HS256", hs(aud="other")),
    "aud a part": ("HS256", hs(aud=AUDIENCE[:-1])),
    "aud with more": ("HS256", hs(aud=AUDIENCE + " other")),
    "aud a list of others": ("HS256", hs(aud=["a", "b"])),
    "aud a list with a list": ("HS256", hs(aud=[[AUDIENCE]])),
    "aud a list with a number": ("HS256", hs(aud=[AUDIENCE, 1])),
    "aud an empty list": ("HS256", hs(aud=[])),
    "aud an object": ("HS256", hs(aud={AUDIENCE: 1})),
    "no sub": ("HS256", hs(sub=None)),
    "sub empty": ("HS256", hs(sub="")),
    "sub blank": ("HS256", hs(sub=" ")),
    "sub with a blank before": ("HS256", hs(sub=" " + USER)),
    "sub a number": ("HS256", hs(sub=1)),
    "sub a list": ("HS256", hs(sub=[USER])),
    **{
        f"sub {name}, which is no user's in the audit": ("HS256", hs(sub=name))
        for name in ("policy", "clock", "ADMIN_KEY", "CRON_SECRET", "gate", "views", "sync request", "Policy", "admin_key")
    },
    "sub too long": ("HS256", hs(sub="u" * 256)),
    "sub with a NUL": ("HS256", hs(sub=USER + "\0")),
    "sub with a line end": ("HS256", hs(sub=USER + "\nadmin")),
    "sub with a mark that turns the direction": ("HS256", hs(sub="\u202e" + USER)),
    "sub with half a character": ("HS256", hs(sub="\ud800")),
    # claims that are read twice
    "sub twice": ("HS256", body('{OK,"sub":"admin"}')),
    "sub twice, once escaped": ("HS256", body('{OK,"s\\u0075b":"admin"}')),
    "exp twice": ("HS256", body('{"exp":1,OK}')),
    "aud twice": ("HS256", body('{OK,"aud":"other"}')),
    "claims a list": ("HS256", body('["OK"]'.replace("OK", USER))),
    "claims no JSON": ("HS256", body("sub=admin")),
    "claims empty": ("HS256", body("{}")),
    "claims in UTF-16": ("HS256", lambda: token(None, json.dumps(claims()).encode("utf-16"))),
    "claims after a byte order mark": ("HS256", lambda: token(None, b"\xef\xbb\xbf" + json.dumps(claims()).encode())),
    "claims not UTF-8": ("HS256", lambda: token(None, json.dumps(claims(sub="\xfc"), ensure_ascii=False).encode("latin-1"))),
    "claims changed after signing": (
        "HS256", cut(lambda text: ".".join((text.split(".")[0], base64url(json.dumps(claims(sub="admin")).encode()), text.split(".")[2]))),
    ),
    # the text of the token
    "empty": ("HS256", raw("")),
    "one part": ("HS256", raw("token")),
    "dots": ("HS256", raw("..")),
    "no signature": ("HS256", cut(lambda text: text.rpartition(".")[0] + ".")),
    "four parts": ("HS256", cut(lambda text: text + ".x")),
    "five parts, as encrypted": ("HS256", cut(lambda text: text + ".x.y")),
    "cut": ("HS256", cut(lambda text: text[:-4])),
    "one letter of the signature changed": ("HS256", cut(lambda text: text[:-6] + ("A" if text[-6] != "A" else "B") + text[-5:])),
    "the signature in another spelling": ("HS256", cut(other_last_bits)),
    "padded": ("HS256", cut(lambda text: text + "=")),
    "in plain base64": ("HS256", raw("+/+/.+/+/.+/+/")),
    "a blank before": ("HS256", cut(lambda text: " " + text)),
    "a line end after": ("HS256", cut(lambda text: text + "\n")),
    "a blank within": ("HS256", cut(lambda text: text.replace(".", ". ", 1))),
    "a NUL after": ("HS256", cut(lambda text: text + "\0")),
    "a letter that looks alike": ("HS256", cut(lambda text: "\u0435" + text[1:])),
    "dots of full width": ("HS256", cut(lambda text: text.replace(".", "\uff0e"))),
    "half a character": ("HS256", cut(lambda text: text + "\ud800")),
    "as JSON": ("HS256", lambda: json.dumps(dict(zip(("protected", "payload", "signature"), token().split("."), strict=True)))),
    "over 8 KB, signed right": ("HS256", hs(x="y" * 8192)),
    "1 MB, signed right": ("HS256", hs(x="y" * 1_000_000)),
    "1 MB of dots": ("HS256", raw("." * 1_000_000)),
    "1 MB of letters": ("HS256", raw("a" * 1_000_000)),
    # numbers that are no signature by ES256
    "ES256 of zeros": ("ES256", es(lambda r, s: bytes(64))),
    "ES256 with s 0": ("ES256", es(lambda r, s: numbers(r, 0))),
    "ES256 with r 0": ("ES256", es(lambda r, s: numbers(0, s))),
    "ES256 with r and s the order": ("ES256", es(lambda r, s: numbers(ORDER_OF_P256, ORDER_OF_P256))),
    "ES256 with s beyond the order": ("ES256", es(lambda r, s: numbers(r, s + ORDER_OF_P256, 33))),
    "ES256 as DER": ("ES256", es(lambda r, s: encode_dss_signature(r, s))),
    "ES256 cut": ("ES256", es(lambda r, s: numbers(r, s)[:-1])),
    "ES256 with zeros before": ("ES256", es(lambda r, s: numbers(r, s, 33))),
    "ES256 swapped": ("ES256", es(lambda r, s: numbers(s, r))),
    "ES256 on another curve": ("ES256", lambda: token(None, None, by_ec(ec_key(1, ec.SECP256K1)), "ES256")),
    "a hash in place of a signature": ("HS256", hs(None, lambda said: hashlib.sha256(said).digest())),
}  # fmt: skip
