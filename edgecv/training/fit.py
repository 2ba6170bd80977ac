"""The loop: from a recipe to a trained file, in a folder that a later run can go on from."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import keras
import numpy as np
import tensorflow as tf

from edgecv.evaluation.plots import tools
from edgecv.progress import bar
from edgecv.training import checkpoints, history, report
from edgecv.training.checkpoints import Checkpoint
from edgecv.training.data.pipeline import batches
from edgecv.training.errors import CheckpointError, TrainingError
from edgecv.training.failures import translated
from edgecv.training.history import Row
from edgecv.training.kerasfile import save_model
from edgecv.training.preparing import order, prepare
from edgecv.training.recipe import Recipe
from edgecv.training.run import Folder, open_folder
from edgecv.training.schedule import learning_rate
from edgecv.training.tasks import Task
from edgecv.training.trainer import Trainer
from edgecv.training.workers import Machines, machines

log = logging.getLogger(__name__)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a training ended.

    Attributes:
        figures: The figures of merit of the best epoch.
        best_epoch: Which that was, counted from 1.
        epochs: How many there were.
        model: The trained file.
        report: The report for people.
        is_first: This is the machine that wrote them.
    """

    figures: Mapping[str, float]
    best_epoch: int
    epochs: int
    model: Path
    report: Path
    is_first: bool = True


@dataclass
class Standing:
    """How far a training is.

    Attributes:
        rows: What happened in each epoch.
        best: The best value of the headline so far; None before any was measured.
        best_epoch: Its epoch, counted from 1; 0 for none.
        done: The training is over.
    """

    rows: list[Row] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    done: bool = False

    @property
    def epoch(self) -> int:
        """The number of epochs that are complete."""
        return len(self.rows)

    def add(self, row: Row, headline: str) -> bool:
        """Take note of an epoch, and tell whether none was better."""
        self.rows.append(row)
        value = row.get(headline, math.nan)
        if math.isnan(value) or (self.best is not None and value <= self.best):
            return False
        self.best, self.best_epoch = value, self.epoch
        return True


def fit(recipe: Recipe, out: Path, *, resume: bool = False, tell: Tell | None = None) -> Outcome:
    """Train a network.

    A run that was ended in any way, kill -9 included, goes on from its last complete epoch, and
    ends with the same weights and figures as one that never stopped, on the same kind of machine.

    Args:
        recipe: What, on what, and how.
        out: The folder for checkpoints, the trained file and the report.
        resume: Go on with what is in the folder.
        tell: Is called with a line for each epoch.

    Raises:
        RecipeError: The recipe is wrong.
        DataError: The pictures are not what they should be.
        CheckpointError: The folder's training is of another recipe or network, or must not be gone
            on with.
        TrainingError: The loss is no number any more, or a batch could not be made.
        OutputError: The disk is full, or the folder cannot be written. The last checkpoint is kept.
        PackageMissingError: matplotlib or another package is not installed.
    """
    tools()  # a missing package is told before the training, not after it
    folder, found = open_folder(out, recipe, resume=resume)
    who = machines()
    task, trainer = prepare(recipe, who)
    loop = Loop(recipe, task, trainer, who, folder, tell or (lambda text: None))
    loop.start(found)
    try:
        loop.run()
    except TrainingError as error:
        loop.write_report(failure=str(error))
        raise
    return loop.outcome()


