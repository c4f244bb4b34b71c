"""The source tree as the house tests see it: tracked files, and what each one includes."""

import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CODE = (".h", ".cc", ".S", ".c", ".inc")


def tracked_files():
    """Paths below the root, as git knows them; everything but build folders without git."""
    listed = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached",
                             "--others", "--exclude-standard"],
                            cwd=ROOT, capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        paths = listed.stdout.decode().rstrip("\0").split("\0")
        return sorted({p for p in paths if os.path.exists(os.path.join(ROOT, p))})
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [f for f in folders if f != ".git" and not f.startswith("build")]
        found += [os.path.relpath(os.path.join(folder, f), ROOT) for f in files]
    return sorted(found)


def code_files():
    return [p for p in tracked_files() if p.endswith(CODE)]


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def includes(path):
    """(line number, text between the delimiters, delimiter) of each #include."""
    found = []
    for number, line in enumerate(read(path).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if match:
            found.append((number, match.group(2), match.group(1)))
    return found
