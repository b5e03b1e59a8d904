"""Hold the lock of a folder of configfs until standard input ends, so that others hang there in state D.

Sent to a head and run there as root: `python3 hold_folder.py FOLDER`. It reads the folder into a page whose fault
userfaultfd(2) never answers; the kernel keeps the folder's lock meanwhile, and whoever makes, removes or looks up
something in it waits for that lock without being killable. No simulation: it is the state of a real hang.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import struct
import sys
import threading
import time

_SYS_USERFAULTFD, _SYS_GETDENTS64 = 323, 217  # x86_64
_UFFDIO_API, _UFFDIO_REGISTER = 0xC018AA3F, 0xC020AA00
_MISSING = 1


def main() -> None:
    """Hold it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    faults = libc.syscall(_SYS_USERFAULTFD, os.O_CLOEXEC)
    if faults < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "userfaultfd")
    fcntl.ioctl(faults, _UFFDIO_API, bytearray(struct.pack("QQQ", 0xAA, 0, 0)))
    access, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    page = libc.mmap(None, mmap.PAGESIZE, access, flags, -1, 0)
    fcntl.ioctl(faults, _UFFDIO_REGISTER, bytearray(struct.pack("QQQQ", page, mmap.PAGESIZE, _MISSING, 0)))
    folder = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)

    def read() -> None:
        libc.syscall(_SYS_GETDENTS64, folder, ctypes.c_void_p(page), mmap.PAGESIZE)

    threading.Thread(target=read, daemon=True).start()
    time.sleep(0.5)
    print("holding", flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
