"""System calls that a function host refuses, with their numbers (linux/unistd.h)."""

AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""As linux/audit.h names them, by ``platform.machine()``."""

_TABLE = """
    socket 41 198, connect 42 203, accept 43 202, bind 49 200, listen 50 201, accept4 288 242,
    clone 56 220, clone3 435 435, fork 57 -, vfork 58 -, execve 59 221, execveat 322 281,
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
    sched_setattr 314 274, ioprio_set 251 30, prlimit64 302 261, chmod 90 -, fchmod 91 52,
    fchmodat 268 53, fchmodat2 452 452, chown 92 -, lchown 94 -, fchown 93 55, fchownat 260 54,
    setxattr 188 5, lsetxattr 189 6, fsetxattr 190 7, removexattr 197 14, lremovexattr 198 15,
    fremovexattr 199 16, utime 132 -, utimes 235 -, futimesat 261 -, utimensat 280 88,
    truncate 76 45, settimeofday 164 170, clock_settime 227 112, adjtimex 159 171, reboot 169 142,
    init_module 175 105, finit_module 313 273, delete_module 176 106, kexec_load 246 104
"""
"""Each with its numbers on x86_64 and on aarch64, which does not have all."""


def _numbers(column: int) -> dict[str, int]:
    rows = (row.split() for row in _TABLE.split(","))
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}


NUMBERS = {"x86_64": _numbers(1), "aarch64": _numbers(2)}
"""The numbers by the calls' names."""
