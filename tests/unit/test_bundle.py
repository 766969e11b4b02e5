"""Bundles: what goes in comes out, once; damage and hostile files are refused before the engine sees them."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard

from sandbox import images
from sandbox.bundle import Bundle
from sandbox.bundle_saving import save
from sandbox.errors import EngineError, SandboxError, UsageError
from sandbox.foreign import pulled
from sandbox.model import EngineInfo, Event, ImageFacts
from tests.fake_engine import FakeEngine

NAMES = ["sandbox/a:1", "quay.io/example/b:2"]


def quiet(event: Event) -> None:
    pass


class Engine(FakeEngine):
    """Remembers what it was given to load."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.images = dict.fromkeys(names, 100)
        self.loaded: list[list[str]] = []

    def load(self, archive: Iterator[bytes]) -> None:  # type: ignore[override]
        data = b"".join(archive)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            self.loaded.append(tar.getnames())
        super().load([data])


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / f"long_{'x' * 100}-1-py3-none-any.whl"
    path.write_bytes(b"a wheel")
    return path


@pytest.fixture
def saved(tmp_path: Path, wheel: Path) -> Path:
    path = tmp_path / "all.bundle"
    assert save(path, NAMES, [wheel], Engine(*NAMES), 0, quiet) == [path]
    return path


def test_what_goes_in_comes_out(saved: Path, wheel: Path) -> None:
    found = Bundle(saved)
    found.verify(quiet)
    assert list(found.names) == NAMES
    assert b"".join(found.content(f"wheels/{wheel.name}")) == b"a wheel"
    engine = Engine()
    assert found.load(engine, quiet) == NAMES
    assert sorted(engine.images) == sorted(NAMES)
    assert [path.name for path in saved.parent.iterdir() if "partial" in path.name] == []


