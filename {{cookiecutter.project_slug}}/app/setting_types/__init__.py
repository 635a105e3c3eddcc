"""Setting types: parse and normalize settings, or reject them with a valid example."""

from app.setting_types.database import DRIVERS, DatabaseUrl
from app.setting_types.errors import invalid
from app.setting_types.values import (
    CommaSeparated,
    Networks,
    Port,
    Rate,
    RateSetting,
    SigningKey,
    SigningKeys,
)
from app.setting_types.web import BaseUrl, EmailSender, Hostname, Hosts, Origins, Prefix

__all__ = [
    "DRIVERS",
    "BaseUrl",
    "CommaSeparated",
    "DatabaseUrl",
    "EmailSender",
    "Hostname",
    "Hosts",
    "Networks",
    "Origins",
    "Port",
    "Prefix",
    "Rate",
    "RateSetting",
    "SigningKey",
    "SigningKeys",
    "invalid",
]
