"""Write the bundled sample ``digits``: scikit-learn's 1,797 handwritten digits of 8 x 8 pixels, in their order.

python scripts/make_digits.py
"""

import hashlib
import json
from pathlib import Path

import sklearn
from sklearn.datasets import load_digits

import facsim
from facsim.simulators.toys import Digits

FOLDER = Path(facsim.__file__).parent / "datasets" / "data"
ORIGIN = "UCI optical recognition of handwritten digits, test part (E. Alpaydin, C. Kaynak), CC BY 4.0"


def main():
    found, path = load_digits(), FOLDER / "digits.h5"
    events = facsim.Events(found.data, found.target[:, None], Digits().schema)
    facsim.write(path, events, attrs={"origin": ORIGIN})
    record = {
        "name": "digits",
        "origin": ORIGIN,
        "licence": "CC-BY-4.0",
        "source": f"scikit-learn {sklearn.__version__}, sklearn.datasets.load_digits",
        "events": len(events),
        "mean_pixel": float(events.features.mean(dtype=float)),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    path.with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
