"""Flag tables: what it takes to have one, which every compile does for each version that is pinned."""

from collections.abc import Iterator

from bench_table import Row, typical

from stowplan.engines.flags import decoded, examined, table_source, versions

LOAD = 0.003
"""Seconds to read and decode one table."""


def rows() -> Iterator[Row]:
    """The newest table, which is the largest; `all` is what telling a flag's whole history costs."""
    newest = versions("vllm")[-1]
    source = table_source("vllm", newest)
    yield Row(f"load the table of {newest}", typical(lambda: decoded(table_source("vllm", newest)), calls=20), LOAD)
    yield Row("  and look at each part of it (a project's own)", typical(lambda: examined(source), calls=20))
    every = versions("vllm")
    yield Row(f"load all {len(every)}", typical(lambda: [decoded(table_source("vllm", one)) for one in every], calls=1))
    yield Row(f"size of {newest}", len(source), unit="B")
