"""`fit --calibrate`: what a log teaches is written and used; what is of something else is refused."""

import json
import tomllib
from pathlib import Path

import pytest

from command import Done, stowplan
from stowplan.nouns.facts import seal

SOUND = Path(__file__).resolve().parents[2] / "cases/a-sound-project"
MEASURED = "profiles/measured/h100.toml"
PROFILE = """\
[gpu]
name = "NVIDIA H100 80GB HBM3"
count = 1
memory = "81089 MiB"
capability = "9.0"
[engine.vllm]
version = "{version}"
executable = "/opt/vllm/bin/vllm"
[roots]
weights = "/srv/models"
[serving]
mode = "one-at-a-time"
bind = "127.0.0.1"
ports = "24001-24001"
"""
OVERLAY = "port = 24001\n[vllm]\nmax-model-len = 8192\ngpu-memory-utilization = 0.95\n"
WEIGHTS = {
    "bytes": 16_060_522_496,
    "dtypes": {"BF16": 16_060_522_496},
    "groups": {"embedding": 1_050_673_152, "head": 1_050_673_152, "layers": 13_959_176_192},
}
LOG = """\
(APIServer pid=90) INFO 04-02 11:45:51 [utils.py:233] non-default args: {'model_tag': '/srv/models/meta/L8B', 'model': \
'/srv/models/meta/L8B', 'max_model_len': 8192, 'served_model_name': ['llama'], 'gpu_memory_utilization': 0.95, \
'x': <A.B: 1>}
(EngineCore pid=1) INFO 04-02 11:46:00 [core.py:105] Initializing a V1 LLM engine (v0.19.0) with config: \
model='/srv/models/meta/L8B', max_seq_len=8192, tensor_parallel_size=1, dtype=torch.bfloat16, x={'a': [<X: 3>]}
(EngineCore pid=1) \x1b[36mINFO\x1b[0m 04-02 11:46:00 [gpu_model_runner.py:4745] Model loading took 14.99 GiB memory
(EngineCore pid=1) DEBUG 04-02 11:46:09 [gpu_worker.py:400] Memory profiling takes 3.1 seconds. Total non KV cache \
memory: 17.12GiB; torch peak memory increase: 1.89GiB; non-torch forward increase memory: 0.25GiB; weights memory: \
14.99GiB.
(EngineCore pid=1) INFO 04-02 11:46:09 [gpu_worker.py:436] Available KV cache memory: 58.11 GiB
(EngineCore pid=1) INFO 04-02 11:46:09 [kv_cache_utils.py:1319] GPU KV cache size: 476,016 tokens
(EngineCore pid=1) INFO 04-02 11:46:30 [gpu_model_runner.py:5900] Graph capturing finished in 5 secs, took 0.91 GiB
"""
"""The lines of vLLM 0.19.0 that tell of memory, with what a real start of this model on this card logged."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Llama 3.1 8B on an H100."""
    model = tmp_path / "project/models.d/llama"
    model.mkdir(parents=True)
    facts = json.loads((SOUND / "models.d/llama/discovered.json").read_text())
    facts["weights"] |= WEIGHTS
    facts["location"]["path"] = "meta/L8B"
    (model / "discovered.json").write_text(json.dumps(facts | {"seal": seal(facts)}))
    (model / "h100.toml").write_text(OVERLAY)
    (tmp_path / "project/profiles").mkdir()
    (tmp_path / "project/profiles/h100.toml").write_text(PROFILE.format(version="0.19.0"))
    return tmp_path / "project"


def calibrate(project: Path, log: str = LOG, *before: str) -> Done:
    """What becomes of one log, of the project's one model."""
    (project / "vllm.log").write_text(log)
    return stowplan(project, "fit", "--calibrate", *(before or ("llama/h100",)), "vllm.log")


