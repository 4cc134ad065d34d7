"""Does SOFIE give the numbers of an exported file? It reads the file, writes C++, which is compiled, run and compared.

pip install sofie          # in an environment of its own: SOFIE outside ROOT, from the same authors
python scripts/sofie_run.py eplus.onnx --sofie that-environment/bin/python

Needs g++. A plain loop stands in for BLAS, so that nothing has to be linked; speed is not what is asked here.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from facsim.deploy.agreement import Agreement, compare
from facsim.deploy.writer import examples
from facsim.runtime import load

__all__ = ["NotRead", "agreement"]

EVENTS = 200
READ = """
import sys, sofie
assert sofie.onnx.check_model(sys.argv[1])
model = sofie.onnx.parse(sys.argv[1])
model.generate()
model.output_generated(sys.argv[2])
"""
MAIN = """
#include "model.hxx"
#include <cstdio>

extern "C" void sgemm_(const char* ta, const char* tb, const int* m, const int* n, const int* k, const float* alpha,
                       const float* a, const int* lda, const float* b, const int* ldb, const float* beta, float* c,
                       const int* ldc) {
   for (int j = 0; j < *n; ++j)
      for (int i = 0; i < *m; ++i) {
         float sum = 0;
         for (int l = 0; l < *k; ++l)
            sum += (*ta == 'n' || *ta == 'N' ? a[i + l * *lda] : a[l + i * *lda]) *
                   (*tb == 'n' || *tb == 'N' ? b[l + j * *ldb] : b[j + l * *ldb]);
         float& out = c[i + j * *ldc];
         out = *alpha * sum + (*beta == 0 ? 0 : *beta * out);
      }
}
extern "C" void sgemv_(const char* trans, const int* m, const int* n, const float* alpha, const float* a,
                       const int* lda, const float* x, const int* incx, const float* beta, const float* y,
                       const int* incy) {
   const bool plain = *trans == 'n' || *trans == 'N';
   float* out = const_cast<float*>(y);
   for (int i = 0; i < (plain ? *m : *n); ++i) {
      float sum = 0;
      for (int j = 0; j < (plain ? *n : *m); ++j)
         sum += (plain ? a[i + j * *lda] : a[j + i * *lda]) * x[j * *incx];
      out[i * *incy] = *alpha * sum + (*beta == 0 ? 0 : *beta * out[i * *incy]);
   }
}
extern "C" void saxpy_(const int* n, const float* alpha, const float* x, const int* incx, float* y, const int* incy) {
   for (int i = 0; i < *n; ++i) y[i * *incy] += *alpha * x[i * *incx];
}

int main(int, char** arguments) {
   SOFIE_model::Session session(arguments[1]);
   float conditions[CONDITIONS + 1], noise[NOISE];
   while (fread(conditions, sizeof(float), CONDITIONS, stdin) == CONDITIONS &&
          fread(noise, sizeof(float), NOISE, stdin) == NOISE) {
      auto events = session.infer(INPUTS);
      fwrite(events.data(), sizeof(float), events.size(), stdout);
   }
}
"""


class NotRead(Exception):  # noqa: N818 - what SOFIE, or the compiler, says
    """SOFIE does not read the file, or what it writes does not compile or run."""


def agreement(path: Path, sofie: str) -> Agreement:
    """Events of SOFIE's code against those of onnxruntime.

    Parameters
    ----------
    path : Path
        A file of ``facsim export --profile sofie``.
    sofie : str
        A Python that has the package sofie.

    Raises
    ------
    NotRead
    """
    model = load(path)
    conditions, noise = (array[:EVENTS] for array in examples(model))
    theirs = np.concatenate([model.generate(c[None], z[None]) for c, z in zip(conditions, noise, strict=True)])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.onnx").write_bytes(path.read_bytes())  # names the namespace
        (folder / "main.cpp").write_text(MAIN)
        _run("reading", [sofie, "-c", READ, "model.onnx", "model.hxx"], folder)
        sizes = {"CONDITIONS": conditions.shape[1], "NOISE": noise.shape[1]}
        inputs = "conditions, noise" if conditions.shape[1] else "noise"
        defines = [f"-D{k}={v}" for k, v in (sizes | {"INPUTS": inputs}).items()]
        _run("compiling", ["g++", "-std=c++20", "-O1", "-w", *defines, "main.cpp", "-o", "main"], folder)
        given = np.hstack([conditions, noise]).astype(np.float32).tobytes()
        out = _run("running", ["./main", "model.dat"], folder, given)
    ours = np.frombuffer(out, np.float32)
    if ours.size != theirs.size:
        msg = f"{ours.size} numbers instead of {theirs.size}"
        raise NotRead(msg)
    return compare(ours.reshape(theirs.shape), theirs, model.schema)


def _run(what: str, command: list[str], folder: Path, given: bytes = b"") -> bytes:
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        errors = [line for line in said if "rror" in line] or said or [""]
        msg = f"{what} failed ({'signal ' if done.returncode < 0 else ''}{abs(done.returncode)}): {errors[-1]}"
        raise NotRead(msg)
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--sofie", default=sys.executable, metavar="PYTHON", help="a Python that has the package")
    options = parser.parse_args()
    failed = False
    for path in options.files:
        try:
            found = agreement(path, options.sofie)
            failed |= not found.passed
            print(f"{path}: {found}")
        except NotRead as error:
            failed = True
            print(f"{path}: {error}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
