"""Who may do what, and that nobody gets at files or scripts."""

from __future__ import annotations

import pytest
import requests

from tests.ci_server.conftest import AUTH, Running, job_xml


def test_anonymous_reads_and_only_reads(server: Running) -> None:
    server.create("readable", "echo 'x'")
    assert requests.get(f"{server.url}job/readable/api/json", timeout=20).ok
    for path in ("job/readable/build", "job/readable/doDelete", "createItem?name=x", "quietDown", "git/x.git"):
        assert requests.post(server.url + path, timeout=20).status_code in (401, 403), path
    for path in ("job/readable/config.xml", "job/readable/ws/x"):
        assert requests.get(server.url + path, timeout=20).status_code == 403, path


def test_a_password_needs_a_crumb_and_a_token_does_not(server: Running) -> None:
    server.create("guarded", "echo 'x'")
    url = f"{server.url}job/guarded/build"
    answer = requests.post(url, auth=AUTH, timeout=20)
    assert (answer.status_code, answer.headers["X-Error"]) == (403, "No valid crumb was included in the request")
    assert requests.post(url, auth=AUTH, headers={"Jenkins-Crumb": "wrong"}, timeout=20).status_code == 403
    path = "user/admin/descriptorByName/jenkins.security.ApiTokenProperty/generateNewToken"
    token = server.post(path, data={"newTokenName": "t"}).json()["data"]["tokenValue"]
    assert requests.post(url, auth=("admin", token), timeout=20).status_code == 201
    assert token not in (server.home / "ci.sqlite").read_bytes().decode("latin-1")


def test_the_crumb_of_the_handbook(server: Running) -> None:
    expression = 'concat(//crumbRequestField,":",//crumb)'
    answer = server.get("crumbIssuer/api/xml", params={"xpath": expression})
    name, _, value = answer.text.partition(":")
    server.create("crumbed", "echo 'x'")
    url = f"{server.url}job/crumbed/build"
    assert requests.post(url, auth=AUTH, headers={name: value}, timeout=20).status_code == 201


def test_logging_in_on_the_page(server: Running) -> None:
    session = requests.Session()
    form = {"j_username": "admin", "j_password": "wrong", "from": "/"}
    answer = session.post(f"{server.url}j_spring_security_check", data=form, timeout=20)
    assert answer.status_code == 401
    form["j_password"] = AUTH[1]
    answer = session.post(f"{server.url}j_spring_security_check", data=form, timeout=20)
    assert answer.ok
    assert session.get(f"{server.url}whoAmI/api/json", timeout=20).json()["name"] == "admin"
    assert session.post(f"{server.url}quietDown", timeout=20).status_code == 403
    form["from"] = "//evil.example/x"
    answer = session.post(f"{server.url}j_spring_security_check", data=form, timeout=20, allow_redirects=False)
    assert answer.headers["Location"] == server.url


@pytest.mark.parametrize("path", ["scriptText", "script", "computer/(built-in)/scriptText"])
def test_scripts_are_refused_with_the_reason(server: Running, path: str) -> None:
    for answer in (server.post(path, data={"script": "println 1"}), server.get(path)):
        assert answer.status_code == 403
        assert "The script console is refused" in answer.text


def test_paths_cannot_escape(server: Running) -> None:
    server.create("escapes", "sh 'ln -s /etc/passwd passwd; ln -s / root; echo ok > fine'\narchive 'fine'")
    server.build("escapes")
    artifacts = server.home / "builds"
    archive = next(artifacts.rglob("artifacts"))
    (archive / "link").symlink_to("/etc/passwd")
    assert server.get("job/escapes/1/artifact/fine").text == "ok\n"
    assert server.get("job/escapes/ws/fine").ok
    assert "/job/escapes/ws/fine" in server.get("job/escapes/ws/").text
    assert "Log in" in requests.get(f"{server.url}job/escapes/ws/", timeout=20).text
    for path in (
        "job/escapes/1/artifact/link",
        "job/escapes/1/artifact/../log",
        "job/escapes/1/artifact/%2e%2e/log",
        "job/escapes/1/artifact/..%2f..%2f..%2fci.sqlite",
        "job/escapes/1/artifact//etc/passwd",
        "job/escapes/ws/passwd",
        "job/escapes/ws/root/etc/passwd",
        "job/escapes/ws/..%2f..%2fci.sqlite",
        "git/..%2fci.sqlite/info/refs",
        "static/..%2fpage.py",
    ):
        prepared = requests.Request("GET", server.url, auth=AUTH).prepare()
        prepared.url = server.url + path  # as it is, not tidied
        assert requests.Session().send(prepared, timeout=20).status_code in (400, 404), path
    assert "passwd" not in str(server.get("job/escapes/1/api/json").json()["artifacts"]).replace("escapes", "")


