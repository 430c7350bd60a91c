"""A server's environment is what the launch says of it: nothing else of the shell's gets through."""

import os
from pathlib import Path

import pytest

from e2e.engine import free_port
from fake_vllm import Call, Fake, Launchable, install, launchable
from stowplan.stages.plan.launch import PASS_ENV


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return install(tmp_path / "vllm")


def _started(launch: Launchable, environment: dict[str, str], *command: str) -> Call:
    done = launch.run(environment=environment, command=command)
    assert (done.returncode, done.stderr) == (0, "")
    call = launch.fake.call()
    assert call is not None
    return call


def test_strays_are_gone(fake: Fake, tmp_path: Path) -> None:
    launch = launchable(tmp_path, fake, port=free_port(), overlay='[env]\nVLLM_LOGGING_LEVEL = "DEBUG"\n')
    strays = {
        "VLLM_LOGGING_LEVEL": "ERROR",
        "VLLM_USE_V1": "0",
        "VLLM_API_KEY": "stray",
        "LD_PRELOAD": "",
        "PYTHONPATH": "/nowhere",
        "STOWPLAN_LAUNCH": "another",
        "BASH_FUNC_vllm%%": "() { echo oops; }",
        "BASH_FUNC_serve%%": "() {\n  echo oops\n}",
        "a.name.no-shell-knows": "1",
        "MULTI_LINE": "one\nHOME=/oops\nthree",
        "argv": "oops",
        "model": "oops",
        "_": "oops",
        "SHLVL": "7",
    }
    call = _started(launch, {"PATH": os.environ["PATH"], "HOME": "/home/me", **strays})
    assert call.environment == {
        "PATH": os.environ["PATH"],
        "HOME": "/home/me",
        "VLLM_LOGGING_LEVEL": "DEBUG",
        "STOWPLAN_LAUNCH": launch.digest,
    }


def test_the_passed_get_through_byte_for_byte(fake: Fake, tmp_path: Path) -> None:
    launch = launchable(tmp_path, fake, port=free_port(), pass_env=["HF_TOKEN", "http_proxy"])
    shell = {name: f"value of {name}" for name in PASS_ENV if name != "LD_LIBRARY_PATH"}
    shell |= dict.fromkeys(("LANG", "LC_ALL", "LC_CTYPE"), "C.UTF-8")
    shell |= {"PATH": os.environ["PATH"], "HF_TOKEN": "s3cret '$(x)'\n", "http_proxy": "http://p"}
    call = _started(launch, shell)
    assert call.environment == shell | {"STOWPLAN_LAUNCH": launch.digest}


def test_an_env_value_wins_over_a_passed_one(fake: Fake, tmp_path: Path) -> None:
    launch = launchable(tmp_path, fake, port=free_port(), overlay='[env]\nHOME = "/compiled"\n')
    call = _started(launch, {"PATH": os.environ["PATH"], "HOME": "/shell"})
    assert call.environment["HOME"] == "/compiled"


def test_from_nothing_comes_only_what_the_launch_says(fake: Fake, tmp_path: Path) -> None:
    launch = launchable(tmp_path, fake, port=free_port(), overlay='[env]\nA = ""\n')
    assert _started(launch, {}).environment == {"A": "", "STOWPLAN_LAUNCH": launch.digest}


def test_what_is_passed_is_never_an_argument(fake: Fake, tmp_path: Path) -> None:
    """Arguments can be read by anyone on the machine, in `ps` and in audit logs; so watch each program started."""
    watched = tmp_path / "watched"
    watched.mkdir()
    (watched / "env").write_text(f'#!/bin/sh\n/bin/cat /proc/$$/cmdline >> {watched}/seen\nexec /usr/bin/env "$@"\n')
    (watched / "env").chmod(0o755)
    launch = launchable(tmp_path, fake, port=free_port(), pass_env=["HF_TOKEN"])
    path = f"{watched}:{os.environ['PATH']}"
    call = _started(launch, {"PATH": path, "HF_TOKEN": "s3cret", "STRAY": "v4lue"}, "bash", str(launch.script))
    assert call.environment == {"PATH": path, "HF_TOKEN": "s3cret", "STOWPLAN_LAUNCH": launch.digest}
    seen = (watched / "seen").read_bytes()
    assert b"STRAY" in seen
    assert b"s3cret" not in seen
