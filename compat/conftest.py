"""Servers that tests share. Everything lives in one folder and ends with the session."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from support import behind  # noqa: E402
from support import overlay as overlays  # noqa: E402
from support.django_server import DjangoFork  # noqa: E402
from support.stack import Servers  # noqa: E402

# Beside this Django run the tests that ask none of them.
ONE_DJANGO = "5.2"


def pytest_collection_modifyitems(config, items):
    """Tests marked `one_django` count as deselected, not as skipped, where another Django is the one at hand."""
    if os.environ.get("COMPAT_DJANGO", ONE_DJANGO) == ONE_DJANGO:
        return
    once = [item for item in items if item.get_closest_marker("one_django")]
    items[:] = [item for item in items if item not in once]
    config.hook.pytest_deselected(items=once)


@pytest.fixture(scope="session")
def work():
    """A short path: Unix sockets have 108 bytes. Kept where COMPAT_KEEP is set."""
    folder = Path(tempfile.mkdtemp(prefix="compat-"))
    folder.chmod(0o755)
    yield folder
    if not os.environ.get("COMPAT_KEEP"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def fork(work):
    fork = DjangoFork(work)
    yield fork
    fork.stop()


@pytest.fixture(scope="session")
def redis_server(servers):
    return servers.redis


@pytest.fixture(scope="session")
def redis_databases():
    """Numbers of Redis databases, each handed out once."""
    return iter(range(1, 512))


@pytest.fixture(scope="session")
def sqlite_files(work, fork):
    return overlays.SqliteFiles(work, fork)


@pytest.fixture(scope="session")
def servers(work, fork, sqlite_files):
    servers = Servers(work, fork, sqlite_files)
    yield servers
    servers.stop()


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def pair(request, work, fork, redis_server, redis_databases):
    """Django behind, directly and through sluicegate, for the tests of what is passed on."""
    cache = overlays.redis_cache(redis_server.url(next(redis_databases)))
    pair = behind.Pair(work, fork, behind.settings(work, fork, cache), request.param)
    yield pair
    pair.stop()
