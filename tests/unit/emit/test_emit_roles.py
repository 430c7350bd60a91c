"""roles.json: who takes a role, the preferred first."""

import json

from emit_projects import artifacts_of
from sources import facts, sources


def test_by_priority_then_by_name() -> None:
    files: dict[str, str | bytes | None] = {}
    for name, priority in {"low": 10, "b-tie": 50, "a-tie": 50, "high": 90}.items():
        files[f"models.d/{name}/discovered.json"] = facts(f"org/{name}")
        files[f"models.d/{name}/base.toml"] = f"roles = {{ caption = {priority}, only-{name} = 1 }}\n"
        files[f"models.d/{name}/rtx.toml"] = ""
    roles = json.loads(artifacts_of(sources(files), "rtx")["roles.json"].content)
    assert roles.pop("caption") == ["high", "a-tie", "b-tie", "low"]
    assert roles == {f"only-{name}": [name] for name in ("low", "b-tie", "a-tie", "high")}
