"""Django's admin and a page with sockets in a real browser, through sluicegate: Debian's Chromium, without a screen."""

import json
import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from support import behind

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@pytest.fixture
def browser(work, tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in [*FLAGS, f"--user-data-dir={tmp_path / 'chromium'}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield browser
    browser.quit()


class Visitor:
    def __init__(self, browser, address):
        self.browser = browser
        self.url = f"http://127.0.0.1:{address[1]}"

    def go(self, path):
        self.browser.get(self.url + path)

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def fill(self, **fields):
        for name, value in fields.items():
            self.find(f"[name={name}]").send_keys(value)

    def click(self, selector):
        """And waits for the page that it leads to."""
        old = self.find("html")
        self.find(selector).click()
        WebDriverWait(self.browser, 40).until(lambda _: self.is_gone(old))
        WebDriverWait(self.browser, 40).until(lambda _: self.browser.execute_script("return document.readyState") == "complete")

    def is_gone(self, element):
        from selenium.common.exceptions import WebDriverException

        try:
            element.is_enabled()
        except WebDriverException:
            return True
        return False

    def failures(self):
        """Answers of 400 and more, and errors of the console."""
        failed = []
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.responseReceived":
                answer = message["params"]["response"]
                if answer["status"] >= 400:
                    failed.append((answer["status"], answer["url"]))
        failed += [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]
        return [failure for failure in failed if "/favicon.ico" not in str(failure)]  # the project has none


def test_log_in_add_a_user_and_log_out(pair, browser):
    visitor = Visitor(browser, pair.gate.address)
    visitor.go("/admin/")
    assert "/admin/login/?next=/admin/" in browser.current_url
    visitor.fill(username="alice", password=behind.PASSWORD)
    visitor.click("[type=submit]")
    assert browser.current_url == visitor.url + "/admin/"
    assert visitor.find("#user-tools strong").text == "ALICE"
    # The style sheets came through, too.
    assert browser.execute_script("return getComputedStyle(document.getElementById('header')).backgroundColor") not in (
        "",
        "rgba(0, 0, 0, 0)",
    )
    visitor.click("a[href='/admin/auth/user/add/']")
    visitor.fill(username="dora", password1="a long password 5", password2="a long password 5")
    visitor.click("[name=_save]")
    assert "was added successfully" in visitor.find(".messagelist .success").text
    visitor.fill(first_name="D\u00f6ra")
    visitor.click("[name=_save]")
    assert "was changed successfully" in visitor.find(".messagelist .success").text
    visitor.go("/admin/auth/user/?q=dora")
    assert visitor.find("#result_list tbody th").text == "dora"
    assert visitor.find("#result_list .field-first_name").text == "D\u00f6ra"
    visitor.click("#logout-form button")
    assert "Logged out" in browser.title
    visitor.go("/admin/")
    assert "/admin/login/" in browser.current_url
    assert visitor.failures() == []


def test_a_page_opens_sockets_with_its_session(pair, browser):
    visitor = Visitor(browser, pair.gate.address)
    visitor.go("/admin/login/?next=/page/")
    visitor.fill(username="alice", password=behind.PASSWORD)
    visitor.click("[type=submit]")
    WebDriverWait(browser, 40).until(lambda _: visitor.find("#user").text and visitor.find("#echo").text)
    assert (visitor.find("#user").text, visitor.find("#echo").text) == ("alice", "100000")
    assert visitor.failures() == []
