"""Settings that are not usable stop the service, with a sentence that says what would be right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.config import Settings, get_settings
from app.core import passwords
from tests.conftest import ROOT

GOOD = "k3Jd8sLq0vZx7Yt2Nf5RbW9cMh4PgQ6uAe1oTi"


def make(**values: object) -> Settings:
    """Return settings without `.env`."""
    needed = {"SECRET_KEY": GOOD, "DATABASE_URL": "sqlite://"}
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
def test_a_guessable_secret_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make(SECRET_KEY=secret)

    assert "token_urlsafe" in str(caught.value)
    assert not secret or secret not in str(caught.value)


@pytest.mark.parametrize("secret", [GOOD, f"-{GOOD}", f"_{GOOD}-", "0123456789abcdef" * 4])
def test_a_random_secret_is_accepted_whatever_it_begins_with(secret: str) -> None:
    assert make(SECRET_KEY=secret).SECRET_KEY.get_secret_value() == secret


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("sqlite:///./app.db", "sqlite+aiosqlite:///./app.db"),
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql+asyncpg://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
    ],
)
def test_a_url_is_given_the_driver(given: str, used: str) -> None:
    assert used == make(DATABASE_URL=given).DATABASE_URL


@pytest.mark.parametrize("url", ["", "app.db", "mysql://h/d", "postgresql+psycopg2://h/d"])
def test_a_database_that_is_not_served_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="must start with sqlite"):
        make(DATABASE_URL=url)


@pytest.mark.parametrize(
    "origins", ["http://a, http://b", '["http://a", "http://b"]', ["http://a", "http://b"]]
)
def test_origins_are_a_list_in_json_or_with_commas(origins: object) -> None:
    assert make(ALLOWED_ORIGINS=origins).ALLOWED_ORIGINS == ["http://a", "http://b"]


def test_keys_that_were_replaced_are_as_strong_as_the_new_one() -> None:
    older = GOOD[::-1]
    fallbacks = make(SECRET_KEY_FALLBACKS=f"{older},{GOOD}x").SECRET_KEY_FALLBACKS
    assert [key.get_secret_value() for key in fallbacks] == [older, f"{GOOD}x"]

    with pytest.raises(ValidationError):
        make(SECRET_KEY_FALLBACKS="changethis")


def test_the_commonest_passwords_are_many() -> None:
    assert len(passwords.COMMON) > 3000


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS256"])
def test_tokens_are_signed_with_hs256(algorithm: str) -> None:
    with pytest.raises(ValidationError):
        make(ALGORITHM=algorithm)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOGIN_LIMIT_PER_CLIENT", "5/999999999999"),
        ("LOGIN_LIMIT_PER_CLIENT", "0/60"),
        ("LOGIN_LIMIT_PER_CLIENT", "5"),
        ("API_V1_PREFIX", "api"),
        ("API_V1_PREFIX", "/api/"),
        ("SMTP_PORT", "0"),
        ("TRUSTED_PROXIES", "10.0.0.0/33"),
    ],
)
def test_a_value_that_would_fail_later_is_refused_at_once(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        make(**{name: value})


def test_unusable_settings_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "changethis")
    get_settings.cache_clear()

    with pytest.raises(SystemExit, match="SECRET_KEY: must be 32 or more"):
        get_settings()

    get_settings.cache_clear()


def test_the_service_does_not_start_without_a_secret(tmp_path: Path) -> None:
    environment = os.environ | {"SECRET_KEY": "changethis", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", "import app.config"]
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert run.returncode != 0
    assert "make one with: python -c" in run.stderr
    assert "Traceback" not in run.stderr
