"""RED-CNN is the paper's network where sizes are kept, and starts as what it is given.

- 1,848,865 parameters at the paper's width; five convolutions, five transposed ones.
- The same numbers as the layers written out one by one, with the shortcuts where they belong.
- Before training the result is the input; noise below nothing is not cut off.
- A network that keeps the mean of neighbourhoods moves no level, and its halo is wider by that.
"""

import pytest
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


def test_a_kept_mean_undoes_what_moves_all_of_a_neighbourhood():
    x = torch.randn(1, 1, 40, 33)
    model = REDCNN(scale=1, dims=2, width=4, keeps=9)
    with torch.no_grad():
        model.decoder[-1].bias.fill_(0.1)
        torch.testing.assert_close(model(x), x)
        kept = REDCNN(scale=1, dims=2, width=4, keeps=9)
        kept.load_state_dict(network().state_dict())
        off = kept(x) - x
        assert abs(float(off.mean())) < 0.1 * abs(float((network()(x) - x).mean()))


def test_the_halo_of_a_kept_mean():
    model = REDCNN(scale=1, dims=2, width=2, keeps=5).double()
    model.load_state_dict(network(2).double().state_dict())
    assert model.halo == 24
    x = torch.rand(1, 1, 61, 1, dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(model(x)[0, 0, 30, 0], x)
    seen = gradient[0, 0, :, 0].nonzero()[:, 0]
    assert 23 <= int((seen - 30).abs().max()) <= 24


@pytest.mark.parametrize("keeps", [-3, 4])
def test_a_neighbourhood_has_a_middle(keeps):
    with pytest.raises(ValueError, match="keeps must be an odd number"):
        REDCNN(scale=1, dims=2, keeps=keeps)
