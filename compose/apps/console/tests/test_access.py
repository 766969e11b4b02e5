"""Who may see what."""

from __future__ import annotations

from pathlib import Path

import pytest
from console.app import create_app
from flask.testing import FlaskClient

from .conftest import Upstream

LOGIN = "/api/logins/localhost/http"


def test_password_is_for_those_who_signed_in(client: FlaskClient) -> None:
    assert client.get(LOGIN).status_code == 401
    assert client.post("/login", data={"password": "wrong"}).status_code == 403
    assert client.get(LOGIN).status_code == 401
    answer = client.post("/login", data={"password": "s3cret", "to": "/alerts"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/alerts")
    assert client.get(LOGIN).json == {"user": "boss", "password": "b0ss"}
    client.post("/logout")
    assert client.get(LOGIN).status_code == 401


def test_cookie_is_for_this_site_and_no_script(client: FlaskClient) -> None:
    cookie = client.post("/login", data={"password": "s3cret"}).headers["Set-Cookie"]
    assert cookie.startswith("sandbox_console_demo=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


@pytest.mark.parametrize(
    "origin", ["http://localhost:8081", "https://evil.example", "http://localhost.evil.example", "null"]
)
@pytest.mark.parametrize("path", ["/login", "/logout", "/api/sources/prometheus/api/v1/query"])
def test_post_from_another_page_is_refused(signed_in: FlaskClient, upstream: Upstream, path: str, origin: str) -> None:
    answer = signed_in.post(path, data={"password": "s3cret"}, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers
    assert signed_in.get(LOGIN).status_code == 200
    assert not upstream.asked


def test_post_from_our_own_page_is_heard(client: FlaskClient) -> None:
    at = {"base_url": "http://localhost:8080", "headers": {"Origin": "http://localhost:8080"}}
    assert client.post("/login", data={"password": "s3cret"}, **at).status_code == 303


def test_session_ends_with_the_password(folder: Path, signed_in: FlaskClient) -> None:
    cookie = signed_in.get_cookie("sandbox_console_demo")
    assert cookie
    other = create_app(folder, {"CONSOLE_PASSWORD": "new", "SHOP_PASSWORD": "b0ss"}).test_client()
    other.set_cookie("sandbox_console_demo", cookie.value)
    assert other.get(LOGIN).status_code == 401


def test_no_password_no_console(folder: Path) -> None:
    with pytest.raises(ValueError, match="CONSOLE_PASSWORD"):
        create_app(folder, {})


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_login_leads_to_no_other_site(client: FlaskClient, to: str) -> None:
    assert client.post("/login", data={"password": "s3cret", "to": to}).headers["Location"] == "/"


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/dashboards", "/d/shop", "/logs", "/builds", "/delivery", "/alerts", "/aws", "/login"),
        *("/api/services", "/api/sources", "/api/builds", "/api/inbox", "/api/logs/store"),
    ],
)
def test_nothing_that_all_may_read_holds_a_password(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    for password in ("s3cret", "b0ss", "l0gs"):
        assert password not in answer.text
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert answer.headers["Cache-Control"] == "no-store"


def test_foreign_name_is_turned_away(client: FlaskClient) -> None:
    answer = client.get("/api/services", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "demo" not in answer.text


def test_title_of_a_dashboard_is_text(client: FlaskClient) -> None:
    page = client.get("/d/shop").text
    assert "<b>Shop" not in page
    assert "&lt;b&gt;Shop" in page


def test_unknown_pages_say_so(client: FlaskClient) -> None:
    answer = client.get("/d/none")
    assert answer.status_code == 404
    assert "there is no dashboard none" in answer.text
    assert client.get("/api/dashboards/none").json == {"error": "there is no dashboard none"}
