"""docker-compose.yml against the code, since no Docker engine runs where these tests run: every command, variable,
secret, health address and server setting of it is checked with the program that will receive it."""

import os
import re
import subprocess
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from anxin.__main__ import COMMANDS
from anxin.published.broker_files import IN_DOCKER, broker_files
from anxin.published.settings_page import own_fields, settings_models
from api.openapi import openapi_document
from core.runtime.mqtt_url import parse_broker_url
from core.runtime.settings import PREFIX, Settings
from core.runtime.status import status_app
from stack import postgres_conf
from stack.mosquitto_conf import PLATFORM_USER
from tests.unit.docs.documents import ROOT, check_command, check_module

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("anxin:")}
ONCE = {"certificates", "broker-user", "migrate"}
# Ends when it cannot work instead of answering on a port.
WITHOUT_HEALTH = ONCE | {"broker-sync"}
# What the images of others read: their own documentation.
POSTGRES_VARIABLES = {
    "POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE", "POSTGRES_INITDB_ARGS", "TIMESCALEDB_TELEMETRY",
    "TS_TUNE_MAX_CONNS",
}  # fmt: skip
FIELDS = {f"{PREFIX}{name.upper()}": info for model in settings_models() for name, info in own_fields(model).items()}


def is_module(service: dict[str, Any]) -> bool:
    return list(service.get("entrypoint", []))[:2] == ["python", "-m"]


def environment(service: dict[str, Any]) -> dict[str, str]:
    found = service.get("environment", {})
    assert isinstance(found, dict)
    return found


def test_the_parts_of_the_platform_are_all_there():
    words = {service["command"][0] for name, service in OURS.items() if not is_module(service)}
    assert words == {"migrate", "broker-sync", "ingest", "alerts", "history", "api"}


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_understood_by_its_own_parser(name: str):
    service = OURS[name]
    words = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word) for word in service["command"]]
    if is_module(service):
        check_module([service["entrypoint"][2], *words])
    else:
        check_command(["anxin", *words])


def test_the_two_ingest_workers_have_numbers_of_their_own():
    numbers = [service["command"][1] for service in OURS.values() if service["command"][0] == "ingest"]
    assert sorted(numbers) == ["--worker=1", "--worker=2"]


@pytest.mark.parametrize("name", OURS)
def test_every_variable_is_a_declared_setting(name: str):
    for variable, value in environment(OURS[name]).items():
        declared = FIELDS.get(variable)
        if declared is None:
            assert FIELDS.get(variable.removesuffix("_FILE")) is not None, variable
            assert value.startswith("/run/secrets/"), variable


def test_every_secret_setting_comes_from_a_secret_file_and_every_secret_is_a_file():
    for name, service in SERVICES.items():
        given = set(service.get("secrets", []))
        named = {value.removeprefix("/run/secrets/") for value in environment(service).values()
                 if value.startswith("/run/secrets/")}  # fmt: skip
        assert given == named or (name == "mosquitto" and given == {"mqtt_password"}), name
        for variable in environment(service):
            assert not re.search(r"(PASSWORD|SECRET|KEY|URL)$", variable), f"{name} has {variable} in the open"
    assert {tuple(secret) for secret in COMPOSE["secrets"].values()} == {("file",)}
    ignored = (ROOT / ".gitignore").read_text().split()
    assert "docker/secrets/" in ignored
    assert all(secret["file"].startswith("./docker/secrets/") for secret in COMPOSE["secrets"].values())


def models_of(service: dict[str, Any]) -> list[type[Settings]]:
    """The settings models the service's program names."""
    module = service["entrypoint"][2] if is_module(service) else COMMANDS[service["command"][0]].target.split(":")[0]
    names = vars(import_module(module)).values()
    return [each for each in names if isinstance(each, type) and issubclass(each, Settings) and each is not Settings]


@pytest.mark.parametrize("name", set(OURS) - {"certificates"})
def test_every_part_starts_with_the_secrets_that_the_script_makes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    subprocess.run([ROOT / "scripts/secrets", tmp_path / "secrets"], check=True, capture_output=True)
    for variable in [each for each in os.environ if each.startswith(PREFIX)]:
        monkeypatch.delenv(variable)
    for variable, value in environment(OURS[name]).items():
        monkeypatch.setenv(variable, value.replace("/run/secrets", str(tmp_path / "secrets")))
    models = models_of(OURS[name])
    assert models, name
    for model in models:
        loaded = model.load()
        if hasattr(loaded, "mqtt_url"):
            address = parse_broker_url(loaded.mqtt_url.get_secret_value())
            assert (address.host, address.port, address.tls) == ("mosquitto", 8883, True)
            assert address.username == PLATFORM_USER
        if hasattr(loaded, "database_url"):
            assert loaded.database_url.get_secret_value().partition("@")[2] == "database:5432/anxin"


def test_the_secrets_are_random_private_and_never_made_twice(tmp_path: Path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        subprocess.run([ROOT / "scripts/secrets", folder], check=True, capture_output=True)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert {file.name for file in folder.iterdir()} == set(COMPOSE["secrets"])
    before = {file.name: file.read_text() for file in folders[0].iterdir()}
    assert all(before[file.name] != file.read_text() for file in folders[1].iterdir())
    subprocess.run([ROOT / "scripts/secrets", folders[0]], check=True, capture_output=True)
    assert {file.name: file.read_text() for file in folders[0].iterdir()} == before


@pytest.mark.parametrize("name", set(OURS) - WITHOUT_HEALTH)
def test_every_health_address_exists_at_the_port_the_part_listens_on(name: str):
    word, program, url = OURS[name]["healthcheck"]["test"]
    assert (word, program) == ("CMD", "health")
    port, path = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/\w+)", url).groups()  # type: ignore[union-attr]
    own = {"api": "API_PORT", "alerts": "ENGINE_STATUS_PORT", "history": "HISTORY_STATUS_PORT"}
    setting = own.get(name, "INGEST_STATUS_PORT")
    assert int(port) == int(environment(OURS[name]).get(f"{PREFIX}{setting}", FIELDS[f"{PREFIX}{setting}"].default))
    if name == "api":
        assert path in openapi_document()["paths"]
    else:
        assert path in {getattr(route, "path", "") for route in status_app({}).routes}


