"""
The chat of Channels' tutorial (parts 1 to 3, with django-channels-jwt) in a real browser: once with its Python
consumer under Daphne, once with its consumer replaced by ten lines of TOML. Its JavaScript is the documentation's but
for the URL, which has a ticket.
"""

import contextlib
import hashlib
import signal

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from support import behind, browser, overlay
from support.django_server import COMPAT, DjangoUnderDaphne, DjangoUnderUvicorn
from support.groups import PATIENT
from support.processes import Process
from support.sluicegate import Sluicegate

pytestmark = pytest.mark.one_django

TUTORIAL = COMPAT / "projects" / "tutorial"
TARGET = "mysite.asgi:application"
CONSUMER = r"""
[[route]]
regex = 'ws/chat/(?P<room_name>\w+)/$'
groups = ["chat_{{ room_name }}"]

[route.receive]
group_send = "chat_{{ room_name }}"
event = { type = "chat.message", message = "{{ content.message }}" }

[route.events."chat.message"]
send = { message = "{{ event.message }}" }
"""

# Typed by the user at the keyboard, in turn in each window.
TYPED = ["hello", 'Grüße, <b>Alice</b> & "all" \\o/', "", "  spaces  ", "50%{{ user }}"]
# Sent by the page's socket as they stand, from either window.
SENT = [
    '{"message": "\U0001f30a \\u00e9\\n\\u2028 \\u0000"}',
    '{"message": "a", "more": [1]}',
    '{"message": 7}',
    '{"message": 1.0}',
    '{"message": 1e3}',
    '{"message": 1.5e-7}',
    '{"message": 12345678901234567890}',
    '{"message": true}',
    '{"message": null}',
    '{"message": [1, "two", {"three": 3}]}',
    '{"message": {"z": 1, "a": {"b": []}}}',
    '{"message": "' + "x" * 70_000 + '"}',
]


# What a page writes to the console.
LISTEN = "window.errors = []; console.error = text => window.errors.push(text);"


class Window:
    """One window of the browser, in one room."""

    def __init__(self, driver, url, username, room):
        self.driver = driver
        driver.switch_to.new_window("window")
        self.handle = driver.current_window_handle
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LISTEN})
        driver.get(f"{url}/login/")
        self.find("#username").send_keys(username)
        self.find("#password").send_keys(behind.PASSWORD)
        self.find("#submit").click()
        browser.until(driver, lambda: driver.title == "Chat Rooms")
        self.find("#room-name-input").send_keys(room, Keys.ENTER)
        browser.until(driver, lambda: driver.title == "Chat Room")
        self.begin()

    def begin(self):
        """What the page's own handler sees is seen here, besides."""
        self.run("window.frames = []; chatSocket.addEventListener('message', e => window.frames.push(e.data))")
        browser.until(self.driver, lambda: self.run("return chatSocket.readyState") != 0)

    def reload(self):
        self.focus()
        self.driver.refresh()
        self.begin()

    def focus(self):
        self.driver.switch_to.window(self.handle)

    def find(self, selector):
        self.focus()
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def run(self, script, *arguments):
        self.focus()
        return self.driver.execute_script(script, *arguments)

    def is_open(self):
        return self.run("return chatSocket.readyState") == 1

    def type(self, text, by):
        self.find("#chat-message-input").send_keys(text)
        if by == "Enter":
            self.find("#chat-message-input").send_keys(Keys.ENTER)
        else:
            self.find("#chat-message-submit").click()
        assert self.run("return document.querySelector('#chat-message-input').value") == ""

    def send(self, text):
        self.run("chatSocket.send(arguments[0])", text)

    def frames(self):
        return self.run("return window.frames")

    def wait_for(self, count):
        browser.until(self.driver, lambda: len(self.frames()) >= count)

    def log(self):
        return self.run("return document.querySelector('#chat-log').value")

    def is_closed(self):
        return self.run("return chatSocket.readyState") == 3

    def errors(self):
        return self.run("return window.errors")

    def close(self):
        self.focus()
        self.driver.close()


