"""kvd started directly, under Debian's redis-cli and redis-benchmark and under raw bytes."""
import os
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from kvd_server import LIMIT_S, Kvd, program, read_to_end


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kvd = Kvd("kvd_fixed")

    @classmethod
    def tearDownClass(cls):
        cls.kvd.__exit__()

    def setUp(self):
        self.assertEqual(self.kvd.cli("flushall"), "OK")

    def check(self, *pairs):
        for words, answer in pairs:
            with self.subTest(words):
                self.assertEqual(self.kvd.cli(*words.split()), answer)

    def test_strings(self):
        self.check(
            ("set k v", "OK"), ("get k", "v"), ("get none", ""), ("set k w NX", ""), ("get k", "v"),
            ("set k w XX", "OK"), ("set none w XX", ""), ("setnx n 1", "1"), ("setnx n 2", "0"),
            ("set k x GET", "w"), ("getset k y", "x"), ("append k z", "2"), ("strlen k", "2"),
            ("mset a 1 b 2", "OK"), ("mget a b none", "1\n2"), ("type k", "string"),
            ("type none", "none"), ("exists a b none", "2"), ("del a b none", "2"),
            ("mset a", "ERR wrong number of arguments for 'mset' command"),
            ("set k v EX 0", "ERR invalid expire time in 'set' command"),
            ("set k v PX", "ERR syntax error"),
            ("get", "ERR wrong number of arguments for 'get' command"),
            ("nonsense", "ERR unknown command 'nonsense'"))

    def test_counters(self):
        self.check(
            ("incr n", "1"), ("incr n", "2"), ("decr n", "1"), ("incrby n 40", "41"),
            ("decrby n 1", "40"), ("get n", "40"), ("set n abc", "OK"),
            ("incr n", "ERR value is not an integer or out of range"),
            ("set n 9223372036854775807", "OK"),
            ("incr n", "ERR increment or decrement would overflow"))

    def test_keys(self):
        self.check(("mset ab 1 ac 2 b 3", "OK"), ("keys a*", "ab\nac"), ("dbsize", "3"),
                   ("flushdb", "OK"), ("dbsize", "0"))

    def test_expiry(self):
        self.check(("set k v EX 1000", "OK"), ("ttl k", "1000"), ("persist k", "1"), ("ttl k", "-1"),
                   ("ttl none", "-2"), ("expire k 500", "1"), ("ttl k", "500"), ("set k w", "OK"),
                   ("ttl k", "-1"), ("expire none 1", "0"), ("expire k 0", "1"), ("get k", ""))

    def test_a_key_goes_away_by_its_timer(self):
        self.check(("set k v PX 20", "OK"), ("set other v", "OK"))
        deadline = time.monotonic() + LIMIT_S
        while self.kvd.cli("dbsize") != "1":  # dbsize does not look at the key
            self.assertLess(time.monotonic(), deadline)
        self.check(("get k", ""), ("get other", "v"))

    def test_an_expiry_that_was_replaced_does_not_strike(self):
        with self.kvd.raw() as c:  # at once: processes of a client may start later than the first expiry strikes
            c.sendall(b"SET k v PX 400\r\nEXPIRE k 1000\r\nSET probe v PX 800\r\nQUIT\r\n")
            self.assertEqual(read_to_end(c), b"+OK\r\n:1\r\n+OK\r\n+OK\r\n")
        deadline = time.monotonic() + LIMIT_S
        while self.kvd.cli("dbsize") != "1":
            self.assertLess(time.monotonic(), deadline)
        self.check(("get k", "v"))

    def test_what_clients_ask_when_they_connect(self):
        self.assertIn("get", self.kvd.cli("command").split())
        self.assertIn("summary", self.kvd.cli("command", "docs", "get"))
        self.assertEqual(self.kvd.cli("command", "docs", "none"), "")
        self.check(("config get save", "save"), ("config get appendonly", "appendonly\nno"),
                   ("client setname me", "OK"), ("select 0", "OK"),
                   ("select 1", "ERR DB index is out of range"), ("ping hi", "hi"), ("echo x", "x"))
        self.assertGreater(int(self.kvd.cli("client", "id")), 0)
        self.assertIn("redis_version", self.kvd.cli("info"))

    def test_large_values(self):
        value = os.urandom(3 << 20)
        with self.kvd.raw() as c:
            c.sendall(b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n%s\r\n" % (len(value), value))
            c.sendall(b"GET big\r\nQUIT\r\n")
            answer = read_to_end(c)
        self.assertEqual(answer, b"+OK\r\n$%d\r\n%s\r\n+OK\r\n" % (len(value), value))

    def test_benchmark_of_a_correct_server_loses_no_update(self):
        self.kvd.benchmark("-c", "50", "-n", "20000", "-t", "incr")
        self.assertEqual(self.kvd.cli("get", "counter:__rand_int__"), "20000")

    def test_benchmark_with_pipelining(self):
        self.kvd.benchmark("-c", "20", "-n", "51200", "-P", "32", "-t", "set,get,incr,ping,mset")
        self.assertEqual(self.kvd.cli("get", "counter:__rand_int__"), "51200")  # whole batches


class Protocol(unittest.TestCase):
    """Bytes that no well-behaved client sends, and how they are cut."""

    @classmethod
    def setUpClass(cls):
        cls.kvd = Kvd("kvd_fixed")

    @classmethod
    def tearDownClass(cls):
        cls.kvd.__exit__()

    def exchange(self, sent):
        with self.kvd.raw() as c:
            c.sendall(sent)
            c.shutdown(socket.SHUT_WR)
            return read_to_end(c)

    def test_malformed_input_is_answered_and_the_connection_closed(self):
        for sent, reason in (
                (b"*1\r\n+PING\r\n", b"expected '$', got '+'"),
                (b"*x\r\n", b"invalid multibulk length"),
                (b"*2000000\r\n", b"invalid multibulk length"),
                (b"*1\r\n$-5\r\n", b"invalid bulk length"),
                (b"*1\r\n$999999999999\r\n", b"invalid bulk length"),
                (b"*1\r\n$4x\r\n", b"invalid bulk length"),
                (b'SET a "b\r\n', b"unbalanced quotes in request"),
                (b"x" * 70000, b"too big inline request")):
            with self.subTest(sent[:20]), self.kvd.raw() as c:
                c.sendall(b"PING\r\n" + sent)
                self.assertEqual(read_to_end(c), b"+PONG\r\n-ERR Protocol error: %s\r\n" % reason)

    def test_inline_commands(self):
        self.assertEqual(self.exchange(b'\r\n  \r\nset "a b" \'c d\'\r\nget "a b"\nping\r\n'),
                         b"+OK\r\n$3\r\nc d\r\n+PONG\r\n")
        self.assertEqual(self.exchange(b'echo "\\n\\t\\"x"\r\n'), b'$4\r\n\n\t"x\r\n')

    def test_empty_array_wants_no_answer(self):
        self.assertEqual(self.exchange(b"*0\r\n*-1\r\nPING\r\n"), b"+PONG\r\n")

    def test_one_byte_at_a_time(self):
        with self.kvd.raw() as c:
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\nQUIT\r\n":
                c.sendall(bytes([byte]))
            self.assertEqual(read_to_end(c), b"$5\r\nhello\r\n+OK\r\n")

    def test_pipeline_is_answered_in_order(self):
        sent = b"".join(b"ECHO %d\r\n" % i for i in range(20000))
        expected = b"".join(b"$%d\r\n%d\r\n" % (len(str(i)), i) for i in range(20000))
        with self.kvd.raw() as c:
            sender = threading.Thread(target=lambda: (c.sendall(sent), c.shutdown(socket.SHUT_WR)))
            sender.start()
            self.assertEqual(read_to_end(c), expected)
            sender.join()

    def test_commands_behind_quit_are_not_carried_out(self):
        self.assertEqual(self.exchange(b"QUIT\r\nPING\r\n"), b"+OK\r\n")


class Life(unittest.TestCase):
    def test_ends_after_the_last_client_left(self):
        with Kvd("kvd", "--exit-after-idle", "50ms") as kvd:
            self.assertEqual(kvd.cli("set", "k", "v"), "OK")
            self.assertEqual(kvd.wait(), 0)
            self.assertRegex(kvd.output(), r"kvd: 1 connections, \d+ commands, 1 keys\nkvd: k = v\n$")

    def test_idle_time_does_not_count_while_a_client_is_there(self):
        with Kvd("kvd", "--exit-after-idle", "30ms") as kvd:
            with kvd.raw() as held:
                for _ in range(5):
                    self.assertEqual(kvd.cli("ping"), "PONG")
                held.sendall(b"SET probe v PX 100\r\n")
                self.assertEqual(held.recv(100), b"+OK\r\n")
                deadline = time.monotonic() + LIMIT_S
                while kvd.cli("dbsize") != "0":  # more than 30 ms have passed
                    self.assertLess(time.monotonic(), deadline)
                self.assertIsNone(kvd.process.poll())
            self.assertEqual(kvd.wait(), 0)

    def test_shutdown_command_ends_it_and_closes_what_is_open(self):
        with Kvd() as kvd, kvd.raw() as bystander:
            bystander.sendall(b"PING\r\n")
            self.assertEqual(bystander.recv(100), b"+PONG\r\n")
            with kvd.raw() as c:
                c.sendall(b"SHUTDOWN\r\n")
                self.assertEqual(read_to_end(c), b"")
            self.assertEqual(read_to_end(bystander), b"")
            self.assertEqual(kvd.wait(), 0)

    def test_unix_socket_serves_and_is_removed_at_the_end(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "kvd.sock")
            with Kvd("kvd", "--unix", path) as kvd:
                with socket.socket(socket.AF_UNIX) as c:
                    c.connect(path)
                    c.sendall(b"SET k over-unix\r\nGET k\r\nSHUTDOWN\r\n")
                    self.assertEqual(read_to_end(c), b"+OK\r\n$9\r\nover-unix\r\n")
                self.assertEqual(kvd.wait(), 0)
                self.assertFalse(os.path.exists(path))

    def test_port_in_use_is_said_and_ends_it(self):
        with Kvd() as kvd:
            done = subprocess.run([program("kvd"), "--port", str(kvd.port)], capture_output=True,
                                  text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, f"kvd: listen tcp 127.0.0.1:{kvd.port}: address already in use\n")

    def test_wrong_options_are_refused(self):
        for options in (["--port", "x"], ["--port"], ["--nonsense", "1"], ["--exit-after-idle", "5"]):
            done = subprocess.run([program("kvd"), *options], capture_output=True, text=True,
                                  timeout=LIMIT_S)
            self.assertEqual(done.returncode, 64)
            self.assertIn("usage:", done.stderr)


if __name__ == "__main__":
    unittest.main()
