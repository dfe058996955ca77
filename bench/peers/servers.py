"""The servers that are measured beside each other: started with fresh data on loopback, loaded, ended.

Each is durable before it answers: Redis with appendfsync always, PostgreSQL with synchronous_commit and
fsync, Holdfast by nature. `load` answers one dictionary of figures, the same names for all."""

import glob
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time

KEYS = 100_000
BALANCE = 1_000_000
START_SECONDS = 60


class Failed(Exception):
    pass


def reserve():
    """A bound socket: its port is nobody else's while it is open, but a server may listen there."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return held


def run(words, limit=600):
    done = subprocess.run(words, capture_output=True, text=True, timeout=limit, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise Failed(f"{' '.join(words)}: {done.stdout.strip()[-500:]} {done.stderr.strip()[-500:]}")
    return done.stdout


class Server:
    """A process with its folder and port. Subclasses say how it starts and how it is loaded."""

    name = ""
    durability = ""
    isolation = ""

    def __init__(self, programs, folder):
        self.programs = programs  # name -> path of holdfast and holdfastd
        self.folder = os.path.join(folder, self.name)
        self.held = reserve()
        self.port = self.held.getsockname()[1]
        self.commands = []  # what was run, for the report
        self.process = None
        os.mkdir(self.folder)

    def start(self, words):
        self.commands.append(words)
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            if self.serves():
                return
            time.sleep(0.02)
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
            raise Failed(f"{self.name} does not serve:\n" + "".join(log.readlines()[-10:]))

    def end(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait()
        self.held.close()


class RespServer(Server):
    """Speaks the Redis protocol, so holdfast bench loads it."""

    loads = {}  # kind of load -> that of holdfast bench

    def serves(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as one:
                one.settimeout(1)
                one.sendall(b"PING\r\n")
                return one.recv(64) == b"+PONG\r\n"
        except OSError:
            return False

    def bench(self, *words):
        command = [self.programs["holdfast"], "bench", *words, "--json", "--at", f"127.0.0.1:{self.port}", "--keys",
                   str(KEYS)]
        self.commands.append(command)
        return json.loads(run(command))

    def fill(self):
        self.bench("fill", "--clients", "8", "--pipeline", "64")
        self.bench("fill", "--clients", "8", "--pipeline", "64", "--prefix", "account:", "--text", str(BALANCE))

    def load(self, kind, clients, pipeline, extra, seconds, seed):
        return self.bench(self.loads[kind], "--clients", str(clients), "--pipeline", str(pipeline), *extra, "--seconds",
                          str(seconds), "--warmup", "0.5", "--seed", str(seed))


class Redis(RespServer):
    name = "redis"
    title = "Redis"
    durability = "appendonly yes, appendfsync always"
    isolation = "serial: one thread runs scripts and commands one after the other"
    loads = {"set": "set", "get": "get", "transfer": "eval", "transfer-multi": "eval"}

    @staticmethod
    def missing():
        return None if shutil.which("redis-server") else "redis-server is not installed (tools/setup installs it)"

    def version(self):
        return run(["redis-server", "--version"]).split("v=")[1].split()[0]

    def begin(self):
        self.start(["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder, "--save", "",
                    "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"])
        self.fill()


class Holdfast(RespServer):
    name = "holdfast"
    title = "Holdfast"
    durability = "every answer after its log is written through (O_DIRECT, RWF_DSYNC)"
    isolation = "strict serializable, over all cores"
    loads = {"set": "set", "get": "get", "transfer": "txn", "transfer-multi": "multi"}
    arguments = []

    @staticmethod
    def missing():
        return None

    def version(self):
        return self.tool("status")["version"]

    def tool(self, *words):
        return json.loads(run([self.programs["holdfast"], "--json", "--at", f"127.0.0.1:{self.port}", *words], 60))

    def begin(self):
        self.start([self.programs["holdfastd"], "--data", os.path.join(self.folder, "data"), "--listen",
                    f"127.0.0.1:{self.port}", "--http", "127.0.0.1:0", *self.arguments])
        # Spread over the cores in equal parts, as a node under load does by itself after a while.
        cores = self.tool("status", "--wait", "60s")["cores"]
        for prefix in ("account:", "key:"):
            for part in range(cores):
                key = f"{prefix}{KEYS * part // cores:012d}"
                self.tool("ranges", "split", key)
                self.tool("ranges", "move", key, str(part))
        self.fill()


class Postgres(Server):
    """Loaded by pgbench, one call of a function for each request: one round trip, one commit."""

    name = "postgresql"
    title = "PostgreSQL"
    durability = "fsync on, synchronous_commit on"
    isolation = "serializable (default_transaction_isolation); refused transactions are tried again"
    tables = f"""
        create table kv (k int primary key, v text);
        insert into kv select i, repeat('x', 64) from generate_series(0, {KEYS - 1}) i;
        create table account (id int primary key, balance bigint not null check (balance >= 0));
        insert into account select i, {BALANCE} from generate_series(0, {KEYS - 1}) i;
        create function put(key int) returns void language sql as
            $$ insert into kv values (key, repeat('x', 64)) on conflict (k) do update set v = excluded.v $$;
        create function transfer(a int, b int) returns void language sql as
            $$ update account set balance = balance + case id when a then -1 else 1 end where id in (a, b) and a <> b $$;
        """
    scripts = {
        "set": f"\\set k random(0, {KEYS - 1})\nselect put(:k);\n",
        "get": f"\\set k random(0, {KEYS - 1})\nselect v from kv where k = :k;\n",
        "transfer": f"\\set a random(0, {KEYS - 1})\n\\set b random(0, {KEYS - 1})\nselect transfer(:a, :b);\n",
        "transfer-hot": f"\\set a random(1, {KEYS - 1})\n\\set r random(1, 100)\n\\set c random(0, {KEYS - 1})\n"
                        "\\set b case when :r <= 90 then 0 else :c end\nselect transfer(:a, :b);\n",
    }

    @staticmethod
    def folder_of_programs():
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
        return os.path.dirname(found[-1]) if found else None

    @classmethod
    def missing(cls):
        if cls.folder_of_programs() is None or shutil.which("pgbench") is None:
            return "PostgreSQL is not installed (apt-get install postgresql)"
        if os.geteuid() == 0 and not any(one.pw_name == "postgres" for one in pwd.getpwall()):
            return "PostgreSQL does not run as root, and there is no user postgres"
        return None

    def version(self):
        return run([os.path.join(self.folder_of_programs(), "postgres"), "--version"]).split()[2]

    def as_user(self):
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []

    def serves(self):
        return subprocess.run(["pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False).returncode == 0

    def begin(self):
        programs = self.folder_of_programs()
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        data = os.path.join(self.folder, "data")
        run([*self.as_user(), os.path.join(programs, "initdb"), "-D", data, "-U", "bench", "-A", "trust",
             "--no-locale", "-E", "UTF8"])
        self.start([*self.as_user(), os.path.join(programs, "postgres"), "-D", data, "-p", str(self.port),
                    "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}",
                    "-c", "fsync=on", "-c", "synchronous_commit=on", "-c", "shared_buffers=1GB",
                    "-c", "max_wal_size=4GB", "-c", "max_connections=200",
                    "-c", "default_transaction_isolation=serializable"])
        run(["psql", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "bench", "-v", "ON_ERROR_STOP=1", "postgres",
             "-c", self.tables, "-c", "vacuum analyze"])

    def cpu_seconds(self):
        """Of the postmaster, of its children that live, and of those that it has buried."""
        ticks = 0
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(stat, encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue  # it ended
            pid = int(stat.split("/")[2])
            if pid == self.process.pid:
                ticks += sum(int(fields[at]) for at in (11, 12, 13, 14))
            elif int(fields[1]) == self.process.pid:
                ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def load(self, kind, clients, pipeline, extra, seconds, seed):
        if "--hot" in extra:
            kind += "-hot"
        with tempfile.TemporaryDirectory(prefix="holdfast-pgbench-") as folder:
            script = os.path.join(folder, "script.sql")
            with open(script, "w", encoding="utf-8") as out:
                out.write(self.scripts[kind])
            command = ["pgbench", "-h", "127.0.0.1", "-p", str(self.port), "-U", "bench", "-n", "-M", "prepared", "-c",
                       str(clients), "-j", "1", "-T", str(max(2, round(seconds))), "--max-tries", "100",
                       "--random-seed", str(seed), "-l", "--log-prefix", os.path.join(folder, "latency"), "-f", script,
                       "postgres"]
            self.commands.append(command)
            before = self.cpu_seconds()
            said = run(command)
            cpu = self.cpu_seconds() - before
            latencies = []
            for path in glob.glob(os.path.join(folder, "latency*")):
                with open(path, encoding="utf-8") as lines:
                    latencies += [int(words[2]) for words in map(str.split, lines) if words[2].isdigit()]
        latencies.sort()
        if not latencies:
            raise Failed(f"pgbench measured nothing: {said[-500:]}")
        requests = len(latencies)
        rate = float(re.search(r"tps = ([0-9.]+)", said).group(1))
        return {"load": kind, "clients": clients, "pipeline": 1, "requests": requests, "per_second": rate,
                "seconds": requests / rate, "p50_us": latencies[requests // 2],
                "p99_us": latencies[min(requests - 1, requests * 99 // 100)], "max_us": latencies[-1],
                "server_cpu_us": cpu * 1e6 / requests, "errors": 0, "client_is_the_limit": False}


KINDS = {kind.name: kind for kind in (Redis, Postgres, Holdfast)}
