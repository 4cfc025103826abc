"""Settings come from the environment or from files, and what is wrong is said in a sentence."""

import pytest
from pydantic import Field, SecretStr

from core.errors import ConfigurationError
from core.runtime.settings import Settings


class Sample(Settings):
    sample_secret: SecretStr = Field(min_length=8, description="A secret.")
    sample_limit_seconds: float = Field(default=5, ge=1, le=10, description="A limit.")


def test_a_missing_secret_is_named_and_has_no_default(monkeypatch):
    monkeypatch.delenv("ANXIN_SAMPLE_SECRET", raising=False)
    with pytest.raises(ConfigurationError, match="ANXIN_SAMPLE_SECRET is not set and has no default"):
        Sample.load()


def test_a_secret_may_come_from_a_file_and_is_hidden_when_printed(monkeypatch, tmp_path):
    file = tmp_path / "secret"
    file.write_text("correct horse\n")
    monkeypatch.setenv("ANXIN_SAMPLE_SECRET_FILE", str(file))
    settings = Sample.load()
    assert settings.sample_secret.get_secret_value() == "correct horse"
    assert "correct horse" not in repr(settings)


def test_a_variable_and_its_file_at_once_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("ANXIN_SAMPLE_SECRET", "correct horse")
    monkeypatch.setenv("ANXIN_SAMPLE_SECRET_FILE", str(tmp_path / "secret"))
    with pytest.raises(ConfigurationError, match="both set"):
        Sample.load()


def test_a_file_that_cannot_be_read_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("ANXIN_SAMPLE_SECRET_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match=r"ANXIN_SAMPLE_SECRET_FILE names .*nowhere"):
        Sample.load()


def test_a_value_out_of_bounds_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("ANXIN_SAMPLE_SECRET", "correct horse")
    monkeypatch.setenv("ANXIN_SAMPLE_LIMIT_SECONDS", "0")
    with pytest.raises(ConfigurationError, match=r"ANXIN_SAMPLE_LIMIT_SECONDS: .*greater than or equal to 1"):
        Sample.load()
