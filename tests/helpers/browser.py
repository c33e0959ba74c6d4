"""Chromium, driven by Playwright. Both are optional: a test that lacks one is skipped by name."""

import contextlib
import shutil

import pytest


@contextlib.contextmanager
def open_browser(*flags):
    """Start a browser with such flags of the command line."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("needs Playwright: pip install playwright")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
    if not found:
        pytest.skip("needs a Chromium in the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", *flags])
        yield browser
        browser.close()
