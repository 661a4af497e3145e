#!/usr/bin/env python3
"""Mends the tile units of Bochs 3.0 and writes the program anew: mend-bochs.py BOCHS MENDED

Bochs takes the signed bytes of TDPBSSD, TDPBSUD and TDPBUSD as unsigned (cpu/avx/amx.cc, DPBDSS and so on; 3.1 as well). Here the
instructions that widen four bytes of either factor are replaced by those that keep the sign. TDPBUSD shares its code with
TDPBUUD, so it gets a copy of that of TDPBSUD, in the place of an instruction that nobody uses. Needs binutils. Programs whose code is
another one are not touched: that is an error.
"""

import re
import subprocess
import sys

# movzbl and shr of the four bytes of a factor, and movsbl and sar, in the code of TDPBSSD and TDPBSUD.
LEFT = [("440fb6c2", "440fbec2"), ("0fb6c6", "0fbec6"), ("c1ea18", "c1fa18"), ("450fb6c0", "450fbec0")]
RIGHT = [("440fb6d1", "440fbed1"), ("0fb6ed", "0fbeed"), ("c1e918", "c1f918"), ("450fb6d2", "450fbed2")]
LOOP = "440fb6c20fb6c6440fb6d10fb6ed"  # where they begin


def tool(*args):
    return subprocess.run(args, capture_output=True, text=True, check=True).stdout.splitlines()


def signed(code, pairs):
    code = bytearray(code)
    loop = code.index(bytes.fromhex(LOOP))
    for old, new in pairs:
        at = code.index(bytes.fromhex(old), loop, loop + 80)
        code[at : at + len(old) // 2] = bytes.fromhex(new)
    return code


def main(source, mended):
    program = bytearray(open(source, "rb").read())
    text = next(line.split() for line in tool("readelf", "-SW", source) if " .text " in line)
    address, offset = (int(x, 16) for x in text[text.index(".text") + 2 :][:2])

    def function(name):
        fields = next(line.split() for line in tool("nm", "-DS", source) if name + "_Tnnn" in line)
        return int(fields[0], 16), int(fields[1], 16)

    def read(at, size):
        return bytearray(program[at - address + offset :][:size])

    def write(at, code):
        program[at - address + offset : at - address + offset + len(code)] = code

    both, both_size = function("TDPBSSD")
    left, size = function("TDPBSUD")
    right, _ = function("TDPBUSD")
    place, room = function("TCMMRLFP16PS")
    copy = read(left, size)
    if room < size or read(right, 5).hex() != "f30f1efae9":
        sys.exit("mend-bochs: this is other code")
    # What the copy calls is elsewhere.
    for line in tool("objdump", "-d", "--start-address=%d" % left, "--stop-address=%d" % (left + size), source):
        call = re.match(r"\s*([0-9a-f]+):\te8 .*\tcall +([0-9a-f]+)", line)
        if call:
            at, target = (int(x, 16) for x in call.groups())
            copy[at - left + 1 : at - left + 5] = (target - place - (at - left) - 5).to_bytes(4, "little", signed=True)
    write(both, signed(read(both, both_size), LEFT + RIGHT))
    write(left, signed(read(left, size), LEFT))
    write(place, signed(copy, RIGHT))
    write(right + 5, (place - right - 9).to_bytes(4, "little", signed=True))
    open(mended, "wb").write(program)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