def test_any_tar_takes_the_wheels_out(saved: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(saved) as tar:
        member = tar.extractfile(f"wheels/{wheel.name}")
        assert member and member.read() == b"a wheel"


def test_only_what_is_missing_is_loaded(saved: Path) -> None:
    engine = Engine()
    Bundle(saved).load(engine, quiet, NAMES[:1])
    assert list(engine.images) == NAMES[:1]
    assert Bundle(saved).load(engine, quiet) == NAMES[1:]
    assert Bundle(saved).load(engine, quiet) == []
    assert len(engine.loaded) == 2


@pytest.mark.parametrize(("layered", "sent"), [(True, 0), (False, 1)])
def test_layers_that_the_engine_has_are_not_sent_again(saved: Path, layered: bool, sent: int) -> None:
    class Other(Engine):
        def info(self) -> EngineInfo:
            return replace(super().info(), layered=layered)

    layer = Bundle(saved).index.images[0].layers[0]
    engine = Other("mine:1")
    engine.facts["mine:1"] = ImageFacts("linux/amd64", (f"sha256:{layer}", "sha256:more"), 1)
    Bundle(saved).load(engine, quiet, NAMES[:1])
    assert sum(name.endswith("layer.tar") for name in engine.loaded[0]) == sent


def test_an_image_of_that_name_with_other_layers_is_replaced(saved: Path) -> None:
    engine = Engine(NAMES[0])
    engine.facts[NAMES[0]] = ImageFacts("linux/amd64", ("sha256:other",), 1)
    assert Bundle(saved).load(engine, quiet, NAMES[:1]) == NAMES[:1]


class Interrupted(Engine):
    """Its `docker save` ends early."""

    def save(self, images: list[str]) -> Iterator[bytes]:  # type: ignore[override]
        yield next(super().save(images))[:2_600_000]
        raise SandboxError("saving images failed")


@pytest.mark.parametrize("limit", [0, 1000])
def test_interrupted_save_goes_on_and_ends_the_same(tmp_path: Path, saved: Path, wheel: Path, limit: int) -> None:
    path = tmp_path / "again.bundle"
    with pytest.raises(SandboxError):
        save(path, NAMES, [wheel], Interrupted(*NAMES), limit, quiet)
    partial = sorted(tmp_path.glob("again.bundle.partial*"))[-1]
    assert partial.stat().st_size > 0
    with partial.open("ab") as file:
        file.write(b"half a block")
    said: list[str] = []
    written = save(path, NAMES, [wheel], Engine(*NAMES), limit, lambda event: said.append(event.text))
    assert "going on where the last save ended: 1 members are kept" in said
    assert b"".join(part.read_bytes() for part in written) == saved.read_bytes()


def test_damaged_rest_of_a_save_is_not_used(tmp_path: Path, saved: Path, wheel: Path) -> None:
    data = bytearray(saved.read_bytes())
    data[520] ^= 1
    (tmp_path / "again.bundle.partial").write_bytes(data)
    save(tmp_path / "again.bundle", NAMES, [wheel], Engine(*NAMES), 0, quiet)
    assert (tmp_path / "again.bundle").read_bytes() == saved.read_bytes()


def test_parts_are_one_file(tmp_path: Path, saved: Path, wheel: Path) -> None:
    written = save(tmp_path / "parts", NAMES, [wheel], Engine(*NAMES), 1000, quiet)
    assert [path.name for path in written[:2]] == ["parts.001", "parts.002"]
    assert all(path.stat().st_size == 1000 for path in written[:-1])
    for name in (tmp_path / "parts", written[0]):
        assert Bundle(name).load(Engine(), quiet) == NAMES
    written[-1].unlink()
    with pytest.raises(SandboxError, match="damaged"):
        Bundle(tmp_path / "parts")


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file .*none, and no none\.001"):
        Bundle(tmp_path / "none")


def test_no_read_access_is_told(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SandboxError, match=r"all\.bundle cannot be read: Permission denied"):
        Bundle(saved)


def test_truncated_anywhere_is_damaged(saved: Path) -> None:
    data = saved.read_bytes()
    for size in [0, 1, 511, 512, *range(600, len(data) - 1024, 97)]:
        saved.write_bytes(data[:size])
        with pytest.raises(SandboxError, match="damaged"):
            Bundle(saved).verify(quiet)


def test_a_flipped_bit_in_any_member_is_damaged_and_never_reaches_the_engine(saved: Path) -> None:
    data = saved.read_bytes()
    for offset, size in Bundle(saved).places.values():
        for at in {offset, offset + size // 2, offset + size - 1}:
            wrong = bytearray(data)
            wrong[at] ^= 1 << random.Random(at).randrange(8)
            saved.write_bytes(wrong)
            with pytest.raises(SandboxError, match="damaged"):
                Bundle(saved).verify(quiet)
            engine = Engine()
            try:
                Bundle(saved).load(engine, quiet)
            except SandboxError:
                pass  # unless it is a wheel, which is not for the engine
            else:
                assert b"a wheel" not in wrong
            assert len(engine.loaded) < 2 or b"a wheel" not in wrong


Change = Callable[[dict[str, bytes]], None]


def forge(path: Path, change: Change, kind: bytes = tarfile.REGTYPE, again: str = "") -> None:
    """Writes a bundle anew, with a change, and with a checksum that is right."""
    with tarfile.open(path) as tar:
        members = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
    change(members)
    members["bundle.sha256"] = hashlib.sha256(members["bundle.json"]).hexdigest().encode()
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
            if name == again:
                entry.type, entry.linkname, entry.size = kind, "/etc/passwd", 0
                tar.addfile(entry)


def index(members: dict[str, bytes], change: Callable[[dict[str, object]], None]) -> None:
    data = json.loads(members["bundle.json"])
    change(data)
    members["bundle.json"] = json.dumps(data).encode()


@pytest.mark.parametrize(
    "name", ["../../etc/cron.d/x", "/etc/passwd", "wheels/../../x.whl", "layers/x", "wheels/.x.whl"]
)
def test_strange_names_are_refused(saved: Path, name: str) -> None:
    forge(saved, lambda members: members.update({name: b"x"}))
    with pytest.raises(SandboxError, match="has no place in a bundle"):
        Bundle(saved)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.REGTYPE])
def test_links_devices_and_repeated_members_are_refused(saved: Path, wheel: Path, kind: bytes) -> None:
    forge(saved, lambda members: None, kind, f"wheels/{wheel.name}")
    with pytest.raises(SandboxError, match="has no place in a bundle"):
        Bundle(saved)


def test_a_bomb_ends_at_the_size_it_states(saved: Path) -> None:
    layer = Bundle(saved).index.images[0].layers[0]
    bomb = zstandard.ZstdCompressor().compress(bytes(200 * 1024**2))
    assert len(bomb) < 100_000

    def change(members: dict[str, bytes]) -> None:
        members[f"layers/{layer}.tar.zst"] = bomb
        file = {"size": len(bomb), "sha256": hashlib.sha256(bomb).hexdigest(), "unpacked": 1_000_000}
        index(members, lambda data: data["files"].update({f"layers/{layer}.tar.zst": file}))  # type: ignore[attr-defined]

    forge(saved, change)
    read = 0
    with pytest.raises(SandboxError, match="larger than its index says"):
        for data in Bundle(saved).layer(layer):
            read += len(data)
    assert read <= 1_000_000
    with pytest.raises(SandboxError, match="larger than its index says"):
        Bundle(saved).load(Engine(), quiet)


def test_a_bomb_that_states_its_size_does_not_fit_the_disk(saved: Path) -> None:
    layer = Bundle(saved).index.images[0].layers[0]

    def grow(data: dict[str, object]) -> None:
        data["files"][f"layers/{layer}.tar.zst"]["unpacked"] = 10**18  # type: ignore[index]

    forge(saved, lambda members: index(members, grow))
    engine = Engine()
    with pytest.raises(SandboxError, match="disk: loading needs"):
        Bundle(saved).load(engine, quiet)
    assert engine.loaded == []


