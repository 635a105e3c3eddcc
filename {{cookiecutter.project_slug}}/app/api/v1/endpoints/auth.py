"""Logging in and out, and links by mail. `README.md` has a picture of it."""

from app.api.documentation import problems
from app.api.routing import Router
from app.core.exceptions import (
    GuessablePasswordError,
    InactiveUserError,
    InvalidCredentialsError,
    InvalidMailTokenError,
    InvalidRefreshTokenError,
    SessionNotFoundError,
    TooManyTriesError,
)
from app.dependencies import (
    Auth,
    CurrentToken,
    CurrentUser,
    LoginForm,
    SessionId,
    Sessions,
    TokenForm,
)
from app.models import Session
from app.schemas.auth import Forgot, Reset, SessionRead, TokenRead, Verify

router = Router(prefix="/auth", tags=["authentication"])


@router.post(
    "/login", responses=problems(InvalidCredentialsError, InactiveUserError, TooManyTriesError)
)
async def login(form: LoginForm, auth: Auth) -> TokenRead:
    """Exchange email and password for the tokens of a new session."""
    return await auth.log_in(form.username, form.password)


@router.post("/refresh", responses=problems(InvalidRefreshTokenError))
async def refresh(form: TokenForm, sessions: Sessions) -> TokenRead:
    """Exchange a refresh token for the next pair. Used twice, it ends its session."""
    return await sessions.refresh(form.refresh_token.get_secret_value())


@router.post("/logout", status_code=204)
async def logout(_me: CurrentUser, token: CurrentToken, sessions: Sessions) -> None:
    """End this session, with all its tokens."""
    await sessions.log_out(token.sid)


@router.get("/sessions", response_model=list[SessionRead])
async def list_sessions(me: CurrentUser, sessions: Sessions) -> list[Session]:
    """List your sessions, newest first."""
    return await sessions.get_many(me)


@router.delete("/sessions", status_code=204)
async def end_sessions(me: CurrentUser, sessions: Sessions) -> None:
    """End all your sessions, this one included."""
    await sessions.end_all(me)


@router.delete("/sessions/{session_id}", status_code=204, responses=problems(SessionNotFoundError))
async def end_session(session_id: SessionId, me: CurrentUser, sessions: Sessions) -> None:
    """End one of your sessions."""
    await sessions.end(me, session_id)


@router.post("/password/forgot", status_code=202, responses=problems(TooManyTriesError))
async def forgot_password(body: Forgot, auth: Auth) -> None:
    """Send a link to choose a new password, if somebody has the address."""
    await auth.request_link(body.email, "reset")


@router.post(
    "/password/reset",
    status_code=204,
    responses=problems(InvalidMailTokenError, GuessablePasswordError),
)
async def reset_password(body: Reset, auth: Auth) -> None:
    """Choose a new password with the token of the link. Every session ends."""
    await auth.reset(body.token, body.new_password)


@router.post("/email/verify", status_code=204, responses=problems(InvalidMailTokenError))
async def verify_email(body: Verify, auth: Auth) -> None:
    """Prove an address with the token of the link."""
    await auth.verify(body.token)


@router.post("/email/verify/request", status_code=202, responses=problems(TooManyTriesError))
async def request_verification(me: CurrentUser, auth: Auth) -> None:
    """Send yourself another link that proves your address."""
    await auth.request_link(me.email, "verify")
