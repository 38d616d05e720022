"""The admin address, and its page in a real browser. No Django is asked, so one of them suffices."""

import re
import uuid

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from support import browser
from support.admin_site import ODD_NAMES, TOKEN, TICKET_VIEW, AdminSite, clients, names
from support.http_client import send
from support.tokens import bearer

pytestmark = pytest.mark.one_django

CHAT = "/ws/chat/lobby/"
BEARER = ("Authorization", f"Bearer {TOKEN}")
JSON = ("Content-Type", "application/json")


@pytest.fixture(scope="module")
def make(work, sqlite_files, redis_server, redis_databases):
    sites = []

    def make(**how):
        sites.append(AdminSite(work, sqlite_files, redis_server, next(redis_databases), **how))
        return sites[-1]

    yield make
    for site in sites:
        site.stop()


@pytest.fixture(scope="module")
def site(make):
    """Sixty users are connected, those with odd names first."""
    site = make()
    for user, client in zip(site.users(names(60)), clients(), strict=False):
        site.open(user, CHAT, client)
    return site


@pytest.fixture(scope="module")
def chromium(work):
    chromium = browser.chromium(work / "chromium-admin")
    yield chromium
    chromium.quit()


class Page:
    """A tab of its own on the page: what one keeps in its session storage, another does not have."""

    def __init__(self, chromium, url):
        self.browser = chromium
        chromium.switch_to.new_window("tab")
        chromium.get_log("browser")
        chromium.get(url)
        self.until(lambda: self.text("state") in ("serving", "draining"))

    def until(self, ready):
        return browser.until(self.browser, ready)

    def element(self, name):
        return self.browser.find_element(By.ID, name)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def text(self, name):
        return " ".join(self.element(name).text.split())

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def rows(self, table="who"):
        """The cells of each row, at one moment."""
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map(row => [...row.cells].map(cell => cell.textContent))",
            f"#{table} tbody tr",
        )

    def names(self):
        return self.run("return [...document.querySelectorAll('#who .name')].map(name => name.textContent)")

    def search(self, text):
        """ChromeDriver types nothing beyond the basic plane."""
        self.run(
            "const search = document.getElementById('search'); search.value = arguments[0]; search.dispatchEvent(new Event('input'))",
            text,
        )

    def find(self, name):
        self.search(name)
        self.until(lambda: self.names() == [name])

    def type(self, *keys):
        self.browser.switch_to.active_element.send_keys(*keys)

    def focus(self):
        """What has the keyboard's focus: its id or its label."""
        return self.run("const e = document.activeElement; return e.id || e.getAttribute('aria-label') || e.textContent")

    def console(self):
        return [entry["message"] for entry in self.browser.get_log("browser")]

    def size(self, width, height):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@pytest.fixture
def open_page(chromium):
    first = chromium.current_window_handle
    opened = []

    def open_page(site):
        opened.append(Page(chromium, site.url))
        return opened[-1]

    yield open_page
    for _ in opened:
        chromium.close()
        chromium.switch_to.window(chromium.window_handles[-1])
    chromium.switch_to.window(first)


@pytest.fixture
def page(open_page, site):
    return open_page(site)


# The address


def test_a_name_that_others_can_point_here_is_refused(site):
    for host, status in [("evil.example", 400), (f"localhost:{site.port}", 200), ("[::1]", 200), ("203.0.113.7", 200)]:
        for path in ("/", "/api/v1/overview", "/metrics"):
            assert site.ask(path, headers=[("Host", host)]).status == status, (host, path)
        assert site.ask("/healthz", headers=[("Host", host)]).status == 200, "probes ask by any name"


def test_no_answer_lets_another_page_read_it(site):
    for path in ("/", "/api/v1/overview", "/api/v1/connected", "/metrics", "/nothing"):
        answer = site.ask(path, headers=[("Origin", "http://evil.example")])
        assert answer.header("access-control-allow-origin") is None
        assert answer.header("cache-control") == "no-store" and answer.header("x-frame-options") == "DENY"
    assert site.ask("/api/v1/disconnect", "OPTIONS", [("Origin", "http://evil.example")]).status == 405


