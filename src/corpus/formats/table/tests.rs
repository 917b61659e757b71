use super::*;
use crate::corpus::formats::testing::{Seen, seen};
use crate::corpus::inputs::ReadOptions;
use proptest::prelude::*;
use std::io::Cursor;

fn read_as(table: TableOptions, usual: u8, stream: impl Read) -> Seen {
    let options = ReadOptions {
        table,
        ..ReadOptions::default()
    };
    seen("t", &options, |context| {
        read(stream, usual, &mut Decoder::default(), context)
    })
}

fn csv(text: &str) -> Seen {
    read_as(TableOptions::default(), b',', Cursor::new(text.to_string()))
}

#[test]
fn every_usual_delimiter_is_found() {
    for d in [",", ";", "\t", "|"] {
        let text = format!(
            "id{d}title{d}text\n1{d}A; b, c{d}\"One{d} two, three; four\"\n2{d}B, c; d{d}Five, six\n"
        );
        // The delimiters that stand in plain fields belong in quotes.
        let text = text
            .replace("A; b, c", "\"A; b, c\"")
            .replace("B, c; d", "\"B, c; d\"");
        let text = text.replace("Five, six", "\"Five, six\"");
        for usual in [b',', b'\t'] {
            let seen = read_as(TableOptions::default(), usual, Cursor::new(text.clone()));
            assert_eq!(
                seen.texts(),
                [format!("One{d} two, three; four").as_str(), "Five, six"],
                "{d:?}"
            );
        }
    }
}

#[test]
fn a_declared_or_set_delimiter_is_taken() {
    let seen = csv("sep=^\r\nid^text\r\n1^a, b\r\n");
    assert_eq!((seen.texts(), seen.rows()), (vec!["a, b"], vec![3]));
    let seen = csv("\"sep=;\"\nid;text\n1;a, b\n");
    assert_eq!(seen.texts(), ["a, b"]);
    let table = TableOptions {
        delimiter: Some(b'~'),
        no_header: false,
    };
    let seen = read_as(table, b',', Cursor::new("id~text\n1~a, b\n"));
    assert_eq!(seen.texts(), ["a, b"]);
    let seen = csv("id~text\n1~one two\n");
    assert!(seen.bad[0].contains("which delimiter"), "{:?}", seen.bad);
}

#[test]
fn half_a_character_above_the_names_delimits_nothing() {
    let text = "港口的旧桥将于九月重新开放\ntitle亅text\nid,title,text\n1,旧桥,工程师说新的轴承可以使用很多年。\n";
    let (bytes, encoding, _) = encoding_rs::GBK.encode(text);
    assert!(bytes.windows(6).any(|part| part == b"\x81|text"));
    let seen = seen("t", &ReadOptions::default(), |context| {
        let mut decoder = Decoder::for_sample(&bytes);
        assert_eq!(decoder.other_than_utf8(), Some(encoding.name()));
        read(Cursor::new(&bytes[..]), b',', &mut decoder, context)
    });
    assert_eq!(seen.texts(), ["工程师说新的轴承可以使用很多年。"]);
    assert_eq!(seen.articles[0].title, "旧桥");
    assert!(
        seen.notes.iter().any(|note| note.contains("the 2 lines")),
        "{:?}",
        seen.notes
    );
}

#[test]
fn one_column_is_a_table_too() {
    let seen = csv("text\nHello, world; all\nSecond\tline | of it\n");
    assert_eq!(seen.texts().len(), 2, "{:?}", seen.articles);
}

#[test]
fn quotes_are_doubled_or_escaped() {
    let seen = csv("id,text\n1,\"He said \"\"hello\"\", twice\"\n");
    assert_eq!(seen.texts(), ["He said \"hello\", twice"]);
    let escaped =
        "id,text,n\n1,\"He said \\\"hello\\\", twice\",\\N\n2,\"A path C:\\\\dir\\\\\",4\n";
    let seen = csv(escaped);
    assert_eq!(
        seen.texts(),
        ["He said \"hello\", twice", "A path C:\\dir\\"]
    );
    assert!(!seen.articles[0].meta.contains_key("n"), "null is nothing");
    // Quotes decide it for each record where a file mixes them.
    let many: String = (0..30_000)
        .map(|n| format!("{n},\"a \"\"b\"\" c\"\n"))
        .collect();
    let mixed = format!("id,text\n{many}x,\"It is \\\"so\\\", yes\"\n");
    let seen = csv(&mixed);
    assert_eq!(seen.texts()[30_000], "It is \"so\", yes");
    assert_eq!(seen.articles[0].text, "a \"b\" c");
    // A path is no escaped quote.
    let seen = csv("id,text\n1,\"C:\\dir\\\"\n2,\"plain \\n text\"\n");
    assert_eq!(seen.texts(), ["C:\\dir\\", "plain \\n text"]);
}

#[test]
fn dumps_of_databases_escape_line_ends() {
    let dump = "id\ttitle\ttext\n1\t\\N\tfirst\\nsecond\\tthird \\\\ fourth\n2\tT\ta\\\nb\n";
    let seen = read_as(TableOptions::default(), b'\t', Cursor::new(dump));
    assert_eq!(seen.texts(), ["first\nsecond\tthird \\ fourth", "a\nb"]);
    assert_eq!(seen.articles[0].title, "");
}

