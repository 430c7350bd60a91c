"""What became of flags: all that later tables lack is known, with the version; what is written instead fits."""

import copy
import json
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from argparse_model import TABLES
from hypothesis import given
from hypothesis import strategies as st

from stowplan.engines.flags import flag_table, version_key, versions
from stowplan.engines.spelling import misfit
from stowplan.engines.successors import Successor, gone_name, gone_variable, rewrite, successor

CAPTURED = Path(__file__).parents[4] / "shared" / "vllm-flags"
FORMS = ("rename", "nest", "invert", "drop", "number")
FREE = ("hf-overrides", "kv-transfer-config.kv_connector_extra_config")
"""Where a JSON flag takes any key."""
SCALARS: dict[str, type] = {"boolean": bool, "integer": int, "string": str}
Table = dict[str, Any]


@cache
def tables() -> dict[str, Table]:
    """Every captured table, oldest first: the package's own, and what it lacks from beside the repository."""
    beside = {path.stem for path in CAPTURED.glob("*.json") if path.stem[0].isdigit()}
    found = {}
    for version in sorted({*versions("vllm"), *beside}, key=version_key):
        own = TABLES / f"{version}.json"
        found[version] = json.loads((own if own.exists() else CAPTURED / own.name).read_bytes())
    if len(found) < 24:
        pytest.skip(f"only {len(found)} of the 24 flag tables are here, and {CAPTURED} is not")
    return found


def parts(part: str) -> dict[str, Table]:
    """One part of every table."""
    if any(part not in table for table in tables().values()):
        pytest.skip(f"the flag tables have no `{part}`")
    return {version: table[part] for version, table in tables().items()}


@cache
def document() -> dict[str, Any]:
    return dict(json.loads((TABLES / "successors.json").read_bytes()))


