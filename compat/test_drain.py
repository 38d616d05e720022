"""
The end of a process, and the beginning of the next: sockets are closed over a time, another process takes over the
listening socket before, the service manager keeps it. `COMPAT_DRAIN=10000/20` says how many sockets, and over how many
seconds.
"""

import collections
import contextlib
import os
import signal
import socket
import sys
import threading
import time
import uuid

import pytest

from support import behind, http_client
from support.crowd import Crowd, wait_until
from support.groups import Site
from support.processes import NotReady, free_port

pytestmark = pytest.mark.one_django

SOCKETS, SECONDS = map(int, os.environ.get("COMPAT_DRAIN", "2000/4").split("/"))
ROOMS = 50


@pytest.fixture
def site(work, fork, redis_server):
    site = Site(work, fork, redis_server, [redis_server], layer={"capacity": 10_000})
    yield site
    site.stop()


@pytest.fixture
def crowd():
    crowd = Crowd()
    yield crowd
    crowd.stop()


@pytest.fixture
def handover(work):
    return work / f"{uuid.uuid4().hex[:8]}.sock"


def targets(site, count):
    """Rooms in turn, each with a ticket that is in the cache."""
    tickets = [str(uuid.uuid4()) for _ in range(count)]
    pipeline = site.tickets.pipeline(transaction=False)
    for ticket in tickets:
        pipeline.set(f":1:{ticket}", behind.ALICE, ex=600)
    pipeline.execute()
    return [f"/ws/room/room-{number % ROOMS}/?uuid={ticket}" for number, ticket in enumerate(tickets)]


def members(site):
    """How many members the groups of the rooms have: each process is one of each that its sockets are in."""
    return sum(len(site.members(f"room_room-{number}")) for number in range(ROOMS))


def drain(seconds):
    return f'[server]\ndrain_seconds = "{seconds}s"\n'


def ready(address):
    answer = http_client.send(address, "GET", "/readyz", [("Host", "testserver")], timeout=5)
    return answer.status, answer.json()["status"]


def ended(gate, seconds=60):
    """Its exit code, and how long it took to come."""
    begun = time.monotonic()
    return gate.process.child.wait(seconds), time.monotonic() - begun


def spread(clients):
    """How many were closed with what, and in which second after the first."""
    codes = collections.Counter(client.ended for client in clients)
    first = min(client.ended_at for client in clients if client.ended_at)
    seconds = collections.Counter(int(client.ended_at - first) for client in clients if client.ended_at)
    return dict(codes), [seconds[second] for second in range(max(seconds) + 1)]


def check_spread(clients, seconds):
    """All were told to come back, evenly over the time."""
    codes, told = spread(clients)
    print(f"\n{len(clients)} sockets over {seconds} s: {codes}, by second {told}")
    assert codes == {1012: len(clients)}
    whole = told[:seconds]
    assert seconds <= len(told) <= seconds + 2, told
    assert max(told) < 1.5 * len(clients) / seconds and min(whole[:-1]) > 0.5 * len(clients) / seconds, told


def test_sockets_are_closed_over_the_time_and_nothing_is_left(site, crowd):
    admin = free_port()
    gate = site.gate(drain(SECONDS), arguments=["--admin-bind", f"127.0.0.1:{admin}"])
    begun = time.monotonic()
    clients = crowd.open(gate.address, targets(site, SOCKETS), at_once=200)
    print(f"\n{SOCKETS} sockets opened in {time.monotonic() - begun:.1f} s")
    assert members(site) == ROOMS
    gate.send_signal(signal.SIGTERM)
    # The admin address stays to the end.
    wait_until(lambda: ready(("127.0.0.1", admin)) == (503, "draining"), 5, "to say that it drains")
    with pytest.raises(OSError):
        socket.create_connection(gate.address, timeout=5)
    code, took = ended(gate, SECONDS + 30)
    print(f"exit code {code} after {took:.1f} s")
    assert (code, took < SECONDS + 10) == (0, True)
    check_spread(clients, SECONDS)
    assert (members(site), site.keys()) == (0, [])
    log = gate.process.log.read_text()
    assert f"closing sockets sockets={SOCKETS}" in log and f"all sockets are closed closed={SOCKETS}" in log


