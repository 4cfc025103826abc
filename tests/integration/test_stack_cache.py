"""The cache of server programs: repaired when damaged, quiet on the network, usable by an ordinary user.

These tests run the real command in processes of their own, with their own cache and home.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stack.paths import StackPaths, default_cache_dir, stack_paths
from stack.servers import install

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

PROJECT = Path(__file__).parents[2]
IMPORT_PATH = (PROJECT, Path(pytest.__file__).parents[1])
ORDINARY_USER = 65534  # nobody


def anxin_stack(
    *arguments: str, environment: dict[str, str], python: str = sys.executable, user: int | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run `anxin stack …` with exactly this environment beside PATH."""
    return subprocess.run(
        [python, "-m", "stack", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(map(str, IMPORT_PATH)), **environment},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        timeout=280,
    )


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter (pytest's own is closed to others)."""
    folder = Path(tempfile.mkdtemp(prefix="anxin-cache-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def cache(open_folder: Path) -> StackPaths:
    """A copy of the installed cache. It counts as moved, so the first use unpacks it again from its packages."""
    shutil.copytree(install().root.parent, stack_paths(open_folder / "cache").root.parent, symlinks=True)
    return install(cache_dir=open_folder / "cache")


@pytest.fixture
def without_apt(open_folder: Path) -> str:
    """A PATH with dpkg-deb and everything else of the machine, but no apt: nothing can be fetched."""
    tools = open_folder / "tools"
    tools.mkdir()
    for folder in ("/usr/sbin", "/usr/bin"):
        for tool in Path(folder).iterdir():
            if not tool.name.startswith("apt") and not (tools / tool.name).exists():
                (tools / tool.name).symlink_to(tool)
    return str(tools)


def version(paths: StackPaths) -> str:
    return subprocess.run([paths.pg_bin / "postgres", "--version"], capture_output=True, text=True).stdout


def test_a_deleted_and_a_truncated_program_are_repaired_without_the_network(
    cache: StackPaths, without_apt: str
) -> None:
    cache.mosquitto_bin.unlink()
    os.truncate(cache.pg_bin / "postgres", 5000)
    done = anxin_stack("install", environment={"PATH": without_apt, "ANXIN_CACHE_DIR": str(cache.cache_dir)})
    assert (done.returncode, "repairing the damaged cache" in done.stderr) == (0, True), done.stderr
    assert cache.mosquitto_bin.exists()
    assert version(cache).startswith("postgres (PostgreSQL) 17.")


def test_with_its_packages_damaged_too_the_cache_is_fetched_again(cache: StackPaths) -> None:
    package = next((cache.root.parent / "packages").glob("postgresql-17_*.deb"))
    os.truncate(package, 1000)
    cache.mosquitto_bin.unlink()
    done = anxin_stack("install", environment={"ANXIN_CACHE_DIR": str(cache.cache_dir)})
    assert (done.returncode, "fetching PostgreSQL" in done.stderr) == (0, True), done.stderr
    assert version(cache).startswith("postgres (PostgreSQL) 17.")
    assert package.stat().st_size > 1_000_000


def test_leftovers_of_an_install_that_died_are_removed(cache: StackPaths) -> None:
    leftover = cache.root.parent / ".new-123"
    (leftover / "root").mkdir(parents=True)
    cache.mosquitto_bin.unlink()
    install(cache_dir=cache.cache_dir)
    assert sorted(entry.name for entry in cache.root.parent.iterdir()) == ["manifest.json", "packages", "root"]


def test_after_the_first_run_a_start_needs_no_apt(open_folder: Path, without_apt: str) -> None:
    settings = {"PATH": without_apt, "ANXIN_CACHE_DIR": str(install().cache_dir)}
    data = ["--data-dir", str(open_folder / "data")]
    started = anxin_stack("start", *data, environment=settings)
    assert (started.returncode, started.stdout.count("runs on 127.0.0.1")) == (0, 2), started.stderr
    assert anxin_stack("status", *data, environment=settings).returncode == 0
    exports = anxin_stack("env", *data, environment=settings).stdout
    assert [line.partition("=")[0] for line in exports.splitlines()] == [
        "export ANXIN_DATABASE_URL",
        "export ANXIN_MQTT_URL",
        "export PATH",
    ]
    assert anxin_stack("stop", *data, environment=settings).returncode == 0
    assert anxin_stack("status", *data, environment=settings).returncode == 3


def test_two_starts_at_once_from_nothing_end_with_one_stack(open_folder: Path) -> None:
    kept = open_folder / "cache" / install().root.parent.name
    shutil.copytree(install().root.parent, kept, symlinks=True, ignore=shutil.ignore_patterns("root"))
    settings = {"ANXIN_CACHE_DIR": str(open_folder / "cache")}
    data = ["--data-dir", str(open_folder / "data")]
    with ThreadPoolExecutor() as threads:
        starts = [threads.submit(anxin_stack, "start", *data, environment=settings) for _ in range(2)]
        done = [start.result() for start in starts]
    assert anxin_stack("stop", *data, environment=settings).returncode == 0
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert done[0].stdout == done[1].stdout


def test_a_cache_closed_to_the_servers_user_ends_with_one_sentence(open_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("an ordinary user runs the servers as themselves, so no folder of theirs is closed to them")
    (open_folder / "closed").mkdir(mode=0o700)
    kept = open_folder / "closed" / install().root.parent.name
    shutil.copytree(install().root.parent, kept, symlinks=True, ignore=shutil.ignore_patterns("root"))
    settings = {"ANXIN_CACHE_DIR": str(open_folder / "closed")}
    done = anxin_stack("start", "--data-dir", str(open_folder / "data"), environment=settings)
    assert_refused(done, "is closed to it; choose another folder")


def test_a_first_run_without_apt_ends_with_one_sentence(open_folder: Path, without_apt: str) -> None:
    done = anxin_stack("install", environment={"PATH": without_apt, "ANXIN_CACHE_DIR": str(open_folder / "cache")})
    assert_refused(done, "apt-get is not on this machine")


def test_a_mirror_that_does_not_answer_ends_with_one_sentence(open_folder: Path) -> None:
    done = anxin_stack(
        "install",
        environment={
            "ANXIN_CACHE_DIR": str(open_folder / "cache"),
            "ANXIN_DEBIAN_MIRROR": "http://127.0.0.1:9/debian http://127.0.0.1:9/debian-security",
        },
    )
    assert_refused(done, "apt could not fetch the packages")
    assert list((open_folder / "cache").rglob(".new-*")) == []


def test_a_full_disk_ends_with_one_sentence(open_folder: Path) -> None:
    disk = open_folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("a small disk to fill can only be mounted as root")
    disk.chmod(0o755)
    try:
        for place in ({"ANXIN_CACHE_DIR": str(disk / "cache")}, {"ANXIN_CACHE_DIR": str(install().cache_dir)}):
            assert_refused(
                anxin_stack("start", "--data-dir", str(disk / "data"), environment=place), "the disk that holds"
            )
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_taken_port_ends_with_one_sentence(stack_session, open_folder: Path) -> None:
    port = str(stack_session.mqtt_port)
    settings = {"ANXIN_CACHE_DIR": str(default_cache_dir())}
    done = anxin_stack("start", "--data-dir", str(open_folder / "data"), "--mqtt-port", port, environment=settings)
    assert_refused(done, f"port {port} for Mosquitto is taken by another program")


def test_an_ordinary_user_with_a_fresh_home_starts_from_nothing_and_again(open_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user; as an ordinary user the other tests show the same")
    python = _python_for_everyone()
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, ORDINARY_USER, ORDINARY_USER)
    for _ in range(2):
        started = anxin_stack("start", python=python, user=ORDINARY_USER, environment={"HOME": str(home)})
        assert (started.returncode, started.stdout.count("runs on 127.0.0.1")) == (0, 2), started.stderr
        stopped = anxin_stack("stop", python=python, user=ORDINARY_USER, environment={"HOME": str(home)})
        assert stopped.returncode == 0, stopped.stderr
    assert "fetching" not in started.stderr
    assert stack_paths(home / ".cache/anxin").mosquitto_bin.exists()


def _python_for_everyone() -> str:
    """This Python, or the system's of the same version, if an ordinary user may run it with our modules."""
    same_version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/{same_version}", f"/usr/local/bin/{same_version}"):
        try:
            done = anxin_stack("--help", environment={}, python=candidate, user=ORDINARY_USER)
        except OSError:
            continue
        if done.returncode == 0:
            return candidate
    pytest.skip(f"no {same_version} on this machine that a user other than root may run with this checkout")


def assert_refused(done: "subprocess.CompletedProcess[str]", words: str) -> None:
    """Exit code 2, and the last line of stderr is one sentence with these words, without a traceback."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("anxin stack: ")
    assert words in last