def test_wrong_tokens_are_counted_against_the_address_and_never_written_down(make):
    site = make()
    body = b'{"user": 1}'
    wrong = ("Authorization", "Bearer a-guess-that-is-wrong")
    assert [site.ask("/api/v1/disconnect", "POST", [JSON, wrong], body).status for _ in range(11)] == [401] * 10 + [429]
    late = site.ask("/api/v1/disconnect", "POST", [JSON, BEARER], body)
    assert late.status == 429 and 1 <= int(late.header("retry-after")) <= 61, "not even the right one"
    assert site.ask("/api/v1/overview").status == 200, "reading goes on"
    assert "a-guess-that-is-wrong" not in site.gate.output() and TOKEN not in site.gate.output()
    assert "a wrong token on the admin address" in site.gate.output()


def test_nothing_that_is_answered_holds_a_secret(site):
    ticket = site.ticket(1)
    assert site.refuse(f"/ws/nowhere/?uuid={ticket}&token=hidden-in-a-query") == "no_route"
    for path in ("/", *(f"/api/v1/{name}" for name in ("overview", "connected", "groups", "refusals", "rates", "reasons"))):
        body = site.ask(path).text()
        assert not any(secret in body for secret in (ticket, "hidden-in-a-query", TOKEN)), path
    assert ticket not in site.ask("/metrics").text()


def test_who_is_connected_comes_in_pages_and_is_searched(site):
    first = site.ask("/api/v1/connected?limit=20").json()
    second = site.ask("/api/v1/connected?limit=20&offset=20").json()
    assert first["sockets"] == first["matched"] == first["users"] == 60
    assert len({one["number"] for one in first["listed"] + second["listed"]}) == 40
    assert first["listed"][0]["address"] == [client for client, _ in zip(clients(), range(60), strict=False)][-1]
    assert set(first["listed"][0]) == {"number", "user", "username", "route", "address", "since"}
    found = site.ask("/api/v1/connected?user=ALICE.martin").json()
    assert [one["username"] for one in found["listed"]] == ["alice.martin"] and found["matched"] == 1
    by_id = site.ask(f"/api/v1/connected?user={found['listed'][0]['user']}").json()
    assert by_id["listed"] == found["listed"]


# The page


def test_it_shows_who_is_connected_where_and_how_many(page):
    page.until(lambda: page.rows())
    assert page.text("who-count") == "60 sockets of 60 users"
    assert page.text("range") == "1–25 of 60"
    assert page.run("return document.title") == "60 sockets – sluicegate"
    (route,) = page.all("#routes li")
    assert route.text.split() == ["ws/chat/<slug:room>/", "60"]
    assert page.all("#groups li")[0].text.split() == ["chat_lobby", "60"]
    page.element("next").click()
    page.until(lambda: page.text("range") == "26–50 of 60")
    assert page.console() == []


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
def test_a_name_is_shown_as_it_is_and_nothing_in_it_is_run(name, page, site):
    page.search(str(site.ids[name]))
    page.until(lambda: page.names() == [name])
    assert page.all("#who tbody img, #who tbody script, #who tbody b") == []
    assert page.run("return document.title").endswith("sluicegate")
    page.all("#who tbody button")[0].click()
    assert page.run("return document.getElementById('disconnect-user').textContent") == name
    page.type(Keys.ESCAPE)
    assert page.console() == []


def test_a_refusal_comes_with_its_reason_and_what_that_means(page, site):
    assert site.refuse(f"{CHAT}?uuid={uuid.uuid4()}", "198.51.100.7") == "ticket_invalid"
    assert site.refuse("/ws/%3Cscript%3E/") == "no_route"
    rows = page.until(lambda: [row for row in page.rows("refused") if row[3] == "198.51.100.7"])
    assert rows[0][1].startswith("ticket_invalid") and rows[0][2] == CHAT
    chip = page.until(lambda: [chip for chip in page.all("#chips button") if chip.text.startswith("ticket_invalid")])
    chip[0].click()
    assert {re.match("[a-z_]+", row[1])[0] for row in page.rows("refused")} == {"ticket_invalid"}
    page.all("#refused a")[0].click()
    assert page.run("return location.hash") == "#reason-ticket_invalid"
    meaning = page.run("return document.querySelector('dt:target + dd').checkVisibility()")
    assert meaning, "the list of reasons is open there"