def test_every_service_without_a_health_check_is_a_known_one():
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == WITHOUT_HEALTH


def test_every_dependency_waits_for_what_that_service_can_say():
    for name, service in SERVICES.items():
        for other, wanted in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert wanted == {"condition": expected}, f"{name} on {other}"
    assert set(SERVICES["api"]["depends_on"]) == {"migrate", "mosquitto"}


def test_nothing_runs_as_root_or_writes_outside_its_volumes_and_what_serves_comes_back():
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    assert re.search(r"^USER 10001", dockerfile, re.MULTILINE)
    for name, service in SERVICES.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not str(service.get("user", "10001")).startswith("0"), name
        assert ("restart" in service) == (name not in ONCE), name


def test_published_ports_answer_on_loopback_only_unless_told_otherwise():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) == 2
    for port in published:
        assert re.match(r"(127\.0\.0\.1|\$\{BROKER_ADDRESS:-127\.0\.0\.1\}):", port), port


def test_every_volume_and_network_is_declared_and_used():
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    named = {volume for volume in used if not volume.startswith("./")}
    assert named == set(COMPOSE["volumes"])
    assert all((ROOT / volume).exists() for volume in used - named)
    networks = {network for service in SERVICES.values() for network in service.get("networks", [])}
    assert networks == set(COMPOSE["networks"])


def test_only_the_one_who_makes_certificates_sees_the_authoritys_key():
    holders = [name for name, service in SERVICES.items()
               if any(volume.startswith("authority:") for volume in service.get("volumes", []))]  # fmt: skip
    assert holders == ["certificates"]


def test_the_database_runs_with_the_settings_a_receipt_rests_on_and_no_variable_its_image_does_not_know():
    service = SERVICES["database"]
    assert set(environment(service)) <= POSTGRES_VARIABLES
    given = dict(word.removeprefix("-c").split("=", 1) for word in service["command"][1:])
    text = postgres_conf.configuration(postgres_conf.DatabaseSettings("127.0.0.1", 5432))
    ours = dict(line.replace(" = ", "=", 1).split("=", 1) for line in text.splitlines() if " = " in line)
    assert {name: ours[name].strip("'") for name in given} == given
    assert {
        "fsync",
        "full_page_writes",
        "synchronous_commit",
        "log_min_error_statement",
        "log_parameter_max_length",
        "log_parameter_max_length_on_error",
        "max_locks_per_transaction",
        "max_connections",
    } <= set(given)


def test_the_brokers_files_are_those_the_code_makes_and_lie_where_compose_puts_them():
    for path, text in broker_files().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, f"{path} is stale; run: python -m anxin.published"
    mounts = {volume.split(":")[1] for volume in SERVICES["mosquitto"]["volumes"]}
    assert {str(IN_DOCKER.folder), str(IN_DOCKER.certificate_folder), str(IN_DOCKER.passwd_file.parent)} <= mounts
    assert environment(SERVICES["broker-sync"])["ANXIN_BROKER_PASSWORD_FILE"] == str(IN_DOCKER.passwd_file)
    assert SERVICES["broker-user"]["command"] == [f"--file={IN_DOCKER.passwd_file}"]
    assert f"--folder={IN_DOCKER.certificate_folder}" in SERVICES["certificates"]["command"]
    assert SERVICES["mosquitto"]["ports"][0].endswith(f":{IN_DOCKER.port}")


def test_the_image_copies_every_package_of_the_wheel_and_carries_the_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    assert re.findall(r"^COPY (\w+) \1$", dockerfile, re.MULTILINE) == packages
    allowed = (ROOT / ".dockerignore").read_text().split()
    for source in re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+) \S+$", dockerfile, re.MULTILINE):
        for name in source.split():
            assert f"!{name}" in allowed, f"{name} is kept out of the image by .dockerignore"
            assert (ROOT / name).exists(), name
    assert {service["image"] for service in OURS.values()} == {f"anxin:{project['project']['version']}"}


def test_the_images_lock_is_the_tested_lock_without_what_only_tests_need():
    def pinned(path: str) -> dict[str, str]:
        entries = re.findall(r"^([a-z0-9._-]+)==(\S+)(.*(?:\n    --hash.*)+)", (ROOT / path).read_text(), re.MULTILINE)
        return {name: version + rest for name, version, rest in entries}

    image, tested = pinned("docker/requirements.lock"), pinned("requirements.lock")
    strayed = {name for name, entry in image.items() if tested.get(name) != entry}
    again = "uv pip compile --generate-hashes --no-emit-index-url --no-annotate --universal"
    assert not strayed, (
        f"{strayed}; run: {again} --constraint requirements.lock pyproject.toml -o docker/requirements.lock"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {re.split(r"[\[<>=]", each)[0] for each in project["project"]["dependencies"]}
    assert wanted <= set(image)
    assert not {"pytest", "mypy", "ruff", "playwright"} & set(image)
