import pytest

from core.runtime.mqtt_link import MAX_DELAY_S, STABLE_AFTER_S, Backoff, KeepAlive, Verdict
from core.runtime.mqtt_outgoing import check_topic
from core.runtime.mqtt_types import PublishRefused, Subscription
from core.runtime.mqtt_url import BrokerUrlError, parse_broker_url


def test_a_url_with_everything_is_read_and_percent_decoded():
    address = parse_broker_url("mqtts://d%40evice:p%3A%2Fss@broker.example:8884", ca_file="ca.pem")
    assert (address.host, address.port, address.tls, address.ca_file) == ("broker.example", 8884, True, "ca.pem")
    assert (address.username, address.password) == ("d@evice", "p:/ss")


@pytest.mark.parametrize(("url", "port"), [("mqtt://h", 1883), ("mqtts://h", 8883), ("mqtt://[::1]:7/", 7)])
def test_the_default_port_follows_the_scheme(url, port):
    assert parse_broker_url(url).port == port


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "h:1883",
        "mqtt://",
        "mqtt://:geheim@h",
        "mqtt://u:geheim@h:99999",
        "mqtt://u:geheim@h:port",
        "mqtt://u:geheim@h:0",
        "mqtt://u:geheim@[::1",
        "mqtt://u:geheim@h/path",
        "mqtt://u:geheim?x@h",
    ],
)
def test_a_wrong_url_is_refused_in_one_sentence_without_the_password(url):
    with pytest.raises(BrokerUrlError) as caught:
        parse_broker_url(url)
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_address_shows_neither_user_nor_password():
    address = parse_broker_url("mqtt://someone:geheim@h:1")
    assert str(address) == "mqtt://h:1"
    assert "geheim" not in repr(address)


def test_a_missing_ca_file_is_said_before_the_first_connection(tmp_path):
    address = parse_broker_url("mqtts://h", ca_file=tmp_path / "none.pem")
    with pytest.raises(BrokerUrlError, match=r"none\.pem"):
        address.tls_context()


def test_retries_start_fast_double_and_stay_at_the_cap():
    backoff = Backoff(random=lambda: 0.0)
    delays = [backoff.next_delay(0.0) for _ in range(9)]
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, MAX_DELAY_S, MAX_DELAY_S, MAX_DELAY_S]


def test_jitter_takes_at_most_half_of_a_delay():
    backoff = Backoff(random=lambda: 0.999999)
    assert backoff.next_delay(0.0) == pytest.approx(0.05, rel=1e-3)


def test_retries_without_end_never_overflow():
    backoff = Backoff(random=lambda: 0.0)
    assert {backoff.next_delay(0.0) for _ in range(5000)} >= {MAX_DELAY_S}


def test_only_a_link_that_lasted_starts_the_backoff_over():
    backoff = Backoff(random=lambda: 0.0)
    for _ in range(8):
        backoff.next_delay(0.0)
    assert backoff.next_delay(STABLE_AFTER_S - 0.1) == MAX_DELAY_S
    assert backoff.next_delay(STABLE_AFTER_S) == 0.1


def test_a_link_that_answers_is_pinged_each_interval():
    keep_alive = KeepAlive(10)
    verdicts = [keep_alive.tick(5.0 * n, heard=True) for n in range(1, 5)]
    assert verdicts == [Verdict.PING] * 4


def test_a_link_that_was_silent_after_a_ping_is_dead():
    keep_alive = KeepAlive(10)
    assert keep_alive.tick(5.0, heard=False) is Verdict.PING
    assert keep_alive.tick(10.0, heard=False) is Verdict.DEAD


def test_a_stall_of_our_own_is_not_taken_for_a_dead_link():
    keep_alive = KeepAlive(10)
    keep_alive.tick(5.0, heard=True)
    assert keep_alive.tick(40.0, heard=False) is Verdict.PING
    assert keep_alive.tick(45.0, heard=False) is Verdict.DEAD


@pytest.mark.parametrize("topic", ["", "a/+/b", "a/#", "a\0b", "a\nb", "a\x7f", "a\ud800", "x" * 70_000, "a\uffff"])
def test_a_topic_the_broker_would_hang_up_on_is_refused_here(topic):
    with pytest.raises(PublishRefused, match="topic name invalid"):
        check_topic(topic)


def test_an_ordinary_topic_passes():
    check_topic("anxin/v1/手表-1/down/receipt")


@pytest.mark.parametrize(
    "wrong", [{"qos": 2}, {"retain_handling": 3}, {"topic_filter": "$share/g/a", "no_local": True}]
)
def test_a_subscription_the_broker_would_hang_up_on_is_refused_here(wrong):
    with pytest.raises(ValueError, match=r"not|cannot"):
        Subscription(**{"topic_filter": "a", **wrong})
