"""Refuse an answer that would not work, in one sentence that shows one that does."""

import json
import keyword
import re
import sys
from collections.abc import Callable, Iterator

# The only rendered line. JSON never has three quotes in a row, so no answer can close this literal.
ANSWERS = r"""{{ cookiecutter | tojson }}"""
# {% raw %}

SLUG = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
LONGEST_SLUG = 63  # of a label in the names of hosts
LONGEST_TEXT = 100
UNSAFE = '"\\{}$`'
TAKEN = {"app", "test", "tests"} | set(keyword.kwlist) | sys.stdlib_module_names

# Where an answer is kept as it was given; see RULES.
GIVEN = {"project_slug": "__project_slug"}

Rule = Callable[[str], str | None]


def slug_problem(slug: str) -> str | None:
    """Tell what is wrong with a name of a folder, distribution and container image."""
    if not SLUG.fullmatch(slug) or len(slug) > LONGEST_SLUG:
        return (
            "must begin with a letter and be lower-case words of letters and digits "
            "joined by - or _, "
            f"at most {LONGEST_SLUG} characters"
        )
    if slug.replace("-", "_") in TAKEN:
        return "must not be a word of Python, a module of its library, app or tests"
    return None


def text_problem(text: str) -> str | None:
    """Tell what is wrong with a line of text, which is to stand between quotes in many formats."""
    if not text.strip() or len(text) > LONGEST_TEXT:
        return f"must have 1 to {LONGEST_TEXT} characters"
    if not text.isprintable() or set(text) & set(UNSAFE):
        return f"must be one printable line without any of {' '.join(UNSAFE)}"
    return None


def email_problem(email: str) -> str | None:
    """Tell what is wrong with an address."""
    return (
        None
        if EMAIL.fullmatch(email) and len(email) <= LONGEST_TEXT
        else "must be an e-mail address"
    )


# The slug is read as it was given: `cookiecutter.json` has put a harmless one in the place of any
# that is no name of one folder, because the folder is made before this runs.
RULES: dict[str, tuple[Rule, str]] = {
    "project_slug": (slug_problem, "order-service"),
    "project_name": (text_problem, "Order Service"),
    "description": (text_problem, "Takes orders and tracks them."),
    "full_name": (text_problem, "Ada Lovelace"),
    "email": (email_problem, "ada@example.com"),
}


def problems(answers: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for each answer that would not work."""
    for question, (rule, example) in RULES.items():
        if problem := rule(answers[GIVEN.get(question, question)]):
            yield f"{question} {problem}; a good answer is: {example}"


def main() -> None:
    """Print the sentences and stop, or let the project be made."""
    sentences = list(problems(json.loads(ANSWERS)))
    for sentence in sentences:
        print(f"ERROR: {sentence}", file=sys.stderr)
    sys.exit(bool(sentences))


if __name__ == "__main__":
    main()
# {% endraw %}