#[test]
fn tabs_and_quotes_that_mean_nothing() {
    let text = "id\ttext\n1\t\"Yes,\" he said\n2\t\"Open and not closed\n3\tplain 5\" disk\n";
    let seen = read_as(TableOptions::default(), b'\t', Cursor::new(text));
    assert_eq!(
        seen.texts(),
        [
            "\"Yes,\" he said",
            "\"Open and not closed",
            "plain 5\" disk"
        ]
    );
}

#[test]
fn quotes_inside_that_were_not_doubled_lose_nothing() {
    let seen = csv("id,text,n\n1,\"He said \"hello, you\" to them\",5\n2,\"A\" b,6\n");
    assert_eq!(seen.texts(), ["He said \"hello, you\" to them", "\"A\" b"]);
    assert_eq!(seen.articles[0].meta["n"], "5");
}

#[test]
fn an_unclosed_quote_is_one_bad_row() {
    for rest in [
        // To the end of the file, to a quote that opens another field, to one that closes none.
        "2,Next,the next row\n3,Third,\"a\nb\"\n",
        "2,\"Next\",\"the next row\"\n3,Third,\"a\nb\"\n",
        "2,Next,the next row\n3,Third,a  b\n",
    ] {
        let seen = csv(&format!(
            "id,title,text\n0,Zero,fine\n1,Say,\"An open quote\n{rest}"
        ));
        assert_eq!(seen.bad.len(), 1, "{:?}", seen.bad);
        assert!(seen.bad[0].starts_with("t:3: the quote"), "{:?}", seen.bad);
        assert_eq!(seen.rows(), [2, 4, 5]);
    }
    // Where the quote opens, not where its record begins.
    let seen = csv("id,title,text\n1,\"a\nb\",\"open\nmore\n2,T,x\n");
    assert!(seen.bad[0].starts_with("t:3: the quote"), "{:?}", seen.bad);
    assert_eq!(seen.rows(), [5]);
}

#[test]
fn line_numbers_are_those_of_an_editor() {
    for end in ["\n", "\r\n", "\r"] {
        let text = "id,title,text\n\n1,A,\"fine\n\ntext\"\n\n2,B,\n3,C,x\n4,D\n".replace('\n', end);
        let seen = csv(&text);
        assert_eq!(seen.rows(), [3, 7, 8], "{end:?}");
        assert!(seen.bad[0].starts_with("t:9: 2 fields"), "{:?}", seen.bad);
    }
}

#[test]
fn rows_of_another_length() {
    let seen = csv(
        "id,text,date,,\n1,a,2024-01-02\n2,b,2024-01-03,,,,\n3,c,d,e,f\n,,,,\n4,e,f,g,h,i\n5,g\n6\n",
    );
    // What is missing behind the text is empty.
    assert_eq!(seen.rows(), [2, 3, 4, 7]);
    assert_eq!(seen.articles[2].meta["column 4"], "e");
    assert_eq!(seen.bad.len(), 2);
    assert!(seen.bad[0].starts_with("t:6: 6 fields where the first row has 5"));
    assert!(seen.bad[1].starts_with("t:8: 1 fields"));
}

#[test]
fn names_twice_or_empty_lose_nothing() {
    let seen = csv(",text,n,n\n7,a,1,2\n");
    let meta = &seen.articles[0].meta;
    assert_eq!(
        (&meta["column 1"], &meta["n"], &meta["n (4)"]),
        (&"7".into(), &"1".into(), &"2".into())
    );
}

#[test]
fn without_a_header_columns_have_numbers() {
    let rows = "\"3\",\"Ferry fares rise in June\",\"Passengers will pay five per cent more from June.\"\n\
                \"4\",\"Chip maker grows\",\"A chip maker opens a plant in the harbour.\"\n";
    let seen = csv(rows);
    assert!(seen.articles.is_empty());
    assert!(seen.bad[0].contains("looks like data"), "{:?}", seen.bad);
    let table = TableOptions {
        delimiter: None,
        no_header: true,
    };
    let seen = read_as(table, b',', Cursor::new(rows));
    assert_eq!(
        seen.texts()[1],
        "A chip maker opens a plant in the harbour."
    );
    assert_eq!(seen.articles[0].title, "Ferry fares rise in June");
    assert_eq!(seen.articles[0].meta["1"], "3");
    assert_eq!(seen.rows(), [1, 2]);
}

