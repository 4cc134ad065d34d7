"""What TMVA silently drops or misreads: each defect of its parser is an error or a named warning here."""

import pickle
import subprocess
import sys
import warnings

import pytest

from facsim.errors import OptionStringError, RecipeError
from facsim.tmva import (
    GRU,
    BatchNorm,
    Conv,
    Dense,
    DLPhase,
    InputLayout,
    Reshape,
    ValidationSize,
    parse_layout,
    parse_options,
    shapes,
)
from facsim.tmva.widths import WIDEST, evaluate

GAN = "DENSE|4|RELU##DENSE|1|LINEAR"


def finding(name, place, parse, string, *rest, **options):
    """Result of parsing `string`, which must give the warning `name` at the text `place`, and no other."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        result = parse(string, *rest, **options)
    assert [w.message.name for w in found] == [name]
    message = found[0].message
    assert message.string == string
    assert string[message.position :].startswith(place)
    assert message.repair
    return result


def refused(problem, place, parse, string, *rest, **options):
    """The error about `string`, whose caret stands at the text `place`."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(OptionStringError, match=problem) as error:
            parse(string, *rest, **options)
    assert error.value.string[error.value.position :].startswith(place)
    return error.value


# Layouts ----------------------------------------------------------------------------------------------------------


def test_unknown_layers_are_not_dropped():
    error = refused("unknown layer 'DENSSE'", "DENSSE", parse_layout, "DENSE|4|RELU,DENSSE|64|RELU")
    assert "Did you mean 'DENSE'?" in error.cure
    refused("unknown layer 'SOFTMAX'", "SOFTMAX", parse_layout, "DENSE|4|RELU,SOFTMAX")


def test_a_blank_before_a_layer_does_not_drop_it():
    text = "RESHAPE|FLAT, DENSE|4|RELU##DENSE|1|LINEAR"
    pair = finding("leading-blank", "DENSE|4", parse_layout, text)
    assert len(pair.generator) == 2
    assert len(finding("leading-blank", "LINEAR", parse_layout, "DENSE|4|RELU, LINEAR", "DL")) == 2
    assert len(finding("leading-blank", "RELU", parse_layout, "DENSE|4|RELU ,LINEAR", "DL")) == 2
    finding("leading-blank", "DENSE|1", parse_layout, "DENSE|4|RELU## DENSE|1|LINEAR")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no harm at numbers, and at the ends of the string
        assert parse_layout(" DENSE| 4 |RELU,LINEAR ") == parse_layout("DENSE|4|RELU,LINEAR")


def test_methodgan_does_not_drop_layers_without_dense():
    pair = finding("unnamed-layer", "TANH|8", parse_layout, "TANH|8##DENSE|1|LINEAR")
    assert pair.generator.layers == (Dense(8, "TANH"),)


def test_short_convolutions_keep_their_activation():
    layout = finding("short-conv", "CONV", parse_layout, "CONV|12|2|2|1|1|RELU")
    assert layout.layers == (Conv(12, 2, 2, 1, 1, 0, 0, "RELU"),)
    layout = finding("short-conv", "CONV", parse_layout, "CONV|12|2|2")  # TMVA: stride 0
    assert layout.layers == (Conv(12, 2, 2, 1, 1, 0, 0, "TANH"),)
    refused("needs depth, fltH and fltW", "CONV", parse_layout, "CONV|12|RELU")


def test_a_stride_of_zero_does_not_divide():
    refused("strideRows of CONV must lie between 1", "0|1|0|0", parse_layout, "CONV|12|2|2|0|1|0|0|RELU")
    refused("MAXPOOL without strideRows", "MAXPOOL", parse_layout, "MAXPOOL|2|2")


def test_words_are_not_read_as_zero():
    refused("fltH of CONV must be a whole number", "three", parse_layout, "CONV|12|three|3|1|1|0|0|RELU")
    refused("activation 'RELUU' is unknown", "RELUU", parse_layout, "DENSE|12|RELUU")
    refused("must be a whole number", "3x", parse_layout, "MAXPOOL|3x|3|1|1")


