"""Run an exported model with numpy and onnxruntime alone; torch is not needed."""

from facsim.runtime.model import FORMAT, RuntimeModel, load

__all__ = ["FORMAT", "RuntimeModel", "load"]
