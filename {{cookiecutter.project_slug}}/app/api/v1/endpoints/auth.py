"""Endpoints of authentication: login, token refresh, sessions, verification, password reset."""

from app.api.openapi import problems
from app.api.routing import Router
from app.config import settings
from app.core.exceptions import (
    CurrentPasswordError,
    EmailNotVerifiedError,
    EmailTakenError,
    GuessablePasswordError,
    InactiveUserError,
    InvalidCredentialsError,
    InvalidEmailTokenError,
    InvalidRefreshTokenError,
    RateLimitedError,
    SessionNotFoundError,
)
from app.dependencies import (
    Accounts,
    Auth,
    CurrentToken,
    CurrentUser,
    LoginFormBody,
    OptionalActor,
    RefreshFormBody,
    SessionId,
    Sessions,
)
from app.schemas.auth import (
    ForgotPasswordRequest,
    ResetPasswordRequest,
    SessionRead,
    TokenPair,
    UndoEmailChangeRequest,
    VerifiedEmail,
    VerifyEmailRequest,
)

# Forms of a megabyte would take as long as 300 ms to parse.
MAX_BODY_SIZE = min(16_384, settings.MAX_BODY_BYTES)  # bytes

router = Router(prefix="/auth", tags=["authentication"], max_body_size=MAX_BODY_SIZE)


@router.post(
    "/login",
    responses=problems(
        InvalidCredentialsError, InactiveUserError, EmailNotVerifiedError, RateLimitedError
    ),
)
async def login(form: LoginFormBody, auth: Auth) -> TokenPair:
    """Log in with email and password: returns the tokens of a new session."""
    return await auth.log_in(form.username, form.password.get_secret_value())


@router.post("/refresh", responses=problems(InvalidRefreshTokenError))
async def refresh(form: RefreshFormBody, sessions: Sessions) -> TokenPair:
    """Refresh token rotation: returns the next pair. A replayed token ends its session."""
    return await sessions.refresh(form.refresh_token.get_secret_value())


@router.post("/logout", status_code=204)
async def logout(_me: CurrentUser, token: CurrentToken, sessions: Sessions) -> None:
    """Log out: end this session with all its tokens."""
    await sessions.log_out(token.sid)


@router.get("/sessions")
async def list_sessions(
    me: CurrentUser, token: CurrentToken, sessions: Sessions
) -> list[SessionRead]:
    """List your sessions, newest first: at most 100."""
    return [
        SessionRead.model_validate(session).model_copy(
            update={"is_current": session.id == token.sid}
        )
        for session in await sessions.get_many(me)
    ]


@router.delete("/sessions", status_code=204)
async def end_sessions(me: CurrentUser, sessions: Sessions) -> None:
    """Log out everywhere: end all your sessions, this one included."""
    await sessions.end_all(me)


@router.delete("/sessions/{session_id}", status_code=204, responses=problems(SessionNotFoundError))
async def end_session(session_id: SessionId, me: CurrentUser, sessions: Sessions) -> None:
    """End one of your sessions."""
    await sessions.end(me, session_id)


@router.post("/password/forgot", status_code=202)
async def forgot_password(body: ForgotPasswordRequest, accounts: Accounts) -> None:
    """Request a password reset email. The response is the same for every email.

    Above a rate limit, none is sent; the tokens of earlier ones are still valid.
    """
    await accounts.request_reset(body.email)


@router.post(
    "/password/reset",
    status_code=204,
    responses=problems(InvalidEmailTokenError, GuessablePasswordError),
)
async def reset_password(body: ResetPasswordRequest, accounts: Accounts) -> None:
    """Reset the password with the token from the email. All sessions end."""
    await accounts.reset_password(body.token, body.new_password)


@router.post(
    "/email/verify",
    responses=problems(
        InvalidEmailTokenError, CurrentPasswordError, EmailTakenError, RateLimitedError
    ),
)
async def verify_email(
    body: VerifyEmailRequest, caller: OptionalActor, accounts: Accounts
) -> VerifiedEmail:
    """Verify an email with the token from the verification email. A new email takes effect.

    Send an access token of the account or its password as well. A new email requires it;
    without it, the verification of the first email ends sessions and password, because
    somebody else may have registered with it.
    """
    user = await accounts.verify_email(body.token, body.current_password, caller)
    return VerifiedEmail(has_password=bool(user.hashed_password))


@router.post("/email/verify/request", status_code=202)
async def request_email_verification(me: CurrentUser, accounts: Accounts) -> None:
    """Request another verification email. Above a rate limit, none is sent."""
    await accounts.request_verification(me)


@router.post("/email/undo", status_code=204, responses=problems(InvalidEmailTokenError))
async def undo_email_change(body: UndoEmailChangeRequest, accounts: Accounts) -> None:
    """Undo a change of the email with the token that was sent to the old one.

    Sessions and password end: reset the password then.
    """
    await accounts.undo_email_change(body.token)
