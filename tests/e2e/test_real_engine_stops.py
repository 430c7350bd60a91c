"""A real vLLM that a launch script is still starting ends when told to, and leaves neither process nor port behind.

That a healthy one does, test_real_engine_serves shows.
"""

from __future__ import annotations

import pytest

from e2e.cpu_project import CpuProject, fill_in
from e2e.engine import Server, cmdline, port_is_held, processes_of, wait_until

pytestmark = pytest.mark.engine


@pytest.fixture
def server(tiny_project: CpuProject) -> Server:
    fill_in(tiny_project, "[vllm]\nmax-model-len = 256\n")
    tiny_project.run("compile")
    return tiny_project.server()


def test_stopped_while_it_starts(server: Server) -> None:
    with server:
        assert wait_until(lambda: starts_its_engine(server), 60)
        server.stop()
        assert processes_of(server.pid) == []
        assert not port_is_held(server.port)


def starts_its_engine(server: Server) -> bool:
    """Whether the script has become vLLM, which binds its port and then has children."""
    has_become_it = "serve" in cmdline(server.pid)
    return has_become_it and port_is_held(server.port) and len(processes_of(server.pid)) > 1
