"""
Everybody comes at once: after a process was killed, and past what one lets in. `COMPAT_STORM=10000` says how many.
"""

import os
import re
import threading
import time

import pytest

from support import http_client, overlay
from support.browser import chromium, until
from support.browsers import TICKET_VIEW, Browsers, Watch, sources
from support.crowd import Crowd, memory, wait_until
from support.django_server import COMPAT
from support.processes import free_port
from support.redis_server import Redis
from support.sluicegate import Sluicegate
from support.tokens import access_token, bearer

pytestmark = pytest.mark.one_django

PEOPLE = int(os.environ.get("COMPAT_STORM", "2000"))
SOCKETS_EACH = 5  # tabs and devices of one user
ROUTES = """
[[route]]
path = "ws/room/<slug:room>/"
groups = ["room_{{ room }}"]
[route.receive]
reply = { user = "{{ user.id }}" }
"""
POOL = 10  # [database] max_connections, by default
FIRST_USER = 100_000


class Site:
    """PostgreSQL with many users, and a Redis of its own for tickets and groups."""

    def __init__(self, work, fork, postgres):
        self.work, self.postgres, self.redis, self.gates = work, postgres, Redis(work), []
        layer = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [self.redis.url()]}}
        postgres.create("storm")
        settings = {
            "DATABASES": {"default": postgres.django("storm")},
            "CACHES": overlay.redis_cache(self.redis.url(1)),
            "CHANNEL_LAYERS": {"default": layer},
        }
        self.overlay = overlay.write(work, settings, "storm")
        fork.prepare(self.overlay)
        columns = "password, is_superuser, first_name, last_name, email, is_staff, is_active, date_joined"
        users = f"generate_series({FIRST_USER}, {FIRST_USER + PEOPLE}) as n"
        postgres.execute(
            f"insert into auth_user (id, username, {columns})"
            f" select n, 'user' || n, '!', false, '', '', '', false, true, now() from {users}",
            "storm",
        )
        self.watcher = postgres_connections(postgres)

    def gate(self, config="", **how):
        admin = free_port()
        how["arguments"] = ["--admin-bind", f"127.0.0.1:{admin}"]
        gate = Sluicegate(self.work, self.overlay, config=config, routes=ROUTES, **how)
        gate.admin = ("127.0.0.1", admin)
        self.gates.append(gate)
        return gate

    def tickets(self, number):
        """Targets with tickets that are in the cache."""
        names = [f"00000000-0000-4000-8000-{n:012}" for n in range(number)]
        pipeline = self.redis.client(1).pipeline(transaction=False)
        for name in names:
            pipeline.set(f":1:{name}", FIRST_USER, ex=600)
        pipeline.execute()
        return [f"/ws/room/lobby/?uuid={name}" for name in names]

    def stop(self):
        for gate in self.gates:
            gate.stop()
        self.watcher.close()
        self.redis.stop()
        self.postgres.execute("drop database storm with (force)")


def postgres_connections(postgres):
    import psycopg

    return psycopg.connect(postgres.url("postgres"), autocommit=True)


@pytest.fixture
def site(work, fork, servers):
    site = Site(work, fork, servers.postgres)
    yield site
    site.stop()


@pytest.fixture
def storm():
    started = []

    def start(address):
        started.append(Browsers(address))
        return started[-1]

    yield start
    for browsers in started:
        browsers.stop()


