#!/bin/sh
# Runs every fuzz target for some seconds (60 by default), from the samples in tests/fixtures. Needs
# cargo-fuzz (`cargo install cargo-fuzz`) and a nightly compiler.
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]
set -eu
cd "$(dirname "$0")/.."
seconds="${1:-60}"
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- filter text markdown html jsonl csv tsv parquet any feed email mbox mhtml docx pdf warc sgml records subtitles wiki zip tar
for target in "$@"; do
    seeds="fuzz/corpus/$target"
    mkdir -p "$seeds"
    case "$target" in
    parquet) cp tests/fixtures/*.parquet "$seeds/" ;;
    filter) printf '%s' 'source = "x" AND (date >= 2016-03 OR NOT words IN (1, "a"))' >"$seeds/one" ;;
    csv | tsv)
        printf 'id,text\n1,"a ""b"", c"\n2,"open\n3,d\n' >"$seeds/quotes"
        printf 'sep=;\r\nid;text;n\r\n1;"a \\"b\\"";\\N\r\n' >"$seeds/escapes"
        printf 'id\ttext\n1\ta "b\n' >"$seeds/tabs"
        ;;
    jsonl)
        printf '{"text": "a"}\n{"text": "b", "n": NaN}\n{"text": "c\n' >"$seeds/lines"
        printf '[\n {"text": "a\\ud83d"},\n {"text": "b"},\n]' >"$seeds/list"
        printf '{"n": 1, "response": {"docs": [{"text": "a"}, {"_source": {"text": "b"}}]}}' >"$seeds/envelope"
        ;;
    markdown) cp README.md "$seeds/" ;;
    feed) printf '%s' '<rss><channel><title>F</title><item><title>T</title><description><![CDATA[<p>x</p>]]></description></item></channel></rss>' >"$seeds/one" ;;
    email | mbox | mhtml) printf 'From a@b.example Mon Jan  1\nFrom: a@b.example\nSubject: S\nMIME-Version: 1.0\nContent-Type: text/html\n\n<p>x</p>\n' >"$seeds/one" ;;
    pdf) printf '%%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\ntrailer\n<< /Root 1 0 R >>\n' >"$seeds/one" ;;
    sgml) printf '<REUTERS NEWID="1"><TEXT><TITLE>T</TITLE><BODY>x</BODY></TEXT></REUTERS>\n' >"$seeds/one" ;;
    records)
        printf 'TY  - JOUR\nTI  - T\nAB  - x\n y\nER  - \n' >"$seeds/ris"
        printf 'PMID- 1\nTI  - T\nLID - 10.1/x [doi]\n' >"$seeds/pubmed"
        printf '%%0 Book\n%%T T\n%%K a\nb\n' >"$seeds/endnote"
        printf 'FN x\nVR 1.0\nPT J\nAU a\n   b\nER\nEF\n' >"$seeds/science"
        printf '@string{c = "C"}\n@article{k, title = {T {\\"u} $x$}, journal = c # "d"}\n' >"$seeds/bibtex"
        ;;
    subtitles)
        printf '1\n00:00:01,000 --> 00:00:02,000\n<i>a</i>\n\n' >"$seeds/srt"
        printf 'WEBVTT\n\n00:01.000 --> 00:02.000\n<v A>a &amp; b\n' >"$seeds/vtt"
        ;;
    wiki)
        printf '%s' '<mediawiki><siteinfo><base>https://w.example/wiki/Main</base></siteinfo><page><title>T</title><ns>0</ns><id>1</id><revision><text>A [[b|c]] {{d|[[e]]}}
{|
! a !! b
|-
| c || d
|}
== x ==
* y&amp;lt;ref&amp;gt;</text></revision></page></mediawiki>' >"$seeds/one"
        ;;
    warc) printf 'WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 4\r\n\r\nT\nx\n\r\n\r\n' >"$seeds/one" ;;
    esac
    cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -max_len=65536 -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1
done