#[test]
fn limits_are_one_bad_row_each() {
    let wide = format!("id,text\n1,a\n2{}\n3,c\n", ",".repeat(MOST_COLUMNS + 5));
    let seen = csv(&wide);
    assert_eq!((seen.rows(), seen.bad.len()), (vec![2, 4], 1));
    assert!(seen.bad[0].starts_with("t:3: more than 16384 fields"));

    let header = format!("id,{}\n1,a\n", "x".repeat(2 << 20));
    let seen = csv(&header);
    assert!(
        seen.bad[0].starts_with("t:1: longer than 1 MiB"),
        "{:?}",
        seen.bad
    );

    // Lines in quotes that no row looks like, and one line without an end.
    for line in ["a line, of a text, and more\n", "aaaaaaaa"] {
        let start = Cursor::new("id,text\n1,a\n2,\"");
        let long = Repeat {
            piece: line.as_bytes(),
            at: 0,
        }
        .take(3 * LONGEST / line.len() as u64 * line.len() as u64);
        let end = Cursor::new("\"\n3,\"c\"\n");
        let seen = read_as(TableOptions::default(), b',', start.chain(long).chain(end));
        assert_eq!(seen.bad.len(), 1, "{:?}", seen.bad);
        assert!(
            seen.bad[0].starts_with("t:3: a record longer than 64 MiB"),
            "{:?}",
            seen.bad
        );
        assert_eq!(seen.articles.len(), 2);
        assert_eq!(seen.articles[1].text, "c");
    }
}

struct Repeat {
    piece: &'static [u8],
    at: usize,
}

impl Read for Repeat {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        for byte in out.iter_mut() {
            *byte = self.piece[self.at % self.piece.len()];
            self.at += 1;
        }
        Ok(out.len())
    }
}

fn field() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just("a"),
            Just("Zürich"),
            Just(" "),
            Just(","),
            Just(";"),
            Just("\t"),
            Just("|"),
            Just("\""),
            Just("\n"),
            Just("\r\n"),
            Just("x y"),
            Just("0"),
            Just("\r"),
        ],
        0..8,
    )
    .prop_map(|pieces| pieces.concat())
}

/// All records of some bytes, however they are cut into pieces.
fn records(bytes: &[u8], dialect: Dialect) -> Vec<Vec<String>> {
    let mut records = Records::new(Window::new(Cursor::new(bytes)), dialect, LONGEST);
    let mut out = Vec::new();
    loop {
        match records.next().unwrap() {
            Next::End => return out,
            Next::Row { .. } => out.push(
                records
                    .record()
                    .fields()
                    .map(|f| String::from_utf8_lossy(f.unwrap_or(b"\\N")).into_owned())
                    .collect(),
            ),
            Next::Bad { .. } => out.push(vec![]),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases::cases(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_csv_crate_writes_is_read(
        rows in proptest::collection::vec(proptest::collection::vec(field(), 3), 1..12),
        delimiter in prop_oneof![Just(b','), Just(b';'), Just(b'\t'), Just(b'|')],
        doubled in any::<bool>(),
        always in any::<bool>(),
        crlf in any::<bool>(),
    ) {
        let mut writer = csv::WriterBuilder::new();
        writer.delimiter(delimiter).double_quote(doubled).has_headers(false);
        if always {
            writer.quote_style(csv::QuoteStyle::Always);
        }
        if crlf {
            writer.terminator(csv::Terminator::CRLF);
        }
        let mut writer = writer.from_writer(Vec::new());
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let quoting = if doubled { record::Quoting::Doubled } else { record::Quoting::Backslash };
        let dialect = Dialect { delimiter, quoting, escapes: false, spaced: false, line_end: b'\n' };
        prop_assert_eq!(records(&bytes, dialect), rows);
    }

    #[test]
    fn a_record_is_the_same_in_any_pieces(text in "[ab,;\"\\\\\n\r]{0,60}", cut in 0usize..60) {
        for quoting in [record::Quoting::Doubled, record::Quoting::Backslash, record::Quoting::None] {
            let dialect = Dialect { delimiter: b',', quoting, escapes: false, spaced: false, line_end: b'\n' };
            let bytes = text.as_bytes();
            let mut whole = Record::default();
            let found = whole.read(bytes, true, dialect, 100);
            let mut part = Record::default();
            let first = part.read(&bytes[..cut.min(bytes.len())], false, dialect, 100);
            // What was found in a part is what is found in all of it.
            if first != record::Found::More {
                prop_assert_eq!(&first, &found);
                prop_assert_eq!(part.fields().collect::<Vec<_>>(), whole.fields().collect::<Vec<_>>());
            }
            // Skipping ends where reading does, where quotes are as they should be.
            if let record::Found::Record { length, tidy: true } = found {
                let mut skip = record::Skip::new(dialect);
                let (a, b) = bytes.split_at(cut.min(bytes.len()));
                let end = skip.feed(a).or_else(|| skip.feed(b).map(|n| a.len() + n));
                prop_assert_eq!(end.unwrap_or(bytes.len()), length);
            }
        }
    }

    #[test]
    fn anything_is_read_to_its_end(bytes in proptest::collection::vec(
        prop_oneof![4 => prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'\\'), Just(b';'), Just(b'a')], 1 => any::<u8>()],
        0..300,
    ), no_header: bool) {
        let table = TableOptions { delimiter: None, no_header };
        let _ = read_as(table, b',', Cursor::new(bytes.clone()));
        let mut with_header = b"id,text\n".to_vec();
        with_header.extend(bytes);
        let _ = read_as(TableOptions::default(), b',', Cursor::new(with_header));
    }
}
