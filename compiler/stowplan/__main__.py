"""`stowplan` and `python -m stowplan`."""

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from stowplan.cli.quick import answer

    if answer(sys.argv[1:]):
        return
    from stowplan.cli.main import run

    sys.exit(run())


if __name__ == "__main__":
    main()