def test_a_new_process_takes_over_and_nobody_is_refused(site, crowd, handover):
    arguments = ["--handover", handover]
    old = site.gate(drain(SECONDS), arguments=arguments)
    clients = crowd.open(old.address, targets(site, SOCKETS), at_once=200)
    end = crowd.keep_coming(old.address, targets(site, 20_000), every=0.01)
    time.sleep(1)
    begun = time.monotonic()
    new = site.gate(drain(0), arguments=arguments)
    took_over = time.monotonic() - begun
    assert new.address == old.address
    statuses = []
    while old.process.alive():
        statuses.append(ready(new.address))
        time.sleep(0.2)
    drained = time.monotonic() - begun
    assert set(statuses) == {(200, "ok")}
    assert ended(old)[0] == 0
    time.sleep(0.5)
    answers = end()
    print(f"\nnew process listens after {took_over:.1f} s, the old one is gone after {drained:.1f} s; answers: {answers}")
    assert set(answers) == {101} and answers[101] > 100 * (SECONDS - 2), answers
    check_spread(clients, SECONDS)
    wait_until(lambda: members(site) == 0, 10, "leaving the groups")
    begun = time.monotonic()
    crowd.open(new.address, targets(site, SOCKETS), at_once=200)
    print(f"{SOCKETS} sockets are back in {time.monotonic() - begun:.1f} s")
    assert members(site) == ROOMS
    # And it goes on.
    newest = site.gate(drain(0), arguments=arguments)
    assert (newest.address, ended(new)[0], members(site)) == (old.address, 0, 0)
    assert newest.process.stop() == 0
    assert not handover.exists()


def test_a_second_signal_ends_it_at_once(site, crowd):
    gate = site.gate(drain(60))
    clients = crowd.open(gate.address, targets(site, 500))
    gate.send_signal(signal.SIGTERM)
    time.sleep(1)
    gone = sum(client.ended is not None for client in clients)
    assert 25 <= gone <= 100, gone
    gate.send_signal(signal.SIGTERM)
    code, took = ended(gate)
    assert (code, took < 3) == (0, True), (code, took)
    wait_until(lambda: all(client.ended for client in clients), 5)
    assert (spread(clients)[0], site.keys()) == ({1012: 500}, [])


def test_an_interrupt_does_not_spread(site, crowd):
    gate = site.gate(drain(60))
    clients = crowd.open(gate.address, targets(site, 500))
    gate.send_signal(signal.SIGINT)
    code, took = ended(gate)
    assert (code, took < 5) == (0, True), (code, took)
    assert (spread(clients)[0], site.keys()) == ({1012: 500}, [])


def test_a_take_over_that_fails_changes_nothing(site, crowd, handover):
    arguments = ["--handover", handover]
    old = site.gate(drain(0), arguments=arguments)
    clients = crowd.open(old.address, targets(site, 50))
    end = crowd.keep_coming(old.address, targets(site, 5000), every=0.01)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        # Fails after it got the listening socket.
        with pytest.raises(NotReady, match="cannot listen on the admin address"):
            site.gate(drain(0), arguments=[*arguments, "--admin-bind", f"127.0.0.1:{taken.getsockname()[1]}"])
    with pytest.raises(NotReady, match="exit code 2"):
        site.gate('[server]\ndrain = "1s"\n', arguments=arguments)
    assert set(end()) == {101}
    assert [client.ended for client in clients] == [None] * 50
    assert "this one serves on" in old.process.log.read_text()
    # The next one succeeds.
    new = site.gate(drain(0), arguments=arguments)
    assert (new.address, ended(old)[0]) == (old.address, 0)


def test_a_frozen_process_is_not_taken_over(site, handover):
    old = site.gate(arguments=["--handover", handover])
    old.process.freeze()
    try:
        with pytest.raises(NotReady, match=f"({old.pid}) does not hand over".replace("(", r"\(").replace(")", r"\)")):
            site.gate(arguments=["--handover", handover])
    finally:
        old.process.thaw()
    assert ready(old.address) == (200, "ok")


def test_the_admin_address_goes_over_too(site, handover):
    arguments = ["--handover", handover, "--admin-bind", f"127.0.0.1:{free_port()}"]
    admin = ("127.0.0.1", int(arguments[-1].rpartition(":")[2]))
    old = site.gate(drain(0), arguments=arguments)
    statuses, stop = [], threading.Event()

    def ask():
        while not stop.wait(0.002):
            try:
                statuses.append(ready(admin))
            except (OSError, ValueError) as error:
                statuses.append(repr(error))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        new = site.gate(drain(0), arguments=arguments)
        assert ended(old)[0] == 0
        time.sleep(0.5)
    finally:
        stop.set()
        asking.join()
    assert set(statuses) == {(200, "ok")} and len(statuses) > 100 and new.process.alive()


# Socket activation


