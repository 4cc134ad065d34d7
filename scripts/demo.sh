#!/usr/bin/env bash
# The main job, end to end: every line that begins with $ is a command to give yourself. `make demo` runs it.
set -euo pipefail
cd "$(dirname "$0")/.."
steps=${DEMO_STEPS:-3000}

title() { printf '\n== %s\n' "$*"; }
run() {
    printf '$ %s\n' "$*"
    "$@"
}

# Geant4's data: where GEANT4_DATA_DIR says, or beside the reference data, or where geant4-pybind downloads to.
data=${FACSIM_DATA:-../shared/data}/geant4
if [ -z "${GEANT4_DATA_DIR:-}" ] && [ -d "$data" ]; then
    GEANT4_DATA_DIR=$(cd "$data" && pwd)
    export GEANT4_DATA_DIR
fi

mkdir -p demo
rm -rf demo/run demo/fresh.h5 demo/fresh.h5.parts

title "1. The truth: a few fresh showers with Geant4"
geant4=yes
if run facsim simulate calogan --particle e+ --energy 1:100 -n 48 --seed 1 --workers 2 -o demo/fresh.h5; then
    run facsim info demo/fresh.h5
else
    geant4=no
    echo "Going on without fresh showers: the message above says what is missing. The bundled sample is enough."
fi

title "2. Training and test showers, from the 4,000 that come with facsim"
run facsim split calogan-eplus-mini demo/train.h5 demo/test.h5 --fraction 0.75 --seed 1

title "3. Fit the default recipe, with fewer steps than it would like"
run facsim fit cfm --data demo/train.h5 -o demo/run --set training.steps="$steps" --set training.validate_every=1000

title "4. Draw showers with the energies of the test showers"
run facsim sample demo/run --like demo/test.h5 --seed 1 -o demo/generated.h5

title "5. Prove how close they are; the training showers give the floor, truth against truth"
run facsim evaluate demo/test.h5 demo/generated.h5 --second demo/train.h5 -o demo

title "6. One file for everybody else: no torch needed to run it"
run facsim export demo/run -o demo/model.onnx
run facsim sample demo/model.onnx --energy 50 -n 1000 --seed 1 -o demo/fifty_gev.h5

title "7. The speed"
against=()
[ "$geant4" = yes ] && against=(--against-geant4)
echo "\$ facsim bench demo/model.onnx ${against[*]:-}"
facsim bench demo/model.onnx "${against[@]}" --json > demo/bench.json

title "Summary"
python scripts/demo_summary.py demo
