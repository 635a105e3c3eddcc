"""Refuse answers that would not work, leave out what was not chosen, and write `.env`.

To start an interpreter takes longer than all that is done here, so there is one hook, and it does
without `json`, `pathlib` and `re`. Where it fails, cookiecutter removes what it has written.
"""

import keyword
import os
import sys

# The rendered lines. In hexadecimal an answer is nothing but data, whatever it holds.
ANSWERS = {
    # {% for name in cookiecutter +%}
    "{{ name }}": "{{ (cookiecutter[name] | string).encode('utf-8', 'backslashreplace').hex() }}",
    # {% endfor +%}
}
# {% raw %}

# Where an answer is kept as it was given: `cookiecutter.json` puts a harmless slug in the place of
# any that is no name of one folder, because the folder is made before this runs.
GIVEN = {"project_slug": "__project_slug"}

LONGEST_SLUG = 63  # of a label in the names of hosts
LONGEST_TEXT = 100
UNSAFE = '"\\{}$`'
TAKEN = {"app", "test", "tests"} | set(keyword.kwlist) | sys.stdlib_module_names


def slug_problem(slug: str) -> str | None:
    """Tell what is wrong with a name of a folder, distribution and container image."""
    words = slug.replace("_", "-").split("-")
    plain = all(w.isascii() and w.isalnum() and w == w.lower() for w in words)
    if not plain or not slug[0].isalpha() or len(slug) > LONGEST_SLUG:
        return (
            "must begin with a letter and be lower-case words of letters and digits "
            f"joined by - or _, at most {LONGEST_SLUG} characters"
        )
    if "_".join(words) in TAKEN:
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
    local, _, domain = email.rpartition("@")
    labels = domain.split(".")
    signs = local.translate(str.maketrans("", "", "._%+-")) + "".join(labels).replace("-", "")
    plain = signs.isascii() and signs.isalnum() and len(email) <= LONGEST_TEXT
    return (
        None if plain and local and len(labels) > 1 and all(labels) else "must be an e-mail address"
    )


RULES = {
    "project_slug": (slug_problem, "order-service"),
    "project_name": (text_problem, "Order Service"),
    "description": (text_problem, "Takes orders and tracks them."),
    "full_name": (text_problem, "Ada Lovelace"),
    "email": (email_problem, "ada@example.com"),
}

# What goes with an answer, and with no other.
OPTIONAL: dict[str, dict[str, tuple[str, ...]]] = {
    ".github": {"ci": ("github",)},
    ".gitlab-ci.yml": {"ci": ("gitlab",)},
    "scripts/postgres.py": {"database": ("postgresql",)},
    "Dockerfile": {"deployment": ("docker", "kubernetes")},
    ".dockerignore": {"deployment": ("docker", "kubernetes")},
    "compose.yaml": {"deployment": ("docker", "kubernetes")},
    "kubernetes": {"deployment": ("kubernetes",)},
}


def problems(answers: dict[str, str]) -> list[str]:
    """Return a sentence for each answer that would not work."""
    return [
        f"{question} {problem}; a good answer is: {example}"
        for question, (rule, example) in RULES.items()
        if (problem := rule(answers[GIVEN.get(question, question)]))
    ]


def unwanted(answers: dict[str, str]) -> list[str]:
    """Return the paths that the answers leave out."""
    return [
        path
        for path, conditions in OPTIONAL.items()
        if any(answers[question] not in values for question, values in conditions.items())
    ]


def caches() -> list[str]:
    """Return the caches that a checkout holds once somebody has worked in it."""
    return [
        os.path.join(folder, name)
        for folder, names, _ in os.walk(".")
        for name in names
        if name == "__pycache__" or name.endswith("_cache")
    ]


def remove(path: str) -> None:
    """Delete a file, or a folder with all that is in it."""
    if not os.path.isdir(path):
        os.unlink(path)
        return
    for name in os.listdir(path):
        remove(os.path.join(path, name))
    os.rmdir(path)


def quoted(path: str) -> str:
    """Return a path as a shell reads it: `shlex` would do it, and takes its time to import."""
    plain = path.isascii() and path.translate(str.maketrans("", "", "/._-")).isalnum()
    return path if plain else "'" + path.replace("'", "'\\''") + "'"


def main() -> None:
    """Finish the project in the current folder."""
    answers = {name: bytes.fromhex(hexed).decode() for name, hexed in ANSWERS.items()}
    if sentences := problems(answers):
        sys.exit("\n".join(f"ERROR: {sentence}" for sentence in sentences))
    for path in unwanted(answers) + caches():
        if os.path.lexists(path):  # a cache may lie in a cache
            remove(path)
    with open("scripts/make_env.py", encoding="utf-8") as script:
        exec(script.read(), {"__name__": "__main__"})  # noqa: S102 - ours; half the time of runpy
    folder = os.getcwd()
    print(f"\nYour service is in {folder}\nStart it:\n\n    cd {quoted(folder)} && make dev\n")


if __name__ == "__main__":
    main()
# {% endraw %}
