"""A small generator that learns from a large one, sharing its conditions and its noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from facsim.errors import CapabilityError
from facsim.events import Events
from facsim.models.base import Batch, ModelConfig, Surrogate, load, register
from facsim.models.draw import Draw
from facsim.models.gan.objectives.pairs import distances
from facsim.nets.activations import Activation
from facsim.nets.perceptron import Perceptron
from facsim.schema import Schema
from facsim.transforms import Code, PhysicalTransform, Transform, fill

__all__ = ["Losses", "Student", "StudentConfig", "energy_score", "relational"]

Turn = tuple[str, Tensor, dict[str, Tensor]]

PROBE = 8  # events
MOST_PAIRS = 256  # events whose distances from each other are compared


class Losses(BaseModel):
    """Weights of what a student wants; 0 leaves a loss away."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: float = Field(1.0, ge=0)
    """Squared difference between outputs of the same conditions and noise; none where both give the same atom."""
    energy: float = Field(0.0, ge=0)
    """Energy distance to the teacher's law under the same conditions; see `energy_score`. It needs two draws."""
    hidden: float = Field(0.0, ge=0)
    """The same of hidden layers, through a linear map that is learnt, for the first ``hidden_steps`` steps; `output`
    waits until then."""
    relational: float = Field(0.0, ge=0)
    """Squared difference between the distances that a batch's events have from each other; see `relational`."""


class StudentConfig(ModelConfig):
    """Hyper-parameters of `Student`.

    Examples
    --------
    >>> StudentConfig(losses={"energy": 0, "output": 1, "relational": 1}).losses.output
    1.0
    """

    teacher: str | None = None
    """Run folder of a fitted model, looked at in the training alone."""
    hidden: int = Field(64, ge=1)
    """Width of the hidden layers."""
    layers: int = Field(3, ge=1)
    """How many of them."""
    activation: Activation = "silu"
    noise: int | None = Field(None, ge=1)
    """The first columns of the teacher's noise that the student looks at; null for all."""
    draws: int = Field(1, ge=1)
    """Draws of teacher and student for every condition of a batch."""
    losses: Losses = Losses.model_validate({})
    hidden_steps: int = Field(0, ge=0)
    """Steps in which the hidden layers are compared."""
    hidden_width: int = Field(0, ge=0)
    """Width of the teacher's last hidden layer; a fit fills it in."""
    sigma: float = Field(0.0, ge=0)
    """Relative spread of the noise that is put on the teacher's outputs."""

    @model_validator(mode="after")
    def _draws_are_enough(self) -> Self:
        if self.losses.energy and self.draws < 2:
            msg = (
                f"draws = {self.draws}: the loss 'energy' compares draws of the same conditions; set draws to 2 or more"
            )
            raise ValueError(msg)
        return self

    def inherit(self, teacher: Surrogate) -> Self:
        """These settings with the teacher's latent space and noise; conditions in ramps become plain quantiles.

        A teacher that works on events as they are (a chain, an ensemble, a classifier) has no latent space to inherit:
        its student gets quantile tables of its own, fitted to what the teacher draws.
        """
        theirs = teacher.config
        given = {"noise": min(self.noise or teacher.latent, teacher.latent)}
        if self.losses.hidden:
            given["hidden_width"] = Lesson(teacher).width
        if isinstance(teacher.transform, PhysicalTransform):
            kept = {"conditions": "quantiles"}
        else:
            kept = {k: getattr(theirs, k) for k in ("knots", "transform", "unit", "energy_unit", "conditions")}
            if kept["conditions"] == "ramps":  # which cost more than the whole student
                kept["conditions"] = "quantiles"
        return type(self)(**(self.model_dump() | kept | given))