def people(number, addresses=200):
    """Each with a few sockets in rooms, from many addresses."""
    from_where = sources(addresses)
    return [
        (FIRST_USER + n % (number // SOCKETS_EACH), f"/ws/room/room-{n % 50}/", next(from_where)) for n in range(number)
    ]


def metrics(gate, name, **labels):
    """The sum of what is told under this name and these labels."""
    page = http_client.send(gate.admin, "GET", "/metrics", [("Host", "127.0.0.1")]).text()
    wanted = [f'{key}="{value}"' for key, value in labels.items()]
    lines = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", page, re.M)
    assert lines, f"no {name} in\n{page}"
    return sum(float(value) for found, value in lines if all(label in found for label in wanted))


def connections(site):
    [(open_now,)] = site.watcher.execute("select count(*) from pg_stat_activity where datname = 'storm'").fetchall()
    return open_now


def quantiles(times):
    parts = {"half": 0.5, "99 in 100": 0.99, "all": 1}
    return ", ".join(f"{name} {times[int(len(times) * part) - 1]:.1f}" for name, part in parts.items())


def test_all_come_back_after_the_process_is_killed(site, storm):
    gate = site.gate()
    fresh = memory(gate.pid)[0]
    browsers = storm(gate.address)
    begun = time.monotonic()
    browsers.come(people(PEOPLE), within=1)
    times = browsers.wait_for_all(begun, 60)
    print(f"\n{PEOPLE} sockets; back after, in s: the first time {quantiles(times)}")
    idle = memory(gate.pid)[0]
    browsers.forget()

    watch = Watch(connections=lambda: connections(site))
    cut = time.monotonic()
    gate.process.kill()
    new = site.gate(bind="{}:{}".format(*gate.address))
    listening = time.monotonic() - cut
    times = browsers.wait_for_all(cut, 60)
    highest = watch.stop()
    peak = memory(new.pid)[0]
    queries = metrics(new, "sluicegate_database_seconds_count", operation="user_by_ticket")
    joined = metrics(new, "sluicegate_user_lookups_joined_total")
    issued = metrics(new, "sluicegate_tickets_issued_total")
    attempts = sorted(visitor.attempts for visitor in browsers.visitors)
    print(f"listening again after {listening:.1f} s; back after, in s: {quantiles(times)}; {dict(browsers.told)}")
    print(f"attempts: {sum(attempts) / PEOPLE:.1f} each, at most {attempts[-1]}; at most {highest}")
    print(f"queries for users of handshakes: {queries:.0f}, lookups joined: {joined:.0f}, tickets {issued:.0f}")
    print(f"KiB resident: {fresh} fresh, {idle} with all sockets, {peak} after the storm")
    assert metrics(new, "sluicegate_sockets") == PEOPLE
    assert highest["connections"] <= 2 * POOL, "the killed process' and the new one's"
    assert browsers.told["socket 101"] == PEOPLE
    # Answers that the killed process owed were dropped; the new one refused nobody.
    answers = {told for told in browsers.told if told.startswith(("ticket", "socket"))}
    assert answers - {"ticket dropped", "socket dropped"} == {"ticket 200", "socket 101"}
    assert peak < 1.5 * idle


def test_a_storm_is_let_in_at_its_rate_and_nobody_starves(site, storm):
    rate, burst = PEOPLE // 10, PEOPLE // 50
    waiting = PEOPLE // 20
    limits = f"""
[limits]
handshakes_per_second = {rate}
handshakes_burst = {burst}
tickets_per_second = {rate}
tickets_burst = {burst}
at_once = 16
waiting = {waiting}
wait = "2s"
"""
    gate = site.gate(limits)
    browsers = storm(gate.address)
    watch = Watch(
        connections=lambda: connections(site),
        waiting=lambda: metrics(gate, "sluicegate_admission_waiting"),
        working=lambda: metrics(gate, "sluicegate_admission_working"),
        memory=lambda: memory(gate.pid)[0],
    )
    begun = time.monotonic()
    # Half of all stand behind one address.
    crowd = people(PEOPLE)
    crowd[::2] = [(user, target, "127.0.9.9") for user, target, _ in crowd[::2]]
    browsers.come(crowd, within=0.5)
    times = browsers.wait_for_all(begun, 240)
    highest = watch.stop()
    each = {True: [], False: []}
    for visitor in browsers.visitors:
        each[visitor.source == "127.0.9.9"].append(visitor.back_at - begun)
    behind_one, others = sorted(each[True]), sorted(each[False])
    print(f"\n{PEOPLE} come at once, {rate} a second are let in; in after, in s: {quantiles(times)}")
    print(f"behind one address: {quantiles(behind_one)}; the others: {quantiles(others)}")
    print(f"{dict(browsers.told)}; at most {highest}; told to wait: {sorted(browsers.pauses.items())}")
    assert highest["connections"] <= POOL
    assert highest["working"] <= 32 and highest["waiting"] <= 2 * waiting
    assert browsers.told["ticket 503"] > 0 and len(browsers.pauses) > 2
    assert set(browsers.told) <= {"ticket 200", "ticket 503", "socket 101", "socket 503"}, browsers.told
    # Never faster than the rate: in no second of those in which they came.
    for first, time_in in enumerate(times):
        within = sum(time_in <= other < time_in + 1 for other in times[first:])
        assert within <= 1.1 * rate + 2 * burst, f"{within} within a second of {time_in:.1f} s"
    assert times[-1] < 6 * PEOPLE / rate
    assert others[len(others) // 2] < behind_one[len(behind_one) // 2] and others[-1] < behind_one[-1]
    # Who was refused has kept the ticket.
    assert {visitor.tickets for visitor in browsers.visitors if visitor.is_app} == {1}


def test_who_waits_takes_little_memory_and_is_served_when_the_fault_is_over(site):
    """The cache hangs: one handshake is at work, the others wait; a client that leaves costs nothing."""
    number = 2000
    gate = site.gate('[limits]\nat_once = 1\nwait = "60s"\n[cache]\nsocket_timeout = "30s"\n')
    targets = site.tickets(number)
    crowd = Crowd()
    try:
        crowd.open(gate.address, targets[:1])  # what is allocated once
        before = memory(gate.pid)
        site.redis.process.freeze()
        clients = crowd.begin(gate.address, targets[1:])
        wait_until(lambda: metrics(gate, "sluicegate_admission_waiting") == number - 2, 30)
        after = memory(gate.pid)
        each = (after[1] - before[1]) / (number - 2)
        print(f"\n{number - 2} wait: {each:.1f} KiB each")
        assert each < 48
        crowd.leave(clients[-500:])
        wait_until(lambda: metrics(gate, "sluicegate_admission_waiting") == number - 502, 5)
        site.redis.process.thaw()
        wait_until(lambda: metrics(gate, "sluicegate_admission_waiting") == 0, 60)
        wait_until(lambda: all(client.status == 101 for client in clients[:-500]), 10)
        # Their tickets are still in the cache.
        left = sum(site.redis.client(1).exists(f":1:{target.partition('=')[2]}") for target in targets[-500:])
        assert left == 500
    finally:
        site.redis.process.thaw()
        crowd.stop()


def test_many_handshakes_of_one_user_are_few_queries(site):
    """All tickets are of one user. Where the database hangs nobody waits longer than its time limit."""
    number = 1000
    gate = site.gate()
    targets = site.tickets(number + 200)
    crowd = Crowd()
    try:
        crowd.open(gate.address, targets[:number], at_once=200)
        queries = metrics(gate, "sluicegate_database_seconds_count", operation="user_by_ticket")
        joined = metrics(gate, "sluicegate_user_lookups_joined_total")
        print(f"\n{number} handshakes of one user, 200 at a time: {queries:.0f} queries, {joined:.0f} joined one")
        assert queries + joined == number and queries < number / 4

        site.postgres.freeze()
        begun = time.monotonic()
        clients = crowd.begin(gate.address, targets[number:])
        wait_until(lambda: all(client.status for client in clients), 20)
        took = time.monotonic() - begun
        site.postgres.thaw()
        asked = metrics(gate, "sluicegate_database_seconds_count", operation="user_by_ticket") - queries
        print(f"database frozen: 200 answered after {took:.1f} s, {asked:.0f} queries")
        assert {client.status for client in clients} == {503} and took < 5 and asked < 60
        crowd.open(gate.address, site.tickets(50))
    finally:
        site.postgres.thaw()
        crowd.stop()


# The lines of JavaScript in docs/limits.md, in a real browser.


# Remembers what each request was answered with, and when.
SEEN = """
window.seen = [];
const asked = window.fetch;
window.fetch = async (...what) => {
  const at = performance.now(), answer = await asked(...what);
  window.seen.push([at / 1000, answer.status, Number(answer.headers.get("Retry-After"))]);
  return answer;
};
"""


class Flood:
    """Requests for tickets, one after the other on a few threads, until it is told to stop."""

    def __init__(self, address, threads=4):
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(address,)) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _ask(self, address):
        while not self._end.is_set():
            http_client.send(address, "GET", TICKET_VIEW, [("Host", "testserver"), bearer(FIRST_USER)])

    def stop(self):
        self._end.set()
        for thread in self._threads:
            thread.join()


def test_the_lines_in_the_documentation_come_back_when_they_should(site, work):
    text = (COMPAT.parent / "docs" / "limits.md").read_text(encoding="utf-8")
    [lines] = re.findall(r"```js\n(.*?)```", text, re.S)
    lines = lines.replace("wss://", "ws://").replace("/ws/chat/", "/ws/room/lobby/")
    user = FIRST_USER + 1
    gate = site.gate()
    browser = chromium(work / "chromium-storm")
    try:
        browser.get("http://127.0.0.1:{}/healthz".format(gate.address[1]))
        begin = "stayConnected(() => arguments[0], () => {}).then(() => (window.isOver = true));"
        browser.execute_script(f"{SEEN}{lines}{begin}", access_token(user))
        until(browser, lambda: metrics(gate, "sluicegate_sockets") == 1)

        # The process dies; the next one has so much to do that it sends the browser away.
        gate.process.kill()
        limits = 'tickets_per_second = 2\ntickets_burst = 1\nwait = "500ms"\n'
        checks = '[websocket]\nuser_check_interval = "1s"\n'
        gate = site.gate(f"[limits]\n{limits}{checks}", bind="127.0.0.1:{}".format(gate.address[1]))
        flood = Flood(gate.address)
        try:
            until(browser, lambda: any(status == 503 for _, status, _ in browser.execute_script("return seen")))
        finally:
            flood.stop()
        until(browser, lambda: metrics(gate, "sluicegate_sockets") == 1)
        seen = browser.execute_script("return seen")
        print("\nasked for a ticket:", [(round(at, 2), status, retry_after) for at, status, retry_after in seen])
        for (at, status, retry_after), (later, _, _) in zip(seen, seen[1:]):
            if status == 503:
                assert retry_after >= 1 and retry_after <= later - at < retry_after + 3

        # Not allowed any more: it does not come again.
        site.postgres.execute(f"update auth_user set is_active = false where id = {user}", "storm")
        until(browser, lambda: browser.execute_script("return window.isOver"))
        assert len(browser.execute_script("return seen")) == len(seen)
    finally:
        browser.quit()
