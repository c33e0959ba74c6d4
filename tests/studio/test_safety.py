"""Nobody but the page of this server can speak to it, and no request reaches a file that is not shown."""

import asyncio
import json
import random
from collections import Counter

import pytest
from helpers.requests import OWN, TOKEN, ask, request
from helpers.runs import make_run

from subjective.images import write_image
from subjective.studio.runs_index import Index
from subjective.studio.safety import HEADERS
from subjective.studio.server import Studio

SECRET = "only the owner reads this"


@pytest.fixture
def served(tmp_path):
    """A folder with a run, and files around it that no request may reach."""
    root = tmp_path / "served"
    run = make_run(root / "run")
    make_run(tmp_path / "outside")
    (tmp_path / "secret.json").write_text(SECRET)
    (root / "secret.json").write_text(SECRET)
    (run / ".secret.json").write_text(SECRET)
    (run / "secret.safetensors").write_text(SECRET)
    (run / "linked.json").symlink_to(tmp_path / "secret.json")
    (run / "linked.png").symlink_to(tmp_path / "outside" / "result.png")
    return root


@pytest.fixture
def app(served):
    return Studio(Index(served)).app(TOKEN)


def test_the_page_and_its_files_are_served(app):
    page = ask(app, "GET", "/")
    assert (page.status, page.headers[b"content-type"]) == (200, b"text/html; charset=utf-8")
    assert all(page.headers[name] == value for name, value in HEADERS.items())
    assert ask(app, "GET", "/static/app.js").status == 200
    assert ask(app, "GET", "/static/uplot-LICENSE").status == 404


@pytest.mark.parametrize(
    "path", ["/", "", "/the-token", "/the-tokem/", "/the-token2/", "//the-token/", "/THE-TOKEN/", "/\udcff/", "/é/"]
)
def test_a_request_without_the_token_is_refused(app, path):
    found = asyncio.run(request(app, "GET", path))
    assert found.status == 403
    assert b"token" in found.body


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "127.0.0.1:x", "@"]
)
def test_another_name_that_leads_here_opens_nothing(app, host):
    """DNS rebinding: the name of another site is made to lead to this machine."""
    assert ask(app, "GET", "/", headers=[(b"host", host.encode())]).status == 421


@pytest.mark.parametrize("hosts", [[], ["127.0.0.1", "127.0.0.1"], ["127.0.0.1", "evil.example"]])
def test_one_host_is_wanted(app, hosts):
    assert ask(app, "GET", "/", headers=[(b"host", host.encode()) for host in hosts]).status == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1234", "[::1]:8000", "LOCALHOST"])
def test_the_names_of_this_machine_are_known_at_any_port(app, host):
    """A tunnel may lead here from another port."""
    assert ask(app, "GET", "/", headers=[(b"host", host.encode())]).status == 200


@pytest.mark.parametrize("origin", [b"http://evil.example", b"null", b"http://127.0.0.1:9", b"https://127.0.0.1", b""])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_of_another_site_is_refused(app, served, origin, method):
    found = ask(app, method, "/api/delete", headers=[OWN, (b"origin", origin)], body={"run": "run"})
    assert found.status == 403
    assert (served / "run").exists()


def test_a_form_of_another_site_is_refused(app, served):
    headers = [OWN, (b"sec-fetch-site", b"cross-site")]
    assert ask(app, "POST", "/api/delete", headers=headers, body={"run": "run"}).status == 403
    assert (served / "run").exists()


def test_the_page_itself_may_do_it(app, served):
    headers = [OWN, (b"origin", b"http://127.0.0.1:8000"), (b"sec-fetch-site", b"same-origin")]
    kept = ask(app, "POST", "/api/delete", headers=headers, body={"run": "run"}).json["kept"]
    assert not (served / "run").exists()
    assert ask(app, "POST", "/api/restore", body={"kept": kept}).json == {"run": "run"}
    assert (served / "run" / "result.png").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../secret.json", "../../secret.json", "/etc/passwd", "..", ".", "", ".secret.json", "linked.json",
        "linked.png", "secret.safetensors", "result.png\0.json", "..\\secret.json", ".lock", "no.png",
    ],
)  # fmt: skip
@pytest.mark.parametrize("address", ["/file", "/thumbnail", "/part"])
def test_only_plain_files_of_a_run_are_sent(app, address, name):
    found = ask(app, "GET", address, f"run=run&left=0&top=0&width=4&height=4&name={name}".replace("\0", "%00"))
    assert 400 <= found.status < 500
    assert SECRET not in found.text


