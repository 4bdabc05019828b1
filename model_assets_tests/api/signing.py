"""Tokens as an honest signer makes them, and by hand: any header, any claims, any signature."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from model_assets.settings import Settings, read_settings

SECRET, ISSUER, AUDIENCE, USER = "a-secret-of-the-tests-with-45-letters-in-it-ok", "https://login.example/", "models", "user-1"
KID = "key-1"

Sign = Callable[[bytes], bytes]
Json = Mapping[str, Any] | bytes


@cache
def rsa_key(number: int = 1, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key; another one for another number."""
    return rsa.generate_private_key(65_537, bits)


@cache
def ec_key(number: int = 1, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    """A key; another one for another number."""
    return ec.generate_private_key(curve())


def by_secret(secret: str | bytes = SECRET, algorithm: str = "sha256") -> Sign:
    """HMAC."""
    return lambda said: hmac.new(secret.encode() if isinstance(secret, str) else secret, said, algorithm).digest()


def by_rsa(key: rsa.RSAPrivateKey | None = None) -> Sign:
    """RSASSA-PKCS1-v1_5 with SHA-256."""
    return lambda said: (key or rsa_key()).sign(said, padding.PKCS1v15(), hashes.SHA256())


def by_ec(key: ec.EllipticCurvePrivateKey | None = None) -> Sign:
    """ECDSA with SHA-256, as two numbers of 32 bytes."""

    def sign(said: bytes) -> bytes:
        r, s = decode_dss_signature((key or ec_key()).sign(said, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


SIGNERS: dict[str, Callable[[], Sign]] = {"HS256": by_secret, "RS256": by_rsa, "ES256": by_ec}


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def claims(**others: Any) -> dict[str, Any]:
    """Claims that hold for an hour; with null, without that one."""
    now = int(time.time())
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": USER, "exp": now + 3600, "nbf": now, "iat": now} | others
    return {name: value for name, value in said.items() if value is not None}


def token(header: Json | None = None, body: Json | None = None, sign: Sign | None = None, algorithm: str = "HS256") -> str:
    """A token of these parts; what is not given is as it should be. Objects are added to the usual header; bytes are the part as they are."""
    usual = {"alg": algorithm, "typ": "JWT"} | ({} if algorithm == "HS256" else {"kid": KID})
    first = _part({**usual, **header} if isinstance(header, Mapping) else header or usual)
    said = f"{first}.{_part(claims() if body is None else body)}"
    return f"{said}.{base64url((sign or SIGNERS[algorithm]())(said.encode()))}"


def _part(content: Json) -> str:
    return base64url(content if isinstance(content, bytes) else json.dumps(dict(content), separators=(",", ":")).encode())


def jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str | None = KID, **others: Any) -> dict[str, Any]:
    """The public half of a key as a member of a JWKS."""
    name = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    said = json.loads(jwt.get_algorithm_by_name(name).to_jwk(key.public_key()))
    said.pop("key_ops", None)
    return {**said, "use": "sig", **({} if kid is None else {"kid": kid}), **others}


def jwks(*keys: Mapping[str, Any]) -> bytes:
    return json.dumps({"keys": [dict(key) for key in keys]}).encode()


def settings(**variables: str) -> Settings:
    """Settings under which `token()` is good: HS256 with SECRET, unless given otherwise."""
    return read_settings({"JWT_SECRET": SECRET, "JWT_ISSUER": ISSUER, "JWT_AUDIENCE": AUDIENCE} | variables)


def fingerprint(text: str) -> str:
    """A short name for a long text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
