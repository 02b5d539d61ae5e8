"""One browser for all tests of pages: Playwright starts once in a process."""

from browsing import chromium  # noqa: F401
