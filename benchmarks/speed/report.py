"""The table and the chart of a run."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.speed.measure import (
    CEILING,
    CLIENTS,
    LIMIT,
    NAIVE,
    ROUNDS,
    SECONDS,
    SERVICE,
    Results,
    Sample,
)

SERVERS = (SERVICE, CEILING, LIMIT, NAIVE)
COLORS = {SERVICE: "#2563eb", CEILING: "#94a3b8", NAIVE: "#d97706"}
BAR, LEFT, WIDTH = 16, 170, 720  # pixels


def ratios(samples: dict[str, list[Sample]], server: str) -> list[float]:
    """Return the CPU of a server, times the ceiling, in each round."""
    pairs = zip(samples[server], samples[CEILING], strict=True)
    return [one.cpu / ceiling.cpu for one, ceiling in pairs]


def ratio(samples: dict[str, list[Sample]], server: str) -> float:
    """Return the CPU of a server, times the ceiling: the median over the rounds."""
    return median(ratios(samples, server))


def best(samples: list[Sample], value: Callable[[Sample], float]) -> float:
    """Return the smallest of the values of all rounds."""
    return min(value(sample) for sample in samples)


def print_report(results: Results) -> None:
    """Print all tables, in Markdown."""
    now = datetime.now(UTC)
    print(f"\n{now:%d %B %Y}, {results.database}, Python {results.python}")
    print(
        f"{ROUNDS} rounds of {SECONDS:g} s, {CLIENTS} clients. "
        "Ratios: CPU of a server per request, times the ceiling: medians; "
        "the other columns: the best value of all rounds.\n"
    )
    print_table(
        ("request", "service", "from – to", "goal", "naive", "limit", "CPU µs",
         "database × ceiling", "requests/s", "p50 ms", "p99 ms"),
        (scenario_row(results, name) for name in results.scenarios),
    )  # fmt: skip
    print_table(
        ("clients", "requests/s", "p50 ms", "p99 ms", "p99 / p50", "ceiling: p99 / p50"),
        (
            (
                str(count),
                f"{found[SERVICE].rate:.0f}",
                f"{found[SERVICE].p50:.1f}",
                f"{found[SERVICE].p99:.1f}",
                f"{found[SERVICE].p99 / found[SERVICE].p50:.1f}",
                f"{found[CEILING].p99 / found[CEILING].p50:.1f}",
            )
            for count, found in results.connections.items()
        ),
    )
    print_table(
        ("reads while 8 clients log in", "requests/s", "p50 ms", "p99 ms", "logins/s"),
        (
            (
                name,
                f"{found.rate:.0f}",
                f"{found.p50:.1f}",
                f"{found.p99:.1f}",
                f"{results.logins[name]:.0f}",
            )
            for name, found in results.under_logins.items()
        ),
    )
    print_table(
        (
            "pages",
            *(
                f"at row {depth:,}: by cursor, by skip"
                for depth in next(iter(results.pages.values()))
            ),
        ),
        (
            (sort, *(f"{ms['keyset']:.1f} ms, {ms['skip']:.1f} ms" for ms in depths.values()))
            for sort, depths in results.pages.items()
        ),
    )
    print_table(
        ("server", "start to first 200", "memory after load"),
        (
            (name, f"{results.start[name]:.2f} s", f"{results.memory[name]:.0f} MiB")
            for name in results.start
        ),
    )
    for count, rate in results.workers.items():
        print(f"{count} worker(s): {rate:.0f} requests/s")


def scenario_row(results: Results, name: str) -> tuple[str, ...]:
    """Return the row of a kind of request."""
    samples = results.scenarios[name]
    service, ceiling, found = samples[SERVICE], samples[CEILING], ratios(samples, SERVICE)
    database = best(ceiling, lambda s: s.database_cpu)
    return (
        name,
        f"{ratio(samples, SERVICE):.2f}",
        f"{min(found):.1f} – {max(found):.1f}",
        f"{results.goals[name]}" if name in results.goals else "",
        f"{ratio(samples, NAIVE):.2f}" if NAIVE in samples else "",
        f"{ratio(samples, LIMIT):.2f}",
        f"{best(service, lambda s: s.cpu):.0f}",
        f"{best(service, lambda s: s.database_cpu) / database:.1f}" if database else "",
        f"{max(s.rate for s in service):.0f}",
        f"{best(service, lambda s: s.p50):.1f}",
        f"{best(service, lambda s: s.p99):.1f}",
    )


def print_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table in Markdown."""
    for row in (head, ("---",) + ("--:",) * (len(head) - 1), *rows):
        print(f"| {' | '.join(row)} |")
    print()


def write_chart(results: Results, path: str) -> None:
    """Write a bar chart: CPU of each server for each kind of request, times the ceiling."""
    found = {
        name: {server: ratio(samples, server) for server in COLORS if server in samples}
        for name, samples in results.scenarios.items()
    }
    scale = (WIDTH - LEFT - 60) / max(max(values.values()) for values in found.values())
    title = "CPU of a server per request, times the practical ceiling"
    lines, y = [text(LEFT, 16, title)], 28
    for name, values in found.items():
        lines.append(text(LEFT - 10, y + 2 * BAR, name, anchor="end"))
        for server, value in values.items():
            bar = f'y="{y}" width="{value * scale:.0f}" height="{BAR - 3}" fill="{COLORS[server]}"'
            lines.append(f'<rect x="{LEFT}" {bar}/>')
            lines.append(text(LEFT + value * scale + 6, y + BAR - 5, f"{value:.1f}"))
            y += BAR
        y += 10
    for place, (server, color) in enumerate(COLORS.items()):
        x = LEFT + place * 120
        lines.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{color}"/>')
        lines.append(text(x + 18, y + 11, server))
    size = f'width="{WIDTH}" height="{y + 24}" viewBox="0 0 {WIDTH} {y + 24}"'
    background = '<rect width="100%" height="100%" fill="white"/>'
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        f"<title>{title}</title>",
        background,
        *lines,
        "</svg>",
    ]
    Path(path).write_text("\n".join(svg) + "\n", encoding="utf-8")


def text(x: float, y: float, content: str, anchor: str = "start") -> str:
    """Return a text of the chart."""
    style = f'font-family="sans-serif" font-size="12" text-anchor="{anchor}"'
    return f'<text x="{x:.0f}" y="{y:.0f}" {style}>{content}</text>'
