"""TMVA's Factory: book, train, test and evaluate GANs."""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facsim import api
from facsim.errors import DataError, RecipeError
from facsim.files import atomic
from facsim.pyroot.files import TFile
from facsim.pyroot.loader import DataLoader
from facsim.pyroot.missing import Calls
from facsim.pyroot.words import parse_words
from facsim.tmva import GANOptions, TmvaWarning, parse_options
from facsim.tmva.source import Piece

if TYPE_CHECKING:
    from facsim.sampler import Sampler

__all__ = ["Factory", "Method"]

KNOWN = {
    **dict.fromkeys(("V", "Color", "Silent", "DrawProgressBar", "ModelPersistence", "Correlations", "ROC"), True),
    **dict.fromkeys(("VerboseLevel", "Transformations", "AnalysisType"), False),
}
GAN, DL = "GAN", "DL"


@dataclass(frozen=True)
class Method:
    """A booked method.

    Attributes
    ----------
    title : str
    options : str
        Option string, or name of a recipe.
    loader : DataLoader
    folder : Path
        Run folder of the model.
    report : Path
        Folder of the page that EvaluateAllMethods writes.
    """

    title: str
    options: str
    loader: DataLoader
    folder: Path
    report: Path

    @property
    def generated(self) -> Path:
        """File of the events that TestAllMethods draws."""
        return self.folder / "generated.root"

    def model(self) -> Sampler:
        """Return the trained model."""
        return api.load(self.folder)

    def GetName(self) -> str:
        """Return the title."""
        return self.title


class Factory(Calls):
    """Book methods, then train, test and evaluate them.

    Parameters
    ----------
    name : str
    output : TFile, optional
        Gets the events that TestAllMethods draws, in the layout of the true ones. With several methods, each has a file
        of its own beside it, ``<output>_<title>.root``.
    options : str, optional
        TMVA's; ``Silent`` says nothing on the terminal, the others say nothing to a GAN. Unknown ones are errors.
    """

    def __init__(self, name: str, output: TFile | str | None = None, options: str = "") -> None:
        file, options = (None, output) if isinstance(output, str) else (output, options)
        if file is not None and not file.writes():
            msg = f"{file.GetName()} is open for reading: give TFile.Open(path, 'RECREATE')"
            raise DataError(msg)
        found = parse_words(options, KNOWN)
        kind = found.get("AnalysisType")
        if isinstance(kind, Piece) and kind.text.lower() in {"regression", "multiclass"}:
            kind.fail(f"AnalysisType={kind.text}: facsim.pyroot trains GANs", "Write AnalysisType=Classification.")
        self._name, self._output = str(name), file
        self._silent = found.get("Silent") is True
        self._methods: dict[str, Method] = {}

    def GetName(self) -> str:
        """Return the name."""
        return self._name

    def BookMethod(self, loader: object, kind: str, title: str, options: str = "") -> Method:
        """Book a GAN; the loader's events are parted now.

        Parameters
        ----------
        loader : DataLoader
        kind : str
            ``TMVA.Types.kGAN`` or ``"GAN"``.
        title : str
            The model appears in ``<loader>/weights/<factory>_<title>``.
        options : str
            An option string of MethodGAN, or the name of any recipe of facsim.

        Raises
        ------
        RecipeError
            If it is a string of MethodDL or another method, or is booked as one.
        OptionStringError
            If it cannot be read.
        DataError
            If the loader is left out, the title is taken, and what reading the events raises.
        """
        if not isinstance(loader, DataLoader):  # the call of ROOT 5, whose factory had the variables itself
            msg = f"BookMethod({loader!r}, ...): give (loader, TMVA.Types.kGAN, title, options), with a TMVA.DataLoader"
            raise DataError(msg)
        title, options = str(title), str(options)
        _check_kind(str(kind), title, options)
        if title in self._methods or Path(title).name != title:
            problem = "is booked already" if title in self._methods else "can be no folder's name"
            msg = f"BookMethod: the title '{title}' {problem}: choose another"
            raise DataError(msg)
        from facsim import recipes

        recipes.load(options)
        parts = loader.parts()
        folder, name = Path(loader.GetName()), f"{self._name}_{title}"
        self._methods[title] = Method(title, options, loader, folder / "weights" / name, folder / "reports" / name)
        self._say(f"{title}: {parts.trained:,} events to train on, {parts.tested:,} to test with, in {folder}")
        return self._methods[title]

    def TrainAllMethods(self) -> None:
        """Train what is booked; a training of the same events and options that is there already is gone on with."""
        for method in self._booked():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", TmvaWarning)  # said by BookMethod
                parts, again = method.loader.parts(), (method.folder / "run.json").exists()
                api.fit(
                    parts.train, method.options, output=method.folder, resume=again, progress=self._progress(method)
                )
            self._say(f"{method.title}: model in {method.folder}, its training in {method.folder / 'page.html'}")

    def TestAllMethods(self) -> None:
        """Draw as many events as there are test events, into ``generated.root`` and the output file."""
        for method in self._booked():
            _trained(method)
            parts = method.loader.parts()
            api.sample(method.folder, n=parts.tested or parts.trained, seed=1, output=method.generated)
            if self._output is not None:
                path = Path(self._output.GetName())
                path = path if len(self._methods) == 1 else path.with_stem(f"{path.stem}_{method.title}")
                with atomic(path) as temporary:
                    shutil.copyfile(method.generated, temporary)
            self._say(f"{method.title}: generated events in {method.generated}")

    def EvaluateAllMethods(self) -> None:
        """Compare generated with test events: ``report.html`` in ``<loader>/reports/<factory>_<title>``.

        Raises
        ------
        DataError
            If no event was kept for the test.
        """
        if not all(method.generated.exists() for method in self._booked()):
            self.TestAllMethods()
        for method in self._booked():
            parts = method.loader.parts()
            if not parts.tested:
                msg = f"{method.title}: no event is left for the test: ask for fewer with nTrain_Signal"
                raise DataError(msg)
            report = api.evaluate(parts.test, method.generated, output=method.report)
            self._say(f"{method.title}: {report}\n{method.report / 'report.html'}")

    def _booked(self) -> list[Method]:
        if not self._methods:
            msg = f"the factory '{self._name}' has no method: call BookMethod first"
            raise DataError(msg)
        return list(self._methods.values())

    def _say(self, line: str) -> None:
        if not self._silent:
            sys.stdout.write(f"{line}\n")

    def _progress(self, method: Method) -> Callable[[int, int], None]:
        """A line for every tenth of the steps."""

        def tick(done: int, total: int) -> None:
            if done == total or done * 10 // total > (done - 1) * 10 // total:
                self._say(f"{method.title}: {done:,} of {total:,} steps")

        return tick


def _trained(method: Method) -> None:
    if not (method.folder / "model.safetensors").exists():
        msg = f"{method.title} is not trained: call TrainAllMethods first"
        raise DataError(msg)


def _check_kind(kind: str, title: str, options: str) -> None:
    """Refuse what is no GAN, or is not booked as one."""
    if kind.upper().removeprefix("K") == GAN:
        return
    msg = f"BookMethod('{title}', {kind}): facsim.pyroot trains generators: book kGAN with a string of MethodGAN"
    if kind.upper().removeprefix("K") == DL:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TmvaWarning)
            if isinstance(parse_options(options), GANOptions):
                msg = (
                    f"BookMethod('{title}', {kind}): this string has a generator and a discriminator (##), which is "
                    "MethodGAN's: book it as TMVA.Types.kGAN"
                )
    raise RecipeError(msg)
