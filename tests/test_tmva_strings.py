"""Option strings of TMVA's and MethodGAN's own tests and tutorials, restated: they parse, build and run.

Mutated strings give a network, an OptionStringError or a TmvaWarning: never another exception. The number of
mutations per run is set by FACSIM_TMVA_MUTATIONS.
"""

import math
import os
import re
import warnings

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facsim.errors import OptionStringError
from facsim.nets.layout import network_of
from facsim.tmva import (
    FINDINGS,
    DLOptions,
    Layout,
    TmvaWarning,
    parameters,
    parse_layout,
    parse_options,
    shapes,
)

MUTATIONS = int(os.environ.get("FACSIM_TMVA_MUTATIONS", "300"))

GAN_PHASE = (
    "{epochs}GeneratorLearningRate={g},GeneratorMomentum=0.9,GeneratorRepetitions=1,GeneratorConvergenceSteps=20,"
    "GeneratorBatchSize={batch},GeneratorTestRepetitions=10,GeneratorWeightDecay=1e-4,GeneratorRegularization=L2,"
    "GeneratorDropConfig={drop}, GeneratorMultithreading=True,"
    "DiscriminatorLearningRate={d},DiscriminatorMomentum=0.9,DiscriminatorRepetitions=1,"
    "DiscriminatorConvergenceSteps=20,{blank}DiscriminatorBatchSize={batch},DiscriminatorTestRepetitions=10,"
    "DiscriminatorWeightDecay=1e-4,DiscriminatorRegularization=L2,"
)
GENERAL = "!H:V:ErrorStrategy=CROSSENTROPY:VarTransform=N:WeightInitialization=XAVIERUNIFORM:"


def gan_phases(epochs, rates, batch):
    drop, none = "0.0+0.5+0.5+0.5", "0.0+0.0+0.0+0.0"
    ends = (
        f"DiscriminatorDropConfig={drop}, DiscriminatorMultithreading=True",
        f"DropConfig={none}, Multithreading=True",
        f"DiscriminatorDropConfig={none}, DiscriminatorMultithreading=True",
    )
    starts = (
        GAN_PHASE.format(epochs=epochs, g=g, d=d, batch=batch, drop=n, blank=b)
        for (g, d), n, b in zip(rates, (drop, none, none), ("", "", " "), strict=True)
    )
    return "|".join(start + end for start, end in zip(starts, ends, strict=True))


GAN_MNIST = (
    f"{GENERAL}InputLayout=1|1|784##1|1|784:BatchLayout=32|1|784##32|1|784:"
    "Layout=RESHAPE|1|1|784|FLAT,DENSE|256|RELU,DENSE|512|RELU,DENSE|1024|RELU,DENSE|784|TANH##"
    "RESHAPE|1|1|784|FLAT,DENSE|512|RELU,DENSE|256|RELU,DENSE|1|SIGMOID:TrainingStrategy="
    + gan_phases("MaxEpochs=2,", [("2e-4", "2e-4"), ("2e-5", "1e-5"), ("2e-6", "1e-6")], 32)
    + "CPU"  # the test forgets :Architecture=
)
GAN_EARLY = (
    f"{GENERAL}InputLayout=1|1|4##1|1|4:BatchLayout=256|1|4##256|1|4:"
    "Layout=RESHAPE|1|1|4|FLAT,DENSE|128|TANH,DENSE|128|TANH,DENSE|128|TANH,DENSE|1|LINEAR##"
    "RESHAPE|1|1|4|FLAT,DENSE|128|TANH,DENSE|128|TANH,DENSE|128|TANH,DENSE|1|LINEAR:TrainingStrategy="
    + gan_phases("", [("1e-1", "1e-1"), ("1e-2", "1e-2"), ("1e-3", "1e-3")], 256)
    + "CPU"
)
GAN_FINDINGS = {"leading-blank", "unprefixed-key", "glued-architecture"}

_DL = "!H:V:ErrorStrategy=CROSSENTROPY:VarTransform=None:WeightInitialization=XAVIER"
_STEPS = (
    "TrainingStrategy=LearningRate=1e-3,Momentum=0.9,Repetitions=1,ConvergenceSteps=5,BatchSize=100,"
    "TestRepetitions=1,MaxEpochs=20,WeightDecay=1e-4,Regularization=None,Optimizer=ADAM,DropConfig=0.0+0.0+0.0+0."
)