START = """
import fcntl, os, sys
numbers = [int(number) for number in sys.argv[1].split(",")]
# Out of the way of those that the program sees them as.
copies = [fcntl.fcntl(number, fcntl.F_DUPFD, 100) for number in numbers]
for at, copy in enumerate(copies):
    os.dup2(copy, 3 + at)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(numbers)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


def activated(sockets, names):
    """What starts a program as the service manager does, with these sockets."""
    numbers = [listening.fileno() for listening in sockets]
    given = ",".join(map(str, numbers))
    return {"starter": [sys.executable, "-c", START, given, names], "pass_fds": numbers}


@contextlib.contextmanager
def listening(address=("127.0.0.1", 0), family=socket.AF_INET, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as listener:
        listener.bind(address)
        if kind == socket.SOCK_STREAM:
            listener.listen(1000)
        yield listener


def test_sockets_of_the_service_manager_are_served_and_outlive_the_process(site, crowd):
    with listening() as main, listening() as admin:
        # Who connects before there is a process waits.
        early = socket.create_connection(main.getsockname())
        early.sendall(http_client.request_bytes("GET", "/healthz", [("Host", "testserver")]))
        how = activated([admin, main], "admin:sluicegate.socket") | {"arguments": ["--admin-bind", "127.0.0.1:1"]}
        gate = site.gate(drain(0), **how)
        assert gate.address == main.getsockname()
        assert early.recv(12) == b"HTTP/1.1 200"
        assert ready(gate.address) == ready(admin.getsockname()) == (200, "ok")
        [client] = crowd.open(gate.address, targets(site, 1))
        assert gate.process.stop() == 0
        wait_until(lambda: client.ended == 1012, 5)
        # The process is gone, and nobody is refused.
        late = socket.create_connection(main.getsockname(), timeout=5)
        late.sendall(http_client.request_bytes("GET", "/healthz", [("Host", "testserver")]))
        site.gate(drain(0), **activated([main], "sluicegate.socket"))
        assert late.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize(
    "names, why", [("a:b", "more sockets"), ("admin", "no admin address"), ("unix", "ListenStream="), ("datagrams", "ListenStream=")]
)
def test_sockets_that_cannot_be_served_stop_the_start(site, work, names, why):
    address, family, kind = ("127.0.0.1", 0), socket.AF_INET, socket.SOCK_STREAM
    if names == "unix":
        address, family = str(work / f"{uuid.uuid4().hex[:8]}.sock"), socket.AF_UNIX
    elif names == "datagrams":
        kind = socket.SOCK_DGRAM
    with listening(address, family, kind) as one, listening() as two:
        with pytest.raises(NotReady, match=f"(?s)exit code 2.*{why}"):
            site.gate(**activated([one, two] if ":" in names else [one], names))


# Word to the service manager


class Manager:
    """What is said by sd_notify, message by message."""

    def __init__(self, work):
        self.path = str(work / f"{uuid.uuid4().hex[:8]}.notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def until(self, wanted, seconds=10):
        """The message that has a line which starts so, and how many came before."""
        self.socket.settimeout(seconds)
        before = 0
        while True:
            lines = self.socket.recv(4096).decode().splitlines()
            if any(line.startswith(wanted) for line in lines):
                return dict(line.split("=", 1) for line in lines), before
            before += 1


def test_the_service_manager_hears_how_far_it_is(site, work, handover):
    manager = Manager(work)
    env = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "400000"}
    gate = site.gate(drain(0), env=env, arguments=["--handover", handover])
    told, _ = manager.until("READY=1")
    assert told["STATUS"] == "serving http://{}:{}".format(*gate.address)
    begun = time.monotonic()
    for _ in range(5):
        manager.until("WATCHDOG=1")
    assert 0.7 < time.monotonic() - begun < 1.5
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    gate.send_signal(signal.SIGHUP)
    told, _ = manager.until("RELOADING=1")
    assert before <= int(told["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    manager.until("READY=1", 20)
    # The variables are those of the process before: the new one is the service now.
    new = site.gate(drain(0), env=env | {"WATCHDOG_PID": str(gate.pid)}, arguments=["--handover", handover])
    told, _ = manager.until("MAINPID=")
    assert (told["MAINPID"], ended(gate)[0]) == (str(new.pid), 0)
    for _ in range(3):
        manager.until("WATCHDOG=1")
    new.send_signal(signal.SIGTERM)
    told, _ = manager.until("STOPPING=1")
    assert int(told["EXTEND_TIMEOUT_USEC"]) > 10_000_000
    assert ended(new)[0] == 0


def test_a_service_manager_that_is_not_there_does_no_harm(site, work):
    for path in (str(work / "nowhere.notify"), "@abstract"):
        gate = site.gate(drain(0), env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "0", "WATCHDOG_PID": "1"})
        assert ready(gate.address) == (200, "ok")
        assert gate.process.stop() == 0
