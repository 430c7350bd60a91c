"""Chat templates: one for each model, Jinja, there, and the one that was meant."""

from collections.abc import Iterator

from stowplan.nouns.facts import Facts, Template
from stowplan.nouns.project import Subject
from stowplan.nouns.roots import split
from stowplan.words.diagnostic import Diagnostic, Place, error, warning
from stowplan.words.layered import Leaf


def check(subject: Subject) -> Iterator[Diagnostic]:
    """The template flag against the model's own templates, and a recorded digest against both."""
    if subject.is_external or subject.facts is None:
        return
    chosen = subject.leaf("vllm", "chat-template")
    recorded = subject.leaf("chat-template-sha256")
    holds: Template | None = next(iter(subject.facts.own_templates), None)
    if chosen is not None and isinstance(chosen.value, str):
        name = _below_model(chosen.value, subject.facts)
        holds = None
        if name is not None:
            yield from _chosen(name, chosen, subject.facts)
            holds = next((t for t in subject.facts.templates if t.file == name), None)
    else:
        yield from _two(subject)
    if recorded is not None:
        yield from _recorded(recorded, chosen, holds)


def _below_model(text: str, facts: Facts) -> str | None:
    """The file's path below the model's folder, None if the template lies elsewhere."""
    parts = split(text)
    folder = facts.location.path + "/"
    if parts is None or parts[0] != facts.location.root or not parts[1].startswith(folder):
        return None
    return parts[1].removeprefix(folder)


def _chosen(name: str, chosen: Leaf, facts: Facts) -> Iterator[Diagnostic]:
    place = Place(chosen.origin.file, chosen.origin.key)
    if name.endswith(".json"):
        message = f"`{name}` is JSON around a template; vLLM would send the JSON itself to the model"
        hint = "leave the key out (the tokenizer reads that file by itself), or name a .jinja file"
        yield error("template-not-jinja", message, place, hint=hint)
    elif facts.files and all(file.path != name for file in facts.files):
        templates = [f.path for f in facts.files if f.path.endswith(".jinja")]
        known = f"templates there: {', '.join(templates)}" if templates else "there is no .jinja file in it"
        message = f"the model's folder holds no `{name}`"
        yield error("template-missing", message, place, hint=f"{known}; `stowplan discover` looks again")


def _two(subject: Subject) -> Iterator[Diagnostic]:
    facts = subject.facts
    if facts is None or len({template.sha256 for template in facts.own_templates}) < 2:
        return
    first, second = facts.own_templates[:2]
    message = f"the model brings two chat templates that differ: `{first.file}` and `{second.file}`"
    path = f"{facts.location.root}:{facts.location.path}/{first.file}"
    hint = f"`{first.file}` holds"
    if first.kind == "jinja":
        hint += f'; say so with `chat-template = "{path}"` under [vllm]'
    else:
        hint += "; put the right one into a .jinja file and name it with `chat-template` under [vllm]"
    yield warning("template-conflict", message, Place(subject.file), hint=hint)


def _recorded(recorded: Leaf, chosen: Leaf | None, holds: Template | None) -> Iterator[Diagnostic]:
    place = Place(recorded.origin.file, recorded.origin.key)
    if holds is None:
        what = f"`{chosen.value}`" if chosen is not None else "the model"
        message = f"a template digest is recorded, but the facts know no template digest of {what}"
        yield error("template-stale", message, place, hint="remove the digest, or run `stowplan discover`")
    elif holds.sha256 != recorded.value:
        message = f"the template `{holds.file}` is not the one that was recorded"
        hint = f'look at the change; if it is right, record `chat-template-sha256 = "{holds.sha256}"`'
        yield error("template-stale", message, place, hint=hint)
