"""What is to be trained, on what, and how: a TOML file, read into values that are checked once.

A recipe has `task` and one table for each part: [model], [head], [data], [augment], [loss],
[optimizer], [transfer], [distill], [qat] and [run]. What is left out has a default. Paths are
relative to the folder that the command runs in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from edgecv.errors import unknown_name
from edgecv.training.data.augment import Augment
from edgecv.training.errors import RecipeError
from edgecv.training.settings import Text, at_least, build, within
from edgecv.training.toml import toml, toml_value

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("cosine", "step", "constant")


@dataclass(frozen=True)
class ModelPart:
    """The network.

    Attributes:
        name: A name of `edgecv.models.MODELS`, or a .keras file of one's own.
        input_size: Side of a square input, or height and width, in pixels.
        weights: A .keras file to start from, of a backbone or of a whole trained network, whose
            head is taken too where it fits; empty for a random start.
        options: The builder's other options, such as alpha or groups.
    """

    name: str
    input_size: int | tuple[int, int] = 224
    weights: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input."""
        side = self.input_size
        return (side, side) if isinstance(side, int) else side


@dataclass(frozen=True)
class DataPart:
    """The pictures.

    Attributes:
        train: The folder of what is learnt.
        val: The folder of what is measured.
        format: How the folders are laid out; empty for the task's own.
        only: The classes that are used; empty for all.
        max_bad: The part of the pictures that may be unreadable or wrongly labelled, 0..1.
        max_side: Pictures are kept in memory with no side longer than this; 0 for as they are.
        balance: Pictures with a class that less than this part of them have are seen more often,
            the square root of how much rarer it is; 0 for each once an epoch.
        options: The format's other options, such as min_pictures.
    """

    train: str = ""
    val: str = ""
    format: str = ""
    only: tuple[str, ...] = ()
    max_bad: float = 0.01
    max_side: int = 0
    balance: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        within("data.max_bad", self.max_bad, 0, 1)
        at_least("data.max_side", self.max_side, 0)
        within("data.balance", self.balance, 0, 1)


@dataclass(frozen=True)
class LossPart:
    """What is made small.

    Attributes:
        name: The loss; empty for the task's own.
        options: The loss's options, such as smoothing or margin.
    """

    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OptimizerPart:
    """How the weights follow the gradients.

    Attributes:
        name: One of `OPTIMIZERS`.
        lr: The highest learning rate.
        final_lr: The rate at the end of "cosine", as a part of `lr`.
        momentum: For "sgd", by Nesterov's rule.
        weight_decay: Decoupled from the gradient; never on biases and batch norms.
        schedule: One of `SCHEDULES`.
        warmup_epochs: The rate rises linearly over so many epochs.
        step_epochs: For "step": the rate falls after every so many epochs.
        step_factor: For "step": what it is multiplied by.
        clip_norm: The longest that all gradients together may be; 0 for no limit.
        ema: Decay of the weights' moving average, which is what is measured and saved; 0 for none.
        mixed_precision: Compute in bfloat16 and keep the weights in float32.
    """

    name: str = "adamw"
    lr: float = 1e-3
    final_lr: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "cosine"
    warmup_epochs: float = 0.0
    step_epochs: float = 30.0
    step_factor: float = 0.1
    clip_norm: float = 0.0
    ema: float = 0.0
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        _known("optimizer", self.name, OPTIMIZERS)
        _known("schedule", self.schedule, SCHEDULES)
        for name in ("weight_decay", "warmup_epochs", "clip_norm"):
            at_least(f"optimizer.{name}", getattr(self, name), 0)
        for name in ("final_lr", "momentum", "step_factor"):
            within(f"optimizer.{name}", getattr(self, name), 0, 1)
        if not 0 <= self.ema < 1:
            raise RecipeError(f"optimizer.ema is {self.ema:g}: wanted 0 or more, and below 1")
        for name in ("lr", "step_epochs"):
            if not getattr(self, name) > 0:
                raise RecipeError(f"optimizer.{name} is {getattr(self, name):g}: wanted above 0")


