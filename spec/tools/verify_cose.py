#!/usr/bin/env python3
"""Verifies what Tegata's programs signed with a COSE library that isn't theirs (PyPI's `cwt`).

    verify_cose.py FILE.sign1.cbor KEY.cose_key.cbor
    verify_cose.py DIR

DIR is a folder of artefacts as `cargo demo -- --keep` writes them, or the folder above it:
`artifacts/NNN-from-to-kind.sign1.cbor` and `artifacts/keys/PARTY-USE.cose_key.cbor`. The key is
chosen by the key id in the protected header: the first eight bytes of SHA-256 of the public key.
A presentation names no key: the ticket inside it names its holder, whose key is taken.

Ends with 0 when everything verified, 1 when something didn't, 2 when it was called wrongly or
there was nothing to verify.
"""

import hashlib
import sys
from pathlib import Path

import cbor2
from cwt import COSE, COSEKey

KEY_ID, PUBLIC_KEY = 4, -2
PRESENTATION, HOLDER = 63, 5


def verify(signed: bytes, key: bytes) -> bytes:
    """The payload, if the key signed it; raises otherwise."""
    return COSE.new(verify_kid=False).decode(signed, COSEKey.from_bytes(key))


def describe(payload: bytes) -> str:
    label, version, _body = cbor2.loads(payload)
    return f"type {label}, version {version}, {len(payload)} bytes"


def named_key(signed: bytes):
    """The key id in the protected header; None when there is none."""
    protected = cbor2.loads(signed).value[0]
    return (cbor2.loads(protected) if protected else {}).get(KEY_ID)


def holder_key(signed: bytes) -> bytes:
    """The holder's key as a COSE_Key, from the ticket inside a presentation."""
    label, _version, body = cbor2.loads(cbor2.loads(signed).value[2])
    if label != PRESENTATION:
        raise ValueError("names no key; give the key's file beside it")
    _label, _version, ticket = cbor2.loads(cbor2.loads(body[0]).value[2])
    kind, fields = ticket[HOLDER]
    if kind != 0:
        raise ValueError("the ticket isn't held by a key")
    return cbor2.dumps({1: 1, 3: -8, -1: 6, PUBLIC_KEY: fields[0]})


def read_keys(folder: Path) -> dict:
    """Every key of a folder, by its id; a file whose id isn't its key's is an error."""
    keys = {}
    for path in sorted(folder.glob("*.cose_key.cbor")):
        raw = path.read_bytes()
        key = cbor2.loads(raw)
        if key.get(1) != 1:
            continue  # not an OKP key
        own = hashlib.sha256(key[PUBLIC_KEY]).digest()[:8]
        if key.get(2, own) != own:
            raise ValueError(f"{path.name}: its key id isn't the key's")
        keys[own] = (path.name, raw)
    return keys


def check_file(path: Path, key_of) -> bool:
    """One row of the table."""
    try:
        signed = path.read_bytes()
        name, key = key_of(signed)
        row = ("verified", f"{describe(verify(signed, key))}, by {name}")
    except Exception as error:  # whatever the library says, it isn't verified
        row = ("NOT verified", f"{type(error).__name__}: {error}")
    print(f"{path.name:<48} {row[0]:<13} {row[1]}")
    return row[0] == "verified"


def check_folder(folder: Path) -> int:
    if (folder / "artifacts").is_dir():
        folder = folder / "artifacts"
    files = sorted(folder.glob("*.sign1.cbor"))
    keys = read_keys(folder / "keys")
    if not files or not keys:
        print(f"{folder}: no *.sign1.cbor or no keys/*.cose_key.cbor", file=sys.stderr)
        return 2

    def key_of(signed: bytes):
        key_id = named_key(signed)
        if key_id is None:
            return "the holder whom its ticket names", holder_key(signed)
        if key_id not in keys:
            raise ValueError(f"no key {key_id.hex()} in {folder / 'keys'}")
        return keys[key_id]

    verified = [check_file(path, key_of) for path in files]
    print(f"{sum(verified)} of {len(verified)} verified")
    return 0 if all(verified) else 1


def main(arguments: list) -> int:
    paths = [Path(argument) for argument in arguments]
    if len(paths) == 1 and paths[0].is_dir():
        return check_folder(paths[0])
    if len(paths) == 2:
        key = paths[1].name, paths[1].read_bytes()
        return 0 if check_file(paths[0], lambda _signed: key) else 1
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
