"""Edits of settings, of the lifespan, and of commands.

Each docstring says what the edit broke when it was first tried.
"""

from tests.edits.editor import Editor, add_row, edit, mount

CONFIG = "app/config.py"


@edit("add a setting")
def setting(project: Editor) -> None:
    """The failure of the table of settings showed neither the table nor the row."""
    project.add_setting(
        'SUPPORT_EMAIL: str = Field("", description="Email of the support")',
        '| `SUPPORT_EMAIL` | `""` | Email of the support |',
    )


@edit("have the prefix `API_V1_PREFIX`")
def another_prefix(project: Editor) -> None:
    """13 tests had the prefix in their paths."""
    project.replace(CONFIG, 'Field("/api/v1",', 'Field("/service/api/v1",')
    project.replace("README.md", '`"/api/v1"`', '`"/service/api/v1"`')


@edit("change the password policy")
def longer_passwords(project: Editor) -> None:
    """13 tests used passwords of 13 characters."""
    project.replace(CONFIG, "        8, ge=8, le=64,", "        20, ge=8, le=64,")
    row = "| `PASSWORD_MIN_LENGTH` | `{}` |"
    project.replace("README.md", row.format(8), row.format(20))


@edit("`REQUIRE_VERIFIED_EMAIL`, login responds with 403")
def required_verification(project: Editor) -> None:
    """34 tests logged in as users whose email was not verified."""
    project.replace(
        CONFIG,
        'default=False, description="Whether login requires',
        'default=True, description="Whether login requires',
    )
    project.replace(
        "README.md",
        "| `REQUIRE_VERIFIED_EMAIL` | `false` |",
        "| `REQUIRE_VERIFIED_EMAIL` | `true` |",
    )


@edit("add a client of another service")
def client_in_the_lifespan(project: Editor) -> None:
    """The tests did not run the lifespan, so that the client was missing."""
    main = "app/main.py"
    project.before("pyproject.toml", '    "itsdangerous', '    "httpx2>=2.16,<3",\n')
    project.add_import(main, "from httpx2 import AsyncClient")
    project.replace(main, "AsyncGenerator[None]", "AsyncGenerator[dict[str, AsyncClient]]")
    project.replace(
        main,
        "    yield\n",
        '    async with AsyncClient() as client:\n        yield {"client": client}\n',
    )
    project.add_import("app/dependencies.py", "from httpx2 import AsyncClient")
    project.append(
        "app/dependencies.py",
        '''

async def get_http_client(connection: HTTPConnection) -> AsyncClient:
    """Return the HTTP client of the service."""
    client: AsyncClient = connection.state.client
    return client


HttpClient = Annotated[AsyncClient, Depends(get_http_client)]
''',
    )
    project.append(
        "app/api/v1/endpoints/weather.py",
        '''"""Endpoints of the weather."""

from fastapi import APIRouter

from app.dependencies import HttpClient

router = APIRouter(prefix="/weather", tags=["weather"])


@router.get("/")
async def get_weather(client: HttpClient) -> bool:
    """Return whether the client is open."""
    return not client.is_closed
''',
    )
    mount(project, "weather")
    add_row(project, '"GET /weather/": (None, (200, 200, 200, 200, 200, 200)),')
    project.append(
        "tests/test_weather.py",
        '''"""Weather."""

from httpx2 import AsyncClient


async def test_client_is_open(client: AsyncClient) -> None:
    assert (await client.get("/weather/")).json() is True
''',
    )


@edit("change the password policy")
def password_rule(project: Editor) -> None:
    """Passwords of the tests had no symbols."""
    project.before(
        "app/core/password_policy.py",
        ")\n\n\ndef find_violation",
        '    ("must contain a symbol", lambda password: not password.isalnum()),\n',
    )
