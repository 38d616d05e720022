"""`sluicegate demo` in a real browser: Debian's Chromium, without a screen. No Django is asked, so one of them suffices."""

import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from support.processes import Process
from support.sluicegate import Sluicegate, binary

pytestmark = pytest.mark.one_django

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
INACTIVE = '{"detail":"User is inactive","code":"user_inactive"}'


class Demo(Sluicegate):
    """The demonstration on a port that it chose itself; its current, home and temporary folders are empty at first."""

    def __init__(self, folder, *arguments):
        self.folders = [folder / name for name in ("current", "home", "tmp")]
        for each in self.folders:
            each.mkdir(parents=True)
        current, home, tmp = self.folders
        environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(tmp)}
        command = [binary(), "demo", "--bind", "127.0.0.1:0", *arguments]
        log = folder / "demo.log"
        self.process = Process("demo", command, log=log, cwd=current, env=environment, stdout=subprocess.PIPE)
        self.address = ("127.0.0.1", self._port())
        self.url = f"http://127.0.0.1:{self.address[1]}/"

    def open_files(self):
        """The regular files that it holds open, its log aside; deleted ones and those in memory count."""
        links = [os.readlink(path) for path in Path(f"/proc/{self.pid}/fd").iterdir()]
        return [link for link in links if link.startswith("/") and not link.startswith(("/dev/", str(self.process.log)))]


class Page:
    """One window of the browser on the demonstration's page."""

    def __init__(self, browser, url):
        self.browser = browser
        browser.switch_to.new_window("window")
        self.window = browser.current_window_handle
        browser.get(url)
        self.until(lambda: self.users())

    def until(self, ready):
        return WebDriverWait(self.browser, 20).until(lambda _: ready())

    def element(self, name):
        self.browser.switch_to.window(self.window)
        return self.browser.find_element(By.ID, name)

    def text(self, name):
        """What an element shows: nothing where it is hidden."""
        return " ".join(self.element(name).text.split())

    def users(self):
        self.browser.switch_to.window(self.window)
        return self.browser.find_elements(By.CSS_SELECTOR, "#users button")

    def click(self, name):
        self.until(lambda: self.element(name).is_enabled())
        self.element(name).click()

    def pick(self, name):
        next(button for button in self.users() if button.text.split()[0] == name).click()
        self.until(lambda: self.element("get-ticket").is_enabled())

    def ask_for_ticket(self):
        self.click("get-ticket")
        return self.until(lambda: self.text("ticket-answer"))

    def open_socket(self):
        self.click("open-socket")
        return self.until(lambda: self.text("socket-answer"))

    def enter(self, name):
        """All the way into the room as that user."""
        self.pick(name)
        self.ask_for_ticket()
        assert re.fullmatch(rf"Admitted in [\d.]+ ms as {name}", self.open_socket())

    def say(self, text):
        self.element("message").send_keys(text)
        self.click("send")

    def messages(self):
        self.browser.switch_to.window(self.window)
        items = self.browser.find_elements(By.CSS_SELECTOR, "#messages li:not(.note)")
        return [tuple(item.text.split("\n")) for item in items]

    def refusal(self, button):
        self.click(button)
        return self.until(lambda: self.text("refusal-answer"))


@pytest.fixture(scope="module")
def demo(work):
    demo = Demo(work / "demo")
    yield demo
    demo.stop()


@pytest.fixture(scope="module")
def chromium(work):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in [*FLAGS, f"--user-data-dir={work / 'chromium'}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With both paths stated, Selenium looks for no driver and downloads none.
    chromium = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield chromium
    chromium.quit()


@pytest.fixture
def console(chromium):
    """What the browser's console was told since it was last asked; after a test nothing may be left unasked."""
    chromium.get_log("browser")

    def console():
        return [entry["message"] for entry in chromium.get_log("browser")]

    yield console
    assert console() == []


@pytest.fixture
def open_page(chromium, console, demo):
    first = chromium.current_window_handle
    pages = []

    def open_page(url=demo.url):
        pages.append(Page(chromium, url))
        return pages[-1]

    yield open_page
    for page in pages:
        chromium.switch_to.window(page.window)
        chromium.close()
    chromium.switch_to.window(first)


@pytest.fixture
def page(open_page):
    return open_page()


# The page


def test_the_users_are_offered_and_nothing_else_can_be_done_yet(page):
    assert [button.text.split()[0] for button in page.users()] == ["alice", "bob", "carol", "mallory"]
    disabled = {name: not page.element(name).is_enabled() for name in ("get-ticket", "open-socket", "again", "send")}
    assert disabled == dict.fromkeys(disabled, True)
    assert page.text("status") == "not connected"


def test_picking_a_user_shows_an_access_token_and_what_it_says(page):
    page.pick("alice")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]{43}", page.text("token"))
    page.browser.find_element(By.TAG_NAME, "summary").click()
    assert '"token_type": "access"' in page.text("claims")
    assert '"user_id": "1"' in page.text("claims")


