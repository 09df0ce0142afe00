"""What other people's parsers say about signed images: one line of JSON for each file named.

LIEF reads the image, its version and its signatures, and verifies them; asn1crypto, which shares no code with it, reads the
certificates, attributes and timestamps out of the same signatures once more.
"""

import datetime
import hashlib
import json
import sys

import lief
from asn1crypto import cms, core, parser, tsp

lief.logging.disable()

INDIRECT_DATA = "1.3.6.1.4.1.311.2.1.4"
OPUS_INFO = "1.3.6.1.4.1.311.2.1.12"
NESTED = "1.3.6.1.4.1.311.2.4.1"
TOKEN = "1.3.6.1.4.1.311.3.3.1"
TBS_HASHES = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


class OpusString(core.Choice):
    _alternatives = [("wide", core.BMPString, {"implicit": 0}), ("narrow", core.IA5String, {"implicit": 1})]


class OpusInfo(core.Sequence):
    _fields = [
        ("program_name", OpusString, {"explicit": 0, "optional": True}),
        ("more_info", core.Any, {"explicit": 1, "optional": True}),
    ]


def values(attributes, oid):
    if isinstance(attributes, core.Void):
        return []
    return [value for attribute in attributes if attribute["type"].dotted == oid for value in attribute["values"]]


def children(content):
    """The elements in `content`, each as its content and its whole."""
    found = []
    while content:
        _, _, _, header, inner, trailer = parser.parse(content, strict=False)
        whole = header + inner + trailer
        found.append((inner, whole))
        content = content[len(whole):]
    return found


def digest_algorithm(signed):
    """The object identifier in the DigestInfo of the signed SpcIndirectData."""
    _, (explicit, _) = children(signed["encap_content_info"].contents)
    _, (digest_info, _) = children(children(explicit)[0][0])
    algorithm = children(digest_info)[0][0]
    return core.ObjectIdentifier.load(children(algorithm)[0][1]).dotted


def common_name(name):
    found = [pair["value"].native for part in name.chosen for pair in part if pair["type"].dotted == "2.5.4.3"]
    return found[-1] if found else None


def seconds(moment):
    return moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def timestamp(signer):
    for token in values(signer["unsigned_attrs"], TOKEN):
        signed = cms.ContentInfo.load(token.dump())["content"]
        info = tsp.TSTInfo.load(signed["encap_content_info"]["content"].contents)
        return {"kind": "rfc3161", "time": seconds(info["gen_time"].native)}
    for counter in values(signer["unsigned_attrs"], "1.2.840.113549.1.9.6"):
        counter = cms.SignerInfo.load(counter.dump())
        moment = values(counter["signed_attrs"], "1.2.840.113549.1.9.5")[0]
        return {"kind": "authenticode", "time": seconds(moment.native)}
    return None


def read_signatures(der, source):
    """The signature in `der`, then those nested in it."""
    signed = cms.ContentInfo.load(der)["content"]
    if signed["encap_content_info"]["content_type"].dotted != INDIRECT_DATA:
        return
    signer = signed["signer_infos"][0]
    certificates = [choice.chosen for choice in signed["certificates"] if choice.name == "certificate"]
    sid = signer["sid"].chosen
    leaf = [
        certificate
        for certificate in certificates
        if certificate.issuer.dump() == sid["issuer"].dump() and certificate.serial_number == sid["serial_number"].native
    ][0]
    opus = values(signer["signed_attrs"], OPUS_INFO)
    program = OpusInfo.load(opus[0].dump())["program_name"].native if opus else None
    tbs = {}
    for certificate in certificates:
        digest = TBS_HASHES[certificate.hash_algo](certificate["tbs_certificate"].dump()).hexdigest()
        tbs.setdefault(str(common_name(certificate.subject)), []).append(digest)
    yield {
        "source": source,
        "digest_algorithm": {
            "1.2.840.113549.2.5": "md5",
            "1.3.14.3.2.26": "sha1",
            "2.16.840.1.101.3.4.2.1": "sha256",
            "2.16.840.1.101.3.4.2.2": "sha384",
            "2.16.840.1.101.3.4.2.3": "sha512",
        }[digest_algorithm(signed)],
        "signer": common_name(leaf.subject),
        "serial": leaf["tbs_certificate"]["serial_number"].contents.hex(),
        "oem_id": program,
        "timestamp": timestamp(signer),
        "tbs": tbs,
    }
    for nested in values(signer["unsigned_attrs"], NESTED):
        yield from read_signatures(nested.dump(), "nested")


def read(path):
    image = lief.PE.parse(path)
    if image is None:
        return {"path": path, "error": "not parsed"}
    version = None
    if image.has_resources and not isinstance(image.resources_manager, lief.lief_errors):
        versions = image.resources_manager.version
        if versions:
            fixed = versions[0].file_info
            high, low = fixed.file_version_ms, fixed.file_version_ls
            version = f"{high >> 16}.{high & 0xffff}.{low >> 16}.{low & 0xffff}"
    signatures = [found for entry in image.signatures for found in read_signatures(bytes(entry.raw_der), "embedded")]
    flags = lief.PE.Signature.VERIFICATION_CHECKS.SKIP_CERT_TIME
    return {
        "path": path,
        "sha1": bytes(image.authentihash(lief.PE.ALGORITHMS.SHA_1)).hex(),
        "sha256": bytes(image.authentihash(lief.PE.ALGORITHMS.SHA_256)).hex(),
        "file_version": version,
        "signatures": signatures,
        "verified": bool(image.signatures) and image.verify_signature(flags) == lief.PE.Signature.VERIFICATION_FLAGS.OK,
    }


for path in sys.argv[1:]:
    print(json.dumps(read(path)))
