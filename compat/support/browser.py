"""Debian's Chromium without a screen."""

import shutil

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def chromium(folder):
    """A browser with an empty profile in `folder`; to be ended with `quit()`."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in [*FLAGS, f"--user-data-dir={folder}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # With both paths stated, Selenium looks for no driver and downloads none.
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def until(browser, ready, seconds=30):
    """Waits until `ready()` returns something true, and returns that."""
    return WebDriverWait(browser, seconds).until(lambda _: ready())
