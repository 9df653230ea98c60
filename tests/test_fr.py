import pytest
import torch
from torch.nn.functional import cross_entropy

from tests.learning import (
    gradients_of_two_folds,
    inputs,
    parameters,
    steps_to_learn,
    without_gradient,
)
from train.models.fr import CAP, FR, Inception, proposal_loss

torch.set_num_threads(1)
FLOW = [(2, 28, 28)]
TRUTH = torch.tensor([0, 1])


def network(**given):
    torch.manual_seed(0)
    return FR(3, **given)


@pytest.mark.parametrize(("classes", "with_biases"), [(3, 9_796_385), (5, 12_029_095)])
def test_it_has_the_parameters_of_its_description_less_the_biases_before_batch_norms(
    classes, with_biases
):
    with torch.device("meta"):
        built = FR(classes)
    biases = 2 * (6 * 6 + 6 * 16)  # two streams, six convolutions in each inception module
    assert parameters(built) == with_biases - biases


def test_an_inception_module_has_four_paths_that_see_1_3_5_and_3_px():
    torch.manual_seed(0)
    module = Inception(1, 6).eval()
    seen = []
    for path in module.paths:
        x = torch.rand(1, 1, 15, 15, requires_grad=True)
        path(x)[0, :, 7, 7].sum().backward()
        rows, columns = x.grad[0, 0].nonzero().unbind(1)
        reach = max((rows - 7).abs().max(), (columns - 7).abs().max())
        seen.append((len(rows), 2 * int(reach) + 1))
    assert seen[:3] == [(1, 1), (9, 3), (25, 5)]
    assert seen[3] in [(1, 1), (1, 3)]  # of nine px, the greatest alone
    assert module(x).shape == (1, 24, 15, 15)


@pytest.mark.parametrize("silenced", [0, 1])
def test_u_and_v_have_streams_of_their_own(silenced):
    net = network().eval()
    (flow,) = inputs(FLOW)
    other = flow.clone()
    other[:, silenced] = torch.rand(2, 28, 28)
    assert not torch.allclose(net(flow), net(other))
    net.streams[silenced].register_forward_hook(lambda module, given, found: 0 * found)
    torch.testing.assert_close(net(flow), net(other))


def test_attention_only_weakens_shared_features_each_expression_its_own_way():
    net = network().eval()
    shared = torch.rand(2, 1024) + 0.1
    first, second, _ = (proposal(shared)[0] / shared for proposal in net.proposals)
    assert 0 < first.min() < first.max() < 1
    assert not torch.allclose(first, second)


def test_the_order_of_the_proposals_does_not_matter_to_their_fusion():
    net = network().eval()
    (flow,) = inputs(FLOW)
    before = net(flow)
    net.proposals = net.proposals[::-1]
    torch.testing.assert_close(net(flow), before)


def test_the_proposal_loss_is_the_mean_of_balanced_cross_entropies():
    detected = torch.randn(4, 2, 2, generator=torch.Generator().manual_seed(0))
    truth = torch.tensor([0, 1, 1, 1])
    total = 0.0
    for sample in range(4):
        for k, positives in enumerate((1, 3)):
            mine = int(truth[sample] == k)
            weight = (4 - positives) / positives if mine else 1.0
            total += weight * -detected[sample, k].log_softmax(0)[mine] / 8
    torch.testing.assert_close(proposal_loss(detected, truth), total)


def test_a_class_that_fills_or_misses_a_batch_weighs_within_its_bounds():
    detected = torch.zeros(40, 2, 2)
    half = torch.log(torch.tensor(2.0))
    alone = torch.zeros(40, dtype=torch.long)
    expected = (1 / CAP + 1) / 2 * half  # its own detector, and the other's negatives
    torch.testing.assert_close(proposal_loss(detected, alone), expected)
    rare = alone.clone()
    rare[0] = 1
    expected = ((39 / CAP + 1) + (39 + CAP)) / 80 * half
    torch.testing.assert_close(proposal_loss(detected, rare), expected)


def test_without_its_weight_the_proposal_loss_is_left_out():
    net = network(proposal_weight=0.0).eval()
    x = inputs(FLOW)
    torch.testing.assert_close(net.losses(x, TRUTH, None), cross_entropy(net(*x), TRUTH))


def test_the_proposal_loss_comes_with_its_weight_and_classes_with_theirs():
    net = network().eval()
    x, weight = inputs(FLOW), torch.tensor([1.0, 5.0, 1.0])
    _, detected = net.proposed(*x)
    expected = cross_entropy(net(*x), TRUTH, weight) + 0.9 * proposal_loss(detected, TRUTH)
    torch.testing.assert_close(net.losses(x, TRUTH, weight), expected)
    assert not torch.allclose(net.losses(x, TRUTH, None), expected)


def test_every_parameter_learns():
    assert without_gradient(network(), FLOW) == set()


def test_detectors_learn_from_the_proposal_loss_alone():
    net = network(proposal_weight=0.0)
    still = without_gradient(net, FLOW)
    assert still == {n for n, _ in net.named_parameters() if ".detector." in n}


def test_in_eval_mode_it_answers_the_same_twice_and_in_training_it_drops_out():
    net = network().eval()
    x = inputs(FLOW)
    assert torch.equal(net(*x), net(*x))
    net.train()
    assert not torch.equal(net(*x), net(*x))


def test_folds_can_be_trained_at_once():
    at_once, alone = gradients_of_two_folds(network, FLOW)
    torch.testing.assert_close(at_once, alone, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_it_learns_16_samples_by_heart():
    assert steps_to_learn(network(), FLOW, rate=1e-3) <= 60
