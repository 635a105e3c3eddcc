"""Benchmarks: every server answers every request with the same bytes."""

from collections.abc import Iterator

import pytest

from benchmarks.accounts import installed
from benchmarks.speed import measure, report, scenarios
from tests.conftest import CHOICES
from tests.projects import Project, in_a_group


@pytest.fixture(params=[in_a_group(__name__, value) for value in CHOICES["database"]])
def project(request: pytest.FixtureRequest) -> Iterator[Project]:
    """Yield an installed project for each database."""
    with installed(request.param) as project:
        yield project


def test_servers_answer_the_same_and_the_report_has_every_scenario(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(scenarios, "OTHER_ITEMS", 2_000)
    monkeypatch.setattr(scenarios, "CONNECTIONS", 2)
    monkeypatch.setattr(measure, "CLIENTS", 2)
    monkeypatch.setattr(measure, "DEPTHS", (0, 1_000))
    monkeypatch.setattr(measure, "ROUNDS", 1)
    monkeypatch.setattr(measure, "SECONDS", 0.1)
    monkeypatch.setattr(measure, "PAGES", 1)
    bench = measure.Bench(project, "a database")
    measure.measure_pages(bench)
    measure.measure_scenarios(bench)
    measure.measure_under_logins(bench)
    report.print_report(bench.results)

    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in ("users/me", "create", "login", "refresh"))
    assert "| -created_at |" in printed
    assert bench.results.logins[measure.SERVICE], "no login ended while reads were measured"
