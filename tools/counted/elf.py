"""What the check of counted code reads from an executable or library besides its instructions.

Sections, tables of counted text and of tick sites, pointers to code in data, and which landing pad an
exception that leaves a call goes to. 64-bit little-endian ELF only; `Broken` if a table makes no sense.
"""

import struct

R_X86_64_RELATIVE = 8
PT_LOAD = 1
SHT_RELA = 4
OMIT = 0xff


class Broken(Exception):
    pass


class Reader:
    """Bytes at a virtual address, read one field after another."""

    def __init__(self, image, address):
        self.image, self.at = image, address

    def take(self, form):
        size = struct.calcsize("<" + form)
        data = self.image.read(self.at, size)
        self.at += size
        return struct.unpack("<" + form, data)[0]

    def uleb(self):
        value = shift = 0
        while True:
            byte = self.take("B")
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    def sleb(self):
        start = self.at
        value = self.uleb()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) & 1 else value

    def text(self):
        chars = bytearray()
        while (char := self.take("B")) != 0:
            chars.append(char)
        return chars.decode()

    def pointer(self, encoding):
        """A DW_EH_PE pointer; None if it is omitted or null."""
        if encoding == OMIT:
            return None
        start = self.at
        kinds = {0: "Q", 2: "H", 3: "I", 4: "Q", 10: "h", 11: "i", 12: "q"}
        kind = encoding & 0x0f
        value = self.uleb() if kind == 1 else self.sleb() if kind == 9 else self.take(kinds[kind])
        if value and encoding & 0x70 == 0x10:
            value += start
        return value or None


class Image:
    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise Broken(f"{path} is no 64-bit ELF file")
        self.loads = self._loads()
        self.sections = self._sections()

    def _loads(self):
        offset, = struct.unpack_from("<Q", self.data, 32)
        size, count = struct.unpack_from("<HH", self.data, 54)
        loads = []
        for i in range(count):
            kind, _, at, address, _, bytes_, _, _ = struct.unpack_from("<IIQQQQQQ", self.data, offset + i * size)
            if kind == PT_LOAD:
                loads.append((address, bytes_, at))
        return loads

    def _sections(self):
        """Name: (address, size, type, file offset)."""
        offset, = struct.unpack_from("<Q", self.data, 40)
        size, count, names = struct.unpack_from("<HHH", self.data, 58)
        headers = [struct.unpack_from("<IIQQQQIIQQ", self.data, offset + i * size) for i in range(count)]
        names_at = headers[names][4]
        found = {}
        for name, kind, _, address, at, bytes_, *_ in headers:
            end = self.data.index(b"\0", names_at + name)
            found[self.data[names_at + name:end].decode()] = (address, bytes_, kind, at)
        return found

    def read(self, address, size):
        for begin, bytes_, at in self.loads:
            if begin <= address and address + size <= begin + bytes_:
                return self.data[at + address - begin:at + address - begin + size]
        raise Broken(f"nothing at {address:#x}")

    def section(self, name):
        address, size, *_ = self.sections.get(name, (0, 0))
        return address, address + size

    def holds(self, address):
        return any(begin <= address < begin + size for begin, size, _ in self.loads)

    def counted_ranges(self):
        """(begin, end) of each piece of counted text, in order."""
        begin, end = self.section("reprise_text")
        ranges = []
        for at in range(begin, end, 8):
            offset, size = struct.unpack("<iI", self.read(at, 8))
            ranges.append((at + offset, at + offset + size))
        return sorted(ranges)

    def tick_sites(self):
        begin, end = self.section("reprise_sites")
        return {at + struct.unpack("<i", self.read(at, 4))[0] for at in range(begin, end, 4)}

    def relocated_pointers(self):
        """What the dynamic linker will put into data: addresses in this module."""
        pointers = set()
        for _, size, kind, at in self.sections.values():
            if kind != SHT_RELA:
                continue
            for entry in range(at, at + size, 24):
                _, info, addend = struct.unpack_from("<QQq", self.data, entry)
                if info & 0xffffffff == R_X86_64_RELATIVE:
                    pointers.add(addend)
        return pointers

    def landing_pads(self):
        """Call sites: (begin, end, landing pad), for every function with a table of them."""
        sites = []
        begin, end = self.section(".eh_frame")
        at, common = begin, {}
        while at < end:
            reader = Reader(self, at)
            length = reader.take("I")
            if length == 0:
                break
            body = reader.at
            back = reader.take("I")
            if back == 0:
                common[at] = self._common(reader)
            elif (lsda := self._lsda(reader, common[body - back])) is not None:
                sites += self._call_sites(*lsda)
            at = body + length
        return sites

    @staticmethod
    def _common(reader):
        """(encoding of addresses, encoding of the pointer to the call sites)."""
        version = reader.take("B")
        augmentation = reader.text()
        reader.uleb()
        reader.sleb()
        reader.take("B") if version == 1 else reader.uleb()
        addresses, lsda = 0, OMIT
        if augmentation.startswith("z"):
            reader.uleb()
            for letter in augmentation[1:]:
                if letter == "R":
                    addresses = reader.take("B")
                elif letter == "L":
                    lsda = reader.take("B")
                elif letter == "P":
                    reader.pointer(reader.take("B") & 0x7f)
        return addresses, lsda

    @staticmethod
    def _lsda(reader, common):
        addresses, lsda = common
        if lsda == OMIT:
            return None
        begin = reader.pointer(addresses)
        reader.pointer(addresses & 0x0f)
        reader.uleb()
        table = reader.pointer(lsda & 0x7f)
        return (begin, table) if table is not None else None

    def _call_sites(self, function, table):
        reader = Reader(self, table)
        base = reader.take("B")
        # A null pointer here is a base of 0.
        start = function if base == OMIT else reader.pointer(base) or 0
        if reader.take("B") != OMIT:
            reader.uleb()
        encoding = reader.take("B")
        end = reader.uleb() + reader.at
        while reader.at < end:
            begin, size, pad = (reader.pointer(encoding) or 0 for _ in range(3))
            reader.uleb()
            if pad:
                yield function + begin, function + begin + size, start + pad
