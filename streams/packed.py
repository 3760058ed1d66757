"""Blocks and judgements compressed once: Kafka, the changelog and RocksDB get the same bytes."""

import cramjam

_LEVEL = 1  # of zstd: 3, which Kafka's clients take, costs a third more for 3 % less


def pack(data: bytes) -> bytes:
    """Compress by zstd."""
    return bytes(cramjam.zstd.compress(data, _LEVEL))


def unpack(data: bytes) -> bytes:
    """Undo `pack`."""
    return bytes(cramjam.zstd.decompress(data))


def pack_quickly(data: bytes) -> bytes:
    """Compress by LZ4, behind the size as u32, little-endian: in 60 % of the time, to a third more."""
    return bytes(cramjam.lz4.compress_block(data))


def quickly_packed(size: int) -> int:
    """Bytes that `pack_quickly` makes of so many at most, which is more: not all can be compressed."""
    return size + size // 255 + 20


def unpack_quickly(data: bytes) -> bytes:
    """Undo `pack_quickly`."""
    return bytes(cramjam.lz4.decompress_block(data))
