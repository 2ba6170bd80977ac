import json
import os
import shutil
import zipfile
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from tiny_training import SIDE, network, recipe_values, write_network

pytest.importorskip("tensorflow")
import keras

from edgecv import modelfile
from edgecv.errors import DataError, EdgeCVError, OutputError
from edgecv.training import checkpoints
from edgecv.training import fit as fitting
from edgecv.training.errors import CheckpointError, TrainingError
from edgecv.training.fit import Standing, fit
from edgecv.training.preparing import order, prepare
from edgecv.training.recipe import recipe_from_dict
from edgecv.training.run import Folder
from edgecv.training.workers import Machines, machines

# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def recipe(pictures):
    def make(**changes):
        return recipe_from_dict(recipe_values(pictures, **changes))

    return make


@pytest.fixture(scope="module")
def trained(recipe, tmp_path_factory):
    """One whole training, for all the tests that only look at what it left."""
    out = tmp_path_factory.mktemp("trained")
    lines = []
    outcome = fit(recipe(run__epochs=6), out, tell=lines.append)
    return outcome, out, lines


def rows(out):
    found = json.loads((out / "history.json").read_text())["epochs"]
    return [
        {k: v for k, v in r.items() if k not in ("seconds", "images_per_second")} for r in found
    ]


def weights(out):
    with np.load(out / "last.npz") as archive:
        return [archive[name] for name in sorted(archive.files) if name != "about"]


def test_a_network_learns_three_colours(trained):
    outcome, _, _ = trained
    assert outcome.figures["top1"] >= 0.9
    assert outcome.epochs == 6


def test_there_is_a_line_for_each_epoch(trained):
    _, _, lines = trained
    assert [line.split()[1] for line in lines] == [f"{n}/6" for n in range(1, 7)]
    assert "top1" in lines[0]
    assert "images/s" in lines[0]


def test_the_trained_file_carries_its_spec_and_gives_logits(trained):
    outcome, _, _ = trained
    spec = modelfile.embedded_spec(outcome.model)
    assert spec.labels == ("blue", "green", "red")
    assert spec.options["softmax"]
    model = keras.saving.load_model(outcome.model, compile=False)
    assert model(np.zeros((1, SIDE, SIDE, 3), np.float32)).shape == (1, 3)
    with zipfile.ZipFile(outcome.model) as archive:
        card = json.loads(archive.read("edgecv_card.json"))
    assert card["figures"] == outcome.figures
    assert card["recipe"]["run"]["epochs"] == 6


def test_the_history_has_every_figure(trained):
    outcome, out, _ = trained
    head, *lines = (out / "history.csv").read_text().splitlines()
    assert head == "epoch,loss,gradient,lr,images_per_second,seconds,top1,top5"
    assert len(lines) == 6
    found = rows(out)
    assert found[0]["loss"] > found[-1]["loss"]
    assert found[outcome.best_epoch - 1]["top1"] == outcome.figures["top1"]


def test_the_report_needs_nothing_beside_it(trained):
    _, out, _ = trained
    text = (out / "report.html").read_text()
    for wanted in (
        "<svg",
        "Confusion",
        "Answers",
        "data:image/png;base64",
        "optimizer.lr",
        "16 train, 8 val",
    ):
        assert wanted in text
    assert not {"http-equiv", "<script", "<link", 'src="http'} & set(text.split())
    assert "keras" in text


