"""A small toy of particle identification: five species, differences of log-likelihoods that depend on kinematics."""

import numpy as np

from facsim import Block, Events, Schema

SPECIES = ("e", "mu", "pi", "K", "p")
SEPARATION = {"RichDLLk": 3, "RichDLLp": 4, "RichDLLmu": 1}  # of the pion, towards the species of that number
SCHEMA = Schema(
    tuple(Block(name) for name in SEPARATION),
    (Block("P", (), "real", "GeV"), Block("ETA"), Block("nTracks", (), "count")),
    "pid",
)
MIXED = Schema(SCHEMA.features, (*SCHEMA.conditions, Block("particle", (), "category", names=SPECIES)), "pid")

BAD = (15.0, 40.0, 2.8, 3.6)
"""Where a flaw is put: momentum and pseudorapidity."""


def tracks(seed, n, species="K"):
    """Kinematics (n, 3) and DLLs (n, 3) of one species; the separation falls with momentum and occupancy."""
    rng = np.random.default_rng([seed, SPECIES.index(species)])
    momentum = 3 * np.exp(rng.uniform(0, np.log(33), n))
    conditions = np.column_stack([momentum, rng.uniform(1.9, 4.9, n), np.round(rng.gamma(4, 40, n))]).astype(np.float32)
    power = 8 / (1 + (conditions[:, 0] / 40) ** 2) - 0.004 * conditions[:, 2]
    shared = rng.normal(size=n)
    mean = [np.where(SPECIES.index(species) == other, power, -power / 2) for other in SEPARATION.values()]
    dlls = np.column_stack(mean) + 2 * shared[:, None] + (2 + 0.005 * conditions[:, [2]]) * rng.normal(size=(n, 3))
    return dlls, conditions


def flawed(dlls, conditions, shift=3.0):
    """The same with the first DLL shifted in one region of momentum and pseudorapidity."""
    p, eta = conditions[:, 0], conditions[:, 1]
    bad = (p > BAD[0]) & (p < BAD[1]) & (eta > BAD[2]) & (eta < BAD[3])
    return dlls + shift * bad[:, None] * np.eye(3)[0]


def events(seed, n, species="K", shift=0.0):
    """Events of one species."""
    dlls, conditions = tracks(seed, n, species)
    return Events(flawed(dlls, conditions, shift), conditions, SCHEMA)


def mixed(seed, n, names=("pi", "K"), shift=0.0):
    """n events of each species in one sample, with the species as a condition."""
    parts = [(events(seed, n, s, shift), SPECIES.index(s)) for s in names]
    features = np.concatenate([e.features for e, _ in parts])
    conditions = np.concatenate([np.column_stack([e.conditions, np.full(n, k)]) for e, k in parts])
    order = np.random.default_rng(seed).permutation(len(features))
    return Events(features[order], conditions[order], MIXED)


def with_background(sample, seed, share=0.3):
    """The sample with background added, and with as much taken away again by negative weights."""
    rng = np.random.default_rng([seed, 1])
    n = round(share * len(sample))
    rows = rng.integers(0, len(sample), 2 * n)
    far = rng.normal(8, 3, (2 * n, sample.schema.width))
    features = np.concatenate([sample.features, far])
    weights = np.concatenate([np.ones(len(sample)), np.repeat([1.0, -1.0], n)])
    return Events(features, np.concatenate([sample.conditions, sample.conditions[rows]]), sample.schema, weights)
