"""A consumer in a process of its own: looks at full speed, beside a subscription, until its input ends.

It prints the number of each generation its subscription is given, and last, as JSON, all it has seen.
"""

import json
import sys
import threading

from stowplan.read import Registry, Snapshot


def main(build: str) -> None:
    """Reads `build` until standard input ends. What it finds torn ends it with a traceback."""
    registry = Registry(build)
    ended = threading.Event()
    delivered: list[int] = []
    looked: list[list[int | str]] = []

    def note(snapshot: Snapshot) -> None:
        delivered.append(snapshot.generation)
        print(snapshot.generation, flush=True)

    def wait_for_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    looks, last = 0, None
    with registry.subscribe(note):
        while not ended.is_set():
            snapshot = registry.snapshot()
            mark = snapshot.get("qwen").sampling["mark"]
            looks += 1
            if snapshot is not last:
                assert marks(snapshot) == {mark}
                looked.append([snapshot.generation, snapshot.digest, mark])
                last = snapshot
    print(json.dumps({"looks": looks, "looked": looked, "delivered": delivered, "problem": registry.problem}))


def marks(snapshot: Snapshot) -> set[int]:
    """What the entries and the roles of a snapshot say; one thing alone if it is whole."""
    said = {entry.sampling["mark"] for entry in snapshot.entries()}
    said |= {mark for mark in list(said) if len(snapshot.by_role(f"mark-{mark}")) != 2}
    return said | {snapshot.get("llava:7b").sampling["mark"]}


if __name__ == "__main__":
    main(sys.argv[1])
