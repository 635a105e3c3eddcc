"""Stop versions of cookiecutter that cannot generate the project, before their first question.

They report that they cannot load an extension; version 1 shows the name of this file only.
"""

import sys
from importlib.metadata import version

from jinja2.ext import Extension

INSTALL = "pipx install cookiecutter"
VERSION = version("cookiecutter")

if tuple(int(part) for part in VERSION.split(".")[:2]) < (2, 4):
    message = f"cookiecutter 2.4 or newer is needed; yours is {VERSION}: {INSTALL}"
    raise ImportError(message)
if sys.version_info < (3, 10):  # noqa: UP036 - cookiecutter may run on another Python
    message = f"cookiecutter must run on Python 3.10 or newer: {INSTALL}"
    raise ImportError(message)


class Check(Extension):
    """Does nothing: cookiecutter loads it."""
