#!/usr/bin/env python3
"""Gives the text of the runtime's archives a section of its own.

    runtime_text.py READELF OBJCOPY LIBRARY…

A signal's handler must tell the program's text from the runtime's (runtime/signal/user_text.cc). So
every text section of the archives is renamed to one output section, whose bounds the linker gives.

Inline functions and templates are in the way: the linker keeps one copy of each for the whole program,
which may be the program's, and the runtime would then run in the program's text. So the runtime's
copies get a name of their own (NAME.rt): functions only, their static variables stay shared.
"""

import re
import subprocess
import sys
import tempfile

SECTION = "reprise_runtime_text"
SUFFIX = ".rt"


def members(readelf, library):
    """Each member's part of what readelf says of its sections, groups and symbols."""
    said = subprocess.run([readelf, "-SgsW", library], check=True, capture_output=True, text=True,
                          env={"LC_ALL": "C"}).stdout
    return re.split(r"^File: .*$", said, flags=re.M)[1:]


def text_sections(said):
    """Indices and names of sections with code."""
    found = {}
    for line in said.splitlines():
        match = re.match(r"\s*\[\s*(\d+)\] (\.text\S*)\s+PROGBITS(?:\s+\S+){4}\s+(\S*X\S*)", line)
        if match:
            found[int(match[1])] = match[2]
    return found


def group_names(said, text):
    """Names of the groups that have a text section, and all indices in these groups."""
    names, inside = set(), set()
    for head, body in re.findall(r"^COMDAT group section \[\s*\d+\] `\.group' \[(.*?)\] contains.*\n((?:.*\n)*?)(?=\n|\Z)",
                                 said, flags=re.M):
        indices = {int(i) for i in re.findall(r"^\s*\[\s*(\d+)\]\s", body, flags=re.M)}
        if indices & text.keys():
            names.add(head)
            inside |= indices
    return names, inside


def defined_functions(said, sections):
    """Weak functions in these sections."""
    for line in said.splitlines():
        match = re.match(r"\s*\d+: [0-9a-f]+\s+\S+ FUNC\s+WEAK\s+\S+\s+(\d+) (\S+)$", line)
        if match and int(match[1]) in sections:
            yield match[2]


def plan(readelf, libraries):
    """All sections to rename, all symbols to rename; one plan for all archives, which refer to each other."""
    sections, symbols = set(), set()
    for library in libraries:
        for said in members(readelf, library):
            text = text_sections(said)
            sections |= set(text.values())
            names, inside = group_names(said, text)
            symbols |= names
            symbols |= set(defined_functions(said, inside & text.keys()))
    return sections, symbols


def main():
    readelf, objcopy, *libraries = sys.argv[1:]
    sections, symbols = plan(readelf, libraries)
    arguments = [f"--rename-section={name}={SECTION}" for name in sorted(sections)]
    arguments += [f"--redefine-sym={name}={name}{SUFFIX}" for name in sorted(symbols)]
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("\n".join(arguments))
        file.flush()
        for library in libraries:
            subprocess.run([objcopy, "@" + file.name, library], check=True)


main()
