"""The mean event under its conditions, and column by column what scatters around it."""

from facsim.models.regression.regression import Regression, RegressionConfig

__all__ = ["Regression", "RegressionConfig"]
