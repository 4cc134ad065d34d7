"""Light in a box of liquid argon: what photon detectors on a wall see of a vertex."""

from facsim.simulators.parametric.light.box import LightBox, direct_visibility
from facsim.simulators.parametric.light.simulator import Light

__all__ = ["Light", "LightBox", "direct_visibility"]