@dataclass(frozen=True)
class TransferPart:
    """How trained weights are treated that a training starts from.

    Attributes:
        freeze_epochs: The backbone stays as it is for so many epochs.
        unfreeze_epochs: Then it is set free in so many equal parts, one an epoch, from its output
            to its input; 0 for all at once.
        backbone_lr: The backbone's learning rate, as a part of the head's.
    """

    freeze_epochs: int = 0
    unfreeze_epochs: int = 0
    backbone_lr: float = 1.0

    def __post_init__(self) -> None:
        at_least("transfer.freeze_epochs", self.freeze_epochs, 0)
        at_least("transfer.unfreeze_epochs", self.unfreeze_epochs, 0)
        at_least("transfer.backbone_lr", self.backbone_lr, 0)


@dataclass(frozen=True)
class DistillPart:
    """A larger network, or several, that teach this one.

    Attributes:
        teacher: Names of `edgecv models` or model files; empty for none. Classifiers may have
            several, whose mean logits are learned.
        weight: The part of the loss that is the teacher's, 0..1.
        temperature: What its logits are divided by.
        consistent: A classifier's teacher is asked about every picture as the network sees it,
            cropped, coloured and blended, each time anew; else once, about the picture as it is.
    """

    teacher: tuple[str, ...] = ()
    weight: float = 0.5
    temperature: float = 2.0
    consistent: bool = False

    @property
    def only(self) -> str:
        """The one teacher of a task that cannot have several or ask each time.

        Raises:
            RecipeError: It is asked for more.
        """
        if len(self.teacher) > 1:
            given = ", ".join(self.teacher)
            raise RecipeError(f"distill.teacher is {given}: only a classifier may have several")
        if self.consistent:
            raise RecipeError("distill.consistent is for classifiers: leave it out")
        return self.teacher[0]

    def __post_init__(self) -> None:
        within("distill.weight", self.weight, 0, 1)
        if not self.temperature > 0:
            raise RecipeError(f"distill.temperature is {self.temperature:g}: wanted above 0")


@dataclass(frozen=True)
class QatPart:
    """Learning with the rounding of INT8, from a network that is trained already.

    Attributes:
        start: The trained file, with the inputs and outputs of this recipe's network; empty for a
            training without rounding.
        batches: Batches of training pictures that the ranges of tensors are measured on first.
        momentum: How much of a range's moving average a batch leaves as it was, 0..1.
        hold_epoch: From this epoch on, counted from 1, ranges stand still; 0 for never.
    """

    start: str = ""
    batches: int = 8
    momentum: float = 0.99
    hold_epoch: int = 0

    def __post_init__(self) -> None:
        at_least("qat.batches", self.batches, 1)
        within("qat.momentum", self.momentum, 0, 1)
        at_least("qat.hold_epoch", self.hold_epoch, 0)


@dataclass(frozen=True)
class RunPart:
    """How long, and from which random numbers.

    Attributes:
        epochs: How often every picture is seen.
        batch: Pictures a step, on all machines together.
        seed: Where all random numbers start: the same seed gives the same network.
        patience: The run ends after so many epochs without a better figure; 0 for never.
        measure_every: The figures are measured after every so many epochs, and after the last.
    """

    epochs: int = 30
    batch: int = 32
    seed: int = 0
    patience: int = 0
    measure_every: int = 1

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch", 1), ("measure_every", 1)):
            at_least(f"run.{name}", getattr(self, name), least)
        at_least("run.patience", self.patience, 0)
        within("run.seed", self.seed, 0, 2**31 - 1)