def test_empty_tokens_do_not_shift_the_sizes_behind_them():
    refused("an empty token", "|3|1|1", parse_layout, "CONV|12||3|1|1|0|0|RELU")


def test_surplus_tokens_are_not_ignored():
    refused("has no place for '7'", "7", parse_layout, "CONV|12|3|3|1|1|0|0|7|RELU")
    refused("has no place for '9'", "9", parse_layout, "LSTM|4|2|3|0|1|9")
    refused("two widths", "65", parse_layout, "DENSE|64|65")
    refused("two activations", "RELU", parse_layout, "DENSE|64|TANH|RELU")


def test_empty_layers_are_named():
    assert len(finding("empty-layer", "", parse_layout, "DENSE|4|RELU,LINEAR,")) == 2
    refused("without layers", "", parse_layout, "")


def test_layers_and_activations_in_lower_case_are_read():
    assert finding("lower-case", "dense", parse_layout, "dense|4|RELU").layers == (Dense(4, "RELU"),)
    assert finding("value-case", "relu", parse_layout, "DENSE|4|relu").layers == (Dense(4, "RELU"),)
    assert finding("value-case", "flat", parse_layout, "RESHAPE|flat").layers == (Reshape(flat=True),)


def test_a_single_hash_separates_and_says_so():
    pair = finding("single-hash", "DENSE|1", parse_layout, "DENSE|4|RELU#DENSE|1|LINEAR")
    assert pair == parse_layout(GAN)


def test_a_third_or_missing_half_is_not_ignored():
    refused("there are 3 parts", "", parse_layout, f"{GAN}##DENSE|1|LINEAR")
    refused("there are 1 parts", "", parse_layout, "DENSE|1|LINEAR##")
    refused("there are 1 parts", "", parse_layout, "DENSE|1|LINEAR", "GAN")


def test_planes_before_a_dense_layer_are_named():
    layout = finding("missing-flat", "DENSE", parse_layout, "MAXPOOL|2|2|2|2,DENSE|1|LINEAR")
    assert shapes(layout, (3, 4, 4)) == ((3, 2, 2), (1, 1, 1))


def test_layout_before_a_layer_is_named():
    assert finding("stray-layout", "Layout", parse_layout, "TANH|5,Layout=TANH|4").layers[1] == Dense(4)


def test_reshapes_that_change_the_number_of_values_are_refused():
    layout = parse_layout("CONV|12|2|2|1|1|1|1|TANH,MAXPOOL|6|6|1|1,RESHAPE|1|1|9408|FLAT")
    with pytest.raises(OptionStringError, match="9408 values asked, 6912 arrive") as error:
        shapes(layout, (1, 28, 28))
    assert "12 x 29 x 29" in str(error.value)
    refused("RESHAPE needs", "RESHAPE", parse_layout, "RESHAPE|4|4")


def test_convolutions_follow_tmvas_rule():
    with pytest.raises(OptionStringError, match=r"\(8 - 3 \+ 2\*0\)/2 \+ 1 = 3.5 rows") as error:
        shapes(parse_layout("CONV|4|3|3|2|2|0|0|RELU"), (1, 8, 9))
    assert "1 x 8 x 9" in str(error.value)
    with pytest.raises(OptionStringError, match="not a whole number above 0"):
        shapes(parse_layout("MAXPOOL|5|5|1|1"), (1, 4, 4))


def test_recurrent_sizes_must_agree_with_the_input():
    with pytest.raises(OptionStringError, match="7 steps of 30 numbers asked, 10 steps of 30 arrive"):
        shapes(parse_layout("LSTM|10|30|7|0|1"), (10, 1, 30))


def test_all_positions_and_defaults_of_a_layer():
    assert parse_layout("DENSE|TANH|64").layers == parse_layout("64|TANH").layers == (Dense(64, "TANH"),)
    assert parse_layout("LINEAR").layers == (Dense(0, "LINEAR"),)
    assert parse_layout("BNORM").layers == (BatchNorm(-1, 1e-4),)
    assert parse_layout("BNORM|0.9|1e-3").layers == (BatchNorm(0.9, 1e-3),)
    assert parse_layout("GRU|10|3|7|0|1|1").layers == (GRU(10, 3, 7, False, True, True),)
    assert parse_layout("RESHAPE|FLAT|1|1|4").layers == (Reshape(1, 1, 4, True),)