class Site:
    """The tutorial's project at one address; `url` is what a user types."""

    def __init__(self, kind, server, pages=None):
        self.kind, self.server, self.pages = kind, server, pages
        self.url = "http://127.0.0.1:%d" % server.address[1]

    def stop(self):
        self.server.stop()
        if self.pages:
            self.pages.stop()


@pytest.fixture(scope="module")
def redis_number(redis_databases):
    return next(redis_databases)


@pytest.fixture(scope="module")
def settings(work, fork, redis_server, redis_number, redis_databases):
    cache = overlay.redis_cache(redis_server.url(next(redis_databases)))
    config = {"hosts": [{"address": redis_server.url(redis_number), **PATIENT}]}
    layer = {"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}}
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return behind.settings(work, fork, cache, CHANNEL_LAYERS=layer, PASSWORD_HASHERS=hashers)


def under_daphne(work, settings):
    return Site("daphne", DjangoUnderDaphne(work, settings, project=TUTORIAL, target=TARGET))


def under_sluicegate(work, fork, settings):
    pages = DjangoUnderUvicorn(fork, settings, project=TUTORIAL, target=TARGET)
    try:
        arguments = ["--upstream", f"http://127.0.0.1:{pages.address[1]}"]
        gate = Sluicegate(work, settings, routes=CONSUMER, project=TUTORIAL, target=TARGET, arguments=arguments)
    except Exception:
        pages.stop()
        raise
    return Site("sluicegate", gate, pages)


@pytest.fixture(scope="module")
def sites(work, fork, settings):
    with contextlib.ExitStack() as stack:
        sites = {}
        for kind, site in (("daphne", under_daphne), ("sluicegate", under_sluicegate)):
            sites[kind] = site(work, settings) if kind == "daphne" else site(work, fork, settings)
            stack.callback(sites[kind].stop)
        yield sites


@pytest.fixture(scope="module")
def driver(work):
    driver = browser.chromium(work / "chromium-tutorial")
    yield driver
    driver.quit()


@pytest.fixture
def enter(driver):
    """Opens a window in a room of a site; all are closed afterwards."""
    first = driver.current_window_handle
    windows = []

    def enter(site, username, room="lobby"):
        windows.append(Window(driver, site.url, username, room))
        return windows[-1]

    yield enter
    for window in windows:
        window.close()
    driver.switch_to.window(first)


def converse(enter, first, second):
    """All that is typed and sent, by the one and the other; what each of the two windows shows and got."""
    alice, bob = enter(first, "alice"), enter(second, "bob")
    count = 0
    for number, text in enumerate(TYPED):
        (alice, bob)[number % 2].type(text, by=("Enter", "the button")[number // 2 % 2])
        count += 1
        wait_for(count, alice, bob)
    for window, texts in ((alice, SENT[::2]), (bob, SENT[1::2])):
        for text in texts:
            window.send(text)
        count += len(texts)
        wait_for(count, alice, bob)
    assert alice.errors() == bob.errors() == []
    return [(window.log(), window.frames()) for window in (alice, bob)]


def wait_for(count, *windows):
    for window in windows:
        window.wait_for(count)


CLOSED = ["Chat socket closed unexpectedly"]


def test_the_pages_are_the_documentations_but_for_the_ticket():
    templates = TUTORIAL / "chat" / "templates" / "chat"
    room = (templates / "room.html").read_text(encoding="utf-8")
    room = room.replace('    {% include "chat/ticket.html" %}\n', "").replace("'/?uuid=' + ticket()", "'/'")
    # Of the code blocks of docs/tutorial/part_1.rst and part_2.rst of channels 4.3.2.
    documented = {
        (templates / "index.html").read_text(encoding="utf-8"): "5669c194ce29477acd6f34ae2b122917a21d27a928b6ab367280899da67280a5",
        room: "1f11b79d07d8badce4071b38e6f9696e533b279ad62f3d2d8c979b5e886cc514",
    }
    for text, digest in documented.items():
        assert hashlib.sha256(text.encode()).hexdigest() == digest, text


def test_the_consumer_is_ten_lines():
    assert len(CONSUMER.strip().splitlines()) == 10


def test_two_windows_chat_and_the_pages_show_the_same(sites, enter):
    python = converse(enter, sites["daphne"], sites["daphne"])
    ours = converse(enter, sites["sluicegate"], sites["sluicegate"])
    assert python[0] == python[1]
    assert python[0][0].startswith(f"{TYPED[0]}\n{TYPED[1]}\n\n")
    assert ours == python


def test_one_window_on_each_side_chat_with_each_other(sites, enter):
    for first, second in (("daphne", "sluicegate"), ("sluicegate", "daphne")):
        seen = converse(enter, sites[first], sites[second])
        assert seen[0] == seen[1]
        assert len(seen[0][1]) == len(TYPED + SENT)


def test_no_python_holds_the_sockets(sites, enter, redis_server, redis_number):
    """Python's consumer would be a member of its group for each window, and a second process."""
    redis = redis_server.client(redis_number)
    windows = [enter(sites["sluicegate"], name, "office") for name in ("alice", "bob")]
    (member,) = redis.zrange("asgi:group:chat_office", 0, -1)
    enter(sites["daphne"], "alice", "office")
    assert redis.zcard("asgi:group:chat_office") == 2
    assert member in redis.zrange("asgi:group:chat_office", 0, -1)
    assert all(window.is_open() for window in windows)


def test_rooms_do_not_hear_each_other_and_a_window_that_leaves_is_not_missed(sites, enter, driver):
    seen = {}
    for kind, site in sites.items():
        alice, bob, carol = enter(site, "alice"), enter(site, "bob"), enter(site, "bob", "attic")
        carol.type("Is anybody here?", "Enter")
        carol.wait_for(1)
        bob.run("chatSocket.onclose = null; chatSocket.close()")
        browser.until(driver, bob.is_closed)
        alice.type("Not in the attic", "Enter")
        alice.wait_for(1)
        bob.reload()  # in again, by a ticket of its own
        assert bob.is_open()
        alice.type("Back?", "Enter")
        alice.wait_for(2)
        bob.wait_for(1)
        seen[kind] = [window.log() for window in (alice, bob, carol)]
    assert seen["daphne"] == ["Not in the attic\nBack?\n", "Back?\n", "Is anybody here?\n"]
    assert seen["sluicegate"] == seen["daphne"]


@pytest.mark.parametrize("room", ["\u00e4", "x" * 120], ids=["a letter that no group name has", "too long"])
def test_a_room_that_can_be_no_group(sites, enter, driver, room):
    """Python's consumer fails in group_add, before it accepts; the page is told no more than that it was closed."""
    for site in sites.values():
        window = enter(site, "alice", room)
        browser.until(driver, window.is_closed)
        assert (window.log(), window.errors()) == ("", CLOSED), site.kind


@pytest.mark.parametrize("text", ['{"message": "hel', '{"massage": "hello"}', "[]"])
def test_a_frame_that_the_consumer_cannot_read(sites, enter, driver, text):
    """A difference on purpose: Python's consumer ends with its exception; a declared one lives, by default."""
    python = enter(sites["daphne"], "alice")
    python.send(text)
    browser.until(driver, python.is_closed)
    assert python.errors() == CLOSED
    ours = enter(sites["sluicegate"], "alice")
    ours.send(text)
    ours.type("hello", "Enter")
    ours.wait_for(1)
    assert (ours.log(), ours.errors()) == ("hello\n", [])


def test_the_pages_tell_when_the_server_ends(work, fork, settings, enter, driver):
    for make in (lambda: under_daphne(work, settings), lambda: under_sluicegate(work, fork, settings)):
        site = make()
        try:
            window = enter(site, "alice")
            process: Process = site.server.process
            process.stop(signal.SIGTERM)
            browser.until(driver, window.is_closed)
            assert window.errors() == CLOSED, site.kind
        finally:
            site.stop()
