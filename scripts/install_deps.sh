#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing needs on Debian 12 (and its kin) with apt, as root or with sudo.
# Does nothing where all is there. `--dry-run` only says what is missing; `--lint` adds clang-format and clang-tidy,
# `--fuzz` adds clang and its libFuzzer.
set -euo pipefail

# ocl-icd-opencl-dev: the package configuration of libdnnl-dev looks for OpenCL, and apt only recommends it.
packages=(
  cmake ninja-build g++ pkg-config ccache git python3 curl ca-certificates
  libfmt-dev nlohmann-json3-dev libtomlplusplus-dev libcli11-dev librandom123-dev libfast-float-dev libhwy-dev
  zlib1g-dev libisal-dev libzip-dev libxxhash-dev libhdf5-dev
  libdnnl-dev ocl-icd-opencl-dev libmetis-dev libopenmpi-dev openmpi-bin
  libgtest-dev libgmock-dev
)
dry=0
for argument in "$@"; do
  case "$argument" in
    --dry-run) dry=1 ;;
    --lint) packages+=(clang-format clang-tidy) ;;
    --fuzz) packages+=(clang libclang-rt-dev) ;;
    *) echo "usage: scripts/install_deps.sh [--dry-run] [--lint] [--fuzz]" >&2; exit 2 ;;
  esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "install_deps: this is not a Debian system; install the equivalents of: ${packages[*]}" >&2
  exit 1
fi
missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "install_deps: all ${#packages[@]} packages are installed"
  exit 0
fi
echo "install_deps: missing: ${missing[*]}"
[ "$dry" = 0 ] || exit 0

run=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || { echo "install_deps: needs root or sudo to run apt-get" >&2; exit 1; }
  run=(sudo)
fi
echo "install_deps: ${run[*]} apt-get update"
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
echo "install_deps: ${run[*]} apt-get install ${missing[*]}"
"${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "install_deps: done"