class Loop:
    """One training on its way.

    Args:
        recipe: What it follows.
        task: What is trained.
        trainer: What trains it.
        who: The machines.
        folder: Where its files are.
        tell: Is called with a line for each epoch.
    """

    def __init__(
        self,
        recipe: Recipe,
        task: Task,
        trainer: Trainer,
        who: Machines,
        folder: Folder,
        tell: Tell,
    ) -> None:
        self.recipe, self.task, self.trainer = recipe, task, trainer
        self.who, self.folder, self.tell = who, folder, tell
        self.standing = Standing()
        self.order = order(recipe, len(task.train), who)

    def start(self, found: Checkpoint | None) -> None:
        """Take up a checkpoint, or write the first one.

        Raises:
            CheckpointError: The checkpoint is of another network or other data, or not the same on
                every machine.
        """
        epochs = len(found.about["standing"]["rows"]) if found else 0
        if self.who.mean(epochs) != epochs:
            raise CheckpointError(
                f"{self.folder.last} is after {epochs} epochs here and not on another machine: "
                "share the folder, or copy the file to every machine"
            )
        if found is None:
            self._save()
            return
        counts = [len(self.task.train), len(self.task.val)]
        if found.about["samples"] != counts:
            raise CheckpointError(
                f"{self.folder.last} is of {found.about['samples']} samples to learn and to "
                f"measure, there are {counts} now: the same data are needed to go on"
            )
        checkpoints.restore(self.folder.last, found, self.trainer.state())
        self.standing = Standing(**found.about["standing"])

    def run(self) -> None:
        """Train until the last epoch, or until nothing gets better."""
        standing, epochs = self.standing, self.recipe.run.epochs
        if standing.done:
            if not self.folder.report.exists():  # it ended between its last epoch and the report
                self.write_report()
            return
        stream = iter(self.who.distributed(self._batches(standing.epoch)))
        while not standing.done:
            row = self._epoch(standing.epoch, stream)
            with self.trainer.averaged():
                if self._is_measured(standing.epoch):
                    row |= self.task.measure(self.task.model)
                best = standing.add(row, self.task.headline)
                patience = self.recipe.run.patience
                late = patience and standing.epoch - standing.best_epoch >= patience
                standing.done = bool(late) or standing.epoch == epochs
                unmeasured = standing.done and not standing.best_epoch
                if (best or unmeasured) and self.who.is_first:
                    save_model(self._exported(), self.task.spec, self.folder.model, self._card())
            if unmeasured:
                log.warning("no epoch could be measured: the network is that of the last one")
            self._save(best=best)
            self._tell(row, best=best)
        self.write_report()

    def outcome(self) -> Outcome:
        """Return how it ended."""
        standing = self.standing
        best = standing.rows[standing.best_epoch - 1]
        return Outcome(
            history.figures(best),
            standing.best_epoch,
            standing.epoch,
            self.folder.model,
            self.folder.report,
            self.who.is_first,
        )

    def write_report(self, failure: str = "") -> None:
        """Write the report; the pictures are those of the best epoch's network."""
        if not self.who.is_first:
            return
        standing, task = self.standing, self.task
        pictures = {}
        if not failure and standing.best_epoch:
            checkpoints.restore(
                self.folder.best, checkpoints.load(self.folder.best), self.trainer.state()
            )
            with self.trainer.averaged():
                pictures = {name: draw(task.model) for name, draw in task.pictures.items()}
        report.write_report(
            self.folder.report,
            title=task.spec.name,
            rows=standing.rows,
            facts=self._facts(),
            tables={
                "Data": report.counted(task.spec.labels, train=task.train, val=task.val),
                "Recipe": report.flattened(self.recipe.to_dict()),
                "Versions": report.versions(),
            },
            pictures=pictures,
            failure=failure,
        )

    def _epoch(self, epoch: int, stream: Iterator[Any]) -> dict[str, float]:
        """Learn from every picture once; return what happened."""
        trainer, steps = self.trainer, self.order.steps
        part, epochs = self.recipe.optimizer, self.recipe.run.epochs
        trainer.begin_epoch(epoch)
        losses, norms, rate = [], [], 0.0
        began = time.perf_counter()
        with bar(f"epoch {epoch + 1}/{epochs}") as show, translated():
            for step in range(steps):
                rate = learning_rate(part, epoch * steps + step, steps=steps, epochs=epochs)
                images, targets = next(stream)
                done = trainer.step(images, targets, rate)
                self._check(done.loss, done.norm, epoch, step)
                losses.append(done.loss)
                norms.append(done.norm)
                show(step + 1, steps)
        if not trainer.is_finite():  # by the last update, which no loss has shown yet
            self._stop("weights are no numbers any more", epoch, steps - 1)
        trainer.synchronize()
        seconds = time.perf_counter() - began
        return {
            "epoch": epoch + 1,
            "loss": float(np.mean(losses)),
            "gradient": float(np.mean(norms)),
            "lr": rate,
            "images_per_second": steps * self.order.batch * self.who.count / seconds,
            "seconds": seconds,
        }

    def _check(self, loss: float, norm: float, epoch: int, step: int) -> None:
        if not math.isfinite(loss):
            self._stop(f"loss is {loss}", epoch, step)
        if not math.isfinite(norm):
            self._stop(f"gradient's length is {norm}", epoch, step)

    def _stop(self, what: str, epoch: int, step: int) -> NoReturn:
        kept = f"the checkpoint after epoch {epoch}" if epoch else "the start"
        raise TrainingError(
            f"the {what} at batch {step + 1} of {self.order.steps} in epoch {epoch + 1}: {kept} is "
            f"kept in {self.folder.path}; train anew with a lower optimizer.lr or with "
            "optimizer.clip_norm"
        )

    def _batches(self, first_epoch: int) -> tf.data.Dataset:
        recipe, task = self.recipe, self.task
        return batches(
            task.train,
            task.encode,
            size=tuple(task.model.input_shape[1:3]),
            batch=self.order.batch,
            epochs=recipe.run.epochs,
            first_epoch=first_epoch,
            seed=recipe.run.seed,
            settings=recipe.augmentation,
            shard=self.order.shard,
            input=task.spec.input,
            drop_remainder=self.order.drop_remainder,
        )

    def _is_measured(self, epoch: int) -> bool:
        every, epochs = self.recipe.run.measure_every, self.recipe.run.epochs
        return (epoch + 1) % every == 0 or epoch + 1 == epochs

    def _save(self, *, best: bool = False) -> None:
        """Write what a later run needs; the best first, so that `last` never runs ahead of it."""
        if not self.who.is_first:
            return
        standing = self.standing
        about = {
            "recipe": self.recipe.to_dict(),
            "standing": vars(standing),
            "samples": [len(self.task.train), len(self.task.val)],
        }
        for file in ([self.folder.best] if best else []) + [self.folder.last]:
            checkpoints.save(file, self.trainer.state(), about)
        history.write(self.folder.path, standing.rows, {"best_epoch": standing.best_epoch})

    def _tell(self, row: Row, *, best: bool) -> None:
        if not self.who.is_first:
            return
        epochs = self.recipe.run.epochs
        left = 0.0 if self.standing.done else row["seconds"] * (epochs - self.standing.epoch)
        history.write_logs(self.folder.logs, row)
        self.tell(history.line(row, epochs=epochs, left=left, best=best))

    def _exported(self) -> keras.Model:
        """Return the network that is saved, in float32 whatever it was trained in."""
        model = self.task.export(self.task.model)
        if not self.recipe.optimizer.mixed_precision:
            return model

        def in_float32(layer: keras.Layer) -> keras.Layer:
            return layer.__class__.from_config({**layer.get_config(), "dtype": "float32"})

        plain = keras.models.clone_model(model, clone_function=in_float32)
        plain.set_weights(model.get_weights())
        return plain

    def _card(self) -> dict[str, Any]:
        return {
            "recipe": without_folders(self.recipe.to_dict()),
            "figures": history.figures(self.standing.rows[-1]),
            "epoch": self.standing.epoch,
            "samples": {"train": len(self.task.train), "val": len(self.task.val)},
            "versions": report.versions(),
        }

    def _facts(self) -> dict[str, Any]:
        standing, task = self.standing, self.task
        best = standing.rows[standing.best_epoch - 1] if standing.best_epoch else {}
        return {
            **history.figures(best),
            "best epoch": f"{standing.best_epoch} of {standing.epoch}",
            "network": f"{task.model.name}, {task.model.count_params():,} parameters",
            "pictures": f"{len(task.train)} to learn, {len(task.val)} to measure",
            "classes": len(task.spec.labels),
            "seed": self.recipe.run.seed,
            "time": report.duration(standing.rows),
        }


def without_folders(values: Any) -> Any:
    """Return JSON values with the names alone of what they name by absolute paths.

    What a model carries goes to others; where its maker kept the data does not.
    """
    if isinstance(values, dict):
        return {key: without_folders(value) for key, value in values.items()}
    if isinstance(values, list):
        return [without_folders(value) for value in values]
    return Path(values).name if isinstance(values, str) and Path(values).is_absolute() else values
