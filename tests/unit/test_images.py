"""Names of images: mirrors and recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.images import built_name, mirrored, side_by_side


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("quay.io/prometheus/prometheus:v3", "m:5000/x/prometheus/prometheus:v3"),
        ("grafana/grafana:12", "m:5000/x/grafana/grafana:12"),
        ("haproxy:3", "m:5000/x/library/haproxy:3"),
        ("localhost:5000/a:1", "m:5000/x/a:1"),
    ],
)
def test_mirrored(image: str, expected: str) -> None:
    assert mirrored(image, "m:5000/x") == expected


def test_built_name_follows_the_recipe_and_its_base(tmp_path: Path) -> None:
    for name in ("base", "web"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "Dockerfile").write_text("FROM scratch")
    recipe = tmp_path / "images" / "web"
    first = built_name(recipe)
    assert first == built_name(recipe)
    assert first.startswith("sandbox/web:")
    (tmp_path / "images" / "base" / "Dockerfile").write_text("FROM other")
    assert built_name(recipe) != first


def test_first_error_of_parallel_work_is_raised() -> None:
    done: list[int] = []

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        side_by_side([lambda: done.append(1), fail], 1)
    assert done == [1]
