"""What to try against the symptoms of a training: parts of a recipe to change, as options of ``facsim fit``."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CURES", "Cure", "cures"]


@dataclass(frozen=True)
class Cure:
    """One thing to try.

    Parameters
    ----------
    words : str
    options : str
        Of ``facsim fit``; empty where there is nothing to set.
    """

    words: str
    options: str = ""

    def __str__(self) -> str:
        return f"{self.words}: {self.options}" if self.options else self.words


R1 = "--set model.objective=non-saturating --set 'model.penalties=[{kind: r1, weight: 0.1}]'"
REGULAR = "--set model.objective=relativistic --set 'model.penalties=[{kind: r1}, {kind: r2}]'"
WASSERSTEIN = "--set model.objective=wasserstein --set 'model.penalties=[{kind: gradient}]'"

CURES: dict[str, tuple[Cure, ...]] = {
    "lost modes": (
        Cure("a critic that compares by distance and limits its slope, so that far modes pull too", WASSERSTEIN),
        Cure("pairs of real and generated events, with both gradients penalised (R3GAN)", REGULAR),
        Cure("let the critic judge two events together, so that it sees repetitions", "--set model.schedule.pack=2"),
        Cure("let the generator look at the critic's next steps", "--set model.schedule.unroll=5"),
        Cure("larger batches", "--set training.batch=1024"),
    ),
    "frozen generator": (
        Cure("an objective whose gradient does not vanish where the critic is sure", R1),
        Cure("a faster generator and a slower critic", "--set 'training.rates={generator: 2, critic: 0.5}'"),
        Cure("more generator steps", "--set model.schedule.generator_steps=2"),
    ),
    "saturated discriminator": (
        Cure("punish the critic's slope at real events", R1),
        Cure("an objective without saturation", WASSERSTEIN),
        Cure("a slower critic", "--set 'training.rates={critic: 0.25}'"),
        Cure("labels that are not certain", "--set 'model.objective={kind: non-saturating, smoothing: 0.1}'"),
    ),
    "diverging": (
        Cure("a lower rate", "--set training.learning_rate=1e-4"),
        Cure("shorter steps where gradients are long", "--set training.clip=1"),
        Cure("less momentum, as adversaries want", "--set 'training.betas=[0.0, 0.9]'"),
        Cure("punish the critic's slope", REGULAR),
    ),
    "memorising": (
        Cure("more training events"),
        Cure("stop earlier: the best checkpoint is kept", "--set training.steps=5000"),
        Cure("smaller networks", "--set model.generator.hidden=128"),
    ),
}
"""By the name of the symptom, the most promising first."""


def cures(symptom: str, family: str = "gan") -> tuple[Cure, ...]:
    """Cures of a symptom that a model family can take: settings of a GAN are no use to others.

    Examples
    --------
    >>> [str(c) for c in cures("memorising", "cfm")]
    ['more training events', 'stop earlier: the best checkpoint is kept: --set training.steps=5000']
    """
    return tuple(c for c in CURES[symptom] if family == "gan" or "model." not in c.options)
