"""Label maps and their scans: labels keep their numbers, and both lie on one grid.

- A channel for each label, one of them 1 at every voxel; brightness is the scan's own rule.
- Whatever the orientation of the files, what is at one place in the patient is at one place.
- What is no label map is refused; so is a case without a scan.
- The recipe's card says which value means what, and a network seen through `OfLabels` is the same.
"""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from torch import nn

from medacuity.errors import UsageError
from medacuity.intensity import Percentile
from medacuity.training.cases import Case
from medacuity.training.masks import OfLabels, channel_each, make_masks
from medacuity.training.recipes import RECIPES

RECIPE = RECIPES["pix2pix-tissues-t1"]


@pytest.fixture
def case(tmp_path) -> Case:
    labels = np.zeros((20, 24, 10), np.uint8)
    labels[4:16, 4:20, 2:9] = 1
    labels[6:14, 8:16, 3:8] = 3
    scan = (300 * labels.astype(int) + 20 * (np.arange(20)[:, None, None] > 11)).astype(np.int16)
    nib.save(nib.Nifti1Image(labels, np.diag([1.0, 1, 1, 1])), tmp_path / "tissues.nii.gz")
    turned = np.diag([-1.0, 1, 1, 1])
    turned[0, 3] = 19
    nib.save(nib.Nifti1Image(scan[::-1].copy(), turned), tmp_path / "t1.nii.gz")
    return Case(tmp_path / "tissues.nii.gz", "a", "train", target=tmp_path / "t1.nii.gz")


def made(case, count=4):
    return make_masks(case, count=count, spacing=1.0, intensity=Percentile())


def test_a_channel_for_each_label_where_the_scan_has_it(case):
    maps, image = made(case)
    assert maps.shape[1] == 4
    assert maps.shape[2:] == image.shape[2:]
    assert torch.equal(maps.sum(1), torch.ones_like(image[:, 0]))
    assert float(maps[:, 2].max()) == 0
    assert float(image[:, 0][maps[:, 3] == 1].min()) > float(image[:, 0][maps[:, 1] == 1].max())
    assert len(maps) == 7  # slices with labels


def test_what_is_no_label_map_is_refused(case):
    with pytest.raises(UsageError, match="from 0 to 2"):
        made(case, count=3)
    with pytest.raises(UsageError, match="no scan beside it"):
        made(replace(case, target=None))


def test_seen_through_labels_a_network_is_the_same():
    network = nn.Conv2d(4, 1, 1)
    labels = torch.randint(0, 4, (2, 1, 5, 6))
    assert torch.equal(OfLabels(network, 4)(labels / 3), network(channel_each(labels, 4)))


def test_the_card_says_what_labels_mean():
    card = RECIPE.card(0)
    assert card["classes"] == ["outside", "fluid", "grey", "white"]
    assert card["arguments"]["channels"] == 4
    assert RECIPE.intensity.of(np.array([0, 3])).to_unit(np.array([0, 3])).tolist() == [0, 3]
