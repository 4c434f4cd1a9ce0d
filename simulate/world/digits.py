"""MNIST (LeCun et al. 1998), divided into sites by a rule."""

import numpy as np

from fl_common.errors import InvalidData
from fl_common.vocabulary import Windows
from models import tasks
from simulate.world import TestSet
from simulate.world.checks import check_labels, check_lengths
from simulate.world.digits_files import Images, read_images
from simulate.world.lazy import LazyWorld, NumberedSites, check_count
from simulate.world.partition import Rule

_KEPT_BYTES = 256 * 2**20
"""Float windows of recently asked sites; the images themselves stay bytes."""


class Digits(LazyWorld):
    """``root``: a folder with ``MNIST/raw`` (torchvision's layout) or ``mnist.npz``, or that file.

    A null ``root`` is what was downloaded before, else a download. ``partition`` divides the 60,000
    training images into ``sites`` (null: ``default_sites``); the test set is MNIST's own, in one
    group. A site's images are one privacy block. No site is made before it is asked for.

    Raises:
        InvalidData: no MNIST there, damaged files, or no network.
        InvalidConfiguration: more sites than the rule can serve.
    """

    def __init__(
        self, root: str | None, sites: int | None, default_sites: int, partition: Rule
    ) -> None:
        train, test = (_checked(images) for images in read_images(root))
        count = default_sites if sites is None else sites
        check_count(count)
        rows_of = partition.divide(train.labels_N, count)

        def cut(site: int) -> Windows:
            rows_N = rows_of(site)
            return _windows(Images(train.source, train.pixels_NHW[rows_N], train.labels_N[rows_N]))

        keep = max(1, _KEPT_BYTES // cut(0).values.nbytes)
        whole = TestSet(_windows(test), np.zeros(len(test.labels_N), np.int64), ("all",))
        base = (train.pixels_NHW, train.labels_N)  # the rule is in the configuration
        super().__init__(tasks.digits(), NumberedSites(count), cut, keep, whole, base)


def _windows(images: Images) -> Windows:
    count = len(images.labels_N)
    return Windows(
        images.pixels_NHW[:, None].astype(np.float32),
        images.labels_N.astype(np.int64),
        np.zeros(count, np.int64),
        ("images",),
    )


def _checked(images: Images) -> Images:
    pixels_NHW, labels_N, task = images.pixels_NHW, images.labels_N, tasks.digits()
    shape = task.window_shape[1:]
    if pixels_NHW.shape[1:] != shape or pixels_NHW.dtype != np.uint8 or not len(pixels_NHW):
        raise InvalidData(
            f"{images.source}: images of shape {pixels_NHW.shape} and type {pixels_NHW.dtype}",
            f"must be (N, {shape[0]}, {shape[1]}), N at least 1, of uint8",
            "Get an undamaged copy of MNIST",
        )
    check_lengths(images.source, images=pixels_NHW, labels=labels_N)
    check_labels(images.source, labels_N, 0, len(task.labels))
    return images
