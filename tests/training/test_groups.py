import numpy as np
import pytest
from tiny_training import network

pytest.importorskip("tensorflow")
import keras

from edgecv.training.groups import decays, free, make_groups
from edgecv.training.recipe import OptimizerPart, TransferPart

BACKBONE = frozenset({"first", "first_bn", "second"})


def names(groups):
    return [[layer.name for layer in group.layers] for group in groups]


@pytest.mark.parametrize(
    ("transfer", "found", "starts"),
    [
        ({}, [["first", "first_bn", "second", "logits"]], [0]),
        ({"freeze_epochs": 2}, [["logits"], ["second", "first_bn", "first"]], [0, 2]),
        (
            {"freeze_epochs": 1, "unfreeze_epochs": 3},
            [["logits"], ["second"], ["first_bn"], ["first"]],
            [0, 1, 2, 3],
        ),
        (
            {"unfreeze_epochs": 9},
            [["logits"], ["second"], ["first_bn"], ["first"]],
            [0, 0, 1, 2],
        ),
    ],
    ids=["no transfer", "all at once", "one by one", "more epochs than layers"],
)
def test_the_backbone_is_set_free_from_its_output(transfer, found, starts):
    groups = make_groups(network(), BACKBONE, TransferPart(**transfer), OptimizerPart())
    assert names(groups) == found
    assert [group.first_epoch for group in groups] == starts


def test_frozen_layers_learn_nothing_and_keep_their_averages():
    model = network()
    groups = make_groups(model, BACKBONE, TransferPart(freeze_epochs=1), OptimizerPart())
    assert len(free(groups, 0)) == 1
    norm = model.get_layer("first_bn")
    before = [value.copy() for value in norm.get_weights()]
    model(np.ones((2, 16, 16, 3), np.float32), training=True)
    for was, now in zip(before, norm.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
    assert len(free(groups, 1)) == 2
    model(np.ones((2, 16, 16, 3), np.float32), training=True)
    assert not np.array_equal(before[2], norm.get_weights()[2])


def test_the_backbone_learns_more_slowly():
    transfer = TransferPart(backbone_lr=0.1)
    groups = make_groups(network(), BACKBONE, transfer, OptimizerPart())
    assert [group.rate for group in groups] == [1.0, 0.1]


def test_a_network_that_is_all_backbone_cannot_be_frozen():
    model = network()
    everything = frozenset(layer.name for layer in model.layers)
    with pytest.raises(ValueError, match="nothing is left to learn"):
        make_groups(model, everything, TransferPart(freeze_epochs=1), OptimizerPart())


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_weight_decay_is_for_kernels_alone(name):
    """With gradients of zero only the decay moves anything."""
    model = network()
    part = OptimizerPart(name=name, lr=0.1, weight_decay=0.5)
    (group,) = make_groups(model, frozenset(), TransferPart(), part)
    for variable in group.variables:
        variable.assign(np.ones(variable.shape, np.float32))
    group.optimizer.apply([np.zeros(v.shape, np.float32) for v in group.variables], group.variables)
    for variable in group.variables:
        expected = 0.95 if "kernel" in variable.path else 1.0
        np.testing.assert_allclose(
            variable.value.numpy(), expected, rtol=1e-6, err_msg=variable.path
        )


def test_slopes_of_prelu_do_not_decay():
    layer = keras.layers.PReLU(shared_axes=[1, 2])
    layer.build((None, 8, 8, 5))
    assert not decays(layer.trainable_variables[0])
