"""What passing on costs: an HTTP request, a relayed frame and an idle relayed socket, beside nginx in front of the same
upstream, which answers at once, so that the figures are the proxy's own."""

import os
import shutil
import subprocess

from bed import table
from support.processes import Process, free_port

ROWS = (
    ("HTTP request: server CPU, us", "requests", "cpu_us"),
    ("HTTP request: per second", "requests", "per_second"),
    ("HTTP request: p50, us", "requests", "p50_us"),
    ("HTTP request: p99, us", "requests", "p99_us"),
    ("relayed frame: server CPU, us", "frames", "cpu_us"),
    ("relayed frame: per second", "frames", "per_second"),
    ("echo of a frame: p50, us", "frames", "p50_us"),
    ("echo of a frame: p99, us", "frames", "p99_us"),
    ("idle relayed socket: KiB", "frames", "kib_idle"),
)

NGINX = """
daemon off;
worker_processes 2;
worker_rlimit_nofile 65536;
pid {work}/nginx.pid;
error_log {work}/nginx-error.log;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    keepalive_requests 1000000;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    upstream django {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://django;
            proxy_http_version 1.1;
            proxy_read_timeout 600s;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


def sluicegate(bed, upstream):
    return bed.sluicegate("", "--upstream", f"http://127.0.0.1:{upstream}")


def nginx(bed, upstream):
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        subprocess.run(["apt-get", "install", "-y", "-qq", "nginx-light"], check=True, stdout=subprocess.DEVNULL)
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    port = free_port()
    config = bed.work / "nginx.conf"
    config.write_text(NGINX.format(work=bed.work, upstream=upstream, port=port))
    return bed.start("nginx", [program, "-c", config], port)


SERVERS = {"sluicegate": sluicegate, "nginx": nginx}


def run(bed, options):
    """The figures of each proxy, by what was measured; `upstream alone`: without one, for latency and throughput."""
    port = free_port()
    upstream = Process("upstream", [bed.target["upstream"], f"127.0.0.1:{port}"], log=bed.work / "upstream.log")
    upstream.wait_for_port(port, 10)
    figures = {}
    for name, serve in SERVERS.items():
        if options.only and name not in options.only:
            continue
        figures[name] = {}
        for mode, first, second in (("requests", 16, options.requests), ("frames", options.sockets // 10, options.requests)):
            process, proxy_port = serve(bed, port)
            figures[name][mode] = bed.load(mode, process, proxy_port, "/ws/elsewhere/", first, second)
            process.stop()
    figures["upstream alone"] = {
        "requests": bed.load("requests", upstream, port, "/", 16, options.requests),
        "frames": bed.load("frames", upstream, port, "/", options.sockets // 10, options.requests),
    }
    upstream.stop()
    return figures


def show(figures):
    table(figures, ROWS, "nginx")
