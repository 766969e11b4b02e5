from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import inbox
import pytest
from inbox import Inbox


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    server = inbox.serve(Inbox(tmp_path / "alerts.json"), 0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def notification(status: str, name: str = "ShopDown", since: str = "2026-11-24T00:00:00Z") -> bytes:
    alert: dict[str, Any] = {
        "status": status,
        "fingerprint": name,
        "startsAt": since,
        "endsAt": "2026-11-24T00:01:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
        "labels": {"alertname": name, "service": "shop", "severity": "critical"},
        "annotations": {"summary": "<b>no shop</b>"},
    }
    return json.dumps({"alerts": [alert]}).encode()


def listed(address: str) -> list[dict[str, Any]]:
    with urlopen(f"{address}/api/alerts") as answer:
        alerts: list[dict[str, Any]] = json.load(answer)["alerts"]
        return alerts


def test_alert_fires_and_resolves(address: str) -> None:
    urlopen(f"{address}/alerts", notification("firing")).close()
    (alert,) = listed(address)
    assert (alert["name"], alert["state"], alert["until"]) == ("ShopDown", "firing", "")
    urlopen(f"{address}/alerts", notification("resolved")).close()
    (alert,) = listed(address)
    assert (alert["state"], alert["until"]) == ("resolved", "2026-11-24T00:01:00Z")
    with urlopen(address) as page:
        assert "&lt;b&gt;no shop&lt;/b&gt;" in page.read().decode()


def test_a_restart_finds_the_alerts_and_the_newest_come_first(tmp_path: Path) -> None:
    file = tmp_path / "alerts.json"
    first = Inbox(file)
    first.take(json.loads(notification("firing", "A")))
    first.take(json.loads(notification("firing", "B")))
    assert [alert["name"] for alert in Inbox(file).alerts()] == ["B", "A"]


def test_only_the_latest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "KEPT", 2)
    kept = Inbox(tmp_path / "alerts.json")
    for name in "ABC":
        kept.take(json.loads(notification("firing", name)))
    assert [alert["name"] for alert in kept.alerts()] == ["C", "B"]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"alerts": [{}]}', b'{"alerts": 5}', b"\xff"])
def test_what_is_no_notification_is_refused(address: str, body: bytes) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(f"{address}/alerts", body, method="POST"))
    refused.value.close()
    assert refused.value.code == 400
    assert listed(address) == []
