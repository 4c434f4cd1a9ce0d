"""Functions for a sandbox that somebody hostile may have written, each with why its call fails."""

HOSTILE = {
    "endless loop": ("    while True:\n        pass", "fuel"),
    "recursion": ("    def f(): f()\n    f()", "error"),
    "deep recursion": (
        "    import sys\n    sys.setrecursionlimit(10**6)\n    def f(): f()\n    f()", "fuel"),
    "a gigabyte": ("    bytearray(1 << 30)", "memory"),
    "a million events": ("    for n in range(10**6): emit('found', {'n': n})", "events"),
    "a million events, whatever is said": (
        "    for n in range(10**6):\n        try: emit('found')\n        except ValueError: 0",
        "events"),
    "large events": ("    emit('found', {'text': 'x' * 70000})", "events"),
    "much to remember": ("    put('all', 'x' * 70_000)", "state"),
    "ten megabytes to remember": ("    put('all', 'x' * 10_000_000)", "fuel"),
    "deep JSON": ("    data = {}\n    for _ in range(100): data = {'in': data}\n"
                  "    emit('found', data)", "event"),
    "deeper JSON": ("    from wit_world.imports import events\n"
                    "    events.emit('found', '[' * 20000)", "event"),
    "NaN": ("    emit('found', {'value': float('nan')})", "error"),
    "an event of another name": ("    emit('other', {})", "event"),
    "no object": ("    emit('found', [1])", "event"),
    "a file": ("    open('/etc/passwd')", "error"),
    "a file, by force": ("    import _io\n    _io.open_code('/etc/passwd')", "trap"),
    "a socket": ("    import socket", "error"),
    "the clock": ("    import time\n    time.time()", "error"),
    "the clock, by force": ("    import datetime\n    datetime.datetime.now()", "trap"),
    "a process": ("    import os\n    os.fork()", "error"),
    "exit": ("    import sys\n    sys.exit(0)", "error"),
    "exit, by force": ("    import os\n    os._exit(0)", "trap"),
    "much printed": ("    for _ in range(10**6): print('x' * 100)", "host_calls"),
}  # fmt: skip
"""What each does in Python, unless the label is ``walk``, and the cause of its failure."""

EMIT = "(call $emit (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))"
HOSTILE_COMPONENTS = {
    "endless loop": ("(loop (br 0))", "fuel"),
    "recursion": ("(call $again)", "stack"),
    "unreachable": ("unreachable", "trap"),
    "beyond its memory": ("(i32.load (i32.const -8)) drop", "trap"),
    "division by zero": ("(i32.const 0) (i32.const 0) i32.div_u drop", "trap"),
    "a gigabyte": (
        "(memory.grow (i32.const 16384)) (i32.const -1) i32.eq (if (then unreachable))", "trap"),
    "a million calls": (f"(loop {EMIT} (br 0))", "event"),
    "a string beyond its memory": (
        "(call $emit (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 64))",
        "trap"),
}  # fmt: skip
"""What each does in WebAssembly, whatever it is given."""


def hostile_source(name: str) -> str:
    """The source text of one in Python."""
    body, _ = HOSTILE[name]
    return f"def handle(event):\n    if event.label == 'walk':\n        return\n{body}\n"
