"""Starts kvd, directly or under the reprise command, and talks to it."""
import os
import re
import socket
import subprocess
import tempfile
import time

BUILD = os.environ["REPRISE_BUILD"]
REPRISE = os.path.join(BUILD, "tools", "reprise")
LIMIT_S = 120  # ends a test that hangs; nothing is measured against it


def program(name):
    return os.path.join(BUILD, "corpus", name)


class Kvd:
    """A running kvd. Use as a context manager; the port is the kernel's choice."""

    def __init__(self, name="kvd", *options, wrapper=()):
        self.log = tempfile.TemporaryFile("w+")
        command = [*wrapper, program(name), "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        self.client = None
        self.port = self._wait_for_port()

    def output(self):
        self.log.seek(0)
        return self.log.read()

    def _wait_for_port(self):
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            found = re.search(r"listening on 127\.0\.0\.1:(\d+)\n", self.output())
            if found:
                return int(found.group(1))
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.process.kill()
        raise AssertionError("kvd did not come up: " + self.output())

    def cli(self, *words):
        done = subprocess.run(["redis-cli", "-p", str(self.port), *words], check=True,
                              capture_output=True, text=True, timeout=LIMIT_S)
        return done.stdout.rstrip("\n")

    def benchmark(self, *options):
        return subprocess.run(["redis-benchmark", "-p", str(self.port), "-q", *options], check=True,
                              capture_output=True, text=True, timeout=LIMIT_S).stdout

    def raw(self):
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.settimeout(LIMIT_S)
        return connection

    def stay(self):
        """A client that stays until wait(): an idle server does not end between two others."""
        self.client = self.raw()

    def leave(self):
        if self.client:
            self.client.close()
            self.client = None

    def wait(self):
        self.leave()
        return self.process.wait(timeout=LIMIT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.leave()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()


def read_to_end(connection):
    parts = []
    while True:
        part = connection.recv(65536)
        if not part:
            return b"".join(parts)
        parts.append(part)
