"""Fixtures are plugins by subject; each is listed here once."""

pytest_plugins = [
    "tests.fixtures.demo",
    "tests.fixtures.lone_broker",
    "tests.fixtures.servers",
]
