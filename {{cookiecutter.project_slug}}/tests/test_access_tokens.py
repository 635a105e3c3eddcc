"""Access tokens: a JWT that this service did not sign for this purpose is rejected."""

import base64
import hmac
import json
import time
from typing import Any

import pytest
from httpx2 import AsyncClient
from jose import jws, jwt

from app.config import settings
from app.core.exceptions import InvalidTokenError
from app.core.ids import MAX_ID
from app.core.security import (
    MAX_JWT_LENGTH,
    create_access_token,
    generate_token,
    hash_token,
    verify_access_token,
)
from tests.conftest import OverrideSettings

SESSION = "s" * 43
KEY = settings.SECRET_KEY.get_secret_value()
NOW = int(time.time())
OLD = "an older key, which signs nothing new 0123456789"
STRANGE: list[Any] = [[], {}, "soon", "1e999", 1e300, True, float("inf")]
HS256 = {"alg": "HS256", "typ": "JWT"}


def claims(**changes: object) -> dict[str, Any]:
    """Return the claims of a valid token with changes; None removes a claim."""
    good = jwt.get_unverified_claims(create_access_token(1, SESSION))
    return {name: value for name, value in (good | changes).items() if value is not None}


def forge(payload: object, header: object = HS256, key: str = KEY) -> str:
    """Sign any payload and header, which a library would reject."""
    parts = (json.dumps(part, separators=(",", ":")).encode() for part in (header, payload))
    message = ".".join(map(_encode, parts))
    signature = hmac.digest(key.encode(), message.encode(), "sha256")
    return f"{message}.{_encode(signature)}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


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
    "expired": forge(claims(exp=NOW - 60)),
    "not yet valid": forge(claims(nbf=NOW + 600)),
    "another issuer": forge(claims(iss="another")),
    "another audience": forge(claims(aud="another")),
    "another purpose": forge(claims(typ="refresh")),
    **{f"without {name}": forge(claims(**{name: None})) for name in claims()},
    **{f"sub {sub!r}": forge(claims(sub=sub)) for sub in (1, "x", "0", "01", "-1", "1.0", "٣")},
    **{
        f"sub {sub[:9]}": forge(claims(sub=sub))
        for sub in ("2147483648", "9999999999", "9" * 30, "1\n")
    },
    **{
        f"{name} {value!r}": forge(claims(**{name: value}))
        for name in ("exp", "iat", "nbf")
        for value in STRANGE
    },
}


async def test_access_token_must_come_in_a_single_authorization_header(as_ann: AsyncClient) -> None:
    authorization = as_ann.headers.pop("Authorization")
    token = authorization.removeprefix("Bearer ")
    twice = [("Authorization", authorization)] * 2

    assert (await as_ann.get("/users/me")).status_code == 401
    assert (await as_ann.get("/users/me", params={"access_token": token})).status_code == 422
    assert (await as_ann.get("/users/me", headers=twice)).status_code == 401
    assert (await as_ann.get("/users/me", headers={"Authorization": f"Basic {token}"})).is_error
    assert (await as_ann.get("/users/me", headers={"Authorization": f"bearer {token}"})).is_success


def test_forge_helper_creates_valid_tokens() -> None:
    assert verify_access_token(forge(claims())).user_id == 1


@pytest.mark.parametrize("token", BAD.values(), ids=BAD.keys())
async def test_invalid_access_token_is_401(client: AsyncClient, token: str) -> None:
    response = await client.get("/users/me", headers={"Authorization": f"Bearer {token}"})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


def test_access_token_is_unique_and_has_no_personal_data() -> None:
    assert claims().keys() == {"iss", "aud", "sub", "sid", "typ", "iat", "nbf", "exp", "jti"}
    assert create_access_token(1, SESSION) != create_access_token(1, SESSION)


@pytest.mark.parametrize(
    "key",
    [KEY, OLD, "the oldest key, which is about to go 9876543210"],
    ids=["new", "old", "oldest"],
)
def test_access_token_of_a_fallback_key_is_accepted(
    override_settings: OverrideSettings, key: str
) -> None:
    with pytest.raises(InvalidTokenError):
        verify_access_token(forge(claims(), key="none of ours 0123456789 0123456789"))

    override_settings(SECRET_KEY_FALLBACKS=[OLD, key])

    assert verify_access_token(forge(claims(), key=key)).user_id == 1
    with pytest.raises(InvalidTokenError):
        verify_access_token(forge(claims(), key="none of ours 0123456789 0123456789"))
    assert jws.verify(create_access_token(1, SESSION), KEY, "HS256")


def test_signature_of_an_access_token_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    token = forge(claims())
    verify_access_token(token)
    monkeypatch.setattr(jws, "verify", None)

    assert verify_access_token(token).user_id == 1
    with pytest.raises(InvalidTokenError):
        verify_access_token(forge(claims()))


def test_token_that_was_accepted_is_rejected_once_it_expires_or_its_key_is_removed(
    override_settings: OverrideSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = claims()
    token = forge(good, key=OLD)
    override_settings(SECRET_KEY_FALLBACKS=[OLD])
    assert verify_access_token(token).user_id == 1

    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: good["exp"] + 20)
        with pytest.raises(InvalidTokenError):
            verify_access_token(token)
    override_settings(SECRET_KEY_FALLBACKS=[])
    with pytest.raises(InvalidTokenError):
        verify_access_token(token)


def test_access_token_lifetime_follows_the_setting(override_settings: OverrideSettings) -> None:
    override_settings(ACCESS_TOKEN_EXPIRE_MINUTES=7)
    good = claims()

    assert good["exp"] - good["iat"] == 7 * 60
    assert good["nbf"] == good["iat"]


def test_random_token_has_256_bits_and_is_stored_as_a_sha256_hash() -> None:
    assert len(base64.urlsafe_b64decode(generate_token() + "=")) == 32
    assert generate_token() != generate_token()
    assert len(hash_token(generate_token())) == 64


def test_subject_beyond_the_integer_range_is_rejected_before_the_database() -> None:
    assert verify_access_token(forge(claims(sub="2147483647"))).user_id == MAX_ID
    with pytest.raises(InvalidTokenError):
        verify_access_token(forge(claims(sub="2147483648")))


def test_token_of_more_than_4096_characters_is_not_parsed() -> None:
    assert MAX_JWT_LENGTH == 4096


@pytest.mark.parametrize("seconds", [-8, 8])
def test_clocks_may_differ_by_some_seconds(seconds: int) -> None:
    now = int(time.time())
    times = {"iat": now + seconds, "nbf": now + seconds, "exp": now + seconds + 1}

    assert verify_access_token(forge(claims(**times))).sid == SESSION


@pytest.mark.parametrize("seconds", [-20, 20])
def test_clocks_may_not_differ_by_more(seconds: int) -> None:
    now = int(time.time())
    times = {"nbf": now + seconds, "exp": now + seconds + 1}

    with pytest.raises(InvalidTokenError):
        verify_access_token(forge(claims(**times)))
