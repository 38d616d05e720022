"""Redis of our own: on a port, with TLS, on a Unix socket, behind Sentinels."""

import subprocess

import redis

from support.processes import Process, free_port


class Redis:
    """One server with `databases` databases and nothing on disk."""

    def __init__(self, work, *, port=None, unix_socket=None, tls=None, password=None, replica_of=None, databases=512):
        self.port = port or free_port()
        self.work = work / f"redis-{self.port}"
        self.work.mkdir(parents=True, exist_ok=True)
        self.unix_socket, self.tls, self.password = unix_socket, tls, password
        self.command = ["redis-server", "--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir", self.work]
        self.command += ["--databases", databases, "--port", 0 if tls else self.port]
        if unix_socket:
            self.command += ["--unixsocket", unix_socket]
        if tls:
            self.command += ["--tls-port", self.port, "--tls-auth-clients", "no", "--tls-ca-cert-file", tls.ca]
            self.command += ["--tls-cert-file", tls.certificate, "--tls-key-file", tls.key]
        if password:
            self.command += ["--requirepass", password, "--masterauth", password]
        if replica_of:
            self.command += ["--replicaof", "127.0.0.1", replica_of.port]
        self.start()

    def start(self):
        self.process = Process("redis-server", self.command, log=self.work / "log")
        self.process.wait_for(lambda: self.client().ping())

    def restart(self):
        """Dies with all it holds, and comes back on the same port."""
        self.process.kill()
        self.start()

    def client(self, database=0, **options):
        if self.tls:
            options |= {"ssl": True, "ssl_ca_certs": str(self.tls.ca)}
        return redis.Redis("127.0.0.1", self.port, db=database, password=self.password, **options)

    def url(self, database=0):
        login = f":{self.password}@" if self.password else ""
        return f"{'rediss' if self.tls else 'redis'}://{login}127.0.0.1:{self.port}/{database}"

    def stop(self):
        self.process.kill()


class Sentinel:
    """One Sentinel that watches `primary` as `mymaster`."""

    def __init__(self, work, primary):
        self.port = free_port()
        folder = work / f"sentinel-{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor mymaster 127.0.0.1 {primary.port} 1\n"
            "sentinel down-after-milliseconds mymaster 1000\nsentinel failover-timeout mymaster 3000\n"
        )
        self.process = Process("redis-sentinel", ["redis-sentinel", config], log=folder / "log")
        self.process.wait_for(lambda: self.client().sentinel_get_master_addr_by_name("mymaster"))

    def client(self):
        return redis.Redis("127.0.0.1", self.port)

    def stop(self):
        self.process.kill()


class Certificates:
    """A certificate authority of our own and a certificate for 127.0.0.1 and localhost."""

    def __init__(self, work):
        self.folder = work / "tls"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ca, ca_key = self.folder / "ca.pem", self.folder / "ca.key"
        self.certificate, self.key = self.folder / "server.pem", self.folder / "server.key"
        request, names = self.folder / "server.csr", self.folder / "names"
        # Python 3.13 asks for every extension that RFC 5280 does.
        names.write_text(
            "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\n"
        )
        extensions = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        openssl(
            *("req", "-x509", *curve, *extensions, "-keyout", ca_key, "-out", self.ca),
            *("-days", 30, "-subj", "/CN=compat CA"),
        )
        openssl("req", *curve, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost")
        openssl(
            *("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial"),
            *("-out", self.certificate, "-days", 30, "-extfile", names),
        )
        self.key.chmod(0o644)


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