def test_what_a_build_made_cannot_run_in_the_browser(server: Running) -> None:
    server.create("html", "sh 'echo \"<script>alert(1)</script>\" > x.html'\narchive '*.html'")
    server.build("html")
    answer = server.get("job/html/1/artifact/x.html")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    server.create(
        "tags", "echo '<img src=x onerror=alert(1)>'", "<description>&lt;script&gt;x&lt;/script&gt;</description>"
    )
    server.build("tags")
    for path in ("job/tags/", "job/tags/1/", "", "job/tags/1/logText/progressiveHtml"):
        page = server.get(path).text
        assert "<img src=x" not in page
        assert "<script>x" not in page


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "..", ".", "", "a*b", "a?b", "a<b", "a\nb", "a\\b", "dot.", "x" * 256, "é" * 120]
)
def test_hostile_job_names(server: Running, name: str) -> None:
    answer = server.post("createItem", params={"name": name}, data=job_xml(""), headers={"Content-Type": "text/xml"})
    assert answer.status_code == 400, name
    assert answer.headers["X-Error"]


@pytest.mark.parametrize(
    "name", ["plain", "with space", "ünï-cödé", "日本", "x" * 200, "-rf", "100% no".replace("%", "pct")]
)
def test_unusual_job_names(server: Running, name: str) -> None:
    server.create(name, "sh 'pwd'")
    assert server.build(name)["result"] == "SUCCESS"
    assert server.get(f"job/{name}/").ok


def test_bad_xml(server: Running) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]><flow-definition>&a;</flow-definition>'
    for xml in ("", "no xml", "<unknown/>", "<flow-definition>", bomb):
        answer = server.post("createItem", params={"name": "bad"}, data=xml, headers={"Content-Type": "text/xml"})
        assert answer.status_code == 400, xml
    huge = job_xml("x" * 5 * 1024**2)
    answer = server.post("createItem", params={"name": "bad"}, data=huge, headers={"Content-Type": "text/xml"})
    assert answer.status_code == 400


def test_a_jenkinsfile_of_a_megabyte(server: Running) -> None:
    script = "echo 'x'\n" * 1000 + "# " + "y" * 1024**2
    answer = server.post("pipeline-model-converter/validate", data={"jenkinsfile": script})
    assert answer.ok
    server.create("long", "\n" * 1024**2 + "echo 'the end'")
    server.build("long")
    assert "the end" in server.console("long")


def test_uploads_are_bounded(server: Running, tmp_path_factory: pytest.TempPathFactory) -> None:
    small = Running(tmp_path_factory.mktemp("bounded") / "home", CI_UPLOAD_LIMIT="100000")
    try:
        small.create("takes", "echo 'x'")
        answer = small.post("job/takes/buildWithParameters", files={"file": b"x" * 200_000})
        assert answer.status_code == 413
        assert small.answers()
    finally:
        small.stop()


def test_builds_do_not_see_the_servers_secrets(server: Running) -> None:
    server.create("nosy", "sh 'env'")
    server.build("nosy")
    assert AUTH[1] not in server.console("nosy")
    assert f"JENKINS_URL={server.url}" in server.console("nosy")


def test_pages_where_jenkins_users_look_for_them(server: Running) -> None:
    server.create("looked-at", "echo 'x'")
    server.build("looked-at")
    for path in ("whoAmI", "manage", "newItem", "view/all/newJob", "me"):
        assert server.get(path, headers={"Accept": "text/html"}).ok, path
    for path, target in (("1/changes", "1/#changes"), ("1/parameters", "1/#parameters"), ("buildTimeTrend", "#trend")):
        answer = server.get(f"job/looked-at/{path}", allow_redirects=False)
        assert answer.headers["Location"] == f"{server.url}job/looked-at/{target}"
    assert server.get("nowhere/at/all").text == "There is nothing at /nowhere/at/all\n"
    server.create("unbuilt", "echo 'x'")
    assert server.get("job/unbuilt/ws/", headers={"Accept": "text/html"}).status_code == 404
