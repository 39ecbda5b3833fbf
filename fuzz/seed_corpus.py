#!/usr/bin/env python3
"""Fills corpus/ from the specification's vectors, so that fuzzing begins at what is right."""

import hashlib
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "spec" / "vectors"

TARGETS = {
    "identities": (1, 2, 5, 6),
    "joining": (9, 10, 11, 12, 25),
    "prepaid": (20, 21, 22, 23, 24),
    "purchase": (30, 31, 52),
    "bill": (32,),
    "payment": (40, 41, 42, 43, 44, 45, 46, 47, 48, 50, 51),
    "ticket": (60, 61, 62, 63, 64),
    "book": (70, 71, 72, 73),
    "card": tuple(range(80, 90)),
    "order": (26, *range(120, 130)),
}


def vectors(name):
    return json.loads((VECTORS / name).read_text())["vectors"]


def put(target, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def payload(signed):
    """The third element of the COSE_Sign1: d2 84, two short items, a byte string."""
    at = 2 + 1 + (signed[2] & 31) + 1
    first = signed[at] & 31
    wide = {24: 1, 25: 2, 26: 4}.get(first, 0)
    size = int.from_bytes(signed[at + 1 : at + 1 + wide], "big") if wide else first
    return signed[at + 1 + wide : at + 1 + wide + size]


def main():
    for vector in vectors("good.json"):
        signed = bytes.fromhex(vector["signed"])
        put("sign1", signed)
        for target, labels in TARGETS.items():
            if vector["label"] in labels:
                put(target, payload(signed))
    for vector in vectors("sealed.json"):
        target = "presentation" if vector["name"].startswith("presentation") else "sealed"
        put(target, bytes.fromhex(vector["sealed"]))
        for reply in ("reply_exported", "reply_sealed"):
            if reply in vector:
                put("sealed", bytes.fromhex(vector[reply]))
        if "recipient_key" in vector:
            key = bytes.fromhex(vector["recipient_key"])
            put("keys", bytes([len(key) > 32]) + key)
    for vector in vectors("orders.json"):
        put("sealed_order", bytes.fromhex(vector["sealed"]))
        put("order_form", bytes.fromhex(vector.get("form", "")))
    joining = json.loads((VECTORS / "joining.json").read_text())
    put("details", bytes.fromhex(joining["salted_details"]))
    typed = [joining["slip"], joining["code"], *joining["sloppy_codes"], "12.50", "sakura99", "order-public-1"]
    typed += [vector["text"] for vector in vectors("numbers.json")]
    for text in typed:
        put("typed", text.encode())


if __name__ == "__main__":
    main()