def test_a_ticket_is_answered(page):
    page.pick("alice")
    answer = page.ask_for_ticket()
    assert re.fullmatch(rf'200 in [\d.]+ ms {{"uuid":"({UUID})"}}', answer), answer


def test_a_ticket_opens_the_socket_as_its_user(page):
    page.pick("carol")
    page.ask_for_ticket()
    assert re.fullmatch(r"Admitted in [\d.]+ ms as carol", page.open_socket())
    assert page.text("status") == "connected as carol"
    assert not page.element("open-socket").is_enabled()


def test_two_users_in_two_windows_read_each_other(open_page):
    alice, bob = open_page(), open_page()
    alice.enter("alice")
    bob.enter("bob")
    said = []
    for page, name, text in ((alice, "alice", "Hello, Bob"), (bob, "bob", "Grüße, <b>Alice</b> 🌊")):
        # ChromeDriver types nothing beyond the basic plane.
        page.browser.switch_to.window(page.window)
        page.browser.execute_script("document.getElementById('message').value = arguments[0]", text)
        page.click("send")
        said.append((name, text))
        for each in (alice, bob):
            each.until(lambda each=each: len(each.messages()) >= len(said))
    assert alice.messages() == bob.messages() == said


def test_rooms_do_not_hear_each_other(open_page):
    alice, bob = open_page(), open_page()
    alice.enter("alice")
    bob.element("room").clear()
    bob.element("room").send_keys("attic")
    bob.enter("bob")
    bob.say("Is anybody here?")
    bob.until(bob.messages)
    alice.say("Not in the attic")
    alice.until(alice.messages)
    assert bob.messages() == [("bob", "Is anybody here?")]
    assert alice.messages() == [("alice", "Not in the attic")]


def test_a_ticket_is_refused_the_second_time_and_the_first_socket_stays(page):
    page.enter("alice")
    assert page.refusal("again") == "The used ticket: refused with 4401 ticket_invalid"
    page.say("Still here")
    page.until(page.messages)
    assert page.messages() == [("alice", "Still here")]


def test_a_ticket_never_issued_is_refused(page):
    assert page.refusal("wrong") == "A ticket never issued: refused with 4401 ticket_invalid"


def test_an_inactive_user_gets_no_ticket(page, console):
    page.pick("mallory")
    assert re.fullmatch(rf"401 in [\d.]+ ms {re.escape(INACTIVE)}", page.ask_for_ticket())
    assert not page.element("open-socket").is_enabled()
    # Chromium itself notes every answer of 400 and more.
    (message,) = console()
    assert "auth_for_ws_connection/ - Failed to load resource" in message and "401" in message


def test_the_policy_lets_in_nothing_from_elsewhere_and_the_console_would_tell(page, console):
    page.browser.execute_script("document.head.append(document.createElement('style')); document.head.lastChild.append('b {}')")
    page.until(lambda: page.browser.execute_script("return document.styleSheets.length === 1"))
    messages = page.until(console)
    assert all("Content Security Policy" in message for message in messages), messages


def test_nothing_is_wider_than_a_narrow_screen(page):
    page.enter("alice")
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert page.browser.execute_script("return document.documentElement.scrollWidth") == 360


def test_the_page_tells_when_the_server_ends_and_when_nothing_answers(open_page, console, tmp_path):
    demo = Demo(tmp_path)
    page = open_page(demo.url)
    page.enter("alice")
    assert demo.process.stop(signal.SIGTERM) == 0
    page.until(lambda: page.text("socket-answer") == "Closed with 1012")
    assert page.text("status") == "closed"
    page.click("get-ticket")
    page.until(lambda: page.text("ticket-answer").startswith("No answer"))
    (message,) = console()
    assert "ERR_CONNECTION_REFUSED" in message


# The program


def test_nothing_is_left_behind(tmp_path, open_page):
    demo = Demo(tmp_path)
    open_page(demo.url).enter("alice")
    assert demo.open_files() == []
    assert demo.process.stop(signal.SIGTERM) == 0
    assert [list(folder.iterdir()) for folder in demo.folders] == [[], [], []]


def test_a_data_dir_keeps_the_database_and_nothing_else_is_left_behind(tmp_path, open_page):
    kept = tmp_path / "kept"
    for run in ("first", "second"):
        demo = Demo(tmp_path / run, "--data-dir", kept)
        open_page(demo.url).enter("bob")
        assert demo.process.stop(signal.SIGTERM) == 0
        assert [path.name for path in kept.iterdir()] == ["demo.sqlite3"]
        assert [list(folder.iterdir()) for folder in demo.folders] == [[], [], []]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_it_with_exit_code_0(number, tmp_path):
    assert Demo(tmp_path).process.stop(number) == 0


def test_a_port_in_use_is_named_with_what_to_do_and_exit_code_2():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = subprocess.run([binary(), "demo", "--bind", address], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"cannot listen on {address}: Address already in use" in done.stderr
    assert "`--bind` takes another address or port" in done.stderr
