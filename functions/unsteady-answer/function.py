"""Tells when the model's answer hangs on a small change of its window, and when it no longer does.

It asks the model about each window as it is, a little smaller and a little larger, as a sensor that
is worn, loose or uncalibrated would give it. Three answers that name two labels are no answer.
"""


def handle(event):
    """One question for all three; the order of the labels is the model's."""
    factors = [1 - settings["share"], 1.0, 1 + settings["share"]]
    values = [value * factor for factor in factors for value in event.values]
    width = len(event.channels)
    answers = infer(values, [len(factors), len(event.values) // width, width])
    size = len(answers) // len(factors)
    rows = [answers[number * size : (number + 1) * size] for number in range(len(factors))]
    best = [row.index(max(row)) for row in rows]
    other = len(set(best)) > 1
    run, told = get("run", 0), get("unsteady", False)
    run = run + 1 if other != told else 0
    if run == settings["windows"]:
        run, told = 0, other
        emit("answer-unsteady" if told else "answer-steady", {"places": best})
        put("unsteady", told)
    put("run", run)
