"""The workshop lesson that is under way, as `sandbox lab` wrote it into the sandbox's folder."""

from __future__ import annotations

import json

from flask import Blueprint, jsonify, render_template
from flask.typing import ResponseReturnValue

from console.folder import Folder


def routes(folder: Folder) -> Blueprint:
    blueprint = Blueprint("lesson", __name__)
    file = folder.path / "contributions" / "lessons" / "lesson.json"

    @blueprint.get("/lesson")
    def page() -> str:
        return render_template("page.html", page="lesson", title="Lesson")

    @blueprint.get("/api/lesson")
    def lesson() -> ResponseReturnValue:
        try:
            return jsonify(lesson=json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError):  # none was started
            return jsonify(lesson=None)

    return blueprint
