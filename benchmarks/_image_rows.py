"""The rows of the table of images: which network, how it is trained, on what, and what it must reach."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """Percent of the test part that are right: what must be, and what is aimed at."""

    network: str
    recipe: str
    source: str
    must: float | None = None
    goal: float | None = None
    changes: dict = field(default_factory=dict)  # to the recipe's training
    validation: int | None = None  # images; 0, as --no-validation, where nothing is chosen by them


ROWS = {
    "digits": Row("lenet5_book", "best", "digits", 98.5, 99, validation=0),
    "mlp": Row("mlp", "chapter", "mnist", 98.3, 98.6),
    "mlp-best": Row("mlp", "best", "mnist", 98.3, 98.6),
    "C1": Row("lenet5", "chapter", "mnist", 99.0),
    "C1-best": Row("lenet5", "best", "mnist", 99.0),
    "C4": Row("baseline", "chapter", "cifar10", 57, validation=1000),
    "C4-best": Row("baseline", "best", "cifar10", 57, 66),
    "C5": Row("lenet5_sigmoid", "chapter", "cifar10", 47, validation=1000),
    "C5-best": Row("lenet5_sigmoid", "best", "cifar10", 47, 60),
    "C9": Row("inception10", "chapter", "cifar10", 55, validation=1000),
    "C9-best": Row("inception10", "best", "cifar10", 55, 70),
    "C2-best": Row("lenet5_book", "best", "mnist", 99.2),
    "C3-best": Row("lenet_three", "best", "mnist", 99.5, 99.65),
    "C11-best": Row("resnet_small", "best", "cifar10", 75, 82),
    "C11": Row("resnet_small", "chapter", "cifar10", 75, 82, {"epochs": 5}),
    "C6-best": Row("alexnet8", "best", "cifar10", changes={"epochs": 1}),
    "C8-best": Row("vgg16", "best", "cifar10", changes={"epochs": 1}),
    "C10-best": Row("resnet18", "best", "cifar10", changes={"epochs": 1}),
    "C2": Row("lenet5_book", "chapter", "mnist", 99.2),
    "C3": Row("lenet_three", "chapter", "mnist", 99.5, 99.65),
    "C6": Row("alexnet8", "chapter", "cifar10", changes={"epochs": 1}),
    "C8": Row("vgg16", "chapter", "cifar10", changes={"epochs": 1}),
    "C10": Row("resnet18", "chapter", "cifar10", changes={"epochs": 1}),
}
