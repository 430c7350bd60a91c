"""Our verdict on settings, and vLLM 0.32.0's: of its parser, of `vllm serve` itself, of its configuration classes.

Where the two differ, docs/engine-check.md says why; the test fails on a difference that is not there, and on one that
is there and no more. The real engine is a build for CPUs, and the folders hold no weights (`model_kinds.py`).
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from e2e import model_kinds
from e2e.corpus import VERSION, Emitted, emitted
from e2e.engine import REPOSITORY, bare_environment
from e2e.settings import Setting, chosen, drawn
from sources import examined, toml
from stowplan.discover.run import discover
from stowplan.engines.flags import flag_table
from stowplan.stages.plan import plan
from stowplan.words.diagnostic import Severity

pytestmark = pytest.mark.engine
PAGE = REPOSITORY / "docs/engine-check.md"
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "ERROR", "VLLM_NO_USAGE_STATS": "1"}
ACCEPTED = "accepted"
ROW = re.compile(r"^\| `(.+)` \| ([a-z, -]+) \| ([a-z]+) \|", re.MULTILINE)
"""A row of the page: setting, what we say, what vLLM says; then the reason."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A command line less the executable, and variables."""

    argv: list[str]
    env: dict[str, str]


@dataclass(frozen=True, slots=True)
class Judged:
    """A setting or a launch of the corpus: `accepted`, or our ids of errors, or the stage of vLLM that refused it."""

    name: str
    ours: str
    vllms: str
    error: str

    @property
    def agrees(self) -> bool:
        """Whether both accept it or both refuse it."""
        return (self.ours == ACCEPTED) == (self.vllms == ACCEPTED)

    @property
    def row(self) -> tuple[str, str, str]:
        """It in the page's table, the reason apart."""
        return self.name, self.ours, self.vllms


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What one run of the real engine said of everything."""

    settings: list[Judged]
    corpus: list[Judged]


@pytest.fixture(scope="module")
def verdicts(vllm: Path, tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """All settings and all launches of the corpus, judged: importing vLLM once is long enough."""
    root = tmp_path_factory.mktemp("kinds")
    model_kinds.make(root)
    facts = discovered(root)
    settings = list({setting.name: setting for setting in all_settings()}.values())
    ours = [examine(setting, facts[setting.kind], root) for setting in settings]
    corpus = emitted()
    launches = [at_hand(one, tmp_path_factory.mktemp("corpus")) for one in corpus]
    told = iter(ask(vllm, [*(launch for _, launch in ours), *launches]))
    return Verdicts(
        [Judged(one.name, verdict, **next(told)) for one, (verdict, _) in zip(settings, ours, strict=True)],
        [Judged(one.name, ACCEPTED, **next(told)) for one in corpus],
    )


def test_we_agree_on_good_and_bad_settings(verdicts: Verdicts) -> None:
    agreed = Counter(one.ours for one in verdicts.settings if one.agrees)
    assert agreed[ACCEPTED] >= 200
    assert agreed.total() - agreed[ACCEPTED] >= 200


def test_every_disagreement_is_explained(verdicts: Verdicts) -> None:
    explained = Counter(ROW.findall(PAGE.read_text(encoding="utf-8")))
    differ = {one.row: one for one in (*verdicts.settings, *verdicts.corpus) if not one.agrees}
    missing = [
        f"| `{one.name}` | {one.ours} | {one.vllms} | {one.error} |"
        for row, one in differ.items()
        if row not in explained
    ]
    gone = sorted(explained - Counter(differ.keys()))
    assert not missing, f"not on {PAGE.name}, where the last column is for the reason:\n" + "\n".join(sorted(missing))
    assert not gone, f"on {PAGE.name}, and a difference no more:\n" + "\n".join(map(str, gone))


def test_every_launch_of_ours_is_accepted(verdicts: Verdicts) -> None:
    pinned = [one for one in verdicts.corpus if f" on {VERSION}: " not in one.name]
    assert len(pinned) >= 7
    assert [one for one in pinned if one.vllms != ACCEPTED] == []


def all_settings() -> Iterable[Setting]:
    """The drawn ones and the chosen ones."""
    table = flag_table("vllm", VERSION)
    assert table is not None
    yield from drawn(table)
    yield from chosen(table)


def discovered(root: Path) -> dict[str, bytes]:
    """What our own discover makes of each folder below `root`: kind → discovered.json."""
    found = discover(root, "cpu", {"weights": root}, stub=lambda _: "")
    return {model.facts.location.path: model.content for model in found.models}


def examine(setting: Setting, facts: bytes, root: Path) -> tuple[str, Launch]:
    """Our verdict, and what to ask vLLM: the launch that we make of it, or else what one would have typed."""
    project = {
        "profiles/cpu.toml": PROFILE.format(root=root).encode(),
        "models.d/model/discovered.json": facts,
        "models.d/model/cpu.toml": toml({"vllm": setting.flags}).encode(),
    }
    _, fleet, problems = examined(project)
    ids = sorted({problem.id for problem in problems if problem.severity is Severity.ERROR})
    if ids:
        return ", ".join(ids), Launch(["serve", str(root / setting.kind), *setting.typed], {})
    (entry,) = plan(fleet)["cpu"]
    assert entry.launch is not None
    return ACCEPTED, Launch(entry.launch.argv[1:], {variable.name: variable.value for variable in entry.launch.env})


PROFILE = f"""\
allow = ["remote-code:model"]
[engine.vllm]
version = "{VERSION}"
executable = "/opt/vllm/bin/vllm"
[roots]
weights = "{{root}}"
[serving]
bind = "127.0.0.1"
ports = "24001-24001"
"""


def at_hand(one: Emitted, folder: Path) -> Launch:
    """A launch with its model, and what else it names below the model's root, made in `folder`."""
    model = one.argv[1]
    root = model.removesuffix(one.facts.location.path)
    model_kinds.make_like(one.facts, folder / one.facts.location.path)
    argv = [word.replace(root, f"{folder}/") for word in one.argv]
    for option, value in pairwise(argv):
        if option == "--chat-template" and value.startswith(str(folder)):
            Path(value).parent.mkdir(parents=True, exist_ok=True)
            Path(value).write_text("{{ messages }}", encoding="utf-8")
        if option == "--speculative-config" and (draft := json.loads(value).get("model")):
            model_kinds.make_like(one.facts, Path(draft))
    return Launch(argv, {name: value.replace(root, f"{folder}/") for name, value in one.env})


def ask(vllm: Path, launches: list[Launch]) -> list[dict[str, str]]:
    """What vLLM says to each: the stage that it reached, and why no further."""
    done = subprocess.run(
        [vllm.with_name("python"), Path(__file__).with_name("serve_config.py")],
        input=json.dumps([{"argv": one.argv, "env": one.env} for one in launches]),
        env={**bare_environment(), **ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [{"vllms": told["stage"], "error": told.get("error", "")} for told in json.loads(done.stdout)]