def recurrent(cell):
    layout = f"Layout={cell}|10|30|10|0|1,RESHAPE|FLAT,DENSE|64|TANH,LINEAR"
    return f"{_DL}:ValidationSize=0.2:RandomSeed=1234:InputLayout=10|30:{layout}:{_STEPS}:Architecture=CPU"


CNN = (
    f"{_DL}:InputLayout=1|16|16:BatchLayout=100|1|256:Layout=CONV|10|3|3|1|1|1|1|RELU,BNORM,"
    f"CONV|10|3|3|1|1|1|1|RELU,MAXPOOL|2|2|1|1,RESHAPE|FLAT,DENSE|100|RELU,DENSE|1|LINEAR:{_STEPS}:Architecture=CPU"
)
HIGGS = (
    f"{_DL}:InputLayout=1|1|7:BatchLayout=1|128|7:"
    "Layout=DENSE|64|TANH,DENSE|64|TANH,DENSE|64|TANH,DENSE|64|TANH,DENSE|1|LINEAR:"
    "TrainingStrategy=LearningRate=1e-3,Momentum=0.9,ConvergenceSteps=10,BatchSize=128,TestRepetitions=1,MaxEpochs=30,"
    "WeightDecay=1e-4,Regularization=None,Optimizer=ADAM,ADAM_beta1=0.9,ADAM_beta2=0.999,ADAM_eps=1.E-7,"
    "DropConfig=0.0+0.0+0.0+0.:Architecture=CPU"
)
REGRESSION = (
    "!H:V:ErrorStrategy=SUMOFSQUARES:VarTransform=G:WeightInitialization=XAVIERUNIFORM:Architecture=CPU:"
    "Layout=TANH|50,Layout=TANH|50,Layout=TANH|50,LINEAR:TrainingStrategy=LearningRate=1e-3,Momentum=0.3,"
    "ConvergenceSteps=20,BatchSize=50,TestRepetitions=1,WeightDecay=0.0,Regularization=None,Optimizer=Adam"
)
MULTICLASS = "Layout=TANH|100,TANH|50,TANH|10,LINEAR:ErrorStrategy=MUTUALEXCLUSIVE"

DL = {  # name: string, variables, findings, parameters of the network
    "cnn": (CNN, None, set(), 100 + 20 + 910 + 225_100 + 101),  # 10 x 15 x 15 = 2250 after pooling
    "rnn": (recurrent("RNN"), None, set(), 10 * 41 + 6464 + 65),
    "lstm": (recurrent("LSTM"), None, set(), 40 * 41 + 6464 + 65),
    "gru": (recurrent("GRU"), None, set(), 30 * 41 + 6464 + 65),
    "higgs": (HIGGS, None, set(), 8 * 64 + 3 * 65 * 64 + 65),
    "regression": (REGRESSION, 2, {"stray-layout"}, 3 * 50 + 2 * 51 * 50 + 51),
    "multiclass": (MULTICLASS, 4, set(), 500 + 5050 + 510 + 11),
    "default": ("!H:V", 4, set(), 5 * 208 + 209),
}
SLIDE = "CONV|12|2|2|1|1|TANH, MAXPOOL|6|6|1|1, RESHAPE|1|1|9408|FLAT, DENSE|512|TANH"
"""As on the slide: the flattening fits 34 x 34 pixels, since no padding is named."""

ALEXNET = (
    "CONV|96|11|11|4|4|0|0|RELU,MAXPOOL|3|3|2|2,CONV|256|5|5|1|1|2|2|RELU,MAXPOOL|3|3|2|2,CONV|384|3|3|1|1|1|1|RELU,"
    "CONV|384|3|3|1|1|1|1|RELU,CONV|256|3|3|1|1|1|1|RELU,MAXPOOL|3|3|2|2,RESHAPE|FLAT,DENSE|512|RELU,DENSE|1|RELU"
)
EXTENDED = (
    "!V:InputLayout=1|1|64##1|8|8:Latent=16:Objective=WGANGP:Penalty=gradient:RandomSeed=3:"
    "Layout=DENSE|32|LRELU,BNORM,UNFLAT|8|2|2,DECONV|4|4|4|2|2|1|1|LRELU,UPSAMPLE|2|2,LOCAL|1|3|3|1|1|1|1|SIGMOID##"
    "CONV|4|4|4|2|2|1|1|LRELU,LOCAL|2|3|3|1|1|1|1|LRELU,BNORM|0.9|1e-3,RESHAPE|1|4|8,GRU|5|8|4|0|1|1,"
    "RESHAPE|FLAT,DENSE|1|LINEAR:TrainingStrategy=MaxEpochs=3,Optimizer=ADAM,GeneratorADAM_beta1=0.5,GeneratorADAM_eps=1e-8,"
    "GeneratorOptimizer=ADAM,DiscriminatorOptimizer=RMSPROP,DiscriminatorRMSPROP_rho=0.9"
)
"""Everything that TMVA lacks."""


