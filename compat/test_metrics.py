"""`/metrics` as Prometheus' own tools read it, what deploy/ makes of it, and the log's fields. No Django is asked, so one of them suffices."""

import json
import re
import subprocess
import urllib.parse
import uuid
from collections import Counter

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text

from support.admin_site import TICKET_VIEW, AdminSite
from support.django_server import COMPAT
from support.http_client import send
from support.processes import Process, free_port
from support.websocket_client import Socket

pytestmark = pytest.mark.one_django

DEPLOY = COMPAT.parent / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = DEPLOY / "grafana" / "sluicegate.json"
CHAT = "/ws/chat/lobby/"
ROUTE = "ws/chat/<slug:room>/"
NAMES = ["alice of the metrics", "bob of the metrics"]
# What Prometheus 3 sends.
ACCEPT = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


@pytest.fixture(scope="module")
def site(work, sqlite_files, redis_server, redis_databases):
    site = AdminSite(work, sqlite_files, redis_server, next(redis_databases), arguments=["--log-json"])
    site.users(NAMES)
    yield site
    site.stop()


@pytest.fixture(scope="module")
def with_tls(work, servers, sqlite_files, redis_server, redis_databases):
    """The answer of one that ends TLS itself."""
    certificates = servers.certificates
    config = f'[server]\ntls_certificate = "{certificates.certificate}"\ntls_key = "{certificates.key}"\n'
    site = AdminSite(work, sqlite_files, redis_server, next(redis_databases), config=config)
    yield scrape(site)
    site.stop()


def scrape(site, accept="*/*"):
    answer = site.ask("/metrics", headers=[("Accept", accept)])
    assert answer.status == 200, answer
    return answer


def families(answer):
    """By name, as Prometheus' own client reads them."""
    is_open = answer.header("content-type").startswith("application/openmetrics-text")
    read = (openmetrics if is_open else text).text_string_to_metric_families(answer.text())
    read = list(read)
    found = {family.name: family for family in read}
    assert len(found) == len(read), "a family is written twice"
    return found


def values(site):
    """Each sample's value, by its name and labels."""
    return Counter(
        {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in families(scrape(site)).values()
            for sample in family.samples
        }
    )


class Change:
    """What the samples have changed by since it was made."""

    def __init__(self, site):
        self.site, self.before = site, values(site)

    def of(self, name, **labels):
        key = (name, *sorted(labels.items()))
        now = values(self.site)
        assert key in now, f"{key} is not there"
        return now[key] - self.before[key]

    def becomes(self, value, name, **labels):
        """What is counted in the background comes a moment later."""
        self.site.gate.process.wait_for(lambda: self.of(name, **labels) == value, 10)


def promtool(*arguments, given=None):
    command = ["promtool", *(str(argument) for argument in arguments)]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=120)


# The formats


def test_both_formats_are_read_and_say_the_same(site):
    site.refuse(CHAT)
    plain, chosen = scrape(site), scrape(site, ACCEPT)
    assert plain.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    assert chosen.header("content-type") == "application/openmetrics-text; version=1.0.0; charset=utf-8"

    def shape(answer):
        return {
            sample.name: (family.documentation, sorted(sample.labels))
            for family in families(answer).values()
            for sample in family.samples
        }

    assert shape(plain) == shape(chosen)
    assert len(shape(plain)) > 50


def test_promtool_has_nothing_to_say_about_the_metrics(site):
    done = promtool("check", "metrics", given=scrape(site).text())
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_promtool_would_say_something(site):
    wrong = scrape(site).text().replace("sluicegate_tickets_issued_total", "sluicegate_tickets_issued")
    assert promtool("check", "metrics", given=wrong).returncode == 3


def test_no_user_address_path_or_ticket_is_in_a_label(site):
    alice = site.users(NAMES)[0]
    ticket = site.ticket(alice)
    site.open(alice, "/ws/chat/a-room-of-its-own/", "203.0.113.77").drop()
    site.refuse(f"/nowhere/?uuid={ticket}", "203.0.113.77")
    for word in ("a-room-of-its-own", "nowhere", "203.0.113.77", ticket, *NAMES):
        assert word not in scrape(site).text()


