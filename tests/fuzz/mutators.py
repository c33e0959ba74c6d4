"""Damage files at random: bytes, and the structure of each format, with the check sums put right again."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import pickletools
import random
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

INTEGERS = [0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 32767, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1]
VALUES = [
    None, True, False, 0, 1, -1, 2, 10**9, 2**31, 2**63, 10**400, 0.5, 1e308, -1e-308, float("inf"), float("nan"), "",
    "x", "../x", "/etc/passwd", "a" * 1000, "\0", "\n", "é", "💥", "\ud800", [], {}, [[]], [1, 2, 3], {"a": 1},
    [None] * 50, json.loads("[" * 400 + "]" * 400),
]  # fmt: skip
WORDS = [
    "=", ",", "@", "+", "-", "/", "..", "\n", "\r", "\t", " ", "\0", '"', "'", "#", "[", "]", "{", "}", ":", ";", "0",
    "-1", "1e999", "nan", "inf", "1_000", "9" * 30, "gram", "conv1_1", "pool1", "octaves", "true", "\ufeff", "é", "💥",
]  # fmt: skip

HOSTILE = [
    b"cposix\nsystem\n", b"(S'touch executed'\nios\nsystem\n", b"cbuiltins\neval\n", b"R", b"b", b"\x81", b"Q",
]  # fmt: skip
"""Opcodes that would run something, were the pickle run."""

Mutate = Callable[[random.Random, Sequence[bytes]], bytes]
"""``mutate(rng, seeds)`` returns a damaged file, made of one or two sound ones."""


def damage(rng: random.Random, data: bytes, most: int = 6) -> bytes:
    """Change a few bytes, numbers or pieces."""
    found = bytearray(data)
    for _ in range(rng.randint(1, most)):
        size = len(found)
        place = rng.randrange(size) if size else 0
        if rng.random() < 0.4:  # heads and directories, which matter more than numbers, are at the ends
            place = min(size, rng.randrange(400)) if rng.random() < 0.5 else max(0, size - 1 - rng.randrange(400))
        kind = rng.randrange(8)
        if kind == 0 and size:
            found[min(place, size - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1 and size:
            found[min(place, size - 1)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        elif kind == 2:
            code = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
            number = rng.choice((*INTEGERS, size, size - place)) & (1 << 8 * struct.calcsize(code)) - 1
            found[place : place + struct.calcsize(code)] = struct.pack(code, number)
        elif kind == 3:
            found[place:place] = rng.randbytes(rng.randint(1, 8))
        elif kind == 4:
            del found[place : place + rng.choice((1, 2, 4, 8, 100))]
        elif kind == 5:
            length = rng.choice((1, 4, 16, 200))
            at = rng.randrange(size + 1)
            found[at:at] = found[place : place + length]
        elif kind == 6 and rng.random() < 0.3:
            del found[place:]
        elif kind == 7:
            found[place : place + 16] = bytes(found[place : place + 16])[::-1]
    return bytes(found)


def raw(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage a file's bytes; sometimes join the pieces of two files."""
    data = rng.choice(seeds)
    if rng.random() < 0.1:
        other = rng.choice(seeds)
        data = data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]
    return damage(rng, data)