def test_tensorboard_has_something_to_show(trained):
    _, out, _ = trained
    assert list((out / "tensorboard").glob("events*"))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights_and_another_does_not(recipe, tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        fit(recipe(run__epochs=1, run__seed=seed), tmp_path / name)
    first, same, other = (weights(tmp_path / name) for name in "abc")
    assert all(np.array_equal(x, y) for x, y in zip(first, same, strict=True))
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    assert not all(np.array_equal(x, y) for x, y in zip(first, other, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer__name": "sgd", "optimizer__schedule": "step"},
        {"optimizer__name": "adam", "optimizer__ema": 0.0, "run__measure_every": 2},
        {"transfer": {"freeze_epochs": 1, "unfreeze_epochs": 2, "backbone_lr": 0.1}},
    ],
    ids=["sgd", "adam", "transfer"],
)
def test_a_run_that_was_broken_off_goes_on_as_if_it_never_was(changes, recipe, tmp_path):
    whole = recipe(run__epochs=4, **changes)
    fit(whole, tmp_path / "whole")

    def stop(text):
        if text.startswith("epoch 2/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(whole, tmp_path / "broken", tell=stop)
    assert len(rows(tmp_path / "broken")) == 2
    outcome = fit(whole, tmp_path / "broken", resume=True)
    assert rows(tmp_path / "broken") == rows(tmp_path / "whole")
    for x, y in zip(weights(tmp_path / "broken"), weights(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(x, y)
    assert outcome.epochs == 4


def test_a_finished_run_is_not_trained_again(trained, recipe):
    outcome, out, _ = trained
    lines = []
    again = fit(recipe(run__epochs=6), out, resume=True, tell=lines.append)
    assert again == outcome
    assert not lines


def test_a_folder_with_a_training_is_refused(trained, recipe):
    _, out, _ = trained
    with pytest.raises(CheckpointError, match="holds a training that was started before"):
        fit(recipe(run__epochs=6), out)


def test_another_recipe_does_not_go_on(trained, recipe):
    _, out, _ = trained
    with pytest.raises(CheckpointError, match=r"another recipe \(run\.epochs was 6 and is 7\)"):
        fit(recipe(run__epochs=7), out, resume=True)


def test_other_data_do_not_go_on(trained, recipe, pictures, tmp_path):
    _, out, _ = trained
    state = checkpoints.load(out / "last.npz")
    about = {**state.about, "samples": [47, 24]}
    copy = tmp_path / "copy"
    copy.mkdir()
    named = [(n, keras.Variable(a)) for n, a in zip(state.names, state.arrays, strict=True)]
    checkpoints.save(copy / "last.npz", named, about)
    with pytest.raises(CheckpointError, match=r"is of \[47, 24\] samples"):
        fit(recipe(run__epochs=6), copy, resume=True)


def test_a_checkpoint_of_another_network_is_refused(recipe, tmp_path):
    """The same recipe, but the file that it names has become another network."""
    own = tmp_path / "own.keras"
    write_network(own)
    mine = recipe(model__name=str(own), run__epochs=1)
    fit(mine, tmp_path / "run")
    write_network(own, channels=12)
    with pytest.raises(CheckpointError, match=r"is of another network: it has .* \(3, 3, 3, 8\)"):
        fit(mine, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    "damage",
    [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"PK" + bytes(100)],
    ids=["cut off", "empty", "nonsense"],
)
def test_a_damaged_checkpoint_is_named(damage, trained, recipe, tmp_path):
    _, out, _ = trained
    (tmp_path / "last.npz").write_bytes(damage((out / "last.npz").read_bytes()))
    with pytest.raises(CheckpointError, match=r"last\.npz is damaged"):
        fit(recipe(run__epochs=6), tmp_path, resume=True)


def test_weights_to_start_from_have_to_fit(trained, recipe, tmp_path):
    outcome, _, _ = trained
    other = write_network(tmp_path / "wide.keras", channels=12)
    with pytest.raises(CheckpointError, match=r"the layer first of .* and the file has one of"):
        fit(recipe(model__name=str(other), model__weights=str(outcome.model)), tmp_path / "run")


def test_a_training_may_start_from_trained_weights(trained, recipe, tmp_path):
    outcome, _, _ = trained
    mine = recipe(model__weights=str(outcome.model), run__epochs=1, transfer={"freeze_epochs": 1})
    fit(mine, tmp_path / "run")
    before = keras.saving.load_model(outcome.model).get_layer("first").get_weights()[0]
    after = keras.saving.load_model(tmp_path / "run" / "best.keras").get_layer("first")
    np.testing.assert_array_equal(after.get_weights()[0], before)


@pytest.mark.parametrize(("teachers", "consistent"), [(1, False), (2, True)])
def test_a_network_may_be_taught_by_others(trained, recipe, tmp_path, teachers, consistent):
    outcome, _, _ = trained
    how = {"weight": 1.0, "temperature": 1.0, "consistent": consistent}
    mine = recipe(run__epochs=6, distill={"teacher": [str(outcome.model)] * teachers, **how})
    taught = fit(mine, tmp_path)
    assert taught.figures["top1"] >= 0.7
    assert rows(tmp_path)[-1]["loss"] < rows(tmp_path)[0]["loss"]


def test_a_loss_that_is_no_number_stops_the_run_and_says_where(recipe, tmp_path, monkeypatch):
    mine = recipe(run__epochs=3)
    honest = fitting.learning_rate

    def explode(part, step, **sizes):
        return float("nan") if step >= 9 else honest(part, step, **sizes)

    monkeypatch.setattr(fitting, "learning_rate", explode)
    with pytest.raises(TrainingError) as caught:
        fit(mine, tmp_path)
    # step 9 (batch 4 of epoch 2) breaks the weights, the next batch shows it
    assert "the loss is nan at batch 5 of 6 in epoch 2" in str(caught.value)
    assert "the checkpoint after epoch 1 is kept" in str(caught.value)
    assert all(np.isfinite(array).all() for array in weights(tmp_path))
    assert len(rows(tmp_path)) == 1
    assert "the loss is nan" in (tmp_path / "report.html").read_text()
    monkeypatch.undo()
    assert fit(mine, tmp_path, resume=True).epochs == 3


def test_an_early_stop_ends_the_run(recipe, tmp_path):
    mine = recipe(run__epochs=30, run__patience=2, optimizer__lr=1e-9)
    outcome = fit(mine, tmp_path)
    assert outcome.epochs == outcome.best_epoch + 2 < 30
    assert fit(mine, tmp_path, resume=True).epochs == outcome.epochs


def test_mixed_precision_is_saved_as_float32(recipe, tmp_path):
    outcome = fit(recipe(optimizer__mixed_precision=True, run__epochs=1), tmp_path)
    model = keras.saving.load_model(outcome.model)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}


def test_a_full_disk_is_told_and_the_last_checkpoint_kept(recipe, mounted):
    disk = mounted("size=640k")
    mine = recipe(run__epochs=3)
    (disk / "run").mkdir()
    filler = disk / "filler"

    def fill(text):
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    with pytest.raises(OutputError, match="No space left on device"):
        fit(mine, disk / "run", tell=fill)
    checkpoint = checkpoints.load(disk / "run" / "last.npz")
    assert len(checkpoint.about["standing"]["rows"]) == 1
    assert not [file.name for file in (disk / "run").iterdir() if file.name.startswith(".")]
    filler.unlink()
    assert fit(mine, disk / "run", resume=True).epochs == 3


def test_a_picture_that_vanishes_is_told(recipe, tmp_path):
    mine = recipe(run__epochs=2)

    def spoil(samples):
        raise ValueError("nothing can be made of this")

    who = machines()
    task, trainer = prepare(mine, who)
    calls = iter(range(3))

    def encode(samples):
        return task.encode(samples) if next(calls, None) is not None else spoil(samples)

    loop = fitting.Loop(
        mine, replace(task, encode=encode), trainer, who, Folder(tmp_path), lambda text: None
    )
    loop.start(None)
    with pytest.raises(TrainingError, match="nothing can be made of this"):
        loop.run()


def test_every_machine_gets_an_equal_part_of_a_batch(recipe):
    class Two:
        num_replicas_in_sync = 2

    schedule = order(recipe(), 48, Machines(Two(), 1, 2))
    assert schedule.batch == 4
    assert schedule.shard == (1, 2)
    with pytest.raises(TrainingError, match="wanted a multiple of 2 machines"):
        order(recipe(run__batch=7), 48, Machines(Two(), 0, 2))


def test_a_figure_that_is_no_number_is_never_the_best():
    standing = Standing()
    assert standing.add({"epoch": 1, "top1": float("nan")}, "top1") is False
    assert standing.add({"epoch": 2, "top1": 0.5}, "top1") is True
    assert standing.add({"epoch": 3}, "top1") is False
    assert standing.add({"epoch": 4, "top1": 0.5}, "top1") is False
    assert standing.best_epoch == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data__train": ""}, r"data.train is missing: name a folder"),
        ({"augment": {"miror": True}}, "did you mean 'mirror'"),
        ({"augment": {"mosaic": 1.0}}, "augment.mosaic is not for this classify"),
        ({"loss": {"name": "cross_entropy", "smoothing": 2}}, r"\[loss\].*smoothing"),
        ({"loss": {"name": "cross_entropy", "smoothing": "abc"}}, r"\[loss\] cannot be computed"),
    ],
    ids=["no data", "augmentation", "blend", "loss", "loss of text"],
)
def test_a_recipe_that_cannot_be_followed_is_refused(changes, said, recipe, tmp_path):
    with pytest.raises(EdgeCVError, match=said):
        fit(recipe(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()  # so that a mended recipe may begin there


def test_a_training_that_ended_in_its_first_epoch_blocks_no_other(recipe, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "learning_rate", lambda *args, **sizes: float("nan"))
        with pytest.raises(TrainingError, match="the start is kept"):
            fit(recipe(), tmp_path)
    assert fit(recipe(run__epochs=1), tmp_path).epochs == 1
    with pytest.raises(CheckpointError, match="--resume goes on with it"):
        fit(recipe(run__epochs=1), tmp_path)


def test_weights_that_the_last_update_destroyed_are_not_kept(recipe, tmp_path):
    wild = {"name": "sgd", "lr": 1e30, "clip_norm": 0.0, "ema": 0.0, "warmup_epochs": 0.0}
    mine = recipe(run__batch=48, augment={}, optimizer=wild)
    with pytest.raises(TrainingError, match="no numbers any more at batch 1 of 1 in epoch 1"):
        fit(mine, tmp_path)
    assert not (tmp_path / "best.keras").exists()
    assert all(np.isfinite(array).all() for array in weights(tmp_path))


def test_a_report_that_was_not_written_is_made_up_for(trained, recipe, tmp_path):
    _, out, _ = trained
    shutil.copytree(out, tmp_path / "run")
    (tmp_path / "run" / "report.html").unlink()
    outcome = fit(recipe(run__epochs=6), tmp_path / "run", resume=True)
    assert "Confusion" in outcome.report.read_text()


def test_a_training_goes_on_with_the_same_folder_by_another_path(trained, recipe, tmp_path):
    _, out, _ = trained
    shutil.copytree(out, tmp_path / "run")
    mine = recipe(run__epochs=6)
    same = os.path.relpath(mine.data.train)
    assert fit(recipe(run__epochs=6, data__train=same), tmp_path / "run", resume=True).epochs == 6
    with pytest.raises(CheckpointError, match=r"data\.train"):
        fit(recipe(run__epochs=6, data__train=mine.data.val), tmp_path / "run", resume=True)


def test_a_training_that_nothing_measured_leaves_its_last_network(recipe, tmp_path, caplog):
    mine, who = recipe(run__epochs=1), machines()
    task, trainer = prepare(mine, who)
    nothing = replace(task, measure=lambda model: {"top1": float("nan")})
    loop = fitting.Loop(mine, nothing, trainer, who, Folder(tmp_path), lambda text: None)
    loop.start(None)
    loop.run()
    assert keras.saving.load_model(loop.outcome().model, compile=False).output_shape == (None, 3)
    assert "no epoch could be measured" in caplog.text


def test_one_class_is_nothing_to_learn(recipe, pictures, tmp_path):
    shutil.copytree(pictures / "train" / "red", tmp_path / "one" / "red")
    one = str(tmp_path / "one")
    with pytest.raises(DataError, match="holds one class, red: wanted two or more"):
        fit(recipe(data__train=one, data__val=one), tmp_path / "run")


def test_the_network_of_a_file_keeps_its_layers_and_gets_new_logits(recipe):
    task, trainer = prepare(recipe(transfer={"freeze_epochs": 1}), machines())
    assert task.backbone == {layer.name for layer in network().layers} - {"logits"}
    trainer.begin_epoch(0)
    assert [layer.name for layer in task.model.layers if layer.trainable_weights] == ["new_logits"]
    trainer.begin_epoch(1)
    assert len(task.model.trainable_weights) == 7
