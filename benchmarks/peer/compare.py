#!/usr/bin/env python3
"""Compare SIP servers on this machine, in messages per CPU second of the server.

    benchmarks/peer/compare.py SCENARIO [--peer NAME]... [--target HOST:PORT [--pid PID]]
                       [--command NAME=COMMAND]...

SCENARIO   echo, forward, relay, register, offline or presence (see sipload.c).
--peer     kamailio (fastest settings found), kamailio-2 (two children),
           kamailio-default (the distribution's memory manager),
           kamailio-shortwait (finished transactions kept 0.5 s instead of 5 s),
           kamailio-db (presence in SQLite), kamailio-pg (offline in
           PostgreSQL), limit (limit.c, plain C, all but offline).
--target   a server that runs already; its process is found by its UDP port,
           or named with --pid (descendants count too).
--command  a server to start for every round; {port}, {agent} and {dir} in the
           command are replaced.

Every round runs all contestants one after the other, in an order that rotates;
the table gives medians over the rounds.  The generator's own CPU time is never
counted.  Everything stays on 127.0.0.1.  Standard library only.
"""

import argparse
import contextlib
import glob
import json
import os
import shlex
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SCENARIOS = ("echo", "forward", "relay", "register", "offline", "presence")


def build(name, work):
    """Compile one of the C programs beside this script."""
    out = os.path.join(work, name)
    cc = os.environ.get("CC", "cc")
    subprocess.run([cc, "-O2", "-o", out, os.path.join(HERE, name + ".c")], check=True)
    return out


def udp_owners(port):
    """The processes that hold a UDP socket bound to the port."""
    inodes = set()
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        with contextlib.suppress(OSError), open(table) as f:
            for line in list(f)[1:]:
                field = line.split()
                if int(field[1].rsplit(":", 1)[1], 16) == port:
                    inodes.add("socket:[%s]" % field[9])
    owners = set()
    for fd in glob.glob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(fd) in inodes:
                owners.add(int(fd.split("/")[2]))
    return sorted(owners)


