"""Debian's own programs, unmodified, by the reprise command: same output, same end, same hash of
writable memory."""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from harness import BUILD, Trace, TraceTest, terminals

PYTHON = """
import json, os, random, subprocess, threading, time
table = {str(i): i for i in range(20000)}
words = set(map(str, range(1000)))
print(list(words)[:5], hash('a'), time.time(), os.urandom(8).hex(), random.random(), id(table))
print(sum(hash(k) % 7 for k in table), len(json.dumps(table)), os.getpid(), time.localtime())
done = []
def work(n):
    for i in range(50):
        time.sleep(random.random() / 5000)
        done.append((n, i))
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(hash(tuple(done)))
print(subprocess.run(['date', '+%N'], capture_output=True).stdout)
"""

SQL = """
create table t(a integer primary key, b text, c real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 100000)
  insert into t select i, hex(randomblob(8)), random() / 1e9 from n;
create index x on t(b);
select count(*), sum(length(b)), max(b), datetime('now') from t;
select b, avg(c) from t group by substr(b, 1, 1) limit 4;
"""

GAWK = ('BEGIN { srand(); print srand(), systime(), PROCINFO["pid"] } { n[$2] += length($3) } '
        "END { for (k in n) if (n[k] > 700) print k, n[k], rand() }")


def present(name):
    """The path of a Debian program; the suite installs all of them (tools/packages.txt)."""
    path = shutil.which(name, path="/usr/bin:/bin:/usr/sbin")
    if path is None:
        raise AssertionError(f"{name} is not installed: tools/test installs it")
    return path