def read(string, **options):
    """Options of a string, and the names of its findings."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = parse_options(string, **options)
    assert all(isinstance(w.message, TmvaWarning) for w in found)
    return result, {w.message.name for w in found}


@pytest.mark.parametrize("name", DL)
def test_strings_of_the_tutorials_build_and_run(name):
    string, variables, findings, count = DL[name]
    options, found = read(string, variables=variables)
    assert isinstance(options, DLOptions)
    assert found == findings
    inputs = options.input_layout.shape(variables)
    dropout = options.phases[0].net.drop_config
    network = network_of(options.layout, inputs, dropout=dropout, initialization=options.weight_initialization)
    assert sum(p.numel() for p in network.parameters()) == sum(parameters(options.layout, inputs)) == count
    out = network(torch.randn(3, *inputs))
    assert out.shape == (3, math.prod(shapes(options.layout, inputs)[-1])) == (3, 1)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize(
    ("string", "findings", "made"),
    [(GAN_MNIST, GAN_FINDINGS, 784), (GAN_EARLY, GAN_FINDINGS | {"generator-output"}, 1)],
    ids=["mnist", "early"],
)
def test_strings_of_methodgan_build_and_run(string, findings, made):
    options, found = read(string)
    assert options.METHOD == "GAN"
    assert found == findings
    assert options.architecture == "CPU"
    assert len(options.phases) == 3
    for layout, inputs, width in zip(options.layout, options.input_layout, (made, 1), strict=True):
        network = network_of(layout, inputs.shape(), initialization=options.weight_initialization)
        out = network(torch.randn(2, inputs.size))
        assert out.shape == (2, width)


def test_methodgan_phases_are_read_as_meant():
    first, second, third = read(GAN_MNIST)[0].phases
    assert (first.max_epochs, first.generator.learning_rate, first.discriminator.learning_rate) == (2, 2e-4, 2e-4)
    assert (second.generator.learning_rate, second.discriminator.learning_rate) == (2e-5, 1e-5)
    assert first.generator.drop_config == first.discriminator.drop_config == (0, 0.5, 0.5, 0.5)
    # DropConfig without a network's name: of the discriminator, since the generator has its own
    assert second.discriminator.drop_config == second.generator.drop_config == (0, 0, 0, 0)
    assert (third.discriminator.batch_size, third.discriminator.test_repetitions) == (32, 10)
    assert {n.regularization for p in (first, second, third) for n in (p.generator, p.discriminator)} == {"L2"}


def test_the_slide_fits_34_pixels_and_no_other():
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        layout = parse_layout(SLIDE, "DL")
    assert [w.message.name for w in found] == ["short-conv", *3 * ["leading-blank"]]
    assert shapes(layout, (1, 34, 34)) == ((12, 33, 33), (12, 28, 28), (1, 1, 9408), (1, 1, 512))
    assert network_of(layout, (1, 34, 34))(torch.randn(2, 1, 34, 34)).shape == (2, 512)
    for pixels, arrive in ((28, 5808), (32, 8112)):
        with pytest.raises(OptionStringError, match=f"9408 values asked, {arrive} arrive") as error:
            shapes(layout, (1, pixels, pixels))
        assert f"12 x {pixels - 1} x {pixels - 1}" in str(error.value)  # layer by layer
    padded = parse_layout(SLIDE.replace("1|1|TANH", "1|1|1|1|TANH").replace(" ", ""), "DL")
    assert shapes(padded, (1, 32, 32))[:2] == ((12, 33, 33), (12, 28, 28))


def test_the_slide_as_generator_loses_its_layers_in_tmva():
    # TMVA drops every layer with a blank before it, and so keeps the convolution alone
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        pair = parse_layout(f"{SLIDE}##{SLIDE}")
    names = [w.message.name for w in found]
    assert names.count("leading-blank") == 6
    assert [len(half) for half in pair] == [4, 4]


def test_alexnet_of_methodgans_tests_has_its_shapes():
    layout = parse_layout(ALEXNET)
    assert [s[1] for s in shapes(layout, (3, 227, 227))[:8]] == [55, 27, 27, 13, 13, 13, 13, 6]
    # 96 filters of 3 x 11 x 11, 256 of 96 x 5 x 5, 384 of 256 x 3 x 3 ...
    assert parameters(layout, (3, 227, 227))[:5] == (34_944, 0, 614_656, 0, 885_120)


@pytest.mark.parametrize("string", [GAN_MNIST, GAN_EARLY, EXTENDED, *(case[0] for case in DL.values())])
def test_canonical_strings_say_the_same(string):
    options, _ = read(string)
    with warnings.catch_warnings():
        warnings.filterwarnings("error")
        warnings.filterwarnings("ignore", message=r".*generator-output")
        again = parse_options(str(options))
    assert again == options
    assert str(again) == str(options)
    for layout in options.layout if options.METHOD == "GAN" else [options.layout]:
        assert parse_layout(str(layout), options.METHOD if options.METHOD == "DL" else None) == layout


def test_extensions_build_a_generator_of_images():
    options, found = read(EXTENDED)
    assert not found
    assert (options.objective, options.penalty, options.latent) == ("WGANGP", "gradient", 16)
    assert options.phases[0].generator.parameter("ADAM_beta1", 0.9) == 0.5
    assert options.phases[0].discriminator.optimizer == "RMSPROP"
    generator = network_of(options.layout.generator, (1, 1, options.latent))
    discriminator = network_of(options.layout.discriminator, options.input_layout.discriminator.shape())
    assert generator.outputs == (1, 8, 8)
    assert discriminator(generator(torch.randn(4, 16))).shape == (4, 1)


LAYERS = ["DENSE", "CONV", "MAXPOOL", "RESHAPE", "FLAT", "BNORM", "RNN", "LSTM", "GRU", "UNFLAT", "UPSAMPLE", "LOCAL"]
TRAPS = ["TANH", "99999999999", "-1", "1e9", "N", "\u0663", "\n"]  # an Arabic three is a digit to isdigit()
WORDS = st.sampled_from([*"|,:#=+-*/^()!%. 0129", *LAYERS, *TRAPS])
SEEDS = [GAN_MNIST, GAN_EARLY, EXTENDED, SLIDE, f"{SLIDE}##{SLIDE}", *(case[0] for case in DL.values())]


@st.composite
def mutated(draw):
    """A known string with words replaced, doubled or dropped, sizes changed, or strange characters put in."""
    parts = re.split("([|,:#=+])", draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 3))):
        i = draw(st.integers(0, len(parts) - 1))
        number = draw(st.integers(-1, 40))
        if parts[i].isdecimal() and number >= 0:
            parts[i] = str(number)
        else:
            others = [draw(WORDS), draw(st.sampled_from(parts)), draw(st.text(max_size=2)) + parts[i]]
            parts[i] = draw(st.sampled_from([*others, 2 * parts[i], f"{parts[i]}|{number}", ""]))
    return "".join(parts)


@settings(
    max_examples=MUTATIONS, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
@given(mutated(), st.sampled_from([None, "DL", "GAN"]))
def test_mutated_strings_give_a_network_or_a_clear_error(string, method):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", TmvaWarning)
        try:
            options = parse_options(string, method)
            assert parse_options(str(options), options.METHOD) == options
            pairs = [(options.layout, options.input_layout)]
            if options.METHOD == "GAN":
                pairs = list(zip(options.layout, options.input_layout, strict=True))
        except OptionStringError as error:
            clear(error)
            try:  # as a bare layout it may be one
                layouts = parse_layout(string, method)
            except OptionStringError as other:
                clear(other)
                return
            pairs = [(half, None) for half in ([layouts] if isinstance(layouts, Layout) else layouts)]
        for layout, inputs in pairs:
            shape = (inputs.shape(4) if inputs else None) or (1, 28, 28)
            try:
                network = network_of(layout, shape, largest=2_000_000)
                if math.prod(shape) < 10_000 and max(math.prod(s) for s in shapes(layout, shape)) < 100_000:
                    assert network(torch.zeros(2, *shape)).shape == (2, math.prod(network.outputs))
            except OptionStringError as error:
                clear(error)


def clear(error):
    """The caret stands within the string, and the message shows it."""
    assert 0 <= error.position <= len(error.string)
    assert "\n" in str(error)
    assert "^" in str(error)


def test_every_finding_has_a_name_and_a_meaning():
    with pytest.warns(TmvaWarning) as found:
        parse_layout("DENSE|4|tanh,LINEAR")
    finding = found[0].message
    assert finding.name in FINDINGS
    assert finding.string[finding.position :].startswith("tanh")
    assert "TANH" in finding.repair