@pytest.mark.parametrize("run", ["../outside", "/", "..", "run/..", ".", "run/../../outside", "%2e%2e/outside", "RUN"])
def test_only_runs_in_the_served_folder_are_shown(app, run):
    assert ask(app, "GET", "/api/run", f"run={run}").status == 400


def test_a_source_is_shown_only_if_it_is_the_recorded_one(tmp_path, rng):
    source = tmp_path / "rock.png"
    write_image(source, rng.random((20, 30, 3)))
    make_run(tmp_path / "served" / "run", source=source)
    app = Studio(Index(tmp_path / "served")).app(TOKEN)
    assert ask(app, "GET", "/source", "run=run").body.startswith(b"\x89PNG")
    write_image(source, rng.random((20, 30, 3)))
    other = Studio(Index(tmp_path / "served")).app(TOKEN)
    found = ask(other, "GET", "/source", "run=run")
    assert (found.status, found.text) == (400, "rock.png has changed since the run has read it")


def test_a_request_that_carries_too_much_is_cut_off(app):
    chunks = [b"x" * 60_000] * 1000
    found = asyncio.run(request(app, "POST", f"/{TOKEN}/api/tags", chunks=chunks))
    assert (found.status, b"more than" in found.body) == (400, True)


WORDS = [
    "name", "..", "/", "\\", "%2e%2e%2f", "\0", "é", "\udcff", "result.png", "config.json", "linked.png", "~", "-1",
    "9" * 40, "NaN", "1e9", "{}", "[]", "null", '{"run":', "{" * 3000, "<script>", "' or 1=1", "$(touch x)", "; rm *",
    "stop", "save", "\r\nhost: x", "?", "#", "&", "=", "left=0&top=0&width=1&height=1", "9999999999", ".studio",
    "A" * 5000,
]  # fmt: skip
READ = ["/", "/api/run", "/api/curves", "/api/config", "/file", "/thumbnail", "/part", "/source", "/static/app.js"]
WRITTEN = ["/api/control", "/api/tags", "/api/delete", "/api/restore"]
ODD = ["/static/", "/api/", "/api/nothing", "//", "/../", ""]


def malformed(rng):
    """A request at random: words where they do not belong, headers that lie, bodies that are no JSON."""
    method = rng.choice(["GET", "POST"]) if rng.random() < 0.95 else rng.choice(["HEAD", "PUT", "TRACE", "", "G\r\n"])
    path = rng.choice(WRITTEN if method == "POST" else READ) if rng.random() < 0.9 else rng.choice(ODD)
    path += rng.choice(WORDS) if rng.random() < 0.1 else ""
    path = (f"/{TOKEN}" if rng.random() < 0.95 else "") + path
    keys = rng.choices(["run", "run", "name", "picture", "side", "left", "number", "v"], k=3)
    query = "&".join(f"{key}={word}" for key, word in zip(keys, rng.choices(["run"] * 20 + WORDS, k=3), strict=True))
    headers = [OWN] if rng.random() < 0.95 else []
    for _ in range(rng.randrange(3)):
        name = rng.choice([b"cookie", b"range", b"content-type", b"content-length", b"expect", b"if-match"])
        name = rng.choice([b"host", b"origin"]) if rng.random() < 0.1 else name
        headers.append((name, rng.choice(WORDS).encode("utf-8", "surrogateescape")))
    fields = {
        key: rng.choice([1, None, ["run"], *WORDS]) for key in rng.choices(["run", "request", "tags", "kept"], k=3)
    }
    body = rng.choice([rng.choice(WORDS), json.dumps(fields), json.dumps(fields)[:-1]])
    data = body.encode("utf-8", "surrogateescape")
    return method, path, query.encode("utf-8", "surrogateescape"), headers, [data[:7], data[7:]]


def test_a_thousand_malformed_requests_break_nothing_and_learn_nothing(app, served):
    rng = random.Random(0)

    def every_file():
        return {path: path.lstat().st_mtime_ns for path in served.rglob("*")}

    async def attack():
        return [(given, await request(app, *given)) for given in (malformed(rng) for _ in range(1000))]

    before = every_file()
    found = asyncio.run(attack())
    assert every_file() == before
    wrong = [given for given, answer in found if answer.status >= 500 or SECRET.encode() in answer.body]
    assert wrong == []
    counted = Counter(answer.status for _, answer in found)
    assert counted[400] > 400, counted  # refused by what they ask for, past all guards
    assert counted[403] > 30
    assert counted[421] > 30
