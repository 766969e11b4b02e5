"""The alert rules, by Prometheus' own unit tests: what fires, what does not, and when."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from sandbox.resources import configs_folder

from .conftest import Run

CASES = sorted((Path(__file__).parent.parent / "rules").glob("*.yml"))


def test_alerts_fire_when_they_should(stack: Run, tmp_path: Path) -> None:
    rows = json.loads(stack("images", "list", "prometheus", "--json").stdout)
    image = next(row["image"] for row in rows if row["service"] == "prometheus")
    for case in CASES:
        shutil.copy(case, tmp_path)
        shutil.copy(configs_folder() / case.stem / "rules.yml", tmp_path / f"{case.stem}.rules.yml")
    tmp_path.chmod(0o755)
    mount = ["--volume", f"{tmp_path}:/rules:ro", "--workdir", "/rules"]
    command = ["docker", "run", "--rm", *mount, "--entrypoint", "promtool", image, "test", "rules"]
    done = subprocess.run(
        [*command, *(case.name for case in CASES)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == len(CASES)
