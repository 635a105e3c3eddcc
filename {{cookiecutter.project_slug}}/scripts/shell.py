"""Names of the console that `make shell` opens: `db`, `select`, `func`, `settings`, the models.

`(await db.scalars(select(User))).all()` works as it stands; `await db.commit()` keeps changes.
"""

from sqlalchemy import func, select

from app import models
from app.config import settings
from app.db.session import async_session_factory

__all__ = ["db", "func", "select", "settings"]
db = async_session_factory()
globals().update({name: value for name, value in vars(models).items() if name[0].isupper()})
