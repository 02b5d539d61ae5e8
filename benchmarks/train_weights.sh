#!/bin/sh
# Train the shipped weights from nothing: train_weights.sh DATA MEDACUITY [TRAIN OPTIONS]
# The clean network of a kind comes first; noisy ones, and x3 and x4, start from it.
set -eu
data=$1 medacuity=$2
shift 2
cases=src/medacuity/training/recipes/mri_cases.csv
for name in mri-2d-x2 mri-2d-x2-noisy mri-3d-x2 mri-3d-x2-noisy \
    mri-slices-x2 mri-slices-x3 mri-slices-x4 \
    mri-slices-x2-noisy mri-slices-x3-noisy mri-slices-x4-noisy; do
    if [ -e "runs/$name/run.json" ]; then
        "$medacuity" resume "runs/$name"
    else
        "$medacuity" train "$name" --data "$data" --cases "$cases" -o "runs/$name" "$@"
    fi
    cp "runs/$name/$name.safetensors" src/medacuity/weights/
done
