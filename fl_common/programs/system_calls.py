"""System calls that a function host refuses, with their numbers (linux/unistd.h)."""

AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""As linux/audit.h names them, by ``platform.machine()``."""

_TABLE = """
    socket 41 198, connect 42 203, accept 43 202, bind 49 200, listen 50 201, accept4 288 242,
    clone3 435 435, fork 57 -, vfork 58 -, execve 59 221, execveat 322 281,
    kill 62 129, tkill 200 130, tgkill 234 131, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240,
    pidfd_open 434 434, pidfd_getfd 438 438, pidfd_send_signal 424 424, ptrace 101 117,
    process_vm_readv 310 270, process_vm_writev 311 271, process_madvise 440 440, kcmp 312 272,
    migrate_pages 256 238, move_pages 279 239, io_uring_setup 425 425, bpf 321 280,
    perf_event_open 298 241, add_key 248 217, request_key 249 218, keyctl 250 219, mount 165 40,
    umount2 166 39, pivot_root 155 41, chroot 161 51, unshare 272 97, setns 308 268,
    open_tree 428 428, move_mount 429 429, fsopen 430 430, mount_setattr 442 442,
    userfaultfd 323 282, open_by_handle_at 304 265, name_to_handle_at 303 264, shmget 29 194,
    shmat 30 196, msgget 68 186, semget 64 190, mq_open 240 180, setpriority 141 140,
    sched_setaffinity 203 122, sched_setscheduler 144 119, sched_setparam 142 118,
    sched_setattr 314 274, ioprio_set 251 30, chmod 90 -, fchmod 91 52,
    fchmodat 268 53, fchmodat2 452 452, chown 92 -, lchown 94 -, fchown 93 55, fchownat 260 54,
    setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15,
    fremovexattr 199 16, utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88,
    truncate 76 45, settimeofday 164 170, clock_settime 227 112, adjtimex 159 171, reboot 169 142,
    init_module 175 105, finit_module 313 273, delete_module 176 106, kexec_load 246 104,
    kexec_file_load 320 294, socketpair 53 199, sendmsg 46 211, sendmmsg 307 269,
    inotify_init 253 -, inotify_init1 294 26, inotify_add_watch 254 27, fanotify_init 300 262,
    fanotify_mark 301 263, io_uring_enter 426 426, io_uring_register 427 427, shmctl 31 195,
    msgsnd 69 189, msgrcv 70 188, msgctl 71 187, semop 65 193, semtimedop 220 192, semctl 66 191,
    mq_unlink 241 181, process_mrelease 448 448, setrlimit 160 164, syslog 103 116, iopl 172 -,
    ioperm 173 -, swapon 167 224, swapoff 168 225, acct 163 89, vhangup 153 58, quotactl 179 60,
    quotactl_fd 443 443, sethostname 170 161, setdomainname 171 162, clock_adjtime 305 266,
    fsconfig 431 431, fsmount 432 432, fspick 433 433
"""
"""Each with its numbers on x86_64 and on aarch64, which does not have all."""
_IN_PART = "clone 56 220, prlimit64 302 261, fcntl 72 25, ioctl 16 29, prctl 157 167"

LAST_KNOWN = 462
"""The last call that was there when this list was made (mseal, Linux 6.10), on both."""
OPTIONS = {
    "fcntl": (1, (8, 15)),  # F_SETOWN, F_SETOWN_EX: a file's signals go to another process
    "ioctl": (1, (0x8901, 0x8902)),  # FIOSETOWN, SIOCSPGRP: likewise
    "prctl": (0, (1,)),  # PR_SET_PDEATHSIG: it would not end with the node
}
"""Calls of which some options are refused: the number of that argument, and those values."""


def _numbers(table: str, column: int) -> dict[str, int]:
    rows = (row.split() for row in table.split(","))
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


NUMBERS = {"x86_64": _numbers(_TABLE, 1), "aarch64": _numbers(_TABLE, 2)}
"""The numbers of those that are refused altogether, by their names."""
IN_PART = {"x86_64": _numbers(_IN_PART, 1), "aarch64": _numbers(_IN_PART, 2)}
"""The numbers of those that are refused in part."""