@dataclass(frozen=True)
class Recipe:
    """A whole training.

    Attributes:
        task: A name of `edgecv.training.tasks.TASKS`.
        model: The network.
        head: The options of the task's own layers, such as anchors.
        data: The pictures.
        augment: The fields of `edgecv.training.data`'s `Augment`.
        loss: What is made small.
        optimizer: How the weights follow the gradients.
        transfer: How trained weights are treated.
        distill: Networks that teach this one.
        qat: Whether it learns with the rounding of INT8.
        run: How long.
        name: What the trained model is called; empty for the recipe's file name.
    """

    task: str
    model: ModelPart
    head: Mapping[str, Any] = field(default_factory=dict)
    data: DataPart = field(default_factory=DataPart)
    augment: Mapping[str, Any] = field(default_factory=dict)
    loss: LossPart = field(default_factory=LossPart)
    optimizer: OptimizerPart = field(default_factory=OptimizerPart)
    transfer: TransferPart = field(default_factory=TransferPart)
    distill: DistillPart = field(default_factory=DistillPart)
    qat: QatPart = field(default_factory=QatPart)
    run: RunPart = field(default_factory=RunPart)
    name: str = ""

    def __post_init__(self) -> None:
        _ = self.augmentation  # a wrong key is told before anything is read
        if self.qat.start and self.optimizer.mixed_precision:
            raise RecipeError("optimizer.mixed_precision is not for [qat]: steps want float32")

    @property
    def augmentation(self) -> Augment:
        """The recipe's [augment]."""
        return build(Augment, self.augment, "augment")

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON values that `recipe_from_dict` takes back."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        out = {name: _plain(value) for name, value in values.items()}
        for part in (out["model"], out["data"], out["loss"]):
            part.update(part.pop("options"))
        # what is left out is as in older recipes, whose runs go on
        if not self.qat.start:
            del out["qat"]
        if not self.data.balance:
            del out["data"]["balance"]
        if not self.distill.consistent:
            del out["distill"]["consistent"]
        if len(self.distill.teacher) < 2:
            out["distill"]["teacher"] = "".join(self.distill.teacher)
        whole: dict[str, Any] = json.loads(json.dumps(out))
        return whole


def recipe_from_dict(values: Mapping[str, Any]) -> Recipe:
    """Build a recipe from the values of a TOML or JSON file.

    Raises:
        RecipeError: A key is unknown or missing, or a value is of a wrong type or out of range.
    """
    return build(Recipe, values, "")


def read_recipe(source: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe and change it.

    Args:
        source: A .toml file, or the name of one of `recipe_names()`.
        changes: "optimizer.lr=0.01": the key, with its table, and the value as TOML or plain text.

    Raises:
        RecipeError: It cannot be read, or what it says is wrong.
        UnknownNameError: There is no recipe of that name.
    """
    file = _find(source)
    try:
        values = toml(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise RecipeError(f"cannot read the recipe {source}: {error}") from error
    for change in changes:
        _apply(values, change)
    values.setdefault("name", file.name.removesuffix(".toml"))
    try:
        return recipe_from_dict(values)
    except RecipeError as error:
        raise RecipeError(f"{file.name}: {error}") from error


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes that come with edgecv."""
    found = (entry.name for entry in files("edgecv.recipes").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml")))


def _find(source: str | Path) -> Path | Traversable:
    path = Path(source)
    if path.suffix == ".toml" or path.is_file() or len(path.parts) != 1:
        return path
    if str(source) not in recipe_names():
        raise unknown_name("recipe", str(source), recipe_names())
    return files("edgecv.recipes").joinpath(f"{source}.toml")


def _apply(values: dict[str, Any], change: str) -> None:
    """Put one "table.key=value" into the values of a recipe."""
    key, equals, text = change.partition("=")
    names = [name.strip() for name in key.split(".")]
    if not equals or not all(names):
        raise RecipeError(f"wanted KEY=VALUE such as optimizer.lr=0.01, got {change!r}")
    table = values
    for name in names[:-1]:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise RecipeError(f"{change!r}: {name} is a value and has no keys of its own")
    table[names[-1]] = Text(text.strip(), toml_value)


def _known(kind: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise RecipeError(str(unknown_name(kind, name, names)))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(item) for name, item in asdict(value).items()}
    return value
