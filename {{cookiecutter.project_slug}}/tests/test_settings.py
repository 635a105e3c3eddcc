"""Settings: parsed at start, or rejected with a sentence that says what would be right."""

import os
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app import config
from app.config import Settings, get_settings, settings
from app.main import create_app
from app.services.rate_limit_service import RateLimit
from app.setting_types import Rate
from tests.conftest import OverrideSettings
from tests.helpers import API, NEW_PASSWORD, NEW_USER, ROOT, client_for

GOOD = "k3Jd8sLq0vZx7Yt2Nf5RbW9cMh4PgQ6uAe1oTi"


def make(**values: object) -> Settings:
    """Return settings without `.env`."""
    needed = {"SECRET_KEY": GOOD, "DATABASE_URL": "sqlite:///./app.db"}
    return Settings.model_validate(needed | values)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "changethis",
        "short-1234567890",
        "a" * 64,
        "abcabcabc" * 8,
        "your-secret-key-goes-here-0123456789",
        f"changeme{GOOD}",
        '{"keys": ["' + GOOD + '"]}',
        f"[{GOOD}]",
        f"-----BEGIN KEY-----{GOOD}",
        f"ключ{GOOD}",
    ],
)
def test_weak_secret_key_is_rejected_and_not_printed(secret: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(SECRET_KEY=secret)

    assert "token_urlsafe" in str(caught.value)
    assert not secret or secret not in str(caught.value)


@pytest.mark.parametrize("secret", [GOOD, f"-{GOOD}", f"_{GOOD}-", "0123456789abcdef" * 4])
def test_random_secret_key_is_accepted(secret: str) -> None:
    assert make(SECRET_KEY=secret).SECRET_KEY.get_secret_value() == secret


@pytest.mark.parametrize(
    "origins", ["http://a, http://b", '["http://a", "http://b"]', ["http://a", "http://b"]]
)
def test_list_setting_is_parsed_from_json_or_commas(origins: object) -> None:
    assert make(ALLOWED_ORIGINS=origins).ALLOWED_ORIGINS == ["http://a", "http://b"]


@pytest.mark.parametrize(
    ("name", "given", "used"),
    [
        ("ALLOWED_ORIGINS", "https://App.example.com/", ["https://app.example.com"]),
        ("ALLOWED_ORIGINS", "HTTPS://app.example.com:443", ["https://app.example.com"]),
        (
            "ALLOWED_ORIGINS",
            "http://localhost:80, http://[::1]:3000",
            ["http://localhost", "http://[::1]:3000"],
        ),
        ("ALLOWED_ORIGINS", "https://bücher.example", ["https://xn--bcher-kva.example"]),
        ("ALLOWED_ORIGINS", "*", ["*"]),
        ("ALLOWED_ORIGINS", "capacitor://localhost", ["capacitor://localhost"]),
        ("ALLOWED_ORIGINS", "http://[0:0:0:0:0:0:0:1]:3000", ["http://[::1]:3000"]),
        ("ALLOWED_HOSTS", "[::1]:8000, ::1", ["[::1]", "[::1]"]),
        ("ALLOWED_ORIGINS", "[]", []),
        (
            "ALLOWED_HOSTS",
            "API.example.com:443, *.Example.org",
            ["api.example.com", "*.example.org"],
        ),
        ("ALLOWED_HOSTS", "*", ["*"]),
        ("ALLOWED_HOSTS", "example.com.", ["example.com"]),
        ("TRUSTED_PROXIES", "10.0.0.0/8", [ip_network("10.0.0.0/8")]),
        ("TRUSTED_PROXIES", "::ffff:10.0.0.0/104", [ip_network("10.0.0.0/8")]),
        ("TRUSTED_PROXIES", "::ffff:10.0.0.1", [ip_network("10.0.0.1/32")]),
        ("TRUSTED_PROXIES", "fd00::/8", [ip_network("fd00::/8")]),
        ("FRONTEND_URL", "https://App.example.com/", "https://app.example.com"),
        ("FRONTEND_URL", "https://example.com:8443/app/", "https://example.com:8443/app"),
        ("SMTP_HOST", "SMTP.example.com", "smtp.example.com"),
        ("SMTP_HOST", "::1", "::1"),
        ("EMAIL_FROM", "shop@Bücher.example", "shop@xn--bcher-kva.example"),
        ("EMAIL_FROM", "Mein Shop <a@example.com>", "Mein Shop <a@example.com>"),
    ],
)
def test_setting_is_normalized(name: str, given: object, used: object) -> None:
    assert getattr(make(**{name: given}), name) == used


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("ALLOWED_ORIGINS", "app.example.com"),
        ("ALLOWED_ORIGINS", "https://app.example.com/path"),
        ("ALLOWED_ORIGINS", "https://app.example.com:x"),
        ("ALLOWED_ORIGINS", "ftp://app.example.com"),
        ("ALLOWED_ORIGINS", "https://*.example.com"),
        ("ALLOWED_ORIGINS", "https://me@app.example.com"),
        ("ALLOWED_HOSTS", "https://example.com"),
        ("ALLOWED_HOSTS", "1:2:3"),
        ("ALLOWED_HOSTS", "example.com/path"),
        ("ALLOWED_HOSTS", "exa mple.com"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "*"),
        ("FRONTEND_URL", "app.example.com"),
        ("FRONTEND_URL", "https://app.example.com/#/"),
        ("FRONTEND_URL", "https://app.example.com/?page=1"),
        ("SMTP_HOST", "smtp.example.com:587"),
        ("SMTP_HOST", "smtp://smtp.example.com"),
        ("EMAIL_FROM", "a@b@c.example"),
        ("EMAIL_FROM", "Shop <nobody>"),
        ("EMAIL_FROM", "Shop, Inc. <shop@example.com>"),
        ("EMAIL_FROM", "ü@example.com"),
        ("EMAIL_FROM", "Shop shop@example.com"),
        ("EMAIL_FROM", f"a@{'ü' * 70}.example"),
    ],
)
def test_setting_that_cannot_work_is_rejected_with_an_example(name: str, given: object) -> None:
    with pytest.raises(ValidationError, match="such as") as caught:
        make(**{name: given})

    assert {error["loc"][0] for error in caught.value.errors()} == {name}


