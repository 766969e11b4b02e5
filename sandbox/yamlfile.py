"""Reads YAML and remembers where each key stands, so that problems can name their line; writes it plainly."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class YamlFile:
    """A parsed document: `data`, the line of each key path, every value as (line, text),
    and the problems found so far.
    """

    path: Path
    data: Any = None
    text: str = ""
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)
    scalars: list[tuple[int, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def place(self, *keys: str) -> str:
        """`file:line` of a key, or of its nearest parent that has one."""
        while keys and keys not in self.lines:
            keys = keys[:-1]
        line = self.lines.get(keys)
        return f"{self.path}:{line}" if line else str(self.path)

    def problem(self, what: str, *keys: str) -> None:
        """Notes a problem at the place of a key path."""
        self.problems.append(f"{self.place(*keys)}: {what}")


def read(path: Path) -> YamlFile:
    """Parses one document; a file that cannot be read or parsed has data None and a problem."""
    try:
        return parse(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        file = YamlFile(path)
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        file.problem(f"cannot be read: {reason}")
        return file


def parse(path: Path, text: str) -> YamlFile:
    """The same, of a text; `path` is for messages."""
    file = YamlFile(path, text=text)
    try:
        loader = Loader(file.text)
        node = loader.get_single_node()
        file.data = loader.construct_document(node) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        file.problems.append(f"{path}:{line}: not valid YAML: {error.problem}")
    except (yaml.YAMLError, ValueError) as error:
        file.problem(f"not valid YAML: {error}")
    else:
        if node is not None:
            _walk(node, (), file, set())
    return file


def _walk(node: yaml.Node, keys: tuple[str, ...], file: YamlFile, walked: set[int]) -> None:
    if id(node) in walked:  # an alias, which may even hold itself
        return
    walked.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        file.scalars.append((node.start_mark.line + 1, node.value))
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            file.lines.setdefault((*keys, name), key.start_mark.line + 1)
            if name in seen and name != "<<":
                file.problems.append(f"{file.path}:{key.start_mark.line + 1}: {name} is there twice")
            seen.add(name)
            _walk(value, (*keys, name), file, walked)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            file.lines.setdefault((*keys, str(index)), value.start_mark.line + 1)
            _walk(value, (*keys, str(index)), file, walked)


def documents(text: str) -> list[Any]:
    """Every document of a YAML text. Raises ValueError if it is not valid."""
    try:
        return list(yaml.load_all(text, Loader))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def dump(data: Any) -> str:
    """YAML text, keys in the given order, nothing abbreviated."""
    return yaml.dump(data, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=1000)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