class Lesson:
    """A teacher in use: its events in the latent space, and its last hidden layer.

    Parameters
    ----------
    teacher : Surrogate
        Whose events are a function of conditions and noise.

    Raises
    ------
    CapabilityError
        If it is given no noise, or draws random numbers of its own: the student could not share them.
    """

    def __init__(self, teacher: Surrogate) -> None:
        self.teacher = teacher.eval().requires_grad_(False)
        self._seen: Tensor | None = None
        last: list[nn.Linear] = []
        layers = [m for m in teacher.modules() if isinstance(m, nn.Linear)]
        hooks = [m.register_forward_pre_hook(lambda module, _: last.append(module)) for m in layers]
        given = torch.stack([torch.as_tensor(side).float() for side in teacher.condition_range]).nan_to_num(0, 1, 0)
        given = given.mean(0).expand(PROBE, -1)
        noise = Draw(0, 0).normal(PROBE, teacher.latent)
        with torch.no_grad():
            one, two = (teacher(given.to(teacher.low), noise.to(teacher.low)) for _ in range(2))
        for hook in hooks:
            hook.remove()
        if not teacher.latent or not torch.equal(one, two):
            why = "draws random numbers of its own" if teacher.latent else "takes no noise"
            msg = (
                f"the teacher, of family '{teacher.name}', {why}: a student must share its noise. Give model.teacher a "
                "model whose events are forward(conditions, noise), such as a run of rich-cramer+"
            )
            raise CapabilityError(msg)
        self._last = last[-1] if last else None
        if self._last is not None:
            self._last.register_forward_pre_hook(self._note)

    @property
    def width(self) -> int:
        """Columns of the teacher's last hidden layer: what its last dense layer is given.

        Raises
        ------
        CapabilityError
            If it has none.
        """
        if self._last is None:
            msg = f"the teacher, of family '{self.teacher.name}', has no dense layer: set model.losses.hidden to 0"
            raise CapabilityError(msg)
        return self._last.in_features

    def __call__(self, transform: Transform, conditions: Tensor, noise: Tensor) -> tuple[Code, Tensor]:
        """Latent intervals (n, width) of the teacher's events, and its last hidden layer (n, h).

        Of its events, not its outputs: where a column is at its atom, an output may lie anywhere below the threshold,
        and the outputs of good teachers lie so far below that a student would learn nothing but how far.
        """
        with torch.no_grad():
            code = transform.encode(self.teacher(conditions, noise), conditions)
        return code, code.high if self._seen is None else self._seen

    def _note(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._seen = inputs[0].detach()


@register("student")
class Student(Surrogate):
    r"""A perceptron from conditions and noise to events, taught by a surrogate of any family.

    It shares conditions, noise, transform and latent space with its teacher, and learns its events one by one, from as
    many as it likes. The losses of the published distillation of a RICH's generator can be chosen (public code of 2020:
    "idle" is ``output``, "mimic" adds ``hidden`` in the first half of the steps, "sigma" is ``sigma``, "relational"
    adds ``relational``), and one that matches the teacher's law instead of its events, ``energy``.

    Without a teacher it learns from the events themselves, by the energy score (Gneiting and Raftery, J. Am. Stat.
    Assoc. 102 (2007) 359), which is proper, and linear in the weights; the losses are not looked at then.

    Examples
    --------
    >>> from facsim import Block, Schema
    >>> schema = Schema((Block("DLL", (2,)),), (Block("P"),))
    >>> Student(schema, StudentConfig(hidden=8)).sample([[10.0], [20.0]], seed=1).features.shape
    (2, 2)
    """

    summary = "a small perceptron taught by another model, for the online farm"
    config_type = StudentConfig
    config: StudentConfig

    def __init__(self, schema: Schema, config: StudentConfig) -> None:
        super().__init__(schema, config)
        width = self.transform.width
        self.noise = config.noise or width
        self.body = Perceptron(
            self.noise + self.transform.conditions.width, 0, config.hidden, config.layers, config.activation
        )
        self.leave = nn.Linear(config.hidden, width)
        nn.init.zeros_(self.leave.weight)  # it begins with independent columns, which are right one by one
        nn.init.zeros_(self.leave.bias)
        self.mimic = nn.Linear(config.hidden, config.hidden_width) if config.hidden_width else None
        self._lesson: Lesson | None = None

    @property
    def latent(self) -> int:
        """Columns of noise per event."""
        return self.noise

    def learn_from(self, teacher: Surrogate) -> None:
        """Take a teacher, and its latent space where it has one."""
        self._lesson = Lesson(teacher)
        if type(teacher.transform) is type(self.transform):
            self.transform.load_state_dict(teacher.transform.state_dict())

    def prepare(self, events: Events) -> None:
        """Fit the transform to events of the teacher, if it is not inherited.

        Raises
        ------
        CapabilityError
            If there is a teacher whose noise cannot be shared.
        """
        super().prepare(events)
        if self.config.teacher is not None:
            self.learn_from(load(self.config.teacher))

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One."""
        return {"student": list(self.parameters())}

    def turns(self, batch: Batch, step: int, draw: Draw) -> Iterator[Turn]:
        """One step on several draws under every condition of the batch."""
        config, losses = self.config, self.config.losses
        rows, draws = len(batch.conditions), config.draws if self._lesson else max(config.draws, 2)
        conditions = batch.conditions.repeat_interleave(draws, 0)
        if self._lesson is None:
            noise = draw.normal(rows * draws, self.latent)
            made, _ = self._latents(conditions, noise)
            code = batch.code
            true = code.high if self.transform.exact else fill(code, draw.uniform(*code.high.shape))
            loss = (batch.weights * energy_score(made.view(rows, draws, -1), true[:, None])).mean()
            yield "student", loss, {"energy": loss.detach()}
            return
        teacher = self._lesson
        teacher.teacher.to(conditions.device)
        noise = draw.normal(rows * draws, teacher.teacher.latent)
        code, theirs = teacher(self.transform, conditions, noise)
        if config.sigma:
            factor = 1 + config.sigma * draw.normal(*code.high.shape)
            code = Code(code.low * factor, code.high * factor)
        true = fill(code, torch.full_like(code.high, 0.5))
        made, ours = self._latents(conditions, noise[:, : self.noise])
        terms: dict[str, Tensor] = {}
        if losses.energy:
            shape = (rows, draws, -1)
            terms["energy"] = energy_score(made.view(shape), true.view(shape), shared=True).mean()
        mimics = losses.hidden and step < config.hidden_steps
        if mimics and self.mimic is not None:
            terms["hidden"] = (self.mimic(ours) - theirs).square().mean()
        if losses.output and not mimics:
            terms["output"] = (made - made.detach().clamp(code.low, code.high)).square().mean()
        if losses.relational:
            terms["relational"] = relational(made[::draws][:MOST_PAIRS], true[::draws][:MOST_PAIRS])
        loss = torch.stack([getattr(losses, name) * term for name, term in terms.items()]).sum()
        yield "student", loss, {name: term.detach() for name, term in terms.items()}

    def generator(self) -> nn.Module:
        """The sampler without what only the training needs."""
        return _Sampler(self.body, self.leave, self.transform)

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """The whole sampler: one pass, then the inverse transform."""
        features: Tensor = self.generator()(conditions, noise)
        return features

    def _latents(self, conditions: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Latent numbers (n, width) and the last hidden layer (n, hidden)."""
        context = self.transform.context(0, noise, conditions)
        return _latents(self.body, self.leave, context, noise)


class _Sampler(nn.Module):
    def __init__(self, body: nn.Module, leave: nn.Linear, transform: Transform) -> None:
        super().__init__()
        self.body, self.leave, self.transform = body, leave, transform

    def forward(self, conditions: Tensor, noise: Tensor) -> Tensor:
        context = self.transform.context(0, noise, conditions)
        return self.transform.decode(_latents(self.body, self.leave, context, noise)[0], conditions)


def _latents(body: nn.Module, leave: nn.Linear, context: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """A noise number per column, where there are as many, and what the network adds; and its last hidden layer."""
    hidden = body(torch.cat([noise, context], 1))
    made = leave(hidden)
    if noise.shape[1] >= made.shape[1]:
        made = made + noise[:, : made.shape[1]]
    return made, hidden


def energy_score(made: Tensor, true: Tensor, *, shared: bool = False) -> Tensor:
    r"""Energy distance of draws to a law under each condition, up to a number that does not depend on the draws.

    .. math:: E |s - t| - \tfrac12 E |s - s'|

    with s, s' made and t true, all independent. With ``shared`` the i-th draws of both come from the same noise: only
    pairs of different noise are independent and count. Where both are equal draw by draw, then, not only the mean
    gradient vanishes but that of every batch: :math:`s_j = t_j` cancel in it.

    Parameters
    ----------
    made : Tensor (n, m, d)
        Two or more draws for each of n conditions.
    true : Tensor (n, k, d)
        One or more; with `shared` as many as made.
    shared : bool, optional

    Returns
    -------
    Tensor (n,)

    Notes
    -----
    Székely and Rizzo, J. Stat. Plan. Inference 143 (2013) 1249. Unbiased: smallest on average for the true law.

    Examples
    --------
    >>> import torch
    >>> z = torch.randn(100, 4, 2)
    >>> s = z.clone().requires_grad_()
    >>> torch.autograd.grad(energy_score(s, z, shared=True).sum(), s)[0].abs().max().item()
    0.0
    """
    m, k = made.shape[1], true.shape[1]
    cross: Tensor = torch.linalg.vector_norm(made[:, :, None] - true[:, None], dim=3)
    own: Tensor = torch.linalg.vector_norm(made[:, :, None] - made[:, None], dim=3).sum((1, 2)) / (m * (m - 1))
    if not shared:
        return cross.mean((1, 2)) - own / 2
    apart = 1 - torch.eye(m, k, device=made.device)
    return (cross * apart).sum((1, 2)) / (m * (m - 1)) - own / 2


def relational(made: Tensor, true: Tensor) -> Tensor:
    r"""Mean of :math:`(|s_i - s_j| - |t_i - t_j|)^2 / \overline{|t_i - t_j|}^{\,2}` over pairs of different events.

    Park et al., arXiv:1904.05068, as the public distillation of a RICH's generator uses it, both divided by the
    teacher's mean distance.

    Examples
    --------
    >>> import torch
    >>> t = torch.randn(50, 3)
    >>> relational(t, t).item(), round(relational(2 * t, t).item(), 1) > 1
    (0.0, True)
    """
    n = len(true)
    ours, theirs = distances(made, made), distances(true, true)
    scale = theirs.sum() / (n * (n - 1))
    return ((ours - theirs) / scale).square().sum() / (n * (n - 1))