def test_the_charts_follow_what_happens(page, site):
    def drawn(name):
        return page.run("return document.querySelector(arguments[0]).getAttribute('aria-label')", f"#chart-{name} svg") or ""

    page.until(lambda: drawn("sockets").startswith("Open sockets: 60 open now"))
    for _ in range(5):
        site.ticket(1)
    send(site.address, "GET", TICKET_VIEW, [("Host", "testserver"), bearer(999_999)])
    page.until(lambda: re.search("at most [1-9]", drawn("tickets")))
    assert re.search(r"\d+ issued /s, \d+ refused /s now", drawn("tickets"))
    site.sockets[0].send_text('{"action": "say", "message": "hello"}')
    page.until(lambda: re.search(r"at most 1[2-9]", drawn("events")))


def test_disconnecting_asks_first_and_closes_that_users_sockets_alone(page, site):
    (user, other) = site.users(["to be <disconnected>", "a bystander"])
    opened = [site.open(user, path) for path in (CHAT, "/ws/notifications/")]
    bystander = site.open(other, CHAT)
    page.search("to be <disconnected>")
    page.until(lambda: len(page.rows()) == 2)
    page.all("#who tbody button")[0].click()
    assert page.text("disconnect-title") == "Disconnect to be <disconnected>?"
    page.type("not the token", Keys.ENTER)
    page.until(lambda: "The token is not that of" in page.text("disconnect-error"))
    page.type(TOKEN, Keys.ENTER)  # over the wrong one, which is selected
    page.until(lambda: page.text("toast") == "Closed 2 sockets of to be <disconnected>.")
    for socket in opened:
        assert socket.read() == {"op": "close", "code": 4403, "reason": "disconnected"}
        site.sockets.remove(socket)
        socket.drop()
    assert bystander.read(0.3) == {"op": "TIMEOUT"}
    page.until(lambda: page.text("who-empty") == "Nobody who is connected is named like “to be <disconnected>”.")
    assert page.text("access") == "Changes unlocked"
    assert [message for message in page.console() if "401" not in message] == []
    page.element("lock").click()
    assert page.run("return sessionStorage.length") == 0
    site.sockets.remove(bystander)
    bystander.drop()


def test_the_keyboard_suffices(page, site):
    page.find("alice.martin")
    page.run("document.getElementById('search').focus()")
    page.type(Keys.TAB)
    assert page.focus() == "Disconnect alice.martin"
    page.type(Keys.ENTER)
    assert page.element("disconnect").is_displayed() and page.focus() == "disconnect-token"
    page.type(Keys.ESCAPE)
    page.until(lambda: not page.element("disconnect").is_displayed())
    assert page.focus() == "Disconnect alice.martin", "the focus is back where it was"
    page.run("document.getElementById('unlock').focus()")
    page.type(Keys.ENTER)
    page.type(TOKEN, Keys.ENTER)
    page.until(lambda: page.text("access") == "Changes unlocked")
    page.run("document.querySelector('#who tbody button').focus()")
    page.type(Keys.ENTER)
    page.until(lambda: page.focus() == "confirm")
    assert not page.element("disconnect-token").is_displayed(), "the token was asked for once"
    page.type(Keys.ESCAPE)


def test_the_policy_lets_in_nothing_from_elsewhere_and_the_console_would_tell(page):
    page.run("document.head.append(document.createElement('style')); document.head.lastChild.append('b {}')")
    page.run("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))")
    page.run("document.body.append(Object.assign(document.createElement('script'), {textContent: 'document.title = 1'}))")
    messages = []
    page.until(lambda: messages.extend(page.console()) or len(messages) >= 3)
    assert all("Content Security Policy" in message for message in messages), messages
    assert page.run("return document.styleSheets.length") == 1 and page.run("return document.title") != "1"


