"""One target under atheris, in a process of its own: libFuzzer never returns.

python -m tests.fuzz.engine TARGET [libFuzzer's options and corpus directories, or one file to try again]
"""

import sys
from random import Random

import atheris

# Only what is imported in here tells libFuzzer where an input has led.
with atheris.instrument_imports(include=["p2player"]):
    from tests.fuzz.targets import TARGETS


_KEEPING_FORM = 0.5  # of the changes; the others are libFuzzer's own


def main() -> None:
    """Run until libFuzzer has had enough, or an input is neither taken nor refused."""
    program, name, *arguments = sys.argv
    target = TARGETS[name]

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        rng = Random(seed)
        changed = target.shape(data, rng) if target.shape is not None and rng.random() < _KEEPING_FORM else data
        return changed[:max_size] if changed != data else atheris.Mutate(data, max_size)

    def try_one(data: bytes) -> None:
        target.accepts(data)

    atheris.Setup([program, *arguments], try_one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