# Widths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "n", "width"),
    [("N+10", 4, 14), ("(N+100)*2", 4, 208), ("N/2", 5, 2), ("n^2-1", 3, 8), ("2**3**2/8", 1, 64), ("-N+5", 2, 3)],
)
def test_width_formulas(formula, n, width):
    assert evaluate(formula, n) == width
    assert parse_layout(f"DENSE|{formula}", variables=n).layers == (Dense(width),)


@pytest.mark.parametrize("formula", ["N+", "(N", "N)", "2N", "N N", "*N", "N//2", "()", "((" * 60, "1.2.3", "-"])
def test_broken_formulas_have_a_caret(formula):
    with pytest.raises(OptionStringError) as error:
        parse_layout(f"DENSE|{formula}|RELU")
    assert error.value.position >= len("DENSE")


@pytest.mark.parametrize("formula", ["9^9^9^9", "1e300*1e300", "N/0", "N-9", f"{WIDEST}+1", "(0-1)^0.5"])
def test_impossible_widths_are_refused_at_once(formula):
    with pytest.raises(OptionStringError, match="the width"):
        parse_layout(f"DENSE|{formula}|RELU", variables=4)


# The outer string -------------------------------------------------------------------------------------------------


def test_unknown_options_and_values_name_the_nearest():
    assert "Did you mean" in refused("unknown option", "Lyout", parse_options, "!H:Lyout=LINEAR").cure
    assert "'CPU'" in refused("unknown", "CPUU", parse_options, "Architecture=CPUU").cure
    refused("neither a flag", "Q", parse_options, "!H:!Q")
    refused("Layout has no value", "Layout", parse_options, "!H:Layout")
    refused("VarTransform", "X", parse_options, "VarTransform=X")
    assert "GANs" in refused("unknown option", "Latent", parse_options, "Latent=4").cure


def test_weight_initializations_are_not_guessed():
    # MethodDL takes Glorot's uniform law for a name that it does not know, and MethodGAN a normal one
    refused("'XAVER' is unknown", "XAVER", parse_options, "WeightInitialization=XAVER")


def test_an_option_given_twice_must_agree():
    refused("stands twice", "V=F", parse_options, "V=T:V=F")
    assert finding("duplicate-option", "V=T", parse_options, "V=T:V=T").verbose


def test_an_architecture_glued_to_the_last_value_is_found():
    options = finding("glued-architecture", "CPU", parse_options, "!H:WeightInitialization=XAVIERUNIFORMCPU")
    assert (options.architecture, options.weight_initialization) == ("CPU", "XAVIERUNIFORM")


@pytest.mark.parametrize("old", ["STANDARD", "OPENCL"])
def test_old_architectures_become_the_cpu(old):
    assert finding("old-architecture", old, parse_options, f"Architecture={old}").architecture == "CPU"


def test_input_layouts_of_one_to_three_sizes():
    assert parse_options("InputLayout=7").input_layout == InputLayout(1, 1, 7)
    assert parse_options("InputLayout=10|30:Layout=LINEAR").input_layout == InputLayout(10, 1, 30)
    assert parse_options("InputLayout=0|0|0", variables=4).input_layout.shape(4) == (1, 1, 4)
    assert finding("negative-size", "-7", parse_options, "InputLayout=-7").input_layout == InputLayout(1, 1, 7)
    refused("means 0 values", "1|0|7", parse_options, "InputLayout=1|0|7")
    refused("means", "99999", parse_options, "InputLayout=99999|99999|99999")


@pytest.mark.parametrize("batch", ["1|30|5", "30|1|4", "30|4|1", "2|30|4"])
def test_contradicting_batch_layouts_are_named(batch):
    text = f"InputLayout=1|1|4:BatchLayout={batch}:Layout=DENSE|1|LINEAR:TrainingStrategy=BatchSize=30"
    finding("batch-layout", batch, parse_options, text)


