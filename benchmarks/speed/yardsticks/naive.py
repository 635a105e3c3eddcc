"""The usual way: an ORM session and a commit for each request, one query for each object.

As in most tutorials, and in the document that this template began with, but for the pool, which
has a connection for each client. It checks less than the service: no sessions, no audience, hashing
in the event loop.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from jose import jwt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import DateTime, ForeignKey, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from yardsticks.storage import URL
from yardsticks.tokens import KEY, NAME, pair, passwords

DRIVER = "sqlite+aiosqlite" if URL.startswith("sqlite") else "postgresql+asyncpg"
# The default overflow is 10: of 16 clients, the last one might wait for 30 s, and fail.
engine = create_async_engine(f"{DRIVER}://{URL.partition('://')[2]}", max_overflow=11)
sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)


class Base(DeclarativeBase):
    """Base of the models."""

    type_annotation_map = {datetime: DateTime(timezone=True)}  # noqa: RUF012 - as documented


class User(Base):
    """A user."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    pending_email: Mapped[str | None]
    full_name: Mapped[str]
    hashed_password: Mapped[str]
    is_active: Mapped[bool]
    is_superuser: Mapped[bool]
    is_verified: Mapped[bool]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime | None]


class Item(Base):
    """An item."""

    __tablename__ = "items"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    description: Mapped[str | None]
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime | None] = mapped_column(onupdate=func.now())


# SQLite stores no time zone; on PostgreSQL, times are in UTC.
Time = Annotated[datetime, AfterValidator(lambda time: time.replace(tzinfo=UTC))]


class UserRead(BaseModel):
    """A user."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    email: str
    pending_email: str | None
    full_name: str
    is_active: bool
    is_superuser: bool
    is_verified: bool
    created_at: Time
    updated_at: Time | None


class ItemCreate(BaseModel):
    """A new item, or a changed one."""

    title: str = Field(min_length=1, max_length=200)
    description: str | None = Field(None, max_length=10_000)


class ItemRead(BaseModel):
    """An item."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    title: str
    description: str | None
    owner_id: int
    created_at: Time
    updated_at: Time | None


async def get_db() -> AsyncGenerator[AsyncSession]:
    """Yield the database session of a request."""
    async with sessions() as session:
        try:
            yield session
            await session.commit()
        except Exception:
            await session.rollback()
            raise


Db = Annotated[AsyncSession, Depends(get_db)]
Token = Annotated[str, Depends(OAuth2PasswordBearer("/api/v1/auth/login"))]


async def get_user_id(token: Token) -> int:
    """Verify the access token."""
    try:
        return int(jwt.decode(token, KEY, ["HS256"], audience=NAME)["sub"])
    except (jwt.JWTError, ValueError):
        raise HTTPException(401) from None


async def get_current_user(user_id: Annotated[int, Depends(get_user_id)], db: Db) -> User:
    """Return the user of the token."""
    user = (await db.execute(select(User).where(User.id == user_id))).scalar_one_or_none()
    if user is None:
        raise HTTPException(401)
    return user


async def get_active_user(user: Annotated[User, Depends(get_current_user)]) -> User:
    """Return the user, who must be active."""
    if not user.is_active:
        raise HTTPException(403)
    return user


CurrentUser = Annotated[User, Depends(get_active_user)]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
    """Close the connections."""
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
app.add_middleware(
    CORSMiddleware,
    allow_origins=["http://localhost:3000"],
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)


@app.get("/health/live")
async def get_liveness() -> dict[str, str]:
    """Respond."""
    return {"status": "ok"}


@app.get("/api/v1/users/me", response_model=UserRead)
async def get_me(user: CurrentUser) -> User:
    """Return the user."""
    return user


@app.get("/api/v1/items/", response_model=list[ItemRead])
async def list_items(
    user: CurrentUser,
    db: Db,
    q: str = "",
    sort: str = "id",
    limit: Annotated[int, Query(ge=1, le=100)] = 100,
) -> list[Item]:
    """Return items of the user."""
    items = select(Item).where(Item.owner_id == user.id).limit(limit)
    if sort == "id":
        items = items.order_by(Item.id)
    else:
        items = items.where(Item.title.icontains(q)).order_by(
            Item.created_at.desc(), Item.id.desc()
        )
    return list((await db.execute(items)).scalars().all())


async def find_item(item_id: int, user: User, db: AsyncSession) -> Item:
    """Return an item that the user may see."""
    item = (await db.execute(select(Item).where(Item.id == item_id))).scalar_one_or_none()
    if item is None or not (user.is_superuser or item.owner_id == user.id):
        raise HTTPException(404)
    return item


@app.get("/api/v1/items/{item_id}", response_model=ItemRead)
async def get_item(item_id: int, user: CurrentUser, db: Db) -> Item:
    """Return an item."""
    return await find_item(item_id, user, db)


@app.post("/api/v1/items/", response_model=ItemRead, status_code=201)
async def create_item(item_in: ItemCreate, user: CurrentUser, db: Db) -> Item:
    """Create an item."""
    item = Item(**item_in.model_dump(), owner_id=user.id)
    db.add(item)
    await db.flush()
    await db.refresh(item)
    return item


@app.patch("/api/v1/items/{item_id}", response_model=ItemRead)
async def update_item(item_id: int, item_in: ItemCreate, user: CurrentUser, db: Db) -> Item:
    """Update an item."""
    item = await find_item(item_id, user, db)
    for name, value in item_in.model_dump(exclude_unset=True).items():
        setattr(item, name, value)
    await db.flush()
    await db.refresh(item)
    return item


@app.post("/api/v1/auth/login")
async def log_in(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], db: Db
) -> dict[str, object]:
    """Log in."""
    query = select(User).where(User.email == form.username)
    user = (await db.execute(query)).scalar_one_or_none()
    if user is None or not passwords.verify(form.password, user.hashed_password):
        raise HTTPException(401)
    return pair(user.id, "", "")