def test_empty_setting_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(Settings.model_fields) - {"SECRET_KEY", "DATABASE_URL"}:
        monkeypatch.setenv(name, "")

    empty = Settings()

    for name, field in Settings.model_fields.items():
        if not field.is_required():
            assert getattr(empty, name) == field.default


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_env_file_may_have_a_byte_order_mark(
    encoding: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PROJECT_NAME=Läden\n", encoding=encoding)
    model_config: Any = Settings.model_config
    monkeypatch.setitem(model_config, "env_file", tmp_path / ".env")

    assert Settings().PROJECT_NAME == "Läden"


@pytest.mark.parametrize(
    ("name", "given", "used"),
    [
        ("DEBUG", "true\n", True),
        ("SMTP_SECURITY", " tls", "tls"),
        ("PROJECT_NAME", "Shop\r\n", "Shop"),
        ("PROJECT_NAME", '"Shop"\n', "Shop"),
        ("PROJECT_NAME", "'Joe\"s'", 'Joe"s'),
        ("PROJECT_NAME", '"Joe" and "Ann"', '"Joe" and "Ann"'),
        ("PROJECT_NAME", '"', '"'),
    ],
)
def test_white_space_around_a_setting_is_ignored(name: str, given: str, used: object) -> None:
    assert getattr(make(**{name: given}), name) == used


def test_env_file_that_cannot_be_read_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(config, "Settings", fail)
    get_settings.cache_clear()

    with pytest.raises(SystemExit, match="cannot be read: Permission denied"):
        get_settings()

    get_settings.cache_clear()


def test_env_file_that_is_not_utf8_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PROJECT_NAME=Shop\n", encoding="utf-16")
    model_config: Any = Settings.model_config
    monkeypatch.setitem(model_config, "env_file", tmp_path / ".env")
    get_settings.cache_clear()

    with pytest.raises(SystemExit, match="is not UTF-8 text"):
        get_settings()

    get_settings.cache_clear()


def test_secret_key_fallbacks_are_checked_like_the_secret_key() -> None:
    older = GOOD[::-1]
    fallbacks = make(SECRET_KEY_FALLBACKS=f"{older},{GOOD}x").SECRET_KEY_FALLBACKS
    assert [key.get_secret_value() for key in fallbacks] == [older, f"{GOOD}x"]

    with pytest.raises(ValidationError):
        make(SECRET_KEY_FALLBACKS="changethis")


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS256"])
def test_signing_algorithm_other_than_hs256_is_rejected(algorithm: str) -> None:
    with pytest.raises(ValidationError):
        make(ALGORITHM=algorithm)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOGIN_RATE_PER_IP_AND_EMAIL", "5/999999999999"),
        ("LOGIN_RATE_PER_IP_AND_EMAIL", "0/60"),
        ("LOGIN_RATE_PER_IP_AND_EMAIL", "5"),
        ("EMAIL_RATE_PER_RECIPIENT", "5/h"),
        ("API_V1_PREFIX", "api"),
        ("API_V1_PREFIX", "/api/"),
        ("SMTP_PORT", "0"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
        ("TRUSTED_PROXIES", "foo"),
        ("ALLOWED_HOSTS", '["a"'),
        ("API_V1_PREFIX", "/.."),
        ("API_V1_PREFIX", "/health"),
        ("API_V1_PREFIX", "/docs/v1"),
        ("SMTP_PASSWORD", "Mail1Server"),  # without a user
        ("SMTP_HOST", "${MAIL_HOST}"),
        ("HSTS_SECONDS", "-1"),
        ("DATABASE_URL", "postgresql://app:${DB_PASSWORD}@db/app"),
        ("DATABASE_URL", "postgresql://u:p@h:port/d"),
        ("PROJECT_NAME", ""),
        ("EMAIL_FROM", "a@b.c\nBcc: x@y.z"),
        ("EMAIL_FROM", "nobody"),
        ("ACCESS_TOKEN_EXPIRE_MINUTES", 10**13),
        ("SESSION_EXPIRE_DAYS", 3_000_000),
        ("STOP_DELAY_SECONDS", "inf"),
    ],
)
def test_invalid_setting_is_rejected_at_startup(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name) as caught:
        make(**{name: value})

    (error,) = caught.value.errors()
    assert error["loc"] == (name,)
    assert "Value error" not in error["msg"]


