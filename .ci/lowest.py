"""Prints the lowest versions that pyproject.toml allows, as constraints for pip: ``numpy>=2.0`` is ``numpy==2.0.*``."""

import re
import tomllib
from pathlib import Path

BOUND = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?>=([0-9.]+)")

project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
for requirement in [*project["dependencies"], *extras["cli"], *extras["test"]]:
    if bound := BOUND.match(requirement):
        print(f"{bound[1]}=={bound[2]}.*")
