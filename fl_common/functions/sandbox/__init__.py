"""The WebAssembly side of functions: what runs in it can call what its type says, and no more.

``open`` makes a ``function`` of a folder; ``program`` reads off what a component imports;
``machine_code`` compiles, on this machine; ``values`` and
``imports`` pass events and calls. All but ``key`` import wasmtime, which takes a tenth of a second.
"""
