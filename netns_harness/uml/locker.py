#!/usr/bin/env python3
"""A process in a guest that takes and drops locks as it is told: the lock tests' hands. Python's standard library only.

usage: locker.py NAME FILE. It makes the FIFOs /tmp/NAME.in, for commands, and /tmp/NAME.out, for one answer each:

    fcntl MODE FIRST LENGTH [wait]    MODE: shared, exclusive, unlock, test; LENGTH 0 reaches to the end of the file
    flock MODE [wait]                 the whole file
    add                               adds one to the number that the file holds
    quit                              ends, and so drops every lock

An answer is `granted`, `denied` or an error's name (for `test`, `free` or `held`; for `add`, the sum), then the seconds that it
took, then when that was, in seconds since the epoch: guests share the host's clock.
"""
import errno
import fcntl
import os
import struct
import sys
import time

MODES = {"shared": fcntl.LOCK_SH, "exclusive": fcntl.LOCK_EX, "unlock": fcntl.LOCK_UN}
FLOCK = "hhqqi4x"  # struct flock on 64-bit Linux


def is_free(file: int, first: int, length: int) -> bool:
    asked = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, first, length, 0)
    return struct.unpack(FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, asked))[0] == fcntl.F_UNLCK


def perform(file: int, words: list[str]) -> str:
    if words[0] == "quit":
        os._exit(0)
    if words[0] == "add":
        number = int(os.pread(file, 20, 0) or b"0") + 1
        os.pwrite(file, str(number).encode(), 0)
        return str(number)
    if words[1] == "test":
        return "free" if is_free(file, int(words[2]), int(words[3])) else "held"
    waits = words[-1] == "wait" or words[1] == "unlock"
    operation = MODES[words[1]] | (0 if waits else fcntl.LOCK_NB)
    if words[0] == "fcntl":
        fcntl.lockf(file, operation, int(words[3]), int(words[2]))
    else:
        fcntl.flock(file, operation)
    return "granted"


def answer(file: int, words: list[str]) -> str:
    try:
        return perform(file, words)
    except OSError as error:
        return "denied" if error.errno in (errno.EAGAIN, errno.EACCES) else errno.errorcode[error.errno]


def main() -> None:
    name, path = sys.argv[1:]
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    for fifo in (f"/tmp/{name}.in", f"/tmp/{name}.out"):
        os.mkfifo(fifo)
    # Open both ways, so that neither ever ends.
    with open(os.open(f"/tmp/{name}.in", os.O_RDWR), encoding="ascii") as commands, \
            open(os.open(f"/tmp/{name}.out", os.O_RDWR), "w", encoding="ascii", buffering=1) as answers:
        print("ready", file=answers)
        while True:
            words = commands.readline().split()
            began = time.monotonic()
            said = answer(file, words)
            print(said, f"{time.monotonic() - began:.3f} {time.time():.3f}", file=answers)


main()
