"""What vLLM's parser and configuration classes make of command lines. Runs in the engine's own environment.

    .venv-vllm/bin/python serve_config.py < LAUNCHES > VERDICTS

In: a JSON array of launches, `{"argv": [word, ...], "env": {name: value}}`; an argv begins with `serve` and a
model's folder. Out: a JSON array of verdicts in the same order: `{"stage": stage, "error": text}`, where the stage
is `accepted` (and there is no text), or the one that refused: `parser`, `serve` (the checks of `vllm serve` itself)
or `config` (the configuration classes), and the text is one line.

It goes the way of `vllm serve` 0.32.0 (vllm/entrypoints/cli/main.py, cli/serve.py, launchers/launcher.py,
launchers/api_server/entry.py) up to where servers and engines would start; nothing is bound, loaded or served.
What vLLM keeps between two configurations (default objects that it alters, environment variables, caches) does not
pass from one command line to the next: each that the parser takes goes on in a process of its own, forked once vLLM
is imported.
"""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from typing import Any

from serve_parser import answer, parser

Launch = dict[str, Any]
Verdict = dict[str, str]
Parsers = tuple[ArgumentParser, ArgumentParser]
Running = tuple[int, int]
"""A child that judges a command line: its pid, and the end of a pipe that its verdict comes from."""


class RefusedByConfigurationError(Exception):
    """What `create_engine_config` raised: its cause."""


def refused_by_parser(argv: list[str], parsers: Parsers) -> Verdict | None:
    """What the parser has against a command line; None if it takes it. It keeps nothing of what it parsed."""
    found = answer(*parsers, argv)
    return {"stage": "parser", "error": str(found["error"])} if "error" in found else None


def verdict(argv: list[str], parsers: Parsers) -> Verdict:
    """How far a command line gets that is parsed. This changes the process: nothing else should be judged in it."""
    whole, _ = parsers
    try:
        _serve(whole.parse_args(argv))
    except RefusedByConfigurationError as problem:
        return {"stage": "config", "error": _line(problem.__cause__)}
    except (Exception, SystemExit) as problem:
        return {"stage": "serve", "error": _line(problem)}
    return {"stage": "accepted"}


def _serve(args: Namespace) -> None:
    """`vllm serve`, in which configurations are made and nothing is started."""
    from vllm.entrypoints.cli import serve
    from vllm.entrypoints.launchers.launcher import validate_api_server_args
    from vllm.logger import configure_logging_from_args

    def server(args: Namespace, count: int = 1, rank: int = 0) -> None:
        validate_api_server_args(args)
        _configure(args, _api_process_count=count, _api_process_rank=rank)

    async def one(args: Namespace) -> None:
        server(args)

    serve.run_server = one
    serve.run_headless = lambda args: _configure(args, headless=True)
    serve.run_multi_api_server = lambda args: server(args, args.api_server_count, -1)
    serve.run_dp_supervisor = lambda args: server(_rank_zero(args))
    (command,) = serve.cmd_init()
    configure_logging_from_args(args)
    command.validate(args)
    command.cmd(args)


def _rank_zero(args: Namespace) -> Namespace:
    """The first server of those that the supervisor of data-parallel ranks starts."""
    from vllm.entrypoints.launchers.dp_supervisor import _build_vllm_dp_server_args

    child: Namespace = _build_vllm_dp_server_args(args, 0)
    return child


def _configure(args: Namespace, headless: bool = False, **process: int) -> None:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.entrypoints.launchers.cli_args import propagate_flash_late_interaction
    from vllm.usage.usage_lib import UsageContext

    try:
        engine = AsyncEngineArgs.from_cli_args(args)
        propagate_flash_late_interaction(args, engine)
        for name, value in process.items():
            setattr(engine, name, value)
        engine.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER, headless=headless)
    except (Exception, SystemExit) as problem:
        raise RefusedByConfigurationError from problem


def _line(problem: BaseException | None) -> str:
    return " ".join(f"{type(problem).__name__}: {problem}".split())


def prepare(folders: Iterable[str]) -> None:
    """Import, once and for all children, what vLLM imports: much of it late, when it makes a configuration.

    So one configuration of each folder is made here, with no option that could leave anything behind. vLLM looks at
    the code of a model in a fresh process, so that CUDA stays unused in its own (model_executor/models/registry.py);
    without CUDA that is 15 s per model for nothing.
    """
    from vllm.model_executor.models import registry

    registry._run_in_subprocess = lambda look: look()
    for folder in folders:
        verdict(["serve", folder], parser())


def judged(launch: Launch, parsers: Parsers) -> Running:
    """Start a child that judges a launch. What the parsers hold is its own copy."""
    ours, its = os.pipe()
    if pid := os.fork():
        os.close(its)
        return pid, ours
    try:
        os.environ.update(launch["env"])
        os.write(its, json.dumps(verdict(launch["argv"], parsers)).encode())
    finally:
        os._exit(0)


def collected(child: Running) -> Verdict:
    """The verdict of a child; one that died has none."""
    pid, end = child
    with os.fdopen(end, "rb") as pipe:
        said = pipe.read()
    status = os.waitpid(pid, 0)[1]
    return dict(json.loads(said)) if said else {"stage": "died", "error": f"wait status {status}"}


def verdicts(launches: list[Launch]) -> list[Verdict]:
    """All verdicts, in order; as many children at a time as there are processors."""
    parsers = parser()
    found = [refused_by_parser(launch["argv"], parsers) for launch in launches]
    children = parallel((launch for launch, verdict in zip(launches, found, strict=True) if verdict is None), parsers)
    return [next(children) if verdict is None else verdict for verdict in found]


def parallel(launches: Iterable[Launch], parsers: Parsers) -> Iterator[Verdict]:
    """The verdicts of children, in order."""
    running: deque[Running] = deque()
    for launch in launches:
        if len(running) == (os.cpu_count() or 1):
            yield collected(running.popleft())
        running.append(judged(launch, parsers))
    yield from map(collected, running)


def main() -> None:
    """Verdicts on stdout, and nothing else there, whatever vLLM prints."""
    launches: list[Launch] = json.load(sys.stdin)
    with redirect_stdout(sys.stderr):
        prepare(sorted({launch["argv"][1] for launch in launches}))
        found = verdicts(launches)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