def either(*mutators: Mutate) -> Mutate:
    """Damage by one of several mutators; by bytes where a mutator cannot take the file apart."""

    def mutate(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
        with contextlib.suppress(Exception):
            return rng.choice(mutators)(rng, seeds)
        return raw(rng, seeds)

    return mutate


def png(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage chunks of a PNG, and put their check sums right."""
    data = rng.choice([seed for seed in seeds if seed.startswith(b"\x89PNG")])
    chunks, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    place = rng.randrange(len(chunks))
    kind, content = chunks[place]
    if kind == b"IDAT" and rng.random() < 0.5:
        content = zlib.compress(damage(rng, zlib.decompress(content)))
    elif rng.random() < 0.8:
        content = damage(rng, content, 2)
    else:
        chunks.insert(rng.randrange(len(chunks)), (kind, content))
    chunks[place] = (kind, content)
    out = data[:8]
    for name, body in chunks:
        out += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return out


def archive(inner: Callable[[random.Random, str, bytes], bytes]) -> Mutate:
    """Damage a member of a zip archive, list a member twice, or leave one out; the archive itself is sound."""

    def mutate(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
        with zipfile.ZipFile(io.BytesIO(rng.choice(seeds))) as found:
            members = [(info.filename, found.read(info)) for info in found.infolist()]
        place = rng.randrange(len(members))
        name, data = members[place]
        kind = rng.randrange(8)
        if kind == 0:
            members += [members[place]] * rng.choice((1, 400))
        elif kind == 1:
            del members[place]
        elif kind == 2:
            members[place] = (damage(rng, name.encode(), 2).decode("latin-1") or "x", data)
        else:
            members[place] = (name, inner(rng, name, data))
        buffer = io.BytesIO()
        packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
        with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", packing) as out:
            warnings.simplefilter("ignore")
            for member in members:
                out.writestr(*member)
        return buffer.getvalue()

    return mutate


def opcodes(rng: random.Random, data: bytes) -> bytes:
    """Move, repeat, leave out or damage the opcodes of a pickle."""
    places = [place for _, _, place in pickletools.genops(data) if place is not None]
    pieces = [data[a:b] for a, b in zip(places, [*places[1:], len(data)], strict=True)]
    for _ in range(rng.randint(1, 3)):
        place, other = rng.randrange(len(pieces)), rng.randrange(len(pieces))
        kind = rng.randrange(5)
        if kind == 0:
            pieces[place], pieces[other] = pieces[other], pieces[place]
        elif kind == 1:
            pieces[place:place] = [pieces[other]] * rng.choice((1, 3, 1000))
        elif kind == 2:
            del pieces[place : place + rng.randint(1, 3)]
        elif kind == 3:
            pieces[place] = pieces[place][:1] + damage(rng, pieces[place][1:], 1)
        else:
            pieces.insert(place, rng.choice(HOSTILE))
    return b"".join(pieces)


def npy(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage the pickle in a .npy file, or its head."""
    data = rng.choice(seeds)
    start = 10 + struct.unpack_from("<H", data, 8)[0]
    if rng.random() < 0.7:
        return data[:start] + opcodes(rng, data[start:])
    return data[:10] + damage(rng, data[10:start], 2) + data[start:]


def member(rng: random.Random, name: str, data: bytes) -> bytes:
    """Damage a member of an archive of PyTorch, Keras or NumPy."""
    if name.endswith(".pkl") and rng.random() < 0.8:
        return opcodes(rng, data)
    return damage(rng, data)


def matlab(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Damage what is packed in the variables of a MATLAB file."""
    data = rng.choice(seeds)
    out, at = data[:128], 128
    while at + 8 <= len(data):
        kind, count = struct.unpack_from("<II", data, at)
        body = data[at + 8 : at + 8 + count]
        if kind == 15 and rng.random() < 0.8:
            body = damage(rng, zlib.decompress(body), 3)
            out += (
                body if rng.random() < 0.3 else struct.pack("<II", 15, len(zlib.compress(body))) + zlib.compress(body)
            )
        else:
            out += data[at : at + 8] + body
        at += 8 + count
    return out


def onnx(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Change what a graph says of its tensors and nodes."""
    import onnx

    model = onnx.load_model_from_string(rng.choice(seeds))
    tensors, nodes = list(model.graph.initializer), list(model.graph.node)
    for _ in range(rng.randint(1, 3)):
        tensor, node = rng.choice(tensors), rng.choice(nodes)
        kind = rng.randrange(7)
        if kind == 0:
            del tensor.dims[:]
            tensor.dims.extend(rng.choice([*INTEGERS, -1, 3, 4]) for _ in range(rng.randrange(6)))
        elif kind == 1:
            tensor.data_type = rng.randrange(30)
        elif kind == 2:
            tensor.raw_data = damage(rng, tensor.raw_data)
        elif kind == 3:
            tensor.data_location = 1
            for key in ("location", "offset", "length"):
                value = rng.choice(("seed", "file", ".", "/dev/zero", "../x", "", "-1", "0", "8", str(2**40), "x"))
                tensor.external_data.add(key=key, value=value)
        elif kind == 4:
            node.op_type = rng.choice(("Conv", "Identity", "Constant", "Relu", "BatchNormalization", ""))
        elif kind == 5 and node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice((tensor.name, "", "input", *node.output))
        else:
            model.graph.node.insert(0, node)
    return bytes(model.SerializeToString())


def tree(rng: random.Random, value: Any) -> Any:
    """Change a node of a tree of JSON."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(sorted(value))
        kind = rng.randrange(8)
        if kind == 0:
            return {name: item for name, item in value.items() if name != key}
        if kind == 1:
            return {**value, str(rng.choice(WORDS)): value[key]}
        return {**value, key: tree(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.85:
        place = rng.randrange(len(value))
        kind = rng.randrange(8)
        if kind == 0:
            return value[:place] + value[place + 1 :]
        if kind == 1:
            return value + [value[place]] * rng.choice((1, 30))
        return [*value[:place], tree(rng, value[place]), *value[place + 1 :]]
    if type(value) is int and rng.random() < 0.6:
        return rng.choice((value + 1, value - 1, -value, value * 10**6, rng.choice(INTEGERS)))
    return rng.choice(VALUES)


def json_file(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Change nodes of a JSON file."""
    found = json.loads(rng.choice(seeds))
    for _ in range(rng.randint(1, 3)):
        found = tree(rng, found)
    return json.dumps(found).encode()


def request(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Change the body of a request, the words of its query, or now and then its method or path."""
    found = json.loads(rng.choice(seeds))
    if found["query"]:
        found["query"] = text(rng, [found["query"].encode()]).decode("latin-1")
    for _ in range(rng.randint(1, 3)):
        found["body"] = tree(rng, found["body"])
    if rng.random() < 0.1:
        name = rng.choice(("method", "path"))
        found[name] = text(rng, [found[name].encode()]).decode("latin-1")
    return json.dumps(found).encode()


def safetensors(inner: Callable[[random.Random, dict[str, Any], bytes], tuple[dict[str, Any], bytes]]) -> Mutate:
    """Change the head or the numbers of a safetensors file; ``inner`` puts right what the format says of itself."""

    def mutate(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
        data = rng.choice(seeds)
        length = int.from_bytes(data[:8], "little")
        head, body = inner(rng, json.loads(data[8 : 8 + length]), data[8 + length :])
        text = json.dumps(head).encode()
        text += b" " * (-len(text) % 8)
        return len(text).to_bytes(8, "little") + text + body

    return mutate


def head_only(rng: random.Random, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """Change the head of a safetensors file, or its numbers."""
    return (tree(rng, head), body) if rng.random() < 0.8 else (head, damage(rng, body))


def description(rng: random.Random, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """Change what the file of a trained network says of itself."""
    facts = head["__metadata__"]
    facts["subjective"] = json.dumps(tree(rng, json.loads(facts["subjective"])))
    return head, body


def position(rng: random.Random, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """Change the position or the arrays in a checkpoint, and give it the digests that fit."""
    facts = head["__metadata__"]
    content = json.loads(facts["content"])
    if rng.random() < 0.5:
        changed = tree(rng, {key: content[key] for key in ("position", "facts")})
        content |= changed if isinstance(changed, dict) else {}
    else:
        entry = head[rng.choice([key for key in head if key.isdecimal()])]
        if rng.random() < 0.3:
            entry[rng.choice(("dtype", "shape"))] = rng.choice(("F32", "I32", "I64", [1], [0], [3, 3], [-1], [2**40]))
        start, end = entry["data_offsets"]
        if isinstance(start, int) and end > start:
            code, size = {"I32": ("<i", 4), "F64": ("<d", 8), "F32": ("<f", 4), "I64": ("<q", 8)}.get(
                entry["dtype"] if isinstance(entry["dtype"], str) else "", ("B", 1)
            )
            changed_body = bytearray(body)
            for _ in range(rng.randint(1, 4)):
                at = start + rng.randrange((end - start) // size) * size
                wide = rng.choice((-1, 0, 1, 2, 5, 100, 10**6, 2**31 - 1, -(2**31)))
                number = float(wide) if code in ("<d", "<f") else wide if code != "B" else wide & 255
                changed_body[at : at + size] = struct.pack(code, rng.choice((number, number)))
            body = bytes(changed_body)
    content["digests"] = [
        hashlib.sha256(body[slice(*head[str(n)]["data_offsets"])]).hexdigest() for n in range(len(head) - 1)
    ]
    facts["content"] = json.dumps(content)
    facts.pop("digest", None)
    facts["digest"] = hashlib.sha256(json.dumps(head).encode()).hexdigest()
    return head, body


def text(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Change the words of a text."""
    words = re.findall(rb"\w+|\W", rng.choice(seeds)) or [b""]
    for _ in range(rng.randint(1, 5)):
        place = rng.randrange(len(words))
        kind = rng.randrange(5)
        if kind == 0:
            words[place] = rng.choice(WORDS).encode()
        elif kind == 1:
            words.insert(place, rng.choice(WORDS).encode())
        elif kind == 2 and len(words) > 1:
            del words[place]
        elif kind == 3:
            words[place:place] = [words[rng.randrange(len(words))]] * rng.choice((1, 2, 500))
        else:
            words[place] = damage(rng, words[place], 1)
    return b"".join(words)
