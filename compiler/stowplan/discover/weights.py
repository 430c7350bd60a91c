"""The weights of a folder: which safetensors files belong to it, whether they are whole, what they hold.

As vLLM chooses (0.32.0, vllm/model_executor/model_loader/default_loader.py and weight_utils.py): the
files at the top of the folder; if any is called consolidated*.safetensors only those; of these, the
ones an index names, if there is one. A shard that the index, or the count in a file's own name
(`model-00001-of-00004`), speaks of and that is not there is an error.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping

from stowplan.discover import knowledge, safetensors
from stowplan.discover.files import MIB, Folder
from stowplan.discover.safetensors import BadHeaderError, Header, TruncatedError
from stowplan.nouns.facts import Weights
from stowplan.words.diagnostic import error
from stowplan.words.digest import sha256

SUFFIX = ".safetensors"
INDEX, CONSOLIDATED_INDEX = "model.safetensors.index.json", "consolidated.safetensors.index.json"
MAX_INDEX = 64 * MIB
_CONSOLIDATED = "consolidated"
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.safetensors")
_OTHER, _DRAFT, _LAYERS = "other", "draft", "layers"
_NAMED = 4
_AGAIN = "download the model again; a download that was broken off goes on where it stopped"


def weights(
    folder: Folder, files: Mapping[str, int], ahead: int | None = None
) -> tuple[Weights | None, dict[str, Header]]:
    """The weights, and the header of each file that belongs to them; problems are noted in the folder.

    `files` are the folder's files with their sizes, `ahead` the number of the first layer that predicts ahead, where
    such layers stand among the others (vLLM 0.32.0, vllm/model_executor/models/utils.py and deepseek_v2.py,
    `get_spec_layer_idx_from_weight_name`: they are not loaded unless asked for). None if a file is missing or unsound.
    """
    names = _names(folder, sorted(name for name in files if name.endswith(SUFFIX) and "/" not in name))
    if names is None:
        return None, {}
    headers: dict[str, Header] = {}
    for name in names:
        header = _header(folder, name)
        if header is None:
            return None, {}
        headers[name] = header
    return _sum(headers, ahead), headers


def _names(folder: Folder, present: list[str]) -> list[str] | None:
    """The files that belong to the weights, sorted; None if the set is not whole."""
    consolidated = [name for name in present if name.startswith(_CONSOLIDATED)]
    index = CONSOLIDATED_INDEX if consolidated else INDEX
    present = consolidated or present
    if not folder.has(index):
        wanted = _counted(present)
        told = "the number in the other files' names"
    else:
        found = folder.json_object(index, MAX_INDEX)
        listed = None if found is None else found.get("weight_map")
        if not isinstance(listed, dict) or not all(isinstance(name, str) for name in listed.values()):
            if found is not None:
                message = f"`{index}` names no shards: its `weight_map` is no table of file names"
                folder.problems.append(error("weights-incomplete", message, folder.place(index), hint=_AGAIN))
            return None
        wanted, told = set(listed.values()), f"`{index}`"
        if not all(name.endswith(SUFFIX) and name.isprintable() and "/" not in name for name in wanted):
            message = f"`{index}` names a shard that is no {SUFFIX} file of this folder"
            place = folder.place(index, ("weight_map",))
            folder.problems.append(error("unsafe-path", message, place, hint=_AGAIN))
            return None
        present = [name for name in present if name in wanted]
    if not wanted:
        message = f"the folder holds no {SUFFIX} file that can be read"
        folder.problems.append(error("weights-incomplete", message, folder.place(""), hint=_AGAIN))
        return None
    missing = sorted(wanted - set(present))
    if missing:
        named = ", ".join(f"`{name}`" for name in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        message = f"{len(missing)} of {len(wanted)} shards are missing: {named}{more}; {told} speaks of them"
        folder.problems.append(error("weights-incomplete", message, folder.place(missing[0]), hint=_AGAIN))
    return None if missing else present


def _counted(present: list[str]) -> set[str]:
    """Every shard that the names of the present ones promise."""
    promised = set(present)
    for name in present:
        match = _SHARD.fullmatch(name)
        if match is not None:
            total = int(match[3])
            promised |= {f"{match[1]}-{i:05}-of-{total:05}{SUFFIX}" for i in range(1, total + 1)}
    return promised


def _header(folder: Folder, name: str) -> Header | None:
    stream = folder.open(name)
    if stream is None:
        return None
    with stream:
        try:
            return safetensors.read(stream, os.fstat(stream.fileno()).st_size)
        except TruncatedError as problem:
            message, problem_id = f"`{name}` is cut short: {problem}", "weights-truncated"
        except BadHeaderError as problem:
            message, problem_id = f"`{name}` is not a sound safetensors file: {problem}", "bad-header"
        except OSError as problem:
            message, problem_id = f"cannot read `{name}`: {problem.strerror}", "unreadable-file"
    folder.problems.append(error(problem_id, message, folder.place(name), hint=_AGAIN))
    return None


def _sum(headers: Mapping[str, Header], ahead: int | None) -> Weights:
    dtypes: Counter[str] = Counter()
    groups: Counter[str] = Counter()
    parts = {part: group for group, parts in _groups().items() for part in parts}
    order = {group: i for i, group in enumerate((*_groups(), _OTHER))}
    for header in headers.values():
        for tensor in header.tensors:
            dtypes[tensor.dtype] += tensor.bytes
            names = tensor.name.split(".")
            found = {parts.get(part, _OTHER) for part in names}
            group = _DRAFT if _is_ahead(names, ahead) else min(found, key=order.__getitem__)
            groups[group] += tensor.bytes
    return Weights(
        format="safetensors",
        bytes=sum(header.bytes for header in headers.values()),
        dtypes=dict(sorted(dtypes.items())),
        groups=dict(sorted(groups.items())),
        headers_sha256=sha256("\n".join(header.sha256 for _, header in sorted(headers.items())).encode()),
    )


def _is_ahead(names: list[str], ahead: int | None) -> bool:
    """Whether a tensor is of a layer beyond the model's own: `model.layers.61.` where there are 61."""
    if ahead is None or _LAYERS not in names[:-1]:
        return False
    number = names[names.index(_LAYERS) + 1]
    return number.isascii() and number.isdigit() and len(number) < 6 and int(number) >= ahead


def _groups() -> dict[str, list[str]]:
    groups: dict[str, list[str]] = knowledge.table("tensor_groups")["parts"]
    return groups