# The values


def test_tickets_are_counted_once_each(site):
    alice = site.users(NAMES)[0]
    change = Change(site)
    tickets = [site.ticket(alice) for _ in range(7)]
    for _ in range(3):
        assert send(site.address, "GET", TICKET_VIEW, [("Host", "testserver")]).status == 401
    opened = site.open(alice, CHAT)
    assert site.refuse(f"{CHAT}?uuid={uuid.uuid4()}") == "ticket_invalid"
    assert change.of("sluicegate_tickets_issued_total") == len(tickets) + 1
    assert change.of("sluicegate_tickets_redeemed_total") == 1
    assert change.of("sluicegate_tickets_refused_total", reason="not_authenticated") == 3
    assert change.of("sluicegate_http_requests_total", handler="ticket", status="2xx") == len(tickets) + 1
    assert change.of("sluicegate_http_requests_total", handler="ticket", status="4xx") == 3
    assert change.of("sluicegate_cache_seconds_count", operation="issue") == len(tickets) + 1
    assert change.of("sluicegate_cache_seconds_count", operation="redeem") == 2
    assert change.of("sluicegate_database_seconds_count", operation="user_by_ticket") == 1
    assert change.of("sluicegate_cache_errors_total", operation="redeem") == 0
    opened.drop()


def test_handshakes_are_counted_by_what_came_of_them(site):
    alice = site.users(NAMES)[0]
    change = Change(site)
    attempts = {
        "no_route": ["/nowhere/"] * 4,
        "ticket_missing": [CHAT] * 3,
        "ticket_malformed": [f"{CHAT}?uuid=x"] * 2,
        "ticket_invalid": [f"{CHAT}?uuid={uuid.uuid4()}"] * 5,
    }
    for reason, targets in attempts.items():
        assert [site.refuse(target) for target in targets] == [reason] * len(targets)
    with Socket(site.address, CHAT, overrides={"version": "8"}) as wrong:
        assert wrong.answer.status == 426
    for _ in range(6):
        site.open(alice, CHAT).drop()
    refused = {reason: len(targets) for reason, targets in attempts.items()} | {"bad_handshake": 1}
    for reason in [*refused, "overloaded", "unavailable_cache"]:
        counted = change.of("sluicegate_handshakes_total", outcome="refused", reason=reason)
        assert counted == refused.get(reason, 0), reason
    assert change.of("sluicegate_handshakes_total", outcome="accepted", reason="") == 6
    assert change.of("sluicegate_handshake_seconds_count") == 6
    assert change.of("sluicegate_handshake_seconds_bucket", le="+Inf") == 6


def test_every_reason_is_there_before_it_happens(site):
    """So that a rate sees the first one."""
    codes = {reason["code"] for reason in json.loads(site.ask("/api/v1/reasons").body)}
    samples = families(scrape(site))["sluicegate_handshakes"].samples
    assert {sample.labels["reason"] for sample in samples if sample.labels["outcome"] == "refused"} == codes


def test_open_sockets_and_their_messages_are_counted(site):
    alice, bob = site.users(NAMES)
    change = Change(site)
    room = f"/ws/chat/{uuid.uuid4().hex}/"
    members = [site.open(user, room) for user in (alice, bob, alice)]
    elsewhere = site.open(bob, "/ws/notifications/")
    change.becomes(4, "sluicegate_sockets")
    assert change.of("sluicegate_sockets_admitted", route=ROUTE) == 3
    assert change.of("sluicegate_sockets_admitted", route="ws/notifications/") == 1
    for number in range(10):
        members[0].send_text(json.dumps({"action": "say", "message": number}))
    for member in members:
        assert [member.read_json()["message"] for _ in range(10)] == list(range(10))
    change.becomes(30, "sluicegate_channel_layer_delivered_total")
    assert change.of("sluicegate_channel_layer_received_total") == 10
    assert change.of("sluicegate_channel_layer_seconds_count", operation="group_send") == 10
    for cause in ("over_capacity", "expired", "undecodable"):
        assert change.of("sluicegate_channel_layer_lost_total", cause=cause) == 0
    for opened in (*members, elsewhere):
        opened.drop()
    change.becomes(0, "sluicegate_sockets")