def entries(*groups: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every entry of these parts, and what it is about."""
    for group in groups:
        for entry in document()[group]:
            yield entry[{"flags": "flag", "keys": "key", "variables": "variable"}[group]], entry


def losses(held: Callable[[Table], set[Any]], part: str) -> set[tuple[Any, str]]:
    """What a table has and the next one lacks, with that next version."""
    pairs = pairwise(parts(part).items())
    return {(lost, version) for (_, old), (version, new) in pairs for lost in held(old) - held(new)}


def paths(table: Table) -> Iterator[tuple[str, str]]:
    """Every object a JSON flag takes, as the path it is written at and its name; objects in objects, too."""
    waiting = [(option.removeprefix("--"), entry.get("object")) for option, entry in table["flags"].items()]
    while waiting:
        path, name = waiting.pop()
        if name is not None and path.count(".") < 4:
            yield path, name
            waiting += [(f"{path}.{key}", shape.get("object")) for key, shape in table["objects"][name].items()]


def enums(shape: Table) -> Iterator[str]:
    yield from map(str, shape.get("enum", ()))
    for inner in shape.get("anyOf", ()):
        yield from enums(inner)


def applicable(version: str, *groups: str) -> Iterator[Successor]:
    """The entries that hold for a version."""
    for name in {name for name, _ in entries(*groups)}:
        find = gone_variable if groups == ("variables",) else successor
        found = find("vllm", name, version)
        if found is not None:
            yield found


def settings(found: Successor) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All that a rewrite writes whose value the entry itself says."""
    for value in found.values or ((True, False) if found.how == "invert" else ()):
        yield from (rewrite(found, value) or {}).items()


def target(version: str, path: tuple[str, ...]) -> Table | None:
    """What the table of a version says of a path: an option or a key of an object; None if it has no such thing."""
    table = tables()[version]
    shape: Table | None = table["flags"].get(f"--{path[0]}")
    for key in path[1:]:
        if shape is None or ".".join(path[:-1]) in FREE:
            return shape
        if "object" not in shape:  # the tables do not look into it
            return {}
        shape = table["objects"][shape["object"]].get(key)
    return shape


# ---- all that is gone is known, and gone when the tables say ---------------------------------------------------------


def test_every_flag_that_a_later_table_lacks_is_known_with_the_version_that_lacks_it_first() -> None:
    lost = losses(set, "flags")
    assert {(f"--{name}", entry["gone"]) for name, entry in entries("flags")} == lost
    assert len({name for name, _ in lost}) == 29


def test_26_flags_of_the_first_table_are_gone_from_that_of_0_32() -> None:
    old, new = tables()["0.11.0"]["flags"], tables()["0.32.0"]["flags"]
    gone = {option for option in old if option not in new}
    assert len(gone) == 26
    assert all(successor("vllm", option, "0.32.0") is not None for option in gone)


def test_a_flag_has_a_successor_in_just_the_versions_that_lack_it() -> None:
    ever = {option for table in tables().values() for option in table["flags"]}
    for option in ever:
        first = next(version for version, table in tables().items() if option in table["flags"])
        for version, table in tables().items():
            known = successor("vllm", option.removeprefix("--"), version) is not None
            lacks = version_key(version) > version_key(first) and option not in table["flags"]
            assert known == lacks, (option, version)


def test_every_key_of_a_json_flag_that_a_later_table_lacks_is_known() -> None:
    known = {(name, entry["gone"]) for name, entry in entries("keys")}
    lost = set()
    parts("objects")
    for (_, old), (version, new) in pairwise(tables().items()):
        for path, name in paths(old):
            if name in new["objects"]:
                lost |= {
                    (f"{path}.{key}", version) for key in old["objects"][name].keys() - new["objects"][name].keys()
                }
    assert lost <= known
    looked_into = {path for table in tables().values() for path, _ in paths(table)}
    rest = {name for name, _ in known - lost if name.rpartition(".")[0] in looked_into}
    assert all(name.startswith("compilation-config.pass_config.") for name in rest)  # that object has not every table


def test_every_choice_that_a_later_table_lacks_is_known() -> None:
    known = {(entry["registry"], entry["name"], entry["gone"]) for entry in document()["names"]}
    lost = set()
    for (_, old), (version, new) in pairwise(tables().items()):
        for option, entry in old["flags"].items():
            left = new["flags"].get(option, {}).get("choices")
            if left is not None:
                missing = set(map(str, entry.get("choices", ()))) - set(map(str, left)) - {"None"}
                lost |= {(option.removeprefix("--"), name, version) for name in missing}
    assert {
        entry for entry in known if f"--{entry[0]}" in tables()["0.33.0"]["flags"] and entry[0] != "quantization"
    } == lost


def test_every_choice_of_a_key_that_a_later_table_lacks_is_known() -> None:
    parts("objects")
    lost = set()
    for (_, old), (version, new) in pairwise(tables().items()):
        now = {
            f"{path}.{key}": set(enums(shape))
            for path, name in paths(new)
            for key, shape in new["objects"][name].items()
        }
        for path, name in paths(old):
            for key, shape in old["objects"][name].items():
                missing = set(enums(shape)) - now.get(f"{path}.{key}", set())
                lost |= {(f"{path}.{key}", gone, version) for gone in missing if now.get(f"{path}.{key}")}
    known = {
        (entry["registry"], entry["name"], entry["gone"]) for entry in document()["names"] if "." in entry["registry"]
    }
    assert known == {entry for entry in lost if not entry[0].endswith(".quantization")}  # a registry holds those


def test_every_name_that_a_registry_of_a_later_table_lacks_is_known() -> None:
    """What a flag itself suggests, or had for choices, counts as of the registry that it looks into now."""
    registries = {registry for names in parts("names").values() for registry in names}
    lost = set()
    for (_, old), (version, new) in pairwise(tables().items()):
        for registry, now in new["names"].items():
            askers = [option for option, entry in new["flags"].items() if entry.get("names") == registry]
            was = set(old["names"].get(registry, ()))
            for option in askers:
                entry = old["flags"].get(option, {})
                was |= {*entry.get("choices", ()), *entry.get("suggest", ())} - {None, "None"}
                now = [*now, *new["flags"][option].get("choices", ()), *new["flags"][option].get("suggest", ())]
            lost |= {(registry, name, version) for name in was - set(now)}
    known = {(entry["registry"], entry["name"], entry["gone"]) for entry in document()["names"]}
    assert {entry for entry in known if entry[0] in registries} == lost


def test_the_names_that_were_captured_apart_are_gone_between_the_two_versions() -> None:
    old, new = CAPTURED / "names-0.11.0.json", CAPTURED / "names-0.32.0.json"
    if not (old.exists() and new.exists()):
        pytest.skip(f"the captured names are not beside the repository: no {old}")
    before, after = json.loads(old.read_bytes()), json.loads(new.read_bytes())
    for registry in before.keys() & after.keys():
        for name in before[registry]:
            known = gone_name("vllm", registry, name, "0.32.0") is not None
            assert known == (name not in after[registry]), (registry, name)
            assert gone_name("vllm", registry, name, "0.11.0") is None


def test_every_variable_that_a_later_table_lacks_is_known() -> None:
    lost = losses(set, "variables")
    assert {(name, entry["gone"]) for name, entry in entries("variables")} == lost
    for name, _ in lost:
        first = next(version for version, known in parts("variables").items() if name in known)
        for version, known in parts("variables").items():
            lacks = version_key(version) > version_key(first) and name not in known
            assert (gone_variable("vllm", name, version) is not None) == lacks, (name, version)


def test_every_spelling_of_a_flag_that_stays_is_known_when_it_goes() -> None:
    lost = set()
    for (_, old), (version, new) in pairwise(tables().items()):
        for option in old["flags"].keys() & new["flags"].keys():
            was, now = old["flags"][option], new["flags"][option]
            missing = {*was.get("neg", ()), *was.get("aliases", ())} - {*now.get("neg", ()), *now.get("aliases", ())}
            if now.get("action") == "EnableDisableAction":  # 0.33 takes `--no-enable-x` still, and hides it
                missing = {spelling for spelling in missing if not spelling.startswith(("--no-enable", "--no-disable"))}
            lost |= {(spelling, version) for spelling in missing}
    assert {(entry["name"], entry["gone"]) for entry in document()["names"] if entry["registry"] == "spellings"} == lost


def test_no_type_became_narrower() -> None:
    """So there are no entries for types: every value that fitted a flag's type fits it in the next version."""
    wider = {("human_readable_int", "human_readable_int_or_auto"), ("str", "parse_reasoning_parser")}
    for (_, old), (version, new) in pairwise(tables().items()):
        for option in old["flags"].keys() & new["flags"].keys():
            was, now = (table["flags"][option]["type"].removesuffix("?") for table in (old, new))
            assert was == now or (was, now) in wider, (option, version)


# ---- what is written instead ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", versions("vllm"))
def test_what_takes_the_place_of_a_flag_is_there_and_fits(version: str) -> None:
    table = flag_table("vllm", version)
    assert table is not None
    for found in (*applicable(version, "flags", "keys"), *applicable(version, "variables")):
        if found.place == "env":
            written = {found.to, *(path[0] for path, _ in settings(found))}
            assert written <= set(parts("variables")[version]), found.name
            assert all(isinstance(value, str) for _, value in settings(found)), found.name
            continue
        if found.to is not None:
            assert target(version, tuple(found.to.split("."))) is not None, (found.name, found.to)
        for path, value in settings(found):
            shape = target(version, path)
            assert shape is not None, (found.name, path)
            if len(path) == 1:
                assert misfit(table.flags[path[0]], value) is None, (found.name, value)
            else:
                assert isinstance(value, SCALARS.get(shape.get("type", ""), object)), (found.name, value)
                assert value in {*enums(shape)} or not {*enums(shape)}, (found.name, value)


def test_a_successor_that_was_there_before_says_since_when() -> None:
    for name, entry in entries("flags", "keys", "variables"):
        if "since" not in entry:
            continue
        began = entry.get("from", entry["gone"])
        assert version_key(entry["since"]) < version_key(began), name
        if entry.get("in") != "env":
            older = [version for version in tables() if version_key(version) < version_key(entry["since"])]
            path = tuple(entry["to"].split("."))
            assert target(entry["since"], path) is not None, name
            assert all(target(version, path) in (None, {}) for version in older), name


@pytest.mark.parametrize(
    ("name", "version", "value", "instead"),
    [
        ("override-pooler-config", "0.12.0", {"pooling_type": "CLS"}, {("pooler-config",): {"pooling_type": "CLS"}}),
        ("guided-decoding-backend", "0.19.1", "outlines", {("structured-outputs-config", "backend"): "outlines"}),
        ("eplb-window-size", "0.33.0", 500, {("eplb-config", "window_size"): 500}),
        ("disable-log-requests", "0.17.1", True, {("enable-log-requests",): False}),
        ("disable-log-requests", "0.33.0", False, {("enable-log-requests",): True}),
        ("disable-log-requests", "0.33.0", "yes", None),
        ("swap-space", "0.19.1", 16.0, {}),
        ("swap_space", "0.19.1", 16.0, {}),
        ("--swap-space", "0.19.1", 16.0, {}),
        ("task", "0.13.0", "embed", {("runner",): "pooling", ("convert",): "embed"}),
        ("task", "0.32.0", "reward", {("runner",): "pooling", ("convert",): "embed"}),
        ("task", "0.32.0", "auto", {}),
        ("task", "0.32.0", "score", None),
        ("task", "0.32.0", ["embed"], None),
        ("task", "0.32.0", date(2026, 1, 1), None),
        ("cuda-graph-sizes", "0.13.0", [1, 2, 4], {("cudagraph-capture-sizes",): [1, 2, 4]}),
        ("cuda-graph-sizes", "0.13.0", [512], None),
        ("cuda-graph-sizes", "0.13.0", 512, None),
        ("max-num-partial-prefills", "0.27.1", 1, {}),
        ("max-num-partial-prefills", "0.27.1", 2, None),
        ("max-num-partial-prefills", "0.27.1", True, None),
        ("calculate-kv-scales", "0.28.0", False, {}),
        ("calculate-kv-scales", "0.28.0", True, None),
        ("disable-mm-preprocessor-cache", "0.20.0", True, {("mm-processor-cache-gb",): 0}),
        ("use-gpu-for-pooling-score", "0.18.1", True, {}),
        ("use-gpu-for-pooling-score", "0.20.0", True, {("enable-flash-late-interaction",): True}),
        ("rope-theta", "0.18.1", 5e6, {("hf-overrides", "rope_theta"): 5e6}),
        ("rope-theta", "0.19.1", 5e6, None),
        ("rope-scaling", "0.32.0", {"rope_type": "yarn", "factor": 4.0}, None),
        ("logits-processor-pattern", "0.17.1", "x", None),
        ("compilation-config.level", "0.18.1", 3, {("compilation-config", "mode"): 3}),
        ("compilation-config.use_cudagraph", "0.11.2", False, {("compilation-config", "cudagraph_mode"): "NONE"}),
        (
            "compilation-config.pass_config.enable_fusion",
            "0.13.0",
            True,
            {
                ("compilation-config", "pass_config", "fuse_norm_quant"): True,
                ("compilation-config", "pass_config", "fuse_act_quant"): True,
            },
        ),
    ],
)
def test_a_setting_is_written_anew(
    name: str, version: str, value: Any, instead: dict[tuple[str, ...], Any] | None
) -> None:
    found = successor("vllm", name, version)
    assert found is not None
    assert repr(rewrite(found, value)) == repr(instead)  # 8 is not 8.0, and true not 1


@pytest.mark.parametrize(
    ("name", "version", "value", "place", "instead"),
    [
        ("VLLM_ATTENTION_BACKEND", "0.15.1", "FLASHINFER", "engine", {("attention-backend",): "FLASHINFER"}),
        ("VLLM_MM_INPUT_CACHE_GIB", "0.13.0", "8", "engine", {("mm-processor-cache-gb",): 8}),
        ("VLLM_MM_INPUT_CACHE_GIB", "0.13.0", " 0.5 ", "engine", {("mm-processor-cache-gb",): 0.5}),
        ("VLLM_MM_INPUT_CACHE_GIB", "0.13.0", "many", "engine", None),
        ("VLLM_MM_INPUT_CACHE_GIB", "0.13.0", 8, "engine", None),
        ("VLLM_USE_TRTLLM_ATTENTION", "0.20.0", "0", "engine", {("attention-config", "use_trtllm_attention"): False}),
        ("VLLM_USE_TRTLLM_ATTENTION", "0.20.0", "perhaps", "engine", None),
        ("VLLM_USE_TRTLLM_FP4_GEMM", "0.23.0", "1", "env", {("VLLM_NVFP4_GEMM_BACKEND",): "flashinfer-trtllm"}),
        ("VLLM_USE_TRTLLM_FP4_GEMM", "0.24.0", "1", "engine", {("linear-backend",): "flashinfer_trtllm"}),
        (
            "VLLM_MORIIO_POST_BATCH_SIZE",
            "0.23.0",
            "-1",
            "engine",
            {("kv-transfer-config", "kv_connector_extra_config", "post_batch_size"): -1},
        ),
        ("VLLM_USE_V1", "0.11.2", "1", "engine", {}),
        ("VLLM_USE_V1", "0.11.2", "0", "engine", None),
    ],
)
def test_a_variable_is_written_anew(
    name: str, version: str, value: Any, place: str, instead: dict[tuple[str, ...], Any] | None
) -> None:
    found = gone_variable("vllm", name, version)
    assert found is not None
    assert found.place == place
    assert repr(rewrite(found, value)) == repr(instead)  # 8 is not 8.0, and true not 1


def test_each_form_is_in_use() -> None:
    forms = {found.how for found in (*applicable("0.33.0", "flags", "keys"), *applicable("0.33.0", "variables"))}
    assert forms == {*FORMS, "map", "several", None}


scalars = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(st.data())
def test_a_rewrite_alters_nothing_and_shares_nothing(data: st.DataObject) -> None:
    found = data.draw(st.sampled_from([*applicable("0.33.0", "flags", "keys"), *applicable("0.33.0", "variables")]))
    value = data.draw(values | st.sampled_from([*found.values]) if found.values else values)
    before = copy.deepcopy(value)
    instead = rewrite(found, value)
    again = copy.deepcopy(instead)
    for new in (instead or {}).values():
        if isinstance(new, list):
            new.append("spoilt")
        elif isinstance(new, dict):
            new["spoilt"] = True
    assert value == before
    assert rewrite(found, value) == again
    if found.how in ("rename", "nest"):
        assert found.to is not None
        assert again == {(found.to,) if found.place == "env" else tuple(found.to.split(".")): value}
    if found.how is None or (found.how == "invert" and not isinstance(value, bool)):
        assert again is None


@given(st.text(), st.text(), st.text(), st.text())
def test_what_nobody_knows_became_nothing(kind: str, flag: str, registry: str, version: str) -> None:
    assert successor(kind, f"no such {flag}", version) is None
    assert gone_variable("vllm", f"no such {flag}", version) is None
    assert gone_name("vllm", registry, f"no such {flag}", version) is None


@pytest.mark.parametrize("kind", ["", ".", "..", "../engines/vllm", "vllm/", "/", "x" * 5000])
def test_what_someone_wrote_as_a_kind_never_becomes_a_path(kind: str) -> None:
    assert successor(kind, "swap-space", "0.33.0") is None
    assert gone_name(kind, "quantization", "gguf", "0.33.0") is None


def test_a_version_between_two_tables_goes_by_the_older() -> None:
    assert successor("vllm", "swap-space", "0.18.0") is None
    assert successor("vllm", "swap-space", "0.18.9") is not None
    assert successor("vllm", "swap-space", "1.0") is not None


def test_a_name_that_means_the_same_is_told_from_one_to_look_at() -> None:
    reward = gone_name("vllm", "convert", "reward", "0.16.0")
    slow = gone_name("vllm", "tokenizer_modes", "slow", "0.31.0")
    gguf = gone_name("vllm", "quantization", "gguf", "0.24.0")
    assert reward is not None
    assert (reward.to, reward.same) == ("embed", True)
    assert slow is not None
    assert (slow.to, slow.same) == ("hf", False)
    assert gguf is not None
    assert gguf.to is None
    assert "plugin" in gguf.why


def test_a_name_that_takes_anothers_place_is_there() -> None:
    for (_, entry), (version, table) in ((pair, at) for pair in named() for at in tables().items()):
        found = gone_name("vllm", entry["registry"], entry["name"], version)
        if found is None or found.to is None:
            continue
        registry = table.get("names", {}).get(found.registry)
        if registry is not None:
            assert found.to in registry, (found.name, version)
        elif f"--{found.registry}" in table["flags"]:
            assert found.to in table["flags"][f"--{found.registry}"]["choices"], (found.name, version)
        elif "." in found.registry and "objects" in table:
            shape = target(version, tuple(found.registry.split(".")))
            assert shape is not None
            assert found.to in enums(shape), (found.name, version)


def named() -> Iterator[tuple[str, dict[str, Any]]]:
    return ((entry["name"], entry) for entry in document()["names"])


# ---- the file -------------------------------------------------------------------------------------------------------


def test_the_file_is_sorted_with_one_entry_a_line() -> None:
    text = (TABLES / "successors.json").read_text("utf-8")
    for group, by in (("flags", "flag"), ("keys", "key"), ("names", "registry"), ("variables", "variable")):
        lines = text.partition(f' "{group}": [\n')[2].partition("\n ]")[0].split(",\n")
        assert [json.loads(line) for line in lines] == document()[group]
        order = [
            (
                entry[by],
                entry.get("name", ""),
                version_key(entry["gone"]),
                version_key(entry.get("from", entry["gone"])),
            )
            for entry in document()[group]
        ]
        assert order == sorted(order)
        assert len(order) == len(set(order))


def test_every_entry_says_why_and_where_that_was_read_and_nothing_else() -> None:
    known = {
        "flag",
        "key",
        "registry",
        "name",
        "variable",
        "gone",
        "from",
        "until",
        "to",
        "in",
        "since",
        "how",
        "why",
        "source",
    }
    for group in ("flags", "keys", "names", "variables"):
        for entry in document()[group]:
            assert entry.keys() <= known, entry
            assert entry["why"].endswith("."), entry
            assert entry["source"].startswith(("PR ", *tables())), entry
            assert entry["gone"] in tables(), entry
            how = entry.get("how")
            assert how is None or how in FORMS or set(how) in ({"map"}, {"several"}), entry
            if how in ("rename", "nest", "invert", "number"):
                assert "to" in entry, entry
            for instead in how.get("map", {}).values() if isinstance(how, dict) else ():
                assert all(isinstance(value, bool | int | float | str) for value in instead.values()), entry
