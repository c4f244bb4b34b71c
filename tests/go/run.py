#!/usr/bin/env python3
"""Go's behaviours (tests/README.md), natively or under many schedules.

  run.py native --procs 2              all behaviours and endings with two Ps, on the real clock
  run.py seeds --first 1 --count 50    all behaviours under 50 seeds of `random`, on the virtual clock:
                                       one process a seed
  run.py endings --first 1 --count 10  the endings under 10 seeds

A failure is reported with the seed, the behaviours, and the commands that record and replay it. Ends
with 1 if anything failed. REPRISE_BUILD names the build folder.
"""

import argparse
import os
import re
import resource
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("REPRISE_BUILD", os.path.join(ROOT, "build"))
BEHAVIOURS = os.path.join(BUILD, "go_behaviours")
ENDINGS = os.path.join(BUILD, "go_endings")
REPRISE = os.path.join(BUILD, "tools", "reprise")
PATIENCE_S = 280  # for one process; a process that hangs is a failure


def run(command, procs=None):
    """(exit status or None if it hung, stdout, stderr)"""
    environment = dict(os.environ)
    environment.pop("REPRISE_MAXPROCS", None)
    if procs:
        environment["REPRISE_MAXPROCS"] = str(procs)
    with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
            start_new_session=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0))) as started:
        try:
            output, error = started.communicate(timeout=PATIENCE_S)
            return started.returncode, text(output), text(error)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)  # the program too, which outlives its recorder
            output, error = started.communicate()
            return None, text(output), text(error)


def text(captured):
    return (captured or b"").decode(errors="replace")


def controlled(verb, seed, program, extra=()):
    return [REPRISE, verb, "--policy", "random", "--seed", str(seed), *extra, "--", *program]


def shown(command, procs=None):
    return (f"REPRISE_MAXPROCS={procs} " if procs else "") + " ".join(command)


def failed_behaviours(output):
    """Those that GoogleTest names, or the one that the process did not survive."""
    names = re.findall(r"^\[  FAILED  \] (\w+\.\w+)$", output, re.M)
    started = re.findall(r"^\[ RUN      \] (\S+)", output, re.M)
    ended = len(re.findall(r"^\[ +(?:OK|FAILED|SKIPPED) +\] \S+ \(\d+ ms\)", output, re.M))
    if len(started) > ended:
        names.append(started[-1])
    return sorted(set(names)) or ["unknown"]


def details(output, error):
    failures = re.findall(r"^\S+:\d+: Failure\n(?:(?!\[).*\n)*", output, re.M)
    return "".join(failures[:5]) + error[-2000:]


def how_to_repeat(seed, program):
    trace = f"go-{seed}.rpz"
    return "\n".join([
        "  record: " + shown(controlled("record", seed, program, ("-o", trace))),
        f"  replay: {REPRISE} replay {trace}"])


def check_behaviours(command, where, repeat):
    status, output, error = run(*command)
    if status == 0:
        return 0
    print(f"{where}: {', '.join(failed_behaviours(output))}: "
          f"{'hung' if status is None else f'status {status}'}\n{repeat}\n{details(output, error)}",
          flush=True)
    return 1


def endings():
    """(name, status, text, Ps or 0) of each."""
    listed = subprocess.run([ENDINGS, "--list"], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        name, status, begins, procs = line.split("\t")
        yield name, int(status), begins, int(procs)


def check_ending(command, procs, name, expected, begins, repeat):
    status, _, error = run(command, procs)
    if status == expected and error.startswith(begins):
        return 0
    print(f"{name}: status {status} instead of {expected}, or the report does not begin with "
          f"{begins!r}\n{repeat}\n{error[-2000:]}", flush=True)
    return 1


def native(options):
    command = [BEHAVIOURS]
    failed = check_behaviours((command, options.procs), f"{options.procs} Ps",
                              "  again: " + shown(command, options.procs))
    count = 1
    for name, status, begins, procs in endings():
        command = [ENDINGS, name]
        procs = procs or options.procs
        failed += check_ending(command, procs, name, status, begins,
                               "  again: " + shown(command, procs))
        count += 1
    return count, failed


def seeds(options):
    program = [BEHAVIOURS, "--virtual-clock"]
    failed = 0
    for seed in range(options.first, options.first + options.count):
        failed += check_behaviours((controlled("run", seed, program),), f"seed {seed}",
                                   how_to_repeat(seed, program))
    return options.count, failed


def endings_under_seeds(options):
    count = failed = 0
    for seed in range(options.first, options.first + options.count):
        for name, status, begins, procs in endings():
            if procs:
                continue
            program = [ENDINGS, name]
            failed += check_ending(controlled("run", seed, program), None, f"seed {seed}: {name}",
                                   status, begins, how_to_repeat(seed, program))
            count += 1
    return count, failed


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["native", "seeds", "endings"])
    parser.add_argument("--procs", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    modes = {"native": native, "seeds": seeds, "endings": endings_under_seeds}
    count, failed = modes[options.mode](options)
    print(f"{options.mode}: {count} processes, {failed} failed")
    return 1 if failed or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
