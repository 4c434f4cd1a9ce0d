"""Components written by hand, in WebAssembly's text, that are of the contract's world ``rule``."""

import wasmtime

_TYPES = """
(import "jointhedots:function/types@1.0.0" (instance $types
  (type $r (record (field "sensor" string) (field "stream" string) (field "time-ns" s64)
    (field "values" (list f32))))
  (export "reading" (type $reading (eq $r)))
  (type $w (record (field "start-ns" s64) (field "end-ns" s64) (field "stream" string)
    (field "channels" (list string)) (field "values" (list f32))))
  (export "window" (type $window (eq $w)))
  (type $p (record (field "start-ns" s64) (field "end-ns" s64) (field "stream" string)
    (field "kind" string) (field "label" string) (field "said" string)
    (field "names" (list string)) (field "values" (list f32)) (field "model" string)))
  (export "prediction" (type $prediction (eq $p)))
  (type $h (record (field "start-ns" s64) (field "end-ns" s64) (field "stream" string)
    (field "function" string) (field "kind" string) (field "data" string)))
  (export "happening" (type $happening (eq $h)))
  (type $e (variant (case "reading" $reading) (case "window" $window)
    (case "prediction" $prediction) (case "happening" $happening) (case "tick" s64)))
  (export "event" (type (eq $e)))))
(alias export $types "event" (type $event))
"""
_EVENTS = """
(import "jointhedots:function/events@1.0.0" (instance $events
  (export "emit" (func (param "kind" string) (param "data" string)
    (result (result (error string)))))))
(core module $memory_of
  (memory (export "memory") 1)
  (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
(core instance $m (instantiate $memory_of))
(alias export $events "emit" (func $emit))
(core func $emit' (canon lower (func $emit) (memory (core memory $m "memory"))
  (realloc (core func $m "realloc"))))
"""


def component(body: str, memory: str = '(memory (export "memory") 1)', more: str = "") -> bytes:
    """A component whose ``handle`` does ``body``, with imports of ``more`` besides."""
    text = f"""(component {more}{_TYPES}{_EVENTS}
(core module $code
  (import "host" "emit" (func $emit (param i32 i32 i32 i32 i32)))
  {memory}
  (global $deep (mut i32) (i32.const 0))
  (func $again (call $again))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func (export "configure") (param i32 i32) (result i32) (i32.const 16))
  (func (export "handle") (param i32) (result i32) {body} (i32.const 16)))
(core instance $i (instantiate $code
  (with "host" (instance (export "emit" (func $emit'))))))
(func (export "configure") (param "settings" string) (result (result (error string)))
  (canon lift (core func $i "configure") (memory (core memory $i "memory"))
    (realloc (core func $i "realloc"))))
(func (export "handle") (param "event" $event) (result (result (error string)))
  (canon lift (core func $i "handle") (memory (core memory $i "memory"))
    (realloc (core func $i "realloc")))))"""
    return bytes(wasmtime.wat2wasm(text))


def core_of_one_function(body: bytes) -> bytes:
    """A component of nothing but a core module, whose one function (of an i32) does ``body``."""

    def section(number: int, content: bytes) -> bytes:
        return bytes([number]) + _length(content) + content

    code = b"\0" + body + b"\x0b"
    module = b"\0asm\1\0\0\0" + b"".join([
        section(1, b"\1\x60\1\x7f\0"),
        section(3, b"\1\0"),
        section(10, b"\1" + _length(code) + code),
    ])  # fmt: skip
    return b"\0asm\x0d\0\1\0" + section(1, module)


def _length(content: bytes) -> bytes:
    """In LEB128."""
    left, found = len(content), b""
    while left > 0x7F:
        found, left = found + bytes([left & 0x7F | 0x80]), left >> 7
    return found + bytes([left])
