#!/bin/sh
# The manual pages: one for each function, and man and mandoc have no complaint.
set -eu
pages=$BUILD_DIR/man/man3
wrong=0
looked=0

for source in "$SOURCE_DIR"/docs/api/*.md; do
    name=$(basename "$source" .md)
    page=$pages/$name.3
    looked=$((looked + 1))
    if [ ! -e "$page" ]; then
        echo "$name: no page"
        wrong=$((wrong + 1))
        continue
    fi
    # Not for each alias: a link to a page that was looked at.
    [ ! -L "$page" ] || continue
    if command -v man >/dev/null; then
        said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' man -l --warnings "$page" \
            2>&1 >/dev/null)
        [ -z "$said" ] || { echo "$said"; wrong=$((wrong + 1)); }
    fi
    if command -v mandoc >/dev/null; then
        mandoc -T lint -W warning "$page" || wrong=$((wrong + 1))
    fi
done
for page in "$SOURCE_DIR"/docs/*.1; do
    looked=$((looked + 1))
    if command -v man >/dev/null; then
        said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' man -l --warnings "$page" \
            2>&1 >/dev/null)
        [ -z "$said" ] || { echo "$said"; wrong=$((wrong + 1)); }
    fi
    if command -v mandoc >/dev/null; then
        mandoc -T lint -W warning "$page" || wrong=$((wrong + 1))
    fi
done
if ! command -v man >/dev/null && ! command -v mandoc >/dev/null; then
    echo "skipped: needs man-db or mandoc to look at the pages"
    exit 77
fi
echo "$looked pages, $wrong wrong"
[ "$looked" -gt 0 ] && [ "$wrong" -eq 0 ]
