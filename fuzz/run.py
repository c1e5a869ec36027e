"""The fuzzer: `python -m fuzz.run TARGET [FOLDER...] [libFuzzer options]`, see README.md.

Knows: atheris. Never knows: what is fuzzed (targets.py).
"""

import sys

import atheris

with atheris.instrument_imports(include=["gateway"]):
    from fuzz.targets import TARGETS


def main() -> None:
    """Feed the named target until something breaks, or as long as the options say."""
    names = ", ".join(TARGETS)
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m fuzz.run TARGET [FOLDER...] [-max_total_time=S]; targets: {names}")
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
