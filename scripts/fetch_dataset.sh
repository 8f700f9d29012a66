#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
#
# fetch_dataset.sh NAME [--to DIR] [--url URL] [--sha256 SUM] [--record]: downloads a dataset of datasets/registry.json.
#
# A transfer that breaks is resumed where it stopped (up to 8 tries, also at the next call). The checksum is that of
# --sha256, of the registry, or the one recorded beside the file by an earlier download; without any it is said that the
# content is unchecked, and the sum is printed and recorded as DIR/FILE.sha256. --record writes it into the registry too,
# where that has none. A sum that differs is an error: the file is kept as FILE.bad.
# Exit codes: 0 done, 2 usage or unknown name, 3 wrong content, 4 download failed or no room.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
registry=${OPX_REGISTRY:-$root/datasets/registry.json}
tries=${OPX_FETCH_TRIES:-8}
pause=${OPX_FETCH_PAUSE:-3}

fail() { echo "fetch_dataset.sh: $2" >&2; exit "$1"; }

usage() { sed -n '5,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# Prints a field of the registry's entry of that name or alias; nothing where it is not known.
registry_field() {
  python3 - "$registry" "$1" "$2" <<'PYTHON'
import json, sys
path, name, field = sys.argv[1:]
normal = lambda text: text.lower().replace("_", "-")
for entry in json.load(open(path, encoding="utf-8"))["datasets"]:
    if normal(name) in map(normal, [entry["name"], *entry.get("aliases", [])]):
        print(entry.get(field, ""))
PYTHON
}

# Writes the sum $2 into the registry's entry named $1, leaving every other byte as it is.
record_in_registry() {
  python3 - "$registry" "$1" "$2" <<'PYTHON'
import os, sys
path, name, value = sys.argv[1:]
text = open(path, encoding="utf-8").read()
begin = text.index(f'"name": "{name}"')
end = text.find('"name": "', begin + 1)
entry = text[begin:] if end < 0 else text[begin:end]
if '"sha256": ""' not in entry:
    sys.exit(f"{path}: the entry of {name} has no empty sha256")
with open(path + ".tmp", "w", encoding="utf-8") as file:
    file.write(text[:begin] + entry.replace('"sha256": ""', f'"sha256": "{value}"', 1) + text[begin + len(entry):])
os.replace(path + ".tmp", path)
PYTHON
}

sum_of() { sha256sum "$1" | cut -d' ' -f1; }

# Downloads $1 to $2, resuming a part that is there already.
download() {
  local url=$1 part=$2 try code status
  for ((try = 1; try <= tries; ++try)); do
    code=0
    status=$(curl --fail --location --silent --show-error --connect-timeout 30 --speed-limit 1 --speed-time 60 \
                  --continue-at - --output "$part" --write-out '%{http_code}' "$url") || code=$?
    case $code in
      0) return 0 ;;
      23) return 1 ;;  # cannot write: trying again does not help
    esac
    # 33: the server cannot resume; 416: the part is not a part of the file. Begin anew; any other trouble keeps it.
    if [[ $code == 33 || $status == 416 ]]; then rm -f "$part"; fi
    echo "fetch_dataset.sh: try $try of $tries ended with curl's code $code, HTTP status $status" >&2
    if ((try < tries)); then sleep "$pause"; fi
  done
  return 1
}

# The sum that the file must have, or nothing.
expected_sum() {
  local given=$1 name=$2 record=$3
  if [[ -n $given ]]; then echo "$given"; return; fi
  if [[ -n $name ]]; then echo "$name"; return; fi
  if [[ -f $record ]]; then cut -d' ' -f1 "$record"; fi
}

name='' to=. url='' given='' record=0
while (($#)); do
  case $1 in
    --to | --url | --sha256)
      (($# >= 2)) || fail 2 "$1 needs a value"
      case $1 in --to) to=$2 ;; --url) url=$2 ;; --sha256) given=$2 ;; esac
      shift 2 ;;
    --record) record=1; shift ;;
    -h | --help) usage; exit 0 ;;
    -*) fail 2 "option '$1' is not known (--to, --url, --sha256, --record are)" ;;
    *) [[ -z $name ]] || fail 2 "one NAME at a time: '$name' and '$1'"; name=$1; shift ;;
  esac
done
[[ -n $name ]] || { usage >&2; exit 2; }
command -v curl >/dev/null || fail 4 "curl is not installed"
command -v python3 >/dev/null || fail 4 "python3 is not installed (it reads datasets/registry.json)"

known=$(registry_field "$name" name)
((record == 0)) || [[ -n $known && -z $url ]] || fail 2 "--record is for a dataset of the registry from the registry's own url"
[[ -n $known || -n $url ]] || fail 2 "'$name' is not in datasets/registry.json; give --url"
[[ -n $url ]] || url=$(registry_field "$name" url)
[[ -n $url ]] || fail 2 "$known is not published as one file ($(registry_field "$name" note)); give --url"

mkdir -p "$to" || fail 4 "cannot make the folder '$to'"
file=$to/$(basename "${url%%\?*}")
in_registry=$(registry_field "$name" sha256)
expected=$(expected_sum "$given" "$in_registry" "$file.sha256")
[[ -n $expected ]] || echo "no sum of this file is known: its content is not checked (--sha256 SUM would)"

if [[ -f $file ]]; then
  echo "$file is there already"
else
  echo "downloading $url to $file"
  download "$url" "$file.part" || fail 4 "cannot download $url"
  mv "$file.part" "$file"
fi

sum=$(sum_of "$file")
if [[ -z $expected ]]; then
  echo "sha256 $sum (unchecked; recorded in $file.sha256, which later calls check)"
  echo "$sum  $(basename "$file")" > "$file.sha256"
elif [[ $sum == "$expected" ]]; then
  echo "sha256 $sum is as expected"
else
  mv "$file" "$file.bad"
  fail 3 "sha256 of $file is $sum, expected $expected; the file is kept as $file.bad"
fi
if ((record)) && [[ -z $in_registry ]]; then
  record_in_registry "$known" "$sum" || fail 4 "cannot write $registry"
  echo "recorded in $registry"
fi
for field in licence note; do
  value=$(registry_field "$name" "$field")
  [[ -z $value ]] || echo "$field: $value"
done
case $file in
  *.tar.gz | *.tgz | *.tar.bz2 | *.tar.xz) echo "next: tar -xf $file -C $to, then orthoplex prepare the file that the note names" ;;
  *) echo "next: orthoplex prepare $file" ;;
esac
