"""What the header of a qcow2 file says, read without QEMU: nothing that the file names is ever opened here."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = b"QFI\xfb"
NAME_LIMIT = 1023  # of a backing file, by the format
DIRTY, CORRUPT, EXTERNAL_DATA, COMPRESSION, EXTENDED_L2 = (1 << bit for bit in range(5))
KNOWN_FEATURES = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION | EXTENDED_L2
LUKS = 2  # crypt_method


class NotQcow2(ValueError):
    """The file is no qcow2 file, or one that makes no sense; the message says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """The fields that matter, by the names of QEMU's docs/interop/qcow2.txt."""

    version: int
    backing: str
    cluster_bits: int
    size: int
    crypt_method: int
    l1_size: int
    l1_table_offset: int
    refcount_table_offset: int
    snapshots: int
    features: int  # those that a reader must know

    @property
    def is_encrypted(self) -> bool:
        return self.crypt_method != 0


def read_header(file: BinaryIO) -> Header:
    """The header of an open file; raises NotQcow2."""
    file.seek(0)
    start = file.read(104)
    if start[:4] != MAGIC:
        raise NotQcow2("it does not begin as a qcow2 file does")
    if len(start) < 72:
        raise NotQcow2("it ends within its header")
    (
        version,
        backing_offset,
        backing_length,
        cluster_bits,
        size,
        crypt_method,
        l1_size,
        l1_table_offset,
        refcount_table_offset,
        _refcount_table_clusters,
        snapshots,
        _snapshots_offset,
    ) = struct.unpack_from(">IQIIQIIQQIIQ", start, 4)
    if version not in (2, 3):
        raise NotQcow2(f"it is of version {version}; there are 2 and 3")
    if version == 3 and len(start) < 104:
        raise NotQcow2("it ends within its header")
    features = struct.unpack_from(">Q", start, 72)[0] if version == 3 else 0
    return Header(
        version,
        _backing(file, backing_offset, backing_length),
        cluster_bits,
        size,
        crypt_method,
        l1_size,
        l1_table_offset,
        refcount_table_offset,
        snapshots,
        features,
    )


def _backing(file: BinaryIO, offset: int, length: int) -> str:
    if not offset:
        return ""
    if not 0 < length <= NAME_LIMIT or offset > 2**21:
        raise NotQcow2("the name of its backing file lies elsewhere than such a name can")
    file.seek(offset)
    name = file.read(length)
    if len(name) < length:
        raise NotQcow2("it ends within its header")
    return name.decode(errors="surrogateescape")