def test_a_batch_layout_must_repeat_every_batch_size():
    text = "InputLayout=1|1|4:BatchLayout=1|30|4:Layout=DENSE|1|LINEAR:TrainingStrategy=BatchSize=30|BatchSize=20"
    options = finding("batch-size", "1|30|4", parse_options, text)
    assert [phase.net.batch_size for phase in options.phases] == [30, 20]
    images = "InputLayout=2|4|4:BatchLayout=30|2|16:Layout=CONV|1|1|1|1|1|0|0|RELU:TrainingStrategy=BatchSize=30"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse_options(images)


def test_a_generator_must_make_what_the_discriminator_takes():
    text = f"InputLayout=1|1|4##1|1|5:Layout={GAN}"
    finding("generator-output", GAN, parse_options, text)


def test_validation_sizes():
    for text, size in (("20%", ValidationSize(0.2)), ("0.2", ValidationSize(0.2)), ("100", ValidationSize(events=100))):
        assert parse_options(f"ValidationSize={text}").validation_size == size
    assert [ValidationSize(0.2).count(50), ValidationSize(events=7).count(50)] == [10, 7]
    refused("ValidationSize", "20x", parse_options, "ValidationSize=20x")


# TrainingStrategy -------------------------------------------------------------------------------------------------


def dl(text):
    return f"TrainingStrategy={text}"


def gan(text):
    return f"InputLayout=1|1|4##1|1|4:Layout={GAN}:TrainingStrategy={text}"


def test_unknown_training_keys_are_not_ignored():
    error = refused("unknown key 'LerningRate'", "LerningRate", parse_options, dl("LerningRate=0.1"))
    assert "Did you mean 'LearningRate'?" in error.cure
    error = refused("unknown key", "GeneratorLearnRate", parse_options, gan("GeneratorLearnRate=0.1"))
    assert "'GeneratorLearningRate'" in error.cure


def test_blanks_before_methodgans_keys_do_not_drop_them():
    options = finding("leading-blank", "DiscriminatorB", parse_options, gan("MaxEpochs=2, DiscriminatorBatchSize=8"))
    assert options.phases[0].discriminator.batch_size == 8
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # MethodDL strips them
        assert parse_options(dl("MaxEpochs=2, BatchSize=8")).phases[0].net.batch_size == 8


def test_keys_without_a_network_are_not_ignored():
    phase = finding("unprefixed-key", "Momentum", parse_options, gan("GeneratorMomentum=0.1,Momentum=0.2")).phases[0]
    assert (phase.generator.momentum, phase.discriminator.momentum) == (0.1, 0.2)


def test_of_two_equal_keys_the_first_counts_and_says_so():
    options = finding("duplicate-key", "batchsize=9", parse_options, dl("BatchSize=8,batchsize=9"))
    assert options.phases[0].net.batch_size == 8


def test_renormalize_means_regularization():
    assert finding("renormalize", "L2", parse_options, dl("Renormalize=L2")).phases[0].net.regularization == "L2"


def test_regularizations_and_optimisers_in_another_case_are_read_as_meant():
    assert finding("value-case", "l2", parse_options, dl("Regularization=l2")).phases[0].net.regularization == "L2"
    assert finding("value-case", "sgd", parse_options, dl("Optimizer=sgd")).phases[0].net.optimizer == "SGD"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # TMVA falls back on what is meant
        net = parse_options(dl("Regularization=None,Optimizer=Adam")).phases[0].net
    assert (net.regularization, net.optimizer) == ("NONE", "ADAM")
    assert "'RMSPROP'" in refused("unknown", "RMSPRP", parse_options, dl("Optimizer=RMSPRP")).cure


