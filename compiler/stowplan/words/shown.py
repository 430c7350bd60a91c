"""A plain value as a message names it."""

import json

LONGEST = 60


def shown(value: object) -> str:
    """`the string "8k"`, `true`, `the integer 4096`, `the list [1, 2]`, `a table`; `nothing` for None."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'the string "{value if len(value) <= LONGEST else value[: LONGEST - 3] + "..."}"'
    if isinstance(value, int):
        return f"the integer {value}"
    if isinstance(value, float):
        return f"the number {value}"
    if isinstance(value, list | tuple):
        items = json.dumps(value, ensure_ascii=False, default=str)
        return f"the list {items}" if len(items) <= LONGEST else "a list"
    return "a table" if isinstance(value, dict) else "nothing"