@pytest.mark.parametrize("url", ["http://localhost:3000", "http://app.example.com"])
def test_emails_need_links_with_https_except_in_development(url: str) -> None:
    email = {"SMTP_HOST": "smtp.example.com", "FRONTEND_URL": url}

    with pytest.raises(ValidationError, match="requires FRONTEND_URL, such as https"):
        make(**email)
    assert make(**email, DEBUG=True).SMTP_HOST == "smtp.example.com"


def test_origins_are_none_by_default_except_in_development(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ALLOWED_ORIGINS")
    assert make().origins == []
    assert make(DEBUG=True).origins == ["http://localhost:3000"]
    assert make(DEBUG=True, ALLOWED_ORIGINS="").origins == []
    assert make(ALLOWED_ORIGINS="https://app.example.com").origins == ["https://app.example.com"]


def test_smtp_user_needs_a_password() -> None:
    with pytest.raises(ValidationError, match="SMTP_PASSWORD"):
        make(SMTP_USER="me")


@pytest.mark.parametrize("sender", ["noreply@example.com", "Shop <noreply@example.com>"])
def test_email_sender_may_have_a_display_name(sender: str) -> None:
    assert sender == make(EMAIL_FROM=sender).EMAIL_FROM


def test_invalid_settings_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "changethis")
    get_settings.cache_clear()

    with pytest.raises(SystemExit, match="SECRET_KEY: must be 32 or more"):
        get_settings()

    get_settings.cache_clear()


def test_service_with_a_weak_secret_key_does_not_start_and_explains_why(tmp_path: Path) -> None:
    environment = os.environ | {"SECRET_KEY": "changethis", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "import app.config"]
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert run.returncode != 0
    assert "generate one with: python -c" in run.stderr
    assert "Traceback" not in run.stderr


def test_rate_limit_setting_is_parsed_from_attempts_and_seconds() -> None:
    assert Rate(attempts=7, seconds=60) == make(LOGIN_RATE_PER_IP="7/60").LOGIN_RATE_PER_IP
    assert str(make().LOGIN_RATE_PER_IP) == "40/60"


def test_every_rate_limit_setting_belongs_to_exactly_one_rate_limit() -> None:
    rates = {name for name, value in settings if isinstance(value, Rate)}

    assert sorted(limit.setting for limit in RateLimit) == sorted(rates)


async def test_create_app_uses_the_settings(override_settings: OverrideSettings) -> None:
    override_settings(
        PROJECT_NAME="Orders", DOCS=True, API_V1_PREFIX="/v9", REGISTRATION_OPEN=False
    )
    new = NEW_USER | {"email": "new@example.com", "password": NEW_PASSWORD}

    async with client_for(create_app()) as client:
        document = (await client.get("/v9/openapi.json")).json()
        closed = await client.post("/v9/users/", json=new)
        old_prefix = await client.post(f"{API}/users/", json=new)

    assert document["info"]["title"] == "Orders"
    assert closed.json()["code"] == "registration_closed"
    assert old_prefix.status_code == 404


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("UNDO_EXPIRE_HOURS", {"VERIFY_EXPIRE_HOURS": 48, "UNDO_EXPIRE_HOURS": 47}),
        (
            "EMAIL_RATE_PER_RECIPIENT",
            {"RESET_EXPIRE_MINUTES": 59, "EMAIL_RATE_PER_RECIPIENT": "5/3600"},
        ),
    ],
)
def test_settings_that_contradict_each_other_are_rejected(
    override_settings: OverrideSettings, name: str, settings: dict[str, object]
) -> None:
    with pytest.raises(ValidationError, match=name):
        override_settings(**settings)
