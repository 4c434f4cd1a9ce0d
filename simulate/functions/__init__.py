"""``fl-fn``: write, test, run and serve functions on your machine, before any box has them.

A function's folder has ``function.json``, the file that it names, and ``cases.jsonl``: what it must
find. ``opened`` opens one, ``trial`` tests it, ``run`` shows it ``windows``, ``serving`` answers
CloudEvents over HTTP.
"""
