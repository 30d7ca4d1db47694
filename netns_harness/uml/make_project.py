#!/usr/bin/env python3
"""Writes a tar of a C project to build on a file system under test: N sources, each with a header that the next one includes, a
Makefile with generated dependencies, and a program `sum` that fails unless every part was compiled from what was written.

usage: make_project.py N TAR
"""
import io
import sys
import tarfile

MAKEFILE = """\
parts := $(patsubst %.c,%.o,$(wildcard part_*.c))
sum: main.o libparts.a
\t$(CC) -o $@ $^
libparts.a: $(parts)
\trm -f $@
\t$(AR) rcs $@ $^
%.o: %.c
\t$(CC) -O1 -Wall -MMD -c -o $@ $<
-include $(wildcard *.d)
clean:
\trm -f *.o *.d *.a sum
.PHONY: clean
"""


def sources(count: int) -> dict[str, str]:
    files = {"Makefile": MAKEFILE}
    for i in range(count):
        before = f'#include "part_{i - 1}.h"\n' if i else ""
        files[f"part_{i}.h"] = f"#pragma once\n{before}int part_{i}(void);\n"
        # The padding makes a source longer than a page, so that it is more than one READ of a careless client.
        padding = "".join(f"// line {line} of part {i}\n" for line in range(300))
        files[f"part_{i}.c"] = f'#include "part_{i}.h"\n{padding}int part_{i}(void) {{ return {i}; }}\n'
    calls = " + ".join(f"part_{i}()" for i in range(count))
    files["main.c"] = f'#include "part_{count - 1}.h"\nint main(void) {{ return {calls} != {sum(range(count))}; }}\n'
    return files


def main() -> None:
    count, path = int(sys.argv[1]), sys.argv[2]
    with tarfile.open(path, "w") as archive:
        for name, text in sources(count).items():
            entry = tarfile.TarInfo(f"project/{name}")
            entry.size = len(text)
            entry.mtime = 1_000_000_000
            archive.addfile(entry, io.BytesIO(text.encode()))


main()
