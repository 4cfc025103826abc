import pytest
from pydantic import ValidationError

from tests.fixtures.api_server import api_settings


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_demo_mode_listens_on_loopback_only(host: str):
    with pytest.raises(ValidationError, match="loopback"):
        api_settings(api_demo=True, api_host=host)
    assert api_settings(api_host=host).api_host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_is_fine_for_the_demo(host: str):
    assert api_settings(api_demo=True, api_host=host).api_demo


def test_a_changed_scope_is_noticed_within_the_contracts_five_seconds():
    with pytest.raises(ValidationError):
        api_settings(live_access_check_seconds=4.5)


def test_secrets_do_not_show():
    assert "secret of the tests" not in repr(api_settings())
