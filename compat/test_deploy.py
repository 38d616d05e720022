"""The files of deploy/, and what SECURITY.md refers to, by their own tools."""

import getpass
import re
import subprocess
import sys

import pytest

from support.django_server import COMPAT
from support.sluicegate import binary

pytestmark = pytest.mark.one_django

ROOT = COMPAT.parent
DEPLOY = ROOT / "deploy"
# Of a custom resource, whose schema is the operator's.
WITHOUT_SCHEMA = {"servicemonitor.yaml", "kustomization.yaml"}
RESOURCES = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name not in WITHOUT_SCHEMA)


def run(*command, **how):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, **how)


@pytest.fixture
def units(work):
    """The units, with a program and a user that there are here."""
    folder = work / "units"
    folder.mkdir(exist_ok=True)
    for unit in (DEPLOY / "systemd").iterdir():
        text = unit.read_text().replace("/srv/mysite/venv/bin/sluicegate", str(binary()))
        (folder / unit.name).write_text(text.replace("User=mysite", f"User={getpass.getuser()}"))
    return folder


def test_systemd_takes_the_units(units):
    done = run("systemd-analyze", "verify", "--man=no", *sorted(units.iterdir()))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_finds_little_that_the_service_may_do(units):
    """Exposure, of 0 to 10; without hardening it is above 9."""
    done = run("systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", units / "sluicegate.service")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda path: path.stem)
def test_kubernetes_takes_the_resource(resource):
    done = run(sys.executable, "-m", "kubernetes_validate", "--strict", "-k", "1.34", resource)
    assert done.returncode == 0 and "passed" in done.stdout + done.stderr, done.stdout + done.stderr


def test_all_resources_are_applied():
    listed = set(re.findall(r"- (\S+\.yaml)$", (DEPLOY / "kubernetes" / "kustomization.yaml").read_text(), re.MULTILINE))
    assert listed == {path.name for path in RESOURCES}


def test_a_pod_is_given_the_time_that_its_drain_may_take():
    deployment = (DEPLOY / "kubernetes" / "deployment.yaml").read_text()
    drain = int(re.search(r'drain_seconds = "(\d+)s"', (DEPLOY / "kubernetes" / "configmap.yaml").read_text())[1])
    pause = int(re.search(r"sleep: { seconds: (\d+) }", deployment)[1])
    close_timeout, rest = 10, 30
    grace = int(re.search(r"terminationGracePeriodSeconds: (\d+)", deployment)[1])
    assert grace >= pause + drain + close_timeout + rest


def test_compose_takes_the_file():
    compose = DEPLOY / "compose" / "compose.yaml"
    done = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", compose)
    assert done.returncode == 0, done.stdout + done.stderr


def configs():
    config = (DEPLOY / "kubernetes" / "configmap.yaml").read_text().split("sluicegate.toml: |\n")[1]
    yield re.sub("^    ", "", config, flags=re.MULTILINE)
    yield (DEPLOY / "compose" / "sluicegate.toml").read_text()


@pytest.mark.parametrize("config", [*configs()], ids=["kubernetes", "compose"])
def test_every_line_of_the_settings_is_understood(config):
    """There is no project here, which is a problem of no line."""
    def problems(config):
        command = [binary(), "settings", "--config", "/dev/stdin", "--upstream", "http://127.0.0.1:8000"]
        done = run(*command, input=config)
        return re.findall(r"E\d+ /dev/stdin:\d+: .*", done.stdout + done.stderr)

    assert problems(config) == []
    assert problems('[server]\nmisspelt = "1"\n') != []


def test_every_test_that_the_threat_model_names_is_there():
    named = re.findall(r"`((?:compat/|src/|fuzz/)[^`]+?\.(?:rs|py))(?:: ([a-z0-9_]+))?`", (ROOT / "SECURITY.md").read_text())
    assert len(named) > 20
    for file, test in named:
        text = (ROOT / file).read_text()
        assert not test or re.search(rf"(fn|def) {test}\(", text), f"{file}: {test}"