def test_what_a_start_took_is_written_and_used(project: Path) -> None:
    before = stowplan(project, "fit", "llama")
    assert "measured" not in before.out
    done = calibrate(project)
    assert (done.code, done.err) == (0, "")
    assert f"wrote {MEASURED}" in done.out
    (row,) = tomllib.loads((project / MEASURED).read_text())["start"]
    assert (row["model"], row["version"], row["kv-tokens"]) == ("llama", "0.19.0", 476_016)
    assert row["launch"]["max-model-len"] == 8192
    assert row["mib"]["available-kv"] == 58.11 * 1024
    after = stowplan(project, "fit", "llama")
    assert f"{MEASURED}, `start[0]`: a start with the same numbers" in after.out
    assert after.out != before.out


def test_the_same_log_again_changes_nothing(project: Path) -> None:
    calibrate(project)
    written = (project / MEASURED).read_bytes()
    assert f"{MEASURED} says so already" in calibrate(project).out
    assert (project / MEASURED).read_bytes() == written


def test_it_is_an_input_of_the_build(project: Path) -> None:
    calibrate(project)
    assert stowplan(project, "compile").code == 0
    assert f'"{MEASURED}"' in (project / "build/current/manifest.json").read_text()


CHANGED = {
    "another version": ("v0.19.0", "v0.11.0", "it is of vllm 0.11.0, and the profile's engine is 0.19.0"),
    "other weights": ("14.99", "3.1", "it loaded 3.1 GiB of weights, and this model has"),
    "no end": ("Available KV cache memory", "x", "it lacks the line `Available KV cache memory ...`"),
    "no end of loading": ("14.99", "x", "it lacks the line `Model loading took ...`"),
    "no arguments": ("non-default args", "x", "it lacks the line `non-default args: ...`"),
    "arguments cut off": ("'x': <A.B: 1>}\n", "\n", "the line with its arguments is cut off"),
    "no start": ("Initializing a V1 LLM engine", "x", "no start of an engine is in it"),
    "no text": ("INFO", "\0", "it is no text"),
    "impossible figures": ("increase: 1.89GiB", "increase: -1.89GiB", "its figures make -1.89 GiB of activations"),
}


@pytest.mark.parametrize("change", CHANGED)
def test_a_log_of_something_else_is_refused(project: Path, change: str) -> None:
    old, new, reason = CHANGED[change]
    assert old in LOG
    done = calibrate(project, LOG.replace(old, new))
    assert (done.code, done.out) == (2, "")
    assert f"error: nothing is learnt from 'vllm.log': {reason}" in done.err
    assert not (project / MEASURED).exists()


def test_a_log_of_no_model_here_is_refused(project: Path) -> None:
    done = calibrate(project, LOG.replace("L8B", "Other-8B").replace("'llama'", "'other'"), "-p", "h100")
    assert (done.code, done.out) == (2, "")
    assert "which is no model of this profile; name the SUBJECT if it is" in done.err


def test_logs_that_contradict_each_other_are_refused(project: Path) -> None:
    (project / "other.log").write_text(
        LOG.replace("torch peak memory increase: 1.89", "torch peak memory increase: 2.89")
    )
    done = calibrate(project, LOG, "llama/h100", "other.log")
    assert done.code == 2
    assert "for the same launch of llama/h100" in done.err
    assert not (project / MEASURED).exists()


def test_another_version_of_the_engine_unlearns(project: Path) -> None:
    """The row stays, says nothing, and is warned of."""
    calibrate(project)
    (project / "profiles/h100.toml").write_text(PROFILE.format(version="0.33.0"))
    done = stowplan(project, "check")
    assert "warning[measured-unused]: it is of a start of vllm 0.19.0; `h100` has vllm 0.33.0 now" in done.err
    assert f" --> {MEASURED}:" in done.err
    assert "a start with the same numbers" not in stowplan(project, "fit", "llama").out


def test_questions_do_not_mix(project: Path) -> None:
    for more in (["--all"], ["--ctx", "1024"], ["--format", "json"]):
        done = stowplan(project, "fit", "--calibrate", *more, "vllm.log")
        assert (done.code, "--calibrate takes a SUBJECT, -p and LOG... alone" in done.err) == (2, True)
    assert "--calibrate needs LOG..." in stowplan(project, "fit", "--calibrate").err
    assert "there is no such file" in stowplan(project, "fit", "--calibrate", "no-such.log").err