def wait_port(port, seconds=90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if udp_owners(port):
            time.sleep(0.3)
            return
        time.sleep(0.05)
    raise SystemExit("nothing listens on UDP port %d after %d s" % (port, seconds))


class Postgres:
    """A throw-away PostgreSQL cluster, with the peer's tables."""

    def __init__(self, work, port):
        bins = sorted(glob.glob("/usr/lib/postgresql/*/bin")) or [""]
        self.dir = os.path.join(work, "pg")
        self.port = port
        os.makedirs(self.dir)
        self.prefix = []
        if os.geteuid() == 0:
            shutil.chown(self.dir, "postgres", "postgres")
            os.chmod(work, 0o755)
            self.prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        binary = lambda n: os.path.join(bins[-1], n)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
        data = os.path.join(self.dir, "data")
        subprocess.run([*self.prefix, binary("initdb"), "-D", data, "-U", "kamailio", "--auth=trust"],
                       check=True, **quiet)
        self.proc = subprocess.Popen(
            [*self.prefix, binary("postgres"), "-D", data, "-p", str(port), "-k", self.dir,
             "-c", "listen_addresses=127.0.0.1"], **quiet)
        psql = [*self.prefix, binary("psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "kamailio"]
        for _ in range(100):
            if subprocess.run([*psql, "-c", "select 1", "postgres"], **quiet).returncode == 0:
                break
            time.sleep(0.1)
        subprocess.run([*psql, "-c", "create database kamailio", "postgres"], check=True, **quiet)
        for table in ("standard", "msilo"):
            subprocess.run([*psql, "-f", "/usr/share/kamailio/postgres/%s-create.sql" % table, "kamailio"],
                           check=True, **quiet)
        self.url = "postgres://kamailio:x@127.0.0.1:%d/kamailio" % port

    def stop(self):
        self.proc.send_signal(signal.SIGINT)
        self.proc.wait(20)


class Contestant:
    """One server: how to start it (if at all) and whose CPU time to count."""

    def __init__(self, name, opts, work):
        self.name, self.opts, self.work = name, opts, work
        self.proc = None
        self.results = []

    @property
    def address(self):
        return "127.0.0.1:%d" % self.opts.port

    def start(self):
        raise NotImplementedError

    def pids(self):
        return [self.proc.pid]

    def spawn(self, argv, env=None):
        log = open(os.path.join(self.work, "server.log"), "ab")
        if self.opts.server_cpu:
            argv = ["taskset", "-c", self.opts.server_cpu, *argv]
        self.proc = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                     env=env, start_new_session=True)
        wait_port(self.opts.port)

    def stop(self):
        if self.proc is None:
            return
        os.killpg(self.proc.pid, signal.SIGTERM)
        try:
            self.proc.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.proc.pid, signal.SIGKILL)
            self.proc.wait(10)
        self.proc = None
        for _ in range(100):
            if not udp_owners(self.opts.port):
                break
            time.sleep(0.05)


class Command(Contestant):
    def __init__(self, spec, opts, work):
        name, _, self.line = spec.partition("=")
        super().__init__(name, opts, work)

    def start(self):
        directory = tempfile.mkdtemp(dir=self.work)
        self.spawn(shlex.split(self.line.format(port=self.opts.port, agent=self.opts.load_port + 90,
                                                dir=directory)))


class Target(Contestant):
    """A server that somebody else started."""

    @property
    def address(self):
        return self.opts.target

    def start(self):
        self.found = self.opts.pid or udp_owners(int(self.opts.target.rsplit(":", 1)[1]))
        if not self.found:
            raise SystemExit("no process found behind %s; use --pid" % self.opts.target)

    def pids(self):
        return self.found

    def stop(self):
        pass


class Limit(Contestant):
    """The same work in plain C, with nothing else: the floor."""

    def start(self):
        self.spawn([build("limit", self.work), self.opts.scenario, str(self.opts.port),
                    str(self.opts.load_port + 90)])


class Kamailio(Contestant):
    children, memory, defines = 1, "tlsf", ()

    def __init__(self, name, opts, work):
        super().__init__(name, opts, work)
        self.pg = None
        if name == "kamailio-2":
            self.children = 2
        elif name == "kamailio-default":
            self.memory = "qm"
        elif name == "kamailio-db":
            self.defines = ("WITH_PRESENCE_DB",)
        elif name == "kamailio-pg":
            self.defines = ("WITH_POSTGRES",)
        elif name == "kamailio-shortwait":
            self.defines = ("WITH_SHORT_WAIT",)

    def start(self):
        directory = tempfile.mkdtemp(dir=self.work)
        database = os.path.join(directory, "peer.sqlite")
        url = "sqlite:///" + database
        if "WITH_POSTGRES" in self.defines:
            self.pg = self.pg or Postgres(self.work, self.opts.port + 300)
            url = self.pg.url
        elif self.opts.scenario in ("offline", "presence"):
            db = sqlite3.connect(database)
            for table in ("standard", "msilo", "presence"):
                with open("/usr/share/kamailio/db_sqlite/%s-create.sql" % table) as f:
                    db.executescript(f.read())
            db.close()
        with open(os.path.join(HERE, "kamailio.cfg")) as f:
            text = f.read()
        for word, value in (("BENCH_PORT", self.opts.port), ("BENCH_CHILDREN", self.children),
                            ("BENCH_AGENT", self.opts.load_port + 90), ("BENCH_SQLITEDB", database),
                            ("BENCH_DB", url)):
            text = text.replace(word, str(value))
        config = os.path.join(directory, "kamailio.cfg")
        with open(config, "w") as f:
            f.write(text)
        argv = ["kamailio", "-f", config, "-DD", "-E", "-m", "4096", "-M", "8", "-x", self.memory,
                "-X", self.memory, "-w", directory, "-Y", directory, "-P", os.path.join(directory, "pid"),
                "-A", "WITH_" + self.opts.scenario.upper()]
        for define in (*self.defines, *(("WITH_DIGEST",) if self.opts.digest else ())):
            argv += ["-A", define]
        self.spawn(argv)

    def pids(self):
        return [self.proc.pid] + ([self.pg.proc.pid] if self.pg else [])

    def close(self):
        if self.pg:
            self.pg.stop()


def measure(contestant, load, opts):
    argv = [load, "--scenario", opts.scenario, "--target", contestant.address,
            "--port", str(opts.load_port), "--window", str(opts.window), "--users", str(opts.users),
            "--watchers", str(opts.watchers), "--warmup", str(opts.warmup),
            "--duration", str(opts.duration), "--ports", str(opts.ports), "--body", str(opts.body),
            "--domain", opts.domain, "--password", opts.password,
            *(["--digest"] if opts.digest else []),
            *(["--cpim", opts.cpim] if opts.cpim else []),
            "--pid", ",".join(map(str, contestant.pids()))]
    if opts.load_cpu:
        argv = ["taskset", "-c", opts.load_cpu, *argv]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        print("%s: %s" % (contestant.name, done.stderr.strip()), file=sys.stderr)
        return
    result = json.loads(done.stdout)
    contestant.results.append(result)
    if opts.verbose:
        print("  %-22s %s" % (contestant.name, json.dumps(result)), file=sys.stderr, flush=True)


def table(contestants, opts):
    median = lambda c, key: statistics.median(r[key] for r in c.results)
    ranked = [c for c in contestants if c.results]
    base = next((c for c in ranked if c.name.startswith("kamailio")), ranked[0] if ranked else None)
    unit = {"presence": "NOTIFY", "register": "registrations"}.get(opts.scenario, "messages")
    print("%s, window %d, %d rounds of %g s; %s per CPU second of the server, medians"
          % (opts.scenario, opts.window, opts.rounds, opts.duration, unit))
    print("| server | per CPU s | low | high | us CPU each | per s | p50 us | p99 us | failed | resent | vs %s |"
          % (base.name if base else "-"))
    print("|" + "---|" * 11)
    for c in ranked:
        rates = [r["per_cpu_s"] for r in c.results]
        print("| %s | %d | %d | %d | %.2f | %d | %d | %d | %d | %d | %.2f |"
              % (c.name, median(c, "per_cpu_s"), min(rates), max(rates), median(c, "us_cpu_each"),
                 median(c, "per_second"), median(c, "p50_us"), median(c, "p99_us"),
                 sum(r["failed"] for r in c.results), sum(r["retransmits"] for r in c.results),
                 median(c, "per_cpu_s") / max(1, median(base, "per_cpu_s"))))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("scenario", choices=SCENARIOS)
    p.add_argument("--peer", action="append", default=[])
    p.add_argument("--target")
    p.add_argument("--pid", type=int, action="append")
    p.add_argument("--command", action="append", default=[], metavar="NAME=COMMAND")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--window", type=int, help="outstanding transactions (presence: presentities)")
    p.add_argument("--duration", type=float, default=4)
    p.add_argument("--warmup", type=float, help="default 1 s; relay 6 s, so that old transactions expire")
    p.add_argument("--users", type=int, default=1000)
    p.add_argument("--watchers", type=int, default=100)
    p.add_argument("--body", type=int, default=160)
    p.add_argument("--ports", type=int, default=1, help="sending ports to spread the load over")
    p.add_argument("--port", type=int, default=7100, help="port for the servers started here")
    p.add_argument("--load-port", type=int, default=7800)
    p.add_argument("--domain", default="ims.test")
    p.add_argument("--password", default="secret")
    p.add_argument("--digest", action="store_true",
                   help="relay, offline: every MESSAGE is challenged and sent again with credentials")
    p.add_argument("--cpim", metavar="LIST",
                   help="relay, offline: send message/cpim that asks for these notifications")
    p.add_argument("--load-cpu", help="pin the generator to this CPU, for taskset")
    p.add_argument("--server-cpu", help="pin started servers to these CPUs, for taskset")
    p.add_argument("--json", help="write all single results to this file")
    p.add_argument("--verbose", action="store_true")
    opts = p.parse_args()
    if opts.window is None:
        opts.window = 2 if opts.scenario == "presence" else 48
    if opts.warmup is None:
        opts.warmup = 6 if opts.scenario == "relay" else 1
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        load = build("sipload", work)
        contestants = []
        for name in opts.peer:
            kind = Limit if name == "limit" else Kamailio if name.startswith("kamailio") else None
            if kind is None:
                p.error("unknown peer " + name)
            contestants.append(kind(name, opts, work))
        contestants += [Command(spec, opts, work) for spec in opts.command]
        if opts.target:
            contestants.append(Target("target", opts, work))
        if not contestants:
            p.error("nothing to measure: give --peer, --target or --command")
        try:
            for n in range(opts.rounds):
                shift = n % len(contestants)
                for c in contestants[shift:] + contestants[:shift]:
                    try:
                        c.start()
                        measure(c, load, opts)
                    finally:
                        c.stop()
        finally:
            for c in contestants:
                if isinstance(c, Kamailio):
                    c.close()
        table(contestants, opts)
        if opts.json:
            with open(opts.json, "w") as f:
                json.dump({c.name: c.results for c in contestants}, f, indent=1)


if __name__ == "__main__":
    main()
