"""A token that this service did not make, just now, for this purpose, is worth nothing."""

import base64
import hmac
import json
import time
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient
from jose import jws, jwt
from pydantic import SecretStr

from app.config import settings
from app.core import security
from app.core.exceptions import InvalidTokenError
from app.core.security import create_access_token, read_access_token

SESSION = "s" * 43
KEY = settings.SECRET_KEY.get_secret_value()
NOW = int(time.time())
OLD = "an older key, which signs nothing new 0123456789"
STRANGE: list[Any] = [[], {}, "soon", "1e999", 1e300, True, float("inf")]
HS256 = {"alg": "HS256", "typ": "JWT"}


def claims(**changes: object) -> dict[str, Any]:
    """Return the claims of a good token with some changed; None leaves a claim out."""
    good = jwt.get_unverified_claims(create_access_token(1, SESSION))
    return {name: value for name, value in (good | changes).items() if value is not None}


def forge(payload: object, header: object = HS256, key: str = KEY) -> str:
    """Sign anything at all, without a library that would refuse to."""
    message = ".".join(_encode(json.dumps(part).encode()) for part in (header, payload))
    signature = hmac.digest(key.encode(), message.encode(), "sha256")
    return f"{message}.{_encode(signature)}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_what_is_forged_here_is_otherwise_good() -> None:
    assert read_access_token(forge(claims())).user_id == 1


BAD = {
    "nothing": "",
    "no token": "x.y.z",
    "two parts": "x.y",
    "long": "x" * 100_000,
    "another key": forge(claims(), key="another key that is as long as ours"),
    "no algorithm": forge(claims(), HS256 | {"alg": "none"}),
    "no signature": forge(claims(), HS256 | {"alg": "none"}).rpartition(".")[0] + ".",
    "another algorithm": jwt.encode(claims(), KEY, "HS512"),
    "unknown algorithm": forge(claims(), HS256 | {"alg": "XX"}),
    "header that must be understood": forge(claims(), HS256 | {"crit": ["b64"], "b64": False}),
    "header that is no object": forge(claims(), [1]),
    "nested header": forge(claims(), json.loads("[" * 900 + "]" * 900)),
    "payload that is no object": forge([1]),
    "expired": create_access_token(1, SESSION, timedelta(seconds=-1)),
    "not yet valid": forge(claims(nbf=NOW + 600)),
    "another issuer": forge(claims(iss="another")),
    "another audience": forge(claims(aud="another")),
    "another purpose": forge(claims(typ="refresh")),
    **{f"without {name}": forge(claims(**{name: None})) for name in claims()},
    **{f"sub {sub!r}": forge(claims(sub=sub)) for sub in (1, "x", "0", "01", "-1", "1.0", "٣")},
    **{f"sub {sub[:9]}": forge(claims(sub=sub)) for sub in ("9999999999", "9" * 30, "1\n")},
    **{
        f"{name} {value!r}": forge(claims(**{name: value}))
        for name in ("exp", "iat", "nbf")
        for value in STRANGE
    },
}


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
async def test_a_bad_token_is_a_401(client: AsyncClient, token: str) -> None:
    response = await client.get("/users/me", headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_token_says_nothing_about_the_person_and_is_never_the_same() -> None:
    assert claims().keys() == {"iss", "aud", "sub", "sid", "typ", "iat", "nbf", "exp", "jti"}
    assert create_access_token(1, SESSION) != create_access_token(1, SESSION)


@pytest.mark.parametrize(
    "key",
    [KEY, OLD, "the oldest key, which is about to go 9876543210"],
    ids=["new", "old", "oldest"],
)
def test_a_key_that_was_replaced_is_good_until_it_is_removed(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    with pytest.raises(InvalidTokenError):
        read_access_token(forge(claims(), key="none of ours 0123456789 0123456789"))

    monkeypatch.setattr(security, "KEYS", [KEY, OLD, key])

    assert read_access_token(forge(claims(), key=key)).user_id == 1
    with pytest.raises(InvalidTokenError):
        read_access_token(forge(claims(), key="none of ours 0123456789 0123456789"))
    assert jws.verify(create_access_token(1, SESSION), KEY, "HS256")


def test_a_token_lives_as_long_as_the_settings_say() -> None:
    good = claims()

    assert good["exp"] - good["iat"] == settings.ACCESS_TOKEN_EXPIRE_MINUTES * 60
    assert good["nbf"] == good["iat"]


def test_the_keys_are_those_of_the_settings() -> None:
    rotated = settings.model_copy(update={"SECRET_KEY_FALLBACKS": [SecretStr(OLD)]})

    assert security.keys(rotated) == [KEY, OLD]
    assert security.keys(settings) == security.KEYS