def set_key(key: str, value: object) -> Callable[[dict[str, object]], None]:
    return lambda data: data.update({key: value})


@pytest.mark.parametrize(
    "change",
    [
        set_key("format", 2),
        set_key("files", []),
        set_key("images", [{"name": "../x:1", "platform": "linux/amd64", "config": "", "layers": []}]),
        set_key("images", [{"name": "x:1", "platform": "linux/amd64", "config": "0" * 64, "layers": []}]),
        set_key("images", 3),
    ],
    ids=["another format", "no files", "strange name", "not complete", "no list"],
)
def test_an_index_that_makes_no_sense_is_refused(saved: Path, change: Callable[[dict[str, object]], None]) -> None:
    forge(saved, lambda members: index(members, change))
    with pytest.raises(SandboxError, match="damaged"):
        Bundle(saved)


def test_an_index_that_lies_about_layers_is_refused(saved: Path) -> None:
    def swap(data: dict[str, object]) -> None:
        first, second = data["images"]  # type: ignore[misc]
        first["layers"], second["layers"] = second["layers"], first["layers"]  # type: ignore[has-type]

    forge(saved, lambda members: index(members, swap))
    engine = Engine()
    with pytest.raises(SandboxError, match="is not what its description says"):
        Bundle(saved).load(engine, quiet)
    assert engine.loaded == []


def test_another_platform_is_refused_on_both_sides(saved: Path, tmp_path: Path) -> None:
    class Arm(Engine):
        def info(self) -> EngineInfo:
            return replace(super().info(), architecture="aarch64")

    with pytest.raises(UsageError, match="for linux/amd64, this engine runs linux/arm64"):
        Bundle(saved).load(Arm(), quiet)
    engine = Engine(*NAMES)
    engine.facts[NAMES[1]] = ImageFacts("linux/arm64", ("sha256:0",), 1)
    with pytest.raises(UsageError, match="is here for linux/arm64, not for linux/amd64"):
        save(tmp_path / "arm", NAMES, [], engine, 0, quiet)
    assert not list(tmp_path.glob("arm*"))


def test_a_bundle_may_hold_several_platforms_and_each_engine_takes_its_own(tmp_path: Path) -> None:
    class Arm(Engine):
        def info(self) -> EngineInfo:
            return replace(super().info(), architecture="aarch64")

    name = NAMES[1]
    engine = Engine(name)
    engine.registry = {name}
    own = engine.image_facts(name)
    plan = images.ImagePlan("b", "B_IMAGE", name, name, "present", 0, None)
    with pulled([plan], ["linux/arm64"], engine, "", quiet) as others:
        save(tmp_path / "both", [name], [], engine, 0, quiet, others)
    assert (list(engine.images), engine.image_facts(name)) == ([name], own), "the engine's own is back"
    found = Bundle(tmp_path / "both")
    found.verify(quiet)
    assert found.index.platform == "linux/amd64,linux/arm64"
    for loading in (Engine(), Arm()):
        assert found.load(loading, quiet) == [name]
        assert len(loading.loaded) == 1
        assert len([member for member in loading.loaded[0] if member.endswith("layer.tar")]) == 1


def test_what_is_built_here_cannot_be_had_for_another_platform() -> None:
    plan = images.ImagePlan("a", "A_IMAGE", NAMES[0], NAMES[0], "present", 0, None)
    engine = Engine(*NAMES)
    with (
        pytest.raises(UsageError, match="built here, so not to be had for linux/arm64: sandbox/a:1"),
        pulled([plan], ["linux/arm64"], engine, "", quiet),
    ):
        pass
    assert list(engine.images) == NAMES


def test_an_image_that_is_not_here_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="b:2 is not on this computer"):
        save(tmp_path / "x", NAMES, [], Engine(NAMES[0]), 0, quiet)


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="cannot write"):
        save(tmp_path / "none" / "x", NAMES, [], Engine(*NAMES), 0, quiet)


def test_a_dead_engine_is_told(saved: Path) -> None:
    engine = Engine()
    engine.running = False
    with pytest.raises(EngineError):
        Bundle(saved).load(engine, quiet)


@pytest.mark.parametrize("mode", ["auto", "pull", "offline"])
def test_images_are_obtained_from_a_bundle(saved: Path, mode: str) -> None:
    found, engine = Bundle(saved), Engine()
    plan = images.ImagePlan("b", "B_IMAGE", NAMES[1], NAMES[1], "load", 100, None)
    assert images.obtain([plan], engine, mode, "", quiet, found) == [plan]
    assert NAMES[1] in engine.images
