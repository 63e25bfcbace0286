#!/usr/bin/env bash
# Checks the writing rules in CONTRIBUTING.md: doc comments that begin with a question word, and lines over the width in
# .editorconfig. Prints wide lines (LIST=1: and doc comments); exits 1 if the limits are exceeded.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

width=120
max_percent=2

# A doc comment is a run of /// or //! lines; its first word counts.
git ls-files '*.rs' | xargs awk -v width="$width" '
    function count(line) { gsub(/[\200-\277]/, "", line); return length(line) } # of UTF-8, in any awk
    FNR == 1 { inside = 0 }
    {
        is_doc = $0 ~ /^[[:space:]]*\/\/[\/!]( |$)/
        if (is_doc && !inside) {
            comments++
            if ($0 ~ /^[[:space:]]*\/\/[\/!] (What|Who|Whoever|How|Whether|Which|Where|When|Why)([^[:alpha:]]|$)/) {
                questions++
                if (ENVIRON["LIST"]) print FILENAME ":" FNR ": begins with a question word: " $0
            }
        }
        inside = is_doc
        characters = count($0)
        if (characters > width) { wide++; print FILENAME ":" FNR ": " characters " characters" }
    }
    END {
        printf "doc comments: %d, beginning with a question word: %d (%.1f %%)\n", comments, questions, 100 * questions / comments
        printf ".rs lines over %d characters: %d\n", width, wide
        exit wide > 0 || 100 * questions / comments > '"$max_percent"'
    }' || failed=1

# Tables, code blocks, links that stand alone and generated pages may be wider.
git ls-files '*.md' ':!docs/reference.md' ':!docs/configuration.md' ':!tests/corpus' | xargs awk -v width="$width" '
    function count(line) { gsub(/[\200-\277]/, "", line); return length(line) }
    FNR == 1 { code = 0 }
    /^[[:space:]]*```/ { code = !code; next }
    !code && !/^[[:space:]]*\|/ && !/^\[[^]]*\]: / && count($0) > width {
        wide++
        print FILENAME ":" FNR ": " count($0) " characters"
    }
    END { printf ".md lines over %d characters: %d\n", width, wide; exit wide > 0 }' || failed=1
exit "${failed:-0}"