@pytest.mark.parametrize("width", [360, 800, 1300])
def test_nothing_is_wider_than_the_screen(width, page):
    page.until(lambda: page.rows())
    page.size(width, 740)
    assert page.run("return document.documentElement.scrollWidth") <= width


def test_light_and_dark_are_readable(page):
    """WCAG AA: 4.5 to 1, of what is written against what is behind it."""
    page.until(lambda: page.rows())
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        for selector in ("h1", "h2 small", "#who td", ".id", "#who button", "#state", "#facts", ".axis", "#chips button", "#refused a"):
            ratio = page.run(CONTRAST, selector)
            assert ratio is None or ratio >= 4.5, (scheme, selector, ratio)
        assert page.run(CONTRAST, "#who td") >= 7


CONTRAST = """
const element = document.querySelector(arguments[0]);
if (!element) return null;
const parse = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
const layers = [];
for (let at = element; at; at = at.parentElement) {
  const [r, g, b, a = 1] = parse(getComputedStyle(at).backgroundColor);
  if (a) layers.push([r, g, b, a]);
  if (a === 1) break;
}
const over = ([r, g, b, a], below) => [r, g, b].map((one, index) => one * a + below[index] * (1 - a));
const behind = layers.reduceRight((below, layer) => over(layer, below), [255, 255, 255]);
const [r, g, b, a = 1] = parse(getComputedStyle(element).color);
const light = (color) => color.map((one) => one / 255)
  .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
  .reduce((sum, one, index) => sum + one * [0.2126, 0.7152, 0.0722][index], 0);
const [one, other] = [light(over([r, g, b, a], behind)), light(behind)].sort((one, other) => other - one);
return (one + 0.05) / (other + 0.05);
"""


def test_a_row_does_not_slip_away_from_under_the_pointer(page, site):
    page.until(lambda: page.rows())
    page.run("document.querySelector('#who').scrollIntoView()")
    place = page.run("const box = document.querySelector('#who tbody tr').getBoundingClientRect(); return [box.x + 9, box.y + 9]")
    page.browser.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": place[0], "y": place[1]})
    before = page.names()
    (late,) = site.users(["a latecomer"])
    opened = site.open(late, CHAT)
    page.until(lambda: page.element("held").is_displayed())
    assert page.names() == before
    page.browser.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": 1, "y": 1})
    page.until(lambda: page.names()[0] == "a latecomer")
    site.sockets.remove(opened)
    opened.drop()


def test_without_a_token_nothing_can_be_changed(make, open_page):
    site = make(token=None)
    site.open(1, CHAT)
    page = open_page(site)
    page.until(lambda: page.rows())
    assert page.text("access") == "Read-only" and not page.element("unlock").is_displayed()
    assert not any(button.is_displayed() for button in page.all("#who tbody button"))
    answer = site.ask("/api/v1/disconnect", "POST", [JSON, BEARER], b'{"user": 1}')
    assert (answer.status, answer.json()["code"]) == (403, "read_only")


def test_the_page_tells_when_the_server_is_gone_and_that_it_was_started_again(make, open_page):
    site = make()
    page = open_page(site)
    page.until(lambda: page.text("who-empty") == "Nobody is connected.")
    assert page.text("groups-empty") == "No socket is in a group."
    assert page.text("refused-empty") == "No handshake was refused since the start."
    site.refuse("/ws/nowhere/")
    page.until(lambda: page.rows("refused"))
    site.stop()
    page.until(lambda: page.text("state") == "no answer")
    assert page.text("notice").startswith("No answer since ")
    assert page.rows("refused"), "what was last known stays"
    site.start()
    page.until(lambda: page.text("state") == "serving")
    assert page.text("notice").startswith("The server was started again at ")
    page.until(lambda: not page.rows("refused"))
    assert all("ERR_CONNECTION_REFUSED" in message or "ERR_EMPTY_RESPONSE" in message for message in page.console())
