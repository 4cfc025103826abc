"""Fixtures are plugins by subject; each is listed here once."""

pytest_plugins = [
    "tests.fixtures.servers",  # first: the others stand on it
    "tests.fixtures.alert_town",
    "tests.fixtures.api_server",
    "tests.fixtures.api_town",
    "tests.fixtures.browser",
    "tests.fixtures.demo",
    "tests.fixtures.lone_broker",
]
