"""The parameters of a simulator, from data: posteriors, populations, best fits."""

__all__: list[str] = []