def test_settings_without_effect_are_named():
    finding("ignored-key", "3", parse_options, dl("Repetitions=3"))
    finding("ignored-key", "0.5", parse_options, dl("Optimizer=SGD,ADAM_beta1=0.5"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parse_options(dl("Repetitions=1"))


def test_numbers_that_atoi_would_cut_are_refused():
    refused("MaxEpochs must be a whole number", "1e3", parse_options, dl("MaxEpochs=1e3"))  # TMVA: 1
    refused("BatchSize must lie between 1", "0", parse_options, dl("BatchSize=0"))
    refused("LearningRate must be a number", "fast", parse_options, dl("LearningRate=fast"))
    refused("LearningRate must lie", "-1", parse_options, dl("LearningRate=-1"))
    refused("drop probability must lie", "1.5", parse_options, dl("DropConfig=0.1+1.5"))
    refused("is no Key=Value", "BatchSize", parse_options, dl("MaxEpochs=3,BatchSize"))


def test_empty_phases_and_settings_are_named():
    assert len(finding("empty-phase", "", parse_options, dl("BatchSize=8|")).phases) == 1
    assert finding("empty-setting", "", parse_options, dl("BatchSize=8,")).phases[0].net.batch_size == 8


def test_defaults_are_tmvas():
    options = parse_options("")
    assert str(options.layout) == "DENSE|(N+100)*2|SOFTSIGN,DENSE|0|LINEAR"
    assert (options.error_strategy, options.weight_initialization, options.architecture) == (
        "CROSSENTROPY",
        "XAVIER",
        "CPU",
    )
    assert [phase.net.learning_rate for phase in options.phases] == [0.1, 1e-4]
    phase = parse_options(dl("MaxEpochs=5")).phases[0]
    assert phase == DLPhase(5)
    net = phase.net
    assert (net.learning_rate, net.momentum, net.batch_size, net.convergence_steps) == (1e-5, 0.3, 30, 100)
    assert (net.test_repetitions, net.weight_decay, net.regularization, net.optimizer) == (7, 0, "NONE", "ADAM")
    phase = parse_options(gan("MaxEpochs=5")).phases[0]
    assert (phase.generator.learning_rate, phase.discriminator.learning_rate) == (2e-4, 2e-5)
    assert (phase.generator.batch_size, phase.discriminator.batch_size) == (32, 32)
    assert str(parse_options("", "GAN").layout) == "##".join(2 * ["DENSE|(N+100)*2|SOFTSIGN,DENSE|0|LINEAR"])


def test_a_last_sigmoid_becomes_a_logit():
    layout = parse_layout("DENSE|4|SIGMOID,DENSE|1|SIGMOID")
    assert str(layout.logits()) == "DENSE|4|SIGMOID,DENSE|1|LINEAR"
    assert parse_layout("DENSE|1|TANH").logits() == parse_layout("DENSE|1|TANH")


# Messages ---------------------------------------------------------------------------------------------------------


def test_the_error_shows_a_window_and_a_caret():
    string = "TrainingStrategy=" + "|".join(["BatchSize=8"] * 30) + "|BatchSiz=8|" + "|".join(["BatchSize=8"] * 30)
    error = refused("unknown key", "BatchSiz=8", parse_options, string)
    line, caret = str(error).split("\n")[1:3]
    assert len(line) < 120
    assert line[caret.index("^") :].startswith("BatchSiz=8|")
    assert line.strip().startswith("...")
    assert line.endswith("...")
    assert isinstance(error, RecipeError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - worker processes hand errors back


def test_absurdly_long_strings_are_refused():
    refused("characters", "", parse_options, "V:" * 60_000)
    refused("more than 1000 layers", "", parse_layout, "LINEAR," * 1001)
    assert len(str(refused("unknown layer", "A", parse_layout, "A" * 90_000))) < 400
    with pytest.raises(OptionStringError, match="20000 steps, more than 10000"):
        shapes(parse_layout("RNN|1"), (1, 20_000, 1))
    with pytest.raises(OptionStringError, match="more than 16777216"):
        shapes(parse_layout("UPSAMPLE|5000|5000"), (1, 2, 2))


def test_the_grammar_needs_no_torch():
    code = "import sys, facsim.tmva; sys.exit('torch' in sys.modules or 'numpy.random' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
