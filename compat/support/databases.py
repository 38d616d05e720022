"""PostgreSQL (also behind pgbouncer) and MariaDB of our own; SQLite is a file."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from support.processes import Process, free_port

UNPRIVILEGED = "postgres"


def _user_for_servers():
    """PostgreSQL refuses to run as root: then its Debian user runs it."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


def _folder_for_servers(folder, user):
    folder.mkdir(parents=True, exist_ok=True)
    if user:
        for parent in [folder, *folder.parents]:
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
        shutil.chown(folder, user)


def postgres_program(name):
    """The newest of Debian's PostgreSQL versions, else the one in PATH."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return versions[-1] if versions else name


class Postgres:
    vendor = "postgresql"

    def __init__(self, work):
        self.port = free_port()
        self.user = _user_for_servers()
        self.folder = work / f"postgres-{self.port}"
        _folder_for_servers(self.folder, self.user)
        self.data = self.folder / "data"
        run = {"user": self.user, "cwd": self.folder, "check": True, "capture_output": True}
        initdb = [postgres_program("initdb"), "-D", self.data, "-U", "compat", "-A", "trust", "-E", "UTF8", "--locale=C"]
        subprocess.run([str(part) for part in [*initdb, "--no-sync"]], **run)
        self.start()

    def start(self):
        options = ["-h", "127.0.0.1", "-p", self.port, "-k", self.folder, "-F", "-c", "max_connections=200"]
        command = [postgres_program("postgres"), "-D", self.data, *options]
        self.process = Process("postgres", command, log=self.folder.parent / f"{self.folder.name}.log", user=self.user)
        self.process.wait_for(lambda: self.execute("select 1"), 30)

    def die(self):
        """PostgreSQL's immediate shutdown: as a crash, and no backend is left behind."""
        self.process.stop(signal.SIGQUIT)

    def restart(self):
        self.start()

    def execute(self, sql, database="postgres"):
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else True

    def create(self, name):
        self.execute(f'create database "{name}" template template0')

    def url(self, database, port=None):
        return f"postgresql://compat@127.0.0.1:{port or self.port}/{database}"

    def django(self, database):
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": database,
            "USER": "compat",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
        }

    def freeze(self):
        """Every process of the server stops: its backends are children in sessions of their own."""
        self._signal_all("STOP")

    def thaw(self):
        self._signal_all("CONT")

    def _signal_all(self, name):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        subprocess.run(["kill", f"-{name}", str(self.process.pid), *children], check=False)

    def stop(self):
        self.thaw()
        self.die()


class PgBouncer:
    """In front of a Postgres, giving out server connections per transaction."""

    vendor = "postgresql"

    def __init__(self, work, postgres):
        self.port = free_port()
        self.postgres = postgres
        user = _user_for_servers()
        folder = work / f"pgbouncer-{self.port}"
        _folder_for_servers(folder, user)
        users = folder / "users.txt"
        users.write_text('"compat" ""\n')
        config = folder / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n* = host=127.0.0.1 port={postgres.port} user=compat\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = trust\nauth_file = {users}\npool_mode = transaction\n"
            "max_client_conn = 200\ndefault_pool_size = 4\n"
        )
        self.process = Process("pgbouncer", ["pgbouncer", config], log=work / f"{folder.name}.log", user=user)
        self.process.wait_for_port(self.port)

    def django(self, database):
        return {**self.postgres.django(database), "PORT": str(self.port), "DISABLE_SERVER_SIDE_CURSORS": True}

    def create(self, name):
        self.postgres.create(name)

    def stop(self):
        self.process.kill()


class MariaDb:
    vendor = "mysql"

    def __init__(self, work):
        self.port = free_port()
        self.folder = work / f"mariadb-{self.port}"
        self.user = "mysql" if os.geteuid() == 0 and _has_user("mysql") else None
        _folder_for_servers(self.folder, self.user)
        self.data = self.folder / "data"
        self.socket = self.folder / "s"
        install = ["mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--skip-test-db"]
        install += ["--auth-root-authentication-method=normal"]
        subprocess.run(install, user=self.user, check=True, capture_output=True)
        self.start()
        self.execute("create user compat@'127.0.0.1' identified by 'compat-password'")
        self.execute("grant all on *.* to compat@'127.0.0.1'")

    def start(self):
        command = ["mariadbd", "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}"]
        command += [f"--port={self.port}", "--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0"]
        command += ["--skip-log-bin", "--skip-name-resolve", "--innodb-buffer-pool-size=32M"]
        command += ["--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"]
        log = self.folder.parent / f"{self.folder.name}.log"
        self.process = Process("mariadbd", command, log=log, user=self.user)
        self.process.wait_for(lambda: self.execute("select 1"), 60)

    def die(self):
        self.process.kill()

    def restart(self):
        self.start()

    def execute(self, sql, database=None):
        import MySQLdb

        connection = MySQLdb.connect(unix_socket=str(self.socket), user="root", database=database or "", connect_timeout=5)
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                rows = cursor.fetchall()
            connection.commit()
            return rows or True
        finally:
            connection.close()

    def create(self, name):
        self.execute(f"create database `{name}`")

    def django(self, database):
        return {
            "ENGINE": "django.db.backends.mysql",
            "NAME": database,
            "USER": "compat",
            "PASSWORD": "compat-password",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
        }

    def freeze(self):
        self.process.freeze()

    def thaw(self):
        self.process.thaw()

    def stop(self):
        self.die()


def _has_user(name):
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
