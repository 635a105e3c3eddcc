"""Measure the service, and print a table and a chart: `make bench`.

`make bench DATABASE=sqlite` measures it on SQLite. `ROUNDS=2 make bench` measures fewer rounds, and
writes no chart.

The servers run on one core and take turns; the database and the client share another one. What is
compared is the CPU time of a server per request, which other programs on the machine change less
than its latencies.
"""

import sys

from benchmarks.accounts import installed
from benchmarks.speed.measure import FULL_ROUNDS, ROUNDS, measure
from benchmarks.speed.report import print_report, write_chart

CHART = "docs/speed.svg"


def main() -> None:
    """Measure, and report."""
    database = sys.argv[1] if len(sys.argv) > 1 else "postgresql"
    with installed(database) as project:
        results = measure(project, database)
    print_report(results)
    if database == "postgresql" and ROUNDS >= FULL_ROUNDS:
        write_chart(results, CHART)
        print(f"\nThe chart is {CHART}.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted. The servers are stopped.")
