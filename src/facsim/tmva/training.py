"""TrainingStrategy: phases one after the other, each with settings per network."""

from __future__ import annotations

from dataclasses import dataclass, fields

from facsim.tmva.layers import word

__all__ = ["OPTIMIZERS", "PARAMETERS", "DLPhase", "GANPhase", "NetTraining"]

OPTIMIZERS = ("SGD", "ADAM", "ADAGRAD", "RMSPROP", "ADADELTA")

PARAMETERS = (
    *("ADAM_beta1", "ADAM_beta2", "ADAM_eps", "ADAGRAD_eps"),
    *("RMSPROP_rho", "RMSPROP_eps", "ADADELTA_rho", "ADADELTA_eps"),
)
"""Numbers of the optimisers that a phase may set; the part before ``_`` names the optimiser."""


@dataclass(frozen=True)
class NetTraining:
    """How one network is trained in one phase; defaults are those of MethodDL for absent keys.

    Parameters
    ----------
    learning_rate : float
    momentum : float
        For SGD and RMSPROP.
    batch_size : int
        Events per step.
    convergence_steps : int
        Epochs without improvement after which the phase ends.
    test_repetitions : int
        Epochs between tests.
    weight_decay : float
        Factor of the regularisation.
    regularization : {"NONE", "L1", "L2"}
    drop_config : tuple of float
        Probability to drop an input, per layer.
    optimizer : {"ADAM", "SGD", "ADAGRAD", "RMSPROP", "ADADELTA"}
    optimizer_parameters : tuple of (str, float)
        Such as ``(("ADAM_beta1", 0.5),)``.
    multithreading : bool
        Without effect, as in TMVA.
    """

    learning_rate: float = 1e-5
    momentum: float = 0.3
    batch_size: int = 30
    convergence_steps: int = 100
    test_repetitions: int = 7
    weight_decay: float = 0.0
    regularization: str = "NONE"
    drop_config: tuple[float, ...] = ()
    optimizer: str = "ADAM"
    optimizer_parameters: tuple[tuple[str, float], ...] = ()
    multithreading: bool = True

    def parameter(self, name: str, default: float) -> float:
        """A number of the optimiser, such as ``"ADAM_beta1"``.

        Examples
        --------
        >>> NetTraining().parameter("ADAM_beta1", 0.9)
        0.9
        """
        return dict(self.optimizer_parameters).get(name, default)

    def words(self, prefix: str = "") -> list[str]:
        """``Key=Value`` for each setting, keys with `prefix`."""
        result = []
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "optimizer_parameters":
                result += [f"{prefix}{name}={word(number)}" for name, number in value]
            elif field.name == "drop_config":
                result += [f"{prefix}DropConfig={'+'.join(map(word, value))}"] if value else []
            else:
                key = "".join(part.capitalize() for part in field.name.split("_"))
                result.append(f"{prefix}{key}={value if isinstance(value, bool) else word(value)}")
        return result


@dataclass(frozen=True)
class DLPhase:
    """A phase of MethodDL.

    Examples
    --------
    >>> str(DLPhase())[:40]
    'MaxEpochs=2000,LearningRate=1e-05,Moment'
    """

    max_epochs: int = 2000
    net: NetTraining = NetTraining()

    def __str__(self) -> str:
        return ",".join([f"MaxEpochs={self.max_epochs}", *self.net.words()])


@dataclass(frozen=True)
class GANPhase:
    """A phase of MethodGAN, with the defaults of its last version."""

    max_epochs: int = 2000
    generator: NetTraining = NetTraining(learning_rate=2e-4, batch_size=32)
    discriminator: NetTraining = NetTraining(learning_rate=2e-5, batch_size=32)

    def __str__(self) -> str:
        both = [*self.generator.words("Generator"), *self.discriminator.words("Discriminator")]
        return ",".join([f"MaxEpochs={self.max_epochs}", *both])


_FIRST = NetTraining(learning_rate=0.1, batch_size=30, convergence_steps=50)
_SECOND = NetTraining(
    learning_rate=1e-4,
    batch_size=20,
    convergence_steps=50,
    weight_decay=1e-3,
    regularization="L2",
    drop_config=(0.0, 0.5, 0.5),
)

DL_DEFAULT = (DLPhase(2000, _FIRST), DLPhase(2000, _SECOND))
"""What TMVA trains when no TrainingStrategy is given; ``Renormalize=L2`` of its string is taken for what it meant."""

GAN_DEFAULT = (GANPhase(2000, _FIRST, _FIRST), GANPhase(2000, _SECOND, _SECOND))
