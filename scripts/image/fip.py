"""The parts of a fip.bin, from which the boot ROM of Sophgo's CV181x and SG200x starts: first stage, its settings, OpenSBI, U-Boot.

Two headers of 4,096 bytes: the first with the first stage behind it, the second with the rest, each part at the place in the file
that its "load address" says. Checksums are CRC-16 with 0xCAFE before it.
"""
import binascii, lzma, struct

FIRST, SECOND, HEADER = b"CVBL01\n\0", b"CVLD02\n\0", 4096
# Byte in the first header: sizes and checksums of the ROM's own patch and of the first stage (BL2).
BLCP_SIZE, BL2_SUM, BL2_SIZE, PARAM2_AT = 196, 212, 216, 224
# Byte in the second header of each part: checksum, place, bytes.
PARTS = {"DDR settings": 16, "small core": 32, "OpenSBI": 48}
LOADER_AT = 68
LOADERS = {b"BL33": "plain", b"B3MA": "lzma", b"B3Z4": "lz4"}


def word(data, at):
    return struct.unpack_from("<I", data, at)[0]


def checksum(data):
    return 0xCAFE0000 | binascii.crc_hqx(data, 0)


def unpack(body):
    """What an .lzma holds; the end of the file may follow it."""
    engine = lzma.LZMADecompressor(lzma.FORMAT_ALONE)
    try:
        text = engine.decompress(body)
    except lzma.LZMAError as reason:
        raise ValueError(f"U-Boot cannot be unpacked: {reason}") from reason
    if not text:
        raise ValueError("U-Boot cannot be unpacked")
    return text


def parts(data):
    """{name: bytes} of the file, U-Boot unpacked; ValueError says what is wrong with it."""
    if data[:8] != FIRST:
        raise ValueError("no fip.bin (it does not begin with CVBL01)")
    found = {}
    at = HEADER + word(data, BLCP_SIZE)
    found["first stage"] = data[at:at + word(data, BL2_SIZE)]
    if not found["first stage"]:
        raise ValueError("no first stage in it")
    if checksum(found["first stage"]) != word(data, BL2_SUM):
        raise ValueError("the first stage's checksum is wrong")
    second = word(data, PARAM2_AT)
    if data[second:second + 8] != SECOND:
        raise ValueError(f"no second header (CVLD02) at byte {second}")
    for name, field in PARTS.items():
        total, place, size = (word(data, second + field + 4 * n) for n in range(3))
        found[name] = data[place:place + size]
        if len(found[name]) != size:
            raise ValueError(f"{name} is cut off")
        if size and checksum(found[name]) != total:
            raise ValueError(f"the checksum of {name} is wrong")
    at = word(data, second + LOADER_AT)
    magic = data[at + 4:at + 8]
    if not at or magic not in LOADERS:
        raise ValueError("no U-Boot in it")
    size = word(data, at + 12)
    # Packers differ in whether the header of 32 bytes is counted.
    body = data[at + 32:at + 32 + size]
    if len(data) < at + size or len(body) < 1024:
        raise ValueError("U-Boot is cut off")
    found["U-Boot"] = unpack(body) if LOADERS[magic] == "lzma" else body
    found["packed"] = LOADERS[magic].encode()
    return found