def test_the_process_tells_who_it_is(site):
    samples = values(site)
    assert 0 <= samples["sluicegate_uptime_seconds",] < 600
    assert samples["process_resident_memory_bytes",] > 1_000_000
    assert 10 < samples["process_open_fds",] < samples["process_max_fds",]
    version = [key for key in samples if key[0] == "sluicegate_build_info"]
    assert len(version) == 1 and dict(version[0][1:])["version"]


# What deploy/ makes of them


def expressions():
    """Every expression of the dashboard, with values for Grafana's variables."""
    board = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    found += [annotation["expr"] for annotation in board["annotations"]["list"]]
    assert len(found) > 40
    return [re.sub(r"\$__rate_interval", "5m", expression) for expression in found]


def test_promtool_takes_every_expression_of_the_dashboard(work):
    rules = work / "dashboard.yml"
    recorded = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions())]
    rules.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": recorded}]}))
    done = promtool("check", "rules", rules)
    assert done.returncode == 0 and f"{len(recorded)} rules found" in done.stdout, done.stdout + done.stderr


def test_promtool_takes_the_alerts_and_each_fires_when_it_should():
    checked = promtool("check", "rules", PROMETHEUS / "alerts.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    tested = promtool("test", "rules", PROMETHEUS / "alerts_test.yml")
    assert tested.returncode == 0 and "SUCCESS" in tested.stdout, tested.stdout + tested.stderr
    alerts = re.findall(r"- alert: (\w+)", (PROMETHEUS / "alerts.yml").read_text())
    tests = (PROMETHEUS / "alerts_test.yml").read_text()
    for alert in alerts:
        assert f"name: {alert} fires\n" in tests and f"name: {alert} stays silent\n" in tests, alert


def test_every_metric_that_dashboard_and_alerts_name_is_given(site, with_tls):
    named = set(re.findall(r"\b(?:sluicegate|process)_\w+", DASHBOARD.read_text() + (PROMETHEUS / "alerts.yml").read_text()))
    given = set()
    for family in (families(scrape(site)) | families(with_tls)).values():
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        given |= {family.name + ending for ending in endings}
    assert len(named) > 40 and named - given == set()


def test_every_label_that_dashboard_and_alerts_ask_for_is_given(site):
    """A selector of a label's value that is never written would be silent for ever."""
    asked = re.findall(r'\b(outcome|reason|cause|status|for|operation)(=~|=)"([^"$]+)"', "\n".join(expressions()))
    asked += re.findall(r'\b(outcome|reason|cause|status|operation)(=~|=)"([^"]+)"', (PROMETHEUS / "alerts.yml").read_text())
    given = {(name, value) for sample in values(site) for name, value in sample[1:]}
    assert len(asked) > 5
    for name, operator, value in asked:
        fits = [known for label, known in given if label == name and re.fullmatch(value, known)]
        assert fits if operator == "=~" else (name, value) in given, (name, value)


def test_the_alerts_are_on_the_job_that_kubernetes_makes():
    (job,) = set(re.findall(r'job="([^"]+)"', (PROMETHEUS / "alerts.yml").read_text()))
    monitor, service = ((DEPLOY / "kubernetes" / f"{name}.yaml").read_text() for name in ("servicemonitor", "service"))
    label = re.search(r"jobLabel: (\S+)", monitor)[1]
    admin = next(part for part in service.split("---\n") if "component: admin" in part)
    assert re.search(rf"labels: {{ {re.escape(label)}: ([^,]+),", admin)[1] == job


@pytest.fixture(scope="module")
def prometheus(work, site):
    """A Prometheus that scrapes the site each second, and what it answers."""
    port, folder = free_port(), work / "prometheus"
    folder.mkdir()
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(PROMETHEUS / "alerts.yml")],
        "scrape_configs": [{"job_name": "sluicegate", "static_configs": [{"targets": [f"127.0.0.1:{site.port}"]}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}"]
    process = Process("prometheus", command, log=work / "prometheus.log")

    def ask(path, **parameters):
        target = f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        answer = json.loads(send(("127.0.0.1", port), "GET", target, [("Host", "testserver")]).body)
        assert answer["status"] == "success", answer
        return answer["data"]

    process.wait_for(lambda: ask("query", query='count_over_time(up{job="sluicegate"}[1m]) > 4')["result"], 40)
    yield ask
    process.kill()


def test_prometheus_itself_reads_every_scrape(prometheus):
    (target,) = prometheus("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    assert prometheus("query", query='min_over_time(up{job="sluicegate"}[1m])')["result"][0]["value"][1] == "1"
    (known,) = prometheus("metadata", metric="sluicegate_handshakes")["sluicegate_handshakes"]
    assert known["type"] == "counter" and known["help"]


def test_prometheus_evaluates_every_alert_and_none_fires(prometheus):
    (group,) = prometheus("rules")["groups"]
    assert len(group["rules"]) == len(re.findall("- alert:", (PROMETHEUS / "alerts.yml").read_text()))
    for rule in group["rules"]:
        assert (rule["health"], rule.get("lastError", "")) == ("ok", ""), rule
    assert [alert["labels"]["alertname"] for alert in prometheus("alerts")["alerts"]] == []


def test_prometheus_answers_every_panel_of_the_dashboard(prometheus):
    """Without an answer are those alone of which there is nothing here, or nothing to tell."""
    silent = set()
    for expression in expressions():
        expression = expression.replace("$job", "sluicegate").replace("$instance", ".*")
        if not prometheus("query", query=expression)["result"]:
            silent |= set(re.findall(r"\b(?:sluicegate|process)_\w+", expression))
    nothing_here = {
        "sluicegate_upstream_busy",
        "sluicegate_upstream_up",
        "sluicegate_tls_certificate_not_after_timestamp_seconds",
    }
    nothing_to_tell = {
        "sluicegate_handshakes_total",
        "sluicegate_tickets_refused_total",
        "sluicegate_admission_total",
        "sluicegate_sockets_admitted",
        "sluicegate_socket_drops_total",
        "sluicegate_consumer_failures_total",
        "process_start_time_seconds",
    }
    assert silent <= nothing_here | nothing_to_tell, silent


# The log


def test_each_refusal_is_one_line_whose_fields_are_documented(site):
    page = (COMPAT.parent / "docs" / "observability.md").read_text()
    documented = {name for row in re.findall(r"^\| (`[^|]*) \|[^|]*\|$", page, re.MULTILINE) for name in re.findall(r"`([^`]+)`", row)}
    log = site.gate.process.log
    before = log.read_text()
    alice, unknown = site.users(NAMES)[0], str(uuid.uuid4())
    ticket = site.ticket(alice)
    site.refuse(f"{CHAT}?uuid={unknown}", "203.0.113.5")
    site.refuse(f"/nowhere/?uuid={ticket}&token=of-somebody")
    send(site.address, "GET", TICKET_VIEW, [("Host", "testserver"), ("Authorization", "Bearer of-somebody")])
    site.gate.process.wait_for(lambda: "no ticket" in log.read_text().removeprefix(before))
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        assert {"timestamp", "level", "fields"} <= set(line) and line["fields"].pop("message")
        assert set(line["fields"]) <= documented, line
    new = lines[len(before.splitlines()) :]
    assert [line["fields"]["reason"] for line in new] == ["ticket_invalid", "no_route", "token_not_valid"]
    assert [line["level"] for line in new] == ["INFO"] * 3
    assert new[0]["fields"]["path"] == CHAT and new[0]["fields"]["client.address"] == "203.0.113.5"
    for secret in (unknown, ticket, "of-somebody"):
        assert secret not in log.read_text()
