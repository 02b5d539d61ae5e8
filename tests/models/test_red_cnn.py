"""RED-CNN is the paper's network where sizes are kept, and starts as what it is given.

- 1,848,865 parameters at the paper's width; five convolutions, five transposed ones.
- The same numbers as the layers written out one by one, with the shortcuts where they belong.
- Before training the result is the input; noise below nothing is not cut off.
"""

import torch
from torch import nn
from torch.nn.functional import relu

from medacuity.models import REDCNN


def network(width: int = 4) -> REDCNN:
    """Return a network whose weights matter, biases too."""
    torch.manual_seed(0)
    model = REDCNN(scale=1, dims=2, width=width)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.2)
    return model


def test_the_papers_size():
    model = REDCNN(scale=1, dims=2)
    assert sum(weight.numel() for weight in model.parameters()) == 1_848_865
    kinds = [type(part) for part in model.modules()]
    assert kinds.count(nn.Conv2d) == kinds.count(nn.ConvTranspose2d) == 5


def test_written_out():
    model, x = network(), torch.randn(2, 1, 23, 17)
    one, two, three, four, five = model.encoder
    six, seven, eight, nine, ten = model.decoder
    second = relu(two(relu(one(x))))
    fourth = relu(four(relu(three(second))))
    back = relu(six(relu(five(fourth))) + fourth)
    back = relu(eight(relu(seven(back))) + second)
    torch.testing.assert_close(model(x), ten(relu(nine(back))) + x)


def test_it_starts_at_its_input():
    x = torch.randn(1, 1, 9, 12)
    assert torch.equal(REDCNN(scale=1, dims=2, width=4)(x), x)


def test_its_halo_is_twenty_pixels():
    assert REDCNN(scale=1, dims=3, width=2).halo == 20
