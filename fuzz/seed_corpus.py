#!/usr/bin/env python3
"""Fills corpus/ from the specification's vectors and the crates' samples, so that fuzzing begins at what is
right. Seeds that only a program can make are put beside these by `cargo run --example seeds`."""

import hashlib
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "spec" / "vectors"
CRATES = HERE.parent / "crates"

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


def pieces(parts):
    """Each part after a byte that says how long it is, as `tegata_fuzz::applet` cuts its input."""
    return b"".join(bytes([len(part)]) + part for part in parts)


def frames(parts, kinds=None):
    """Each part after two bytes that say how long it is; a helper's frames have a kind before them."""
    kinds = kinds or [b""] * len(parts)
    return b"".join(kind + len(part).to_bytes(2, "big") + part for kind, part in zip(kinds, parts))


def banks():
    for file in (CRATES / "tegata-bank" / "samples").glob("*.xml"):
        put("bank", file.read_bytes())
    for text in ("GB82 WEST 1234 5698 7654 32", "0033-001-1234567", "RF18539007547034", "inv RF34 0000 0042, thanks"):
        put("bank", text.encode())


def shops():
    shop = CRATES / "tegata-shop"
    for file in ("samples/hanamizuki/catalogue.toml", "catalogue.example.toml", "../tegata-demo/catalogue.toml"):
        put("catalogue", (shop / file).read_bytes())
    for file in (shop / "samples").glob("*/pictures/*.svg"):
        put("goods_picture", file.read_bytes())
    size = (320).to_bytes(4, "big") + (240).to_bytes(4, "big")
    put("goods_picture", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + size + b"\x08\x06\0\0\0")
    put("goods_picture", b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x11\x08\0\xf0\x01\x40\x03")
    for kind in (b"VP8X\x0a\0\0\0\0\0\0\0\x3f\x01\0\xef\0\0", b"VP8L\0\0\0\0\x2f\x3f\xc1\x3b\0", b"VP8 " + bytes(14) + b"\x40\x01\xf0\0"):
        put("goods_picture", b"RIFF\0\0\0\0WEBP" + kind)
    put("goods_picture", b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 240"><use href="#a"/></svg>')
    put("guide", b"parent.postMessage(1, '*')\n")
    put("guide", b"'</SCRIPT><b>'<!-- ")


def cards():
    """Conversations with cards, by each end's share of them."""
    for name in ("cards.json",):
        for conversation in json.loads((VECTORS / name).read_text())["conversations"]:
            commands = [bytes.fromhex(e["command"]) for e in conversation["exchanges"]]
            answers = [bytes.fromhex(e["answer"]) for e in conversation["exchanges"]]
            put("applet", b"\0" + pieces(commands))
            put("vpcd", frames([b"\x01", b"\x04", *commands, b"\x02", b"\0"]))
            put("helper", frames([b"", *commands], [b"\x11"] + [b"\x12"] * len(commands)))
            put("helper", frames([b"\x01a reader", *answers], [b"\x01"] + [b"\x21"] * len(answers)))
            for data in commands + answers:
                put("card_answers", data)
            put("card_answers", answers[0][:-2])
    for receipt in json.loads((VECTORS / "cards.json").read_text())["receipts"]:
        for value in receipt.values():
            if isinstance(value, str) and len(value) == 200:
                put("card_answers", bytes.fromhex(value))
    put("helper", frames([b"", b"", b"no reader"], [b"\x22", b"\x23", b"\x24"]))
    money = bytes([9] * 16) + (700).to_bytes(4, "big") + (2).to_bytes(4, "big") + bytes([9 ^ 255] * 32)
    view = bytes.fromhex("80d1000028") + money[16:] + b"\0"
    order = money + b"desk-001" + (1_800_000_000).to_bytes(4, "big")
    punch = bytes([5] * 16) + b"gate-001" + (1_800_000_000).to_bytes(4, "big")
    limits = b"JPY" + b"".join(n.to_bytes(4, "big") for n in (20_000, 5_000, 3_000))
    debit = [b"\xb0\0\0", b"\xb2\0\0", b"\xff\0\0" + view, b"\xd0\0\0" + order, b"\xd4\0\0" + order[:16],
             b"\xca\x02\0", b"\xca\x02\1", b"\xdc\x02\0" + punch]
    admin = [b"\xb0\0\0", b"\xd2\0\0" + order, b"\xd4\0\0" + order[:16], b"\xd2\1\0" + order,
             b"\xd6\0\0" + order[:16] + (3).to_bytes(4, "big"), b"\xda\3\0\x82" + bytes([7] * 120),
             b"\xda\3\1" + bytes([7] * 10)]
    states = [b"\xf0" + bytes([n]) + b"\0" + limits for n in range(6)] + [b"\xf0" + bytes([n]) + b"\0" for n in range(6)]
    put("applet", b"\1" + pieces(debit))
    put("applet", b"\2" + pieces(admin))
    put("applet", b"\2" + pieces(states))
    put("applet", b"\3" + pieces(states))
    purse = (10_000).to_bytes(4, "big") + (1).to_bytes(4, "big") + bytes(4) + b"\1"
    put("card_answers", b"\1" + purse + limits)
    put("card_memory", pieces([bytes([12, 0, 40]) + purse, bytes([4, 0, 40]) + b"\1" + limits]))
    put("card_memory", pieces([bytes([2, 0, 40]) + bytes(4) + b"\3", bytes([50, 0, 40]) + b"\0ticket"]))
    put("card_memory", pieces([bytes([6, 0, 40, 0x11]) + bytes(32), bytes([15, 0xFF, 0]) + bytes(60)]))


def browsers():
    for text in (
        '{"lines": [["sencha-100", 2]], "member": "M-00000-00069"}',
        "line=sencha-100.2&other=1&line=cup.1",
        "sencha-100.2_cup-blue.1",
        "role=member&name=Kirishima+Hanako&postal=1-2-3+Sakura%3B+Tokyo&mail=h%40example.org",
        "https://shop.example/tea/v1/bills/" + "0f" * 32,
        "S-00000-00075/1",
        "1",
    ):
        put("forms", text.encode())
    for text in (
        "/tea?lang=ja&page=2\nhost: shop.example:443\norigin: https://shop.example\nsec-fetch-site: same-origin",
        "/\nhost: [::1]:7402\norigin: http://[::1]:7402\ncookie: cart=a.1; lang=en",
        "/\nhost: shop.localhost\naccept-language: fr;q=0.9, ja-JP;q=0.8, en;q=0.805",
    ):
        put("headers", text.encode())
    paths = ("open", "close", "refresh", "tickets/1", "pay", "pay/1", "card", "card/pay", "card/answer", "ic-cards")
    for path in paths:
        put("wallet_page", f"/{path}".encode())
        form = "csrf=TOKEN&a=one+password&next=%2Ftickets&b=&bill=0f&shop=https%3A%2F%2Fshop.example&card=01&amount=5"
        put("wallet_page", f"/{path}?lang=ja\n{form}".encode())


def folders():
    put("config", b"listen = '127.0.0.1:7402'\nhosts = ['shop.example']\nbill_minutes = 15\n")
    put("config", b"name = 'Town'\naddress = 'https://centre.example'\ncurrency = 'JPY'\naccount = '0033-001-1234567'\n"
        b"account_owner = 'Town'\nload_min = '100'\nload_max = '50000'\n[pace]\nburst_seconds = 5\n")
    put("config", b"events = [1, 'S-00000-00075/1']\nreader = 'ACS'\ncard_keys = '/run/keys.sock'\n")
    put("config", b"socket = '/run/keys.sock'\nallow_uid = 1000\nlisten = '[::1]:7408'\nclient_pin = '" + b"ab" * 32 + b"'\n")
    put("stock", b"0102030405060708090A " + b"77" * 32 + b"\n\n0102030405060708090b " + b"78" * 32 + b"\n")
    put("key_file", b"tegata-card-keys\1" + bytes(16 + 112))
    slip = json.loads((VECTORS / "joining.json").read_text())["slip"]
    put("letter", f"Dear member,\n\n  {slip}\n\nYours".encode())
    put("letter", f'<a href="{slip.replace("&", "&amp;")}">'.encode())
    put("seed", ("abandon " * 23 + "art").encode())
    put("seed", "".join(f"{n} {n * 3} {n * 10}\n" for n in range(70)).encode())
    text = lambda value: bytes([0x60 + len(value)]) + value.encode()
    card = b"\xa3\0" + text("4242 4242-4242 4242") + b"\1" + text("12/28") + b"\2" + text("KIRISHIMA H")
    put("order_answers", card)


def main():
    banks()
    shops()
    cards()
    browsers()
    folders()
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
        put("order_answers", bytes.fromhex(vector.get("form", "")))
    joining = json.loads((VECTORS / "joining.json").read_text())
    put("details", bytes.fromhex(joining["salted_details"]))
    typed = [joining["slip"], joining["code"], *joining["sloppy_codes"], "12.50", "sakura99", "order-public-1"]
    typed += [vector["text"] for vector in vectors("numbers.json")]
    for text in typed:
        put("typed", text.encode())


if __name__ == "__main__":
    main()
