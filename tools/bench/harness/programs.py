"""Where the programs are, ours and the peers', and how they are built."""
import os
import shutil
import subprocess
import sys

HARNESS = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.dirname(HARNESS)
ROOT = os.path.dirname(os.path.dirname(BENCH))

# The Go programs: name, their files, whether they call C (which changes Go's own runtime, so only where it is measured).
GO_PROGRAMS = {
    "cases": ([f"cases/{name}.go" for name in ("main", "list", "goroutines", "channels", "selects", "locks", "timers", "heap", "maps",
                                               "calls", "files")], False),
    "c_call": (["cases/main.go", "cases/cgo/c_call.go", "cases/c_function.c"], True),
    "memory": (["memory/memory.go"], False),
    "server": (["servers/server.go"], False),
}


class Broken(Exception):
    """Something that should have been built or run did not: the benchmark ends with status 1."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def find_go():
    """The newest go: from PATH, or where Debian keeps them."""
    found = shutil.which("go")
    if found:
        return found
    folders = [name for name in sorted(os.listdir("/usr/lib")) if name.startswith("go-")] if os.path.isdir("/usr/lib") else []
    for name in reversed(folders):
        path = os.path.join("/usr/lib", name, "bin", "go")
        if os.access(path, os.X_OK):
            return path
    return None


def run_quietly(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise Broken(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Programs:
    """The paths of a built tree, and the peers that exist in it."""

    def __init__(self, build, peers):
        self.build = os.path.abspath(build)
        self.wanted = peers
        self.go = None      # the compiler; None: left out
        self.boost = False
        self.room = os.path.join(self.build, "bench")

    def tool(self, name):
        return os.path.join(self.build, "tools", name)

    def corpus(self, name):
        return os.path.join(self.build, "corpus", name)

    def go_program(self, name):
        return os.path.join(self.room, "go-" + name)

    def has(self, peer):
        return {"go": self.go is not None, "boost": self.boost, "none": True}[peer]

    def make(self, build):
        """Builds what is missing or older than its sources; without `build` the peers in Go only. Raises Broken."""
        if not os.path.exists(os.path.join(self.build, "build.ninja")):
            raise Broken(f"{self.build} is not a configured build folder: run tools/build, or name one with --build")
        if build:
            say("building the target bench")
            run_quietly(["cmake", "--build", self.build, "--target", "bench", "--parallel", str(os.cpu_count())])
        os.makedirs(self.room, exist_ok=True)
        self._make_go()
        self._find_boost()

    def _make_go(self):
        if "go" not in self.wanted:
            return
        go = find_go()
        if go is None:
            say("no Go compiler (apt-get install golang-go): its columns are left out")
            return
        say(f"building the Go peers: {run_quietly([go, 'version']).strip()}")
        for name, (files, calls_c) in GO_PROGRAMS.items():
            self._build_go(go, name, files, calls_c)
        self.go = go

    def _build_go(self, go, name, files, calls_c):
        environment = dict(os.environ, GO111MODULE="off", GOFLAGS="", GOCACHE=os.path.join(self.room, "go-cache"),
                           CGO_ENABLED="1" if calls_c else "0", CGO_CFLAGS=f"-O2 -I{ROOT}")
        # C files are taken from a folder only, not from a list of files.
        source = os.path.join(self.room, "go-source", name)
        shutil.rmtree(source, ignore_errors=True)
        os.makedirs(source)
        for file in files:
            shutil.copy(os.path.join(BENCH, file), source)
        run_quietly([go, "build", "-o", self.go_program(name), "."], env=environment, cwd=source)

    def _find_boost(self):
        if "boost" not in self.wanted:
            return
        self.boost = os.path.exists(self.tool("reprise-bench-boost"))
        if not self.boost:
            say("no Boost.Fiber when the tree was configured (apt-get install libboost-fiber-dev): its columns are left out")
