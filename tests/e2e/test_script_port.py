"""A port is free where a server may have it: no one listens there, and no one is about to."""

import contextlib
import platform
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.engine import free_port
from fake_vllm import Launchable, install, launchable

LINUX = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
HOST = "127.0.0.1"


@pytest.fixture
def launch(tmp_path: Path) -> Launchable:
    return launchable(tmp_path, install(tmp_path / "vllm"), port=free_port())


def _port(launch: Launchable) -> int:
    return int(launch.argv[launch.argv.index("--port") + 1])


def _is_free(launch: Launchable) -> bool:
    done = launch.run("--check")
    assert (done.returncode == 1) == ("is taken" in done.stderr), done.stderr
    return done.returncode == 0


@contextlib.contextmanager
def _bound(host: str, port: int, *options: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as held:
        for option in options:
            held.setsockopt(socket.SOL_SOCKET, option, 1)
        held.bind((host, port))
        yield held


AS_VLLM = (socket.SO_REUSEADDR, socket.SO_REUSEPORT)
"""What vLLM sets on its socket (0.11.0 to 0.32.0, `create_server_socket`)."""


def test_free(launch: Launchable) -> None:
    assert _is_free(launch)


@pytest.mark.parametrize("options", [(), (socket.SO_REUSEADDR,), AS_VLLM])
def test_someone_listens(launch: Launchable, options: tuple[int, ...]) -> None:
    with _bound(HOST, _port(launch), *options) as held:
        held.listen()
        assert not _is_free(launch)
    assert _is_free(launch)


@pytest.mark.parametrize("options", [(), (socket.SO_REUSEADDR,), AS_VLLM])
def test_someone_is_about_to_listen(launch: Launchable, options: tuple[int, ...]) -> None:
    with _bound(HOST, _port(launch), *options):
        assert not _is_free(launch)
    assert _is_free(launch)


def test_someone_listens_on_all_addresses(launch: Launchable) -> None:
    with _bound("0.0.0.0", _port(launch), *AS_VLLM) as held:
        held.listen()
        assert not _is_free(launch)


def _leave_closed_connections(port: int) -> None:
    """What a server leaves that was stopped while it had clients: connections in TIME_WAIT."""
    with _bound(HOST, port, *AS_VLLM) as server:
        server.listen()
        with socket.create_connection((HOST, port)) as client:
            connection, _ = server.accept()
            connection.close()
            assert client.recv(1) == b""
    with pytest.raises(OSError, match="in use"), _bound(HOST, port):
        pass


def test_connections_of_a_stopped_server_linger(launch: Launchable) -> None:
    _leave_closed_connections(_port(launch))
    with _bound(HOST, 0), _bound(HOST, 0, *AS_VLLM):  # others, at ports of theirs
        assert _is_free(launch)


def test_connections_linger_and_someone_listens(launch: Launchable) -> None:
    _leave_closed_connections(_port(launch))
    with _bound(HOST, _port(launch), *AS_VLLM) as held:
        held.listen()
        assert not _is_free(launch)


@pytest.mark.skipif(LINUX < (6, 8), reason="Linux tells of sockets that are only bound since 6.8")
def test_connections_linger_and_someone_is_about_to_listen(launch: Launchable) -> None:
    _leave_closed_connections(_port(launch))
    with _bound(HOST, _port(launch), *AS_VLLM):
        assert not _is_free(launch)


def test_a_server_that_no_longer_listens_but_still_answers(launch: Launchable) -> None:
    with _bound(HOST, _port(launch), *AS_VLLM) as server:
        server.listen()
        client = socket.create_connection((HOST, _port(launch)))
        connection, _ = server.accept()
    with client, connection:
        assert not _is_free(launch)


def test_another_port_is_another_matter(launch: Launchable) -> None:
    with _bound(HOST, 0, *AS_VLLM) as other:
        other.listen()
        assert _is_free(launch)


def _has_ipv6() -> bool:
    with contextlib.suppress(OSError), _bound("::1", 0):
        return True
    return False


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
def test_ipv6(tmp_path: Path) -> None:
    launch = launchable(tmp_path, install(tmp_path / "vllm"), port=free_port(), bind="::1")
    assert _is_free(launch)
    with _bound("::1", _port(launch), *AS_VLLM):
        assert not _is_free(launch)


def test_a_name_as_address(tmp_path: Path) -> None:
    launch = launchable(tmp_path, install(tmp_path / "vllm"), port=free_port(), bind="localhost")
    assert _is_free(launch)
    with _bound(HOST, _port(launch), *AS_VLLM):
        assert not _is_free(launch)


def test_a_held_port_starts_nothing(launch: Launchable) -> None:
    with _bound(HOST, _port(launch), *AS_VLLM):
        done = launch.run()
    port = _port(launch)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: port {port} of 127.0.0.1 is taken\n"
        "  = help: stop the server that has it (ss -ltnp shows it once it listens), or give this model another port "
        "and compile\n"
        "qwen is not started\n"
    )
    assert launch.fake.call() is None
