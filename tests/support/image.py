"""The steps of the Dockerfile, carried out in a folder that stands for / ."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]


class Step(NamedTuple):
    """One instruction of a Dockerfile, continuation lines joined."""

    word: str
    rest: str


def steps(text: str) -> list[Step]:
    joined = re.sub(r"\\\n\s*", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


STEPS = steps((REPOSITORY / "Dockerfile").read_text())
STAGES = [index for index, step in enumerate(STEPS) if step.word == "FROM"]
BUILD, FINAL = STEPS[: STAGES[1]], STEPS[STAGES[1] :]


def value(word: str) -> str:
    return next(step.rest for step in FINAL if step.word == word)


def build(root: Path) -> None:
    """What the build stage makes, below `root`."""
    (root / "src").mkdir()
    for step in BUILD[1:]:
        carry_out(step, root)


def carry_out(step: Step, root: Path) -> None:
    if step.word == "COPY":
        *sources, target = step.rest.split()
        for source in map(REPOSITORY.joinpath, sources):
            place = root / "src" / target
            if source.is_dir():
                shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, place / source.name if place.is_dir() else place)
    elif step.word == "RUN":
        words = [f"{root}{word}" if word.startswith("/opt/") else word for word in shlex.split(step.rest)]
        words = [sys.executable if word == "python" else word for word in words if word != "--no-cache-dir"]
        # what the steps compile for later starts is half of their time, and no test's matter
        quick = {**os.environ, "PIP_NO_COMPILE": "1"}
        done = subprocess.run(words, cwd=root / "src", env=quick, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"RUN {step.rest}: {done.stderr}"
