"""Runs a command as a user without any rights, under a seccomp profile: PROFILE, a system call to leave out, COMMAND…"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

ALLOW = 0x7FFF0000
ERRNO = 0x00050000
"""SCMP_ACT_ALLOW and SCMP_ACT_ERRNO of <seccomp.h>; an error's number goes into the low bits."""
PR_SET_NO_NEW_PRIVS = 38
NOBODY = 65534


def load(profile: dict[str, Any], without: str) -> None:
    """Loads ``profile`` as this process's filter, without the system call ``without``."""
    lib = ctypes.CDLL("libseccomp.so.2")
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_rule_add_array.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
    ]
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    context = lib.seccomp_init(ERRNO | profile["defaultErrnoRet"])
    for rule in profile["syscalls"]:
        action = ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else ERRNO | rule["errnoRet"]
        for name in rule["names"]:
            number = lib.seccomp_syscall_resolve_name(name.encode())
            # Names that this machine's libseccomp does not know are skipped, as container runtimes do.
            if name != without and number >= 0:
                assert lib.seccomp_rule_add_array(context, action, number, 0, None) == 0, name
    assert ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert lib.seccomp_load(context) == 0


def main(profile: str, without: str, *command: str) -> None:
    """Gives up all rights, then runs ``command``."""
    with open(profile, "rb") as file:  # noqa: PTH123
        rules = json.load(file)
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    load(rules, without)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