class Unmodified(TraceTest):
    @classmethod
    def setUpClass(cls):
        cls.room = tempfile.mkdtemp(prefix="reprise-unmodified-")
        numbers = random.Random(1)
        cls.text = os.path.join(cls.room, "text")
        with open(cls.text, "w") as file:
            file.writelines(f"{numbers.randrange(10**9)} key{numbers.randrange(5000)} "
                            f"{'x' * numbers.randrange(60)}\n" for _ in range(100000))

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.room)

    def fresh(self, name):
        path = os.path.join(self.room, name)
        for end in ("", "-wal", "-shm", "-journal"):
            if os.path.exists(path + end):
                os.remove(path + end)
        return path

    def test_true(self):
        self.assert_replays([present("true")])

    def test_false_keeps_its_status(self):
        self.assert_replays([present("false")], status=1)

    def test_python_with_hash_order_time_urandom_threads_and_subprocess(self):
        self.assert_replays(["/usr/bin/python3", "-c", PYTHON])

    def test_sqlite3_with_100000_rows(self):
        self.assert_replays([present("sqlite3"), self.fresh("db"), SQL])

    def test_sqlite3_in_wal_mode(self):
        """The index of its log is a shared writable mapping of a file."""
        self.assert_replays([present("sqlite3"), self.fresh("wal"),
                             "pragma journal_mode=wal;" + SQL + "pragma wal_checkpoint;"])
        self.assert_replays([present("sqlite3"), self.fresh("wal"),
                             "pragma locking_mode=exclusive; pragma journal_mode=wal;" + SQL])

    @unittest.skipUnless(shutil.which("java"), "no java")
    def test_java_with_its_performance_data_in_a_mapped_file(self):
        self.assert_replays([present("java"), "-Xmx64m", "-version"])

    @unittest.skipUnless(terminals(), "no pseudo-terminals")
    def test_a_terminal_of_its_own(self):
        self.assert_replays(["/usr/bin/python3", "-c", "import pty; print(pty.spawn(['echo', 'here']))"])

    def test_git_hashes_and_logs(self):
        self.assert_replays([present("git"), "hash-object", self.text])
        where = os.path.join(self.room, "repository")
        os.makedirs(where)
        self.assert_replays([present("git"), "init", "-q", where])
        self.assert_replays([present("git"), "-C", where, "-c", "user.name=a", "-c",
                             "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "one"])
        self.assert_replays([present("git"), "-C", where, "log", "--format=%an %s"])

    def test_sort_with_two_threads(self):
        self.assert_replays([present("sort"), "--parallel=2", "-S", "8M", self.text])

    def test_gawk(self):
        self.assert_replays([present("gawk"), GAWK, self.text])

    def test_ls_and_perl(self):
        self.assert_replays([present("ls"), "-l", "--color=always", "/usr/bin"])
        self.assert_replays([present("perl"), "-e",
                             'my %h = map {$_ => 1} 1..20; print join(" ", keys %h), " $$ ", time'])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Redis(TraceTest):
    def start(self, trace, room):
        """The server under record, its port, and its process id."""
        port = free_port()
        pid_file = os.path.join(room, "pid")
        server = subprocess.Popen(
            trace.record_command([present("redis-server"), "--port", str(port), "--save", "",
                                  "--appendonly", "no", "--dir", room, "--bind", "127.0.0.1",
                                  "--pidfile", pid_file]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=room)
        deadline = time.monotonic() + 60
        while subprocess.run([present("redis-cli"), "-p", str(port), "ping"], check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout != b"PONG\n":
            self.assertIsNone(server.poll(), "redis-server ended early")
            self.assertLess(time.monotonic(), deadline, "redis-server does not answer")
        with open(pid_file) as file:
            return server, port, int(file.read())

    def test_redis_server_under_its_benchmark_until_sigterm(self):
        with Trace() as trace, tempfile.TemporaryDirectory() as room:
            server, port, pid = self.start(trace, room)
            subprocess.run([present("redis-benchmark"), "-p", str(port), "-n", "2000", "-c", "20",
                            "-q", "-t", "set,get,incr"], check=True, stdout=subprocess.DEVNULL)
            os.kill(pid, 15)
            output, errors = server.communicate(timeout=60)
            recorded = trace.recorded(server.returncode, output, errors)
            self.assert_recorded(recorded)
            self.assert_same(recorded, trace)


class Elsewhere(TraceTest):
    """What differs between the recording's place and the replay's does not show."""

    def replays_with(self, **options):
        with Trace() as trace:
            recorded = trace.record(["/usr/bin/python3", "-c", PYTHON])
            self.assert_recorded(recorded)
            self.assert_same(recorded, trace, 1, **options)

    def test_from_another_directory(self):
        self.replays_with(cwd="/")

    def test_with_another_environment(self):
        self.replays_with(env={"LONG": "x" * 50000, "LC_ALL": "C", "PATH": "/nowhere"})

    def test_where_libc_is_told_to_hide_the_vector_units(self):
        hidden = dict(os.environ, GLIBC_TUNABLES="glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-ERMS")
        self.replays_with(env=hidden)

    def test_recorded_with_hidden_vector_units_and_replayed_without(self):
        hide = ["env", "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-ERMS"]
        with Trace() as trace:
            recorded = trace.record(["/usr/bin/python3", "-c", PYTHON], prefix=hide)
            self.assert_recorded(recorded)
            self.assert_same(recorded, trace, 1)

    def test_under_another_stack_limit(self):
        self.replays_with(prefix=["bash", "-c", 'ulimit -s 1024; exec "$@"', "-"])

    def test_in_a_user_namespace(self):
        if subprocess.run(["unshare", "-Ur", "true"], stderr=subprocess.DEVNULL, check=False).returncode:
            self.skipTest("this machine grants no user namespaces")
        self.replays_with(prefix=["unshare", "-Ur"])

    def test_recorded_and_replayed_where_personality_is_denied(self):
        deny = [os.path.join(BUILD, "deny_personality")]
        with Trace() as trace:
            recorded = trace.record(["/usr/bin/python3", "-c", PYTHON], prefix=deny)
            self.assert_recorded(recorded)
            self.assert_same(recorded, trace, 1, prefix=deny)

    def test_on_a_loaded_machine(self):
        load = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(3)]
        try:
            self.replays_with()
        finally:
            for process in load:
                process.kill()
                process.wait()


if __name__ == "__main__":
    unittest.main()
