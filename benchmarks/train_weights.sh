#!/bin/sh
# Train the shipped weights from nothing: train_weights.sh DATA PICTURES MEDACUITY [OPTIONS]
# DATA holds the scans of mri_cases.csv, PICTURES the folders T91 and BSDS200. On a GPU
# (OPTIONS: --device cuda) the papers' own runs; without one their short variants, and the very
# deep networks are left out. What was trained already is kept; what was stopped goes on.
set -eu
data=$1 pictures=$2 medacuity=$3
shift 3
cases=src/medacuity/training/recipes/mri_cases.csv

run() { # RECIPE WEIGHTS TRAIN-OPTIONS
    recipe=$1 weights=$2
    shift 2
    if [ -e "runs/$recipe/run.json" ]; then
        "$medacuity" resume "runs/$recipe"
    else
        "$medacuity" train "$recipe" -o "runs/$recipe" "$@"
    fi
    size=$(wc -c < "runs/$recipe/$weights.safetensors")
    if [ "$size" -le 6000000 ]; then # larger ones are files for --model
        cp "runs/$recipe/$weights.safetensors" src/medacuity/weights/
    fi
}

# The clean network of a kind comes first; noisy ones, and x3 and x4, start from it.
for name in mri-2d-x2 mri-2d-x2-noisy mri-3d-x2 mri-3d-x2-noisy \
    mri-slices-x2 mri-slices-x3 mri-slices-x4 \
    mri-slices-x2-noisy mri-slices-x3-noisy mri-slices-x4-noisy; do
    run "$name" "$name" --data "$data" --cases "$cases" "$@"
done

# Features first: SRGAN's loss runs on them; its two networks of least squared error come next.
for name in features-mri-2d srresnet-mri-x2 srresnet-mri-x4 \
    srgan-mri-x2-light srgan-mri-x2 srgan-mri-x2-heavy \
    srgan-mri-x4-light srgan-mri-x4 srgan-mri-x4-heavy; do
    run "$name" "$name" --data "$data" --cases "$cases" "$@"
done
contrasts=src/medacuity/training/recipes/contrast_cases.csv
for name in unet-t1-t2 pix2pix-t1-t2 unet-t1-flair pix2pix-t1-flair unet-3d-t1-t2 \
    pix2pix-3d-t1-t2 cyclegan-t1-t2; do
    run "$name" "$name" --data "$data" --cases "$contrasts" "$@"
done
cp runs/cyclegan-t1-t2/cyclegan-t2-t1.safetensors src/medacuity/weights/
run pix2pix-tissues-t1 pix2pix-tissues-t1 --data "$data" \
    --cases src/medacuity/training/recipes/tissue_cases.csv "$@"
"${medacuity%medacuity}python" benchmarks/pet_pairs.py --data "$data" --output runs/pet-pairs
for name in unet-t1-pet unet-3d-t1-pet pix2pix-t1-pet pix2pix-3d-t1-pet; do
    run "$name" "$name" --data runs/pet-pairs/pairs.csv "$@"
done
# CT: what enhances it starts from the MRI networks, primal-dual from FBPConvNet.
tables=src/medacuity/training/recipes
for name in ct-2d-x2 ct-low-dose; do
    run "$name" "$name" --data "$data" --cases "$tables/ct_cases.csv" "$@"
done
for name in ct-slices-x2 ct-slices-x3 ct-slices-x4; do
    run "$name" "$name" --data "$data" --cases "$tables/ct_volume_cases.csv" "$@"
done
for name in fbpconvnet-low-dose primal-dual-low-dose fbpconvnet-sparse primal-dual-sparse; do
    run "$name" "$name" --data "$data" --cases "$tables/reconstruction_cases.csv" "$@"
done
run fbpconvnet-discs fbpconvnet-discs "$@"
for name in gan-pneumonia cgan-pneumonia; do
    run "$name" "$name" --data "$data/travel/labelled" "$@"
done

case " $* " in *" cuda"*) quick= ;; *) quick=-quick ;; esac
for name in srcnn-photo-x3 espcn-photo-x3 fsrcnn-photo-x2 fsrcnn-photo-x3 fsrcnn-photo-x4 \
    lapsrn-photo; do
    run "$name$quick" "$name" --data "$pictures" "$@"
done
run vdsr-photo vdsr-photo --data "$pictures" "$@"
if [ -n "$quick" ]; then
    echo "left for a GPU: mslapsrn, srresnet, edsr, rcan (train_weights.sh ... --device cuda)"
    exit
fi
for name in lapsrn-photo-x8 mslapsrn-photo srresnet-photo-x4 edsr-photo-x2 edsr-photo-x3 edsr-photo-x4 \
    rcan-photo-x2; do
    run "$name" "$name" --data "$pictures" "$@"
done
for name in rcan-photo-x3 rcan-photo-x4; do # too large to ship, so x2 is named by its file
    run "$name" "$name" --data "$pictures" \
        --start runs/rcan-photo-x2/rcan-photo-x2.safetensors "$@"
done
