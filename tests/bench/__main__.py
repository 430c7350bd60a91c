"""`make bench`: the figures of this machine, now, beside the goals. It judges nothing: machines differ."""

import tempfile
from pathlib import Path

import bench_check
import bench_reader
import bench_tables
from bench_table import table

MODELS = 10_000


def main() -> None:
    """Prints each table when it is done; the builds are written to a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="stowplan-bench-") as folder:
        rows = bench_reader.rows(Path(folder) / "build", MODELS)
        print(*table(f"reader, {MODELS:,} models", rows), sep="\n")
    print(*table("flag tables", bench_tables.rows()), sep="\n")
    print(*table("checking", bench_check.rows(MODELS // 5)), sep="\n")


if __name__ == "__main__":
    main()
