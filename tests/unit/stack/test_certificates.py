"""Certificates for a broker without an authority of its own, and the platform's first way in."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from stack import platform_user
from stack.certificates import SERVER_DAYS, ensure_certificates, main

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = ["broker.example", "192.0.2.7"]


def server_certificate(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "c/server.crt").read_bytes())


def ensure(folder: Path, names: list[str] = NAMES, now: datetime = NOW) -> list[str]:
    return [path.name for path in ensure_certificates(folder / "c", folder / "a", names, now)]


def test_keys_are_closed_to_others_and_the_authoritys_lies_apart(tmp_path: Path):
    assert ensure(tmp_path) == ["ca.key", "ca.crt", "server.key", "server.crt"]
    assert {path.name for path in (tmp_path / "c").iterdir()} == {"ca.crt", "server.crt", "server.key"}
    for key in (tmp_path / "a/ca.key", tmp_path / "c/server.key"):
        assert key.stat().st_mode & 0o777 == 0o600
    context = ssl.create_default_context(cafile=tmp_path / "c/ca.crt")
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_the_server_is_named_by_every_name_and_address_clients_use(tmp_path: Path):
    ensure(tmp_path)
    named = server_certificate(tmp_path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert named.get_values_for_type(x509.DNSName) == ["broker.example"]
    assert [str(each) for each in named.get_values_for_type(x509.IPAddress)] == ["192.0.2.7"]


def test_good_certificates_stay_and_bad_ones_are_made_again_under_the_same_authority(tmp_path: Path):
    ensure(tmp_path)
    authority = (tmp_path / "c/ca.crt").read_bytes()
    assert ensure(tmp_path) == []
    assert ensure(tmp_path, now=NOW + timedelta(days=SERVER_DAYS - 31)) == []
    assert ensure(tmp_path, now=NOW + timedelta(days=SERVER_DAYS - 30)) == ["server.key", "server.crt"]
    assert ensure(tmp_path, ["other.example"], NOW + timedelta(days=SERVER_DAYS)) == ["server.key", "server.crt"]
    (tmp_path / "c/server.key").unlink()
    assert ensure(tmp_path, ["other.example"], NOW + timedelta(days=SERVER_DAYS)) == ["server.key", "server.crt"]
    assert (tmp_path / "c/ca.crt").read_bytes() == authority


def test_a_lost_authority_is_replaced_and_its_server_certificate_with_it(tmp_path: Path):
    ensure(tmp_path)
    (tmp_path / "a/ca.key").unlink()
    assert ensure(tmp_path) == ["ca.key", "ca.crt", "server.key", "server.crt"]


def test_the_command_says_what_it_made_and_that_nothing_was_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--folder", str(tmp_path / "c"), "--authority-folder", str(tmp_path / "a"), "--name", "localhost"]
    assert main(words) == 0
    assert "server.crt" in capsys.readouterr().out
    assert main(words) == 0
    assert "there and good" in capsys.readouterr().out


def test_the_platforms_line_is_replaced_and_every_other_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "passwd"
    file.write_text("dv-1:$7$1$a$b\nplatform:$7$1$old$old\n")
    monkeypatch.setenv("ANXIN_MQTT_URL", "mqtts://platform:new@broker")
    assert platform_user.main(["--file", str(file)]) == 0
    lines = file.read_text().splitlines()
    assert lines[0] == "dv-1:$7$1$a$b"
    assert len(lines) == 2
    assert lines[1].startswith("platform:$7$")
    assert "old" not in lines[1]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("url", [None, "mqtts://broker", "http://platform:new@broker"])
def test_a_url_without_a_user_is_one_sentence_and_changes_nothing(
    url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("ANXIN_MQTT_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("ANXIN_MQTT_URL", url)
    assert platform_user.main(["--file", str(tmp_path / "passwd")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "passwd").exists()
