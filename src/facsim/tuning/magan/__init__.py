"""The Model-Assisted GAN's second stage: a population of parameters, found by a game through a frozen emulator."""

from facsim.tuning.magan.magan import MaganSettings, tune_magan

__all__ = ["MaganSettings", "tune_magan"]
