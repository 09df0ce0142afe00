"""How long other people's code takes over the files named on standard input: `speed.py WHAT`, seconds as one number.

Only the work itself is timed, not the start of the interpreter.
"""

import hashlib
import sys
import time


def two_hashes(paths):
    """OpenSSL's SHA-1 and SHA-256, one after the other, over bytes that are in memory already."""
    seconds = 0
    for path in paths:
        with open(path, "rb") as file:
            data = file.read()
        begun = time.perf_counter()
        hashlib.sha1(data).digest()
        hashlib.sha256(data).digest()
        seconds += time.perf_counter() - begun
    return seconds


def two_hashes_reading(paths):
    """The same, with the reading of the files."""
    begun = time.perf_counter()
    for path in paths:
        one, two = hashlib.sha1(), hashlib.sha256()
        chunk = bytearray(1 << 16)
        view = memoryview(chunk)
        with open(path, "rb", buffering=0) as file:
            while count := file.readinto(chunk):
                one.update(view[:count])
                two.update(view[:count])
        one.digest(), two.digest()
    return time.perf_counter() - begun


def lief(paths, whole):
    import lief

    lief.logging.disable()
    checks = lief.PE.Signature.VERIFICATION_CHECKS.SKIP_CERT_TIME
    config = lief.PE.ParserConfig()
    if not whole:
        config.parse_imports = config.parse_exports = config.parse_reloc = False
        config.parse_exceptions = config.parse_arm64x_binary = False
    begun = time.perf_counter()
    for path in paths:
        lief.PE.parse(path, config).verify_signature(checks)
    return time.perf_counter() - begun


WORK = {
    "two-hashes": two_hashes,
    "two-hashes-reading": two_hashes_reading,
    "lief": lambda paths: lief(paths, whole=True),
    "lief-signatures": lambda paths: lief(paths, whole=False),
}
print(WORK[sys.argv[1]](sys.stdin.read().split("\n")[:-1]))
