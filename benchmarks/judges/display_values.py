"""What RapidOCR reads in pictures of one line of text each.

It runs in an environment of its own (``catalogue.txt``) and imports nothing of ours:

    python display_values.py PICTURES.npy

PICTURES are levels (N, height, width) in grey. It prints a text and its score for each, as JSON.
RapidOCR finds no regions and turns nothing here: as on a box, the picture is the line.
"""

import json
import os
import sys

import numpy as np

os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def main(file: str) -> None:
    """Print what is read."""
    from rapidocr import RapidOCR

    engine = RapidOCR(params={"Global.log_level": "critical", "Global.text_score": 0.0})
    found = []
    for grey in np.load(file):
        read = engine(np.repeat(grey[:, :, None], 3, 2), use_det=False, use_cls=False, use_rec=True)
        texts, scores = read.txts or ("",), read.scores or (0.0,)
        found.append([texts[0].strip(), float(scores[0])])
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
