//! Rows and errors as the masker leaves them.

use super::*;
use crate::upstream::{Labels, catalog::Place};
use proptest::strategy::Strategy as _;
use weir_protocol::Column;
use weir_shared::config::checked::ColumnLabel;

fn labels() -> Labels {
    let mut labels = Labels {
        columns: vec![ColumnLabel { schema: "public".into(), table: "customers".into(), column: "ssn".into() }],
        ..Labels::default()
    };
    labels.numbers.insert((100, 3));
    labels.tables.insert(100);
    labels
}

fn masker(labels: Labels) -> Masker {
    masker_knowing("upstream-password", labels)
}

fn masker_knowing(credential: &str, labels: Labels) -> Masker {
    let known = Arc::new(KnownValues::new(&[credential.as_bytes()]));
    Masker::new(Arc::new(Detector::standard()), Some(known), Arc::new(Catalog::new(labels, Place::default())))
}

fn shape(columns: &[(u32, i16, u32)], binary: bool) -> Shape {
    let column = |(table, attribute, type_oid): &(u32, i16, u32)| Column {
        name: "c".into(),
        table: *table,
        attribute: *attribute,
        type_oid: *type_oid,
    };
    Shape { columns: Some(Arc::new(columns.iter().map(column).collect())), formats: Arc::new(vec![binary]) }
}

fn run(masker: &mut Masker, shape: &Shape, about: &About, cells: &[Option<&[u8]>]) -> Vec<Option<Vec<u8>>> {
    let mut row = BytesMut::new();
    rows::put_row(&mut row, cells.iter().copied());
    let (out, count) = masker.rows(row.freeze(), shape, about, &mut Counts::new()).unwrap();
    assert_eq!(count, 1);
    rows::cells(&out).unwrap().map(|cell| cell.unwrap().map(<[u8]>::to_vec)).collect()
}

#[test]
fn labelled_columns_are_masked_whole_by_table_and_attribute() {
    let shape = shape(&[(100, 3, 25), (100, 2, 25), (100, 3, 1082)], false);
    let out = run(&mut masker(labels()), &shape, &About::default(), &[Some(b"x"), Some(b"plain"), Some(b"2020-01-01")]);
    assert_eq!(out, [Some(b"[masked]".to_vec()), Some(b"plain".to_vec()), None]);
}

/// Every expression may show a labelled value.
fn any() -> Arc<Expressions> {
    Arc::new(Expressions { any: true, ..Expressions::default() })
}

#[test]
fn expressions_that_name_a_labelled_column_are_masked_whole() {
    let cells: [Option<&[u8]>; 3] = [Some(b"substr"), Some(b"7"), Some(b"(1,x)")];
    let shape = shape(&[(0, 0, 25), (0, 0, 23), (100, 0, 2249)], false);
    let about = |columns: &[bool], any| About {
        risky: true,
        expressions: Arc::new(Expressions { columns: columns.to_vec(), any }),
        ..About::default()
    };
    let mut masker = masker(labels());
    for (about, expected) in [
        (about(&[], true), [Some("[masked]"), None, None]),
        (about(&[], false), [Some("substr"), Some("7"), None]),
        (about(&[false, true, false], true), [Some("substr"), None, None]),
        (about(&[true, false, false], true), [Some("[masked]"), Some("7"), None]),
        // Positions are not those of the answer.
        (about(&[false, false], true), [Some("[masked]"), None, None]),
        (About::default(), [Some("substr"), Some("7"), None]),
    ] {
        let out = run(&mut masker, &shape, &about, &cells);
        assert_eq!(out, expected.map(|cell| cell.map(|cell| cell.as_bytes().to_vec())), "{about:?}");
    }
}

#[test]
fn what_is_made_by_rules_shows_nothing_of_any_type() {
    let labels = Labels { rules: HashSet::from([300]), ..labels() };
    let shape = shape(&[(300, 1, 25), (300, 2, 20), (200, 1, 20)], false);
    let out = run(&mut masker(labels), &shape, &About::default(), &[Some(b"x"), Some(b"1"), Some(b"1")]);
    assert_eq!(out, [Some(b"[masked]".to_vec()), None, Some(b"1".to_vec())]);
}

#[test]
fn a_labelled_column_that_may_be_seen_shows_all_but_secrets() {
    let shape = shape(&[(100, 3, 25), (20_000, 2, 25), (0, 0, 25), (100, 0, 2249)], false);
    let clear = Arc::new(HashSet::from([(100, 3)]));
    let about = About { risky: true, clear, expressions: any(), ..About::default() };
    let cells: [Option<&[u8]>; 4] =
        [Some(b"alice@example.com"), Some(b"alice@example.com"), Some(b"x"), Some(b"(1,x)")];
    let mut masker = masker(labels());
    let out = run(&mut masker, &shape, &about, &cells);
    let masked = |text: &[u8]| Some(text.to_vec());
    assert_eq!(out, [masked(b"alice@example.com"), masked(b"[masked:email]"), masked(b"[masked]"), None]);
    let secrets: [Option<&[u8]>; 4] = [Some(b"password=hunter2hunter2 upstream-password"), None, None, None];
    let shown = String::from_utf8(run(&mut masker, &shape, &about, &secrets)[0].clone().unwrap()).unwrap();
    assert!(!shown.contains("hunter2") && !shown.contains("upstream-password"), "{shown}");
    // Nothing of it lasts beyond the row, and nothing is seen while the snapshot is uncertain.
    assert!(masker.text(b"alice@example.com", &mut Counts::new()).is_some());
    let uncertain = About { uncertain: true, ..about };
    let out = run(&mut masker, &shape, &uncertain, &cells);
    assert_eq!(out[0].as_deref(), Some(&b"[masked]"[..]));
}

#[test]
fn what_an_overtaken_snapshot_does_not_know_for_certain_is_masked_whole() {
    let mut labels = labels();
    labels.others.insert(200);
    let shape = shape(&[(200, 1, 25), (300, 1, 25), (300, 2, 23), (100, 2, 25)], false);
    let about = About { risky: true, uncertain: true, ..About::default() };
    let cells: [Option<&[u8]>; 4] = [Some(b"known"), Some(b"new view"), Some(b"7"), Some(b"plain")];
    let out = run(&mut masker(labels), &shape, &about, &cells);
    assert_eq!(
        out,
        [Some(&b"known"[..]), Some(b"[masked]"), None, Some(b"plain")].map(|cell| cell.map(<[u8]>::to_vec))
    );
}

#[test]
fn values_are_found_in_text_binary_and_bytes() {
    let mut masker = masker(Labels::default());
    let text = shape(&[(20_000, 1, 25), (20_000, 2, 17), (20_000, 3, 3802)], false);
    let hex = b"\\x616c696365406578616d706c652e636f6d";
    let out = run(
        &mut masker,
        &text,
        &About::default(),
        &[Some(b"to alice@example.com now"), Some(hex), Some(br#"{"mail":"alice@example.com","n":1}"#)],
    );
    assert_eq!(out[0].as_deref(), Some(&b"to [masked:email] now"[..]));
    assert_eq!(out[1], None);
    assert_eq!(out[2].as_deref(), Some(&br#"{"mail":"[masked:email]","n":1}"#[..]));
}

const CARD: &str = "4111111111111111";

/// Expressions of a statement that reads relations.
fn over_relations() -> About {
    About { source: Source { relations: true, ..Source::default() }, ..About::default() }
}

fn named(columns: &[(&str, u32, u32)], binary: bool) -> Shape {
    let column = |(name, table, type_oid): &(&str, u32, u32)| Column {
        name: (*name).into(),
        table: *table,
        attribute: i16::from(*table != 0),
        type_oid: *type_oid,
    };
    Shape { columns: Some(Arc::new(columns.iter().map(column).collect())), formats: Arc::new(vec![binary]) }
}

#[test]
fn keys_and_what_is_made_of_no_relation_stay() {
    let mut masker = masker(Labels::default());
    let about = over_relations();
    for (column, about, stays) in [
        (("n", 20_000, 20), &about, true),
        (("n", 0, 20), &About::default(), true),
        (("n", 0, 20), &about, false),
        (("order_id", 0, 20), &about, true),
        (("order_id", 0, 1700), &about, true),
        (("n", 20_000, 1700), &about, false),
        (("phone", 20_000, 1700), &about, false),
        (("id", 20_000, 25), &about, false),
    ] {
        let shape = named(&[column], false);
        let out = run(&mut masker, &shape, about, &[Some(CARD.as_bytes())]);
        assert_eq!(out[0].as_deref() == Some(CARD.as_bytes()), stays, "{column:?}");
        if column.2 == 20 {
            let binary = CARD.parse::<i64>().unwrap().to_be_bytes();
            let out = run(&mut masker, &named(&[column], true), about, &[Some(&binary)]);
            assert_eq!(out[0].is_some(), stays, "{column:?}");
        }
    }
    let oids = named(&[("proargtypes", 1255, 30), ("oids", 0, 30), ("mac", 20_000, 774)], false);
    let cells: [Option<&[u8]>; 3] = [Some(b"701 701 1184"), Some(b"603 603 2281"), Some(b"08:00:2b:01:02:03:04:05")];
    let out = run(&mut masker, &oids, &about, &cells);
    assert_eq!(out, cells.map(|cell| cell.map(<[u8]>::to_vec)));
}

#[test]
fn the_server_s_own_catalogs_are_searched_for_secrets_alone() {
    let mut masker = masker(Labels::default());
    let shape = named(&[("definition", 12_000, 25), ("rolname", 1260, 19), ("x", 0, 25), ("mail", 16_384, 25)], false);
    let mail: Option<&[u8]> = Some(b"ada@example.com");
    let seen = |masker: &mut Masker, about: &About, cells: [Option<&[u8]>; 4]| {
        run(masker, &shape, about, &cells)
            .into_iter()
            .zip(cells)
            .map(|(out, cell)| out.as_deref() == cell)
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&mut masker, &over_relations(), [mail; 4]), [true, true, false, false]);
    let mut others = over_relations();
    others.source.others = true;
    assert_eq!(seen(&mut masker, &others, [mail; 4]), [false, true, false, false]);
    let secret: Option<&[u8]> = Some(b"password=hunter2hunter2");
    assert_eq!(seen(&mut masker, &over_relations(), [secret; 4]), [false; 4]);
}

#[test]
fn types_that_take_no_text_become_null_in_text_and_binary_form() {
    let mut masker = masker(Labels::default());
    let card = CARD.parse::<i64>().unwrap().to_be_bytes();
    let value = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let array = [&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 1][..], &value(&card)].concat();
    let range = [&[2][..], &value(&card), &value(&card)].concat();
    let texts =
        [&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1][..], &value(b"ada@example.com")].concat();
    for (oid, text, binary) in [
        (869, "81.2.69.142".to_owned(), vec![2, 32, 0, 4, 81, 2, 69, 142]),
        (650, "81.2.0.0/16".to_owned(), vec![2, 16, 1, 4, 81, 2, 0, 0]),
        (1700, CARD.to_owned(), vec![0, 4, 0, 3, 0, 0, 0, 0, 16, 15, 4, 87, 4, 87, 4, 87]),
        (1016, format!("{{{CARD}}}"), array),
        (3926, format!("[{CARD},{CARD})"), range),
        (1009, "{ada@example.com}".to_owned(), texts),
    ] {
        for (binary, cell) in [(false, text.as_bytes()), (true, &binary)] {
            let out = run(&mut masker, &named(&[("v", 0, oid)], binary), &over_relations(), &[Some(cell)]);
            assert_eq!(out, [None], "{oid} {binary}");
        }
    }
    let inside = run(&mut masker, &named(&[("v", 0, 869)], false), &over_relations(), &[Some(b"10.4.2.1")]);
    assert_eq!(inside, [Some(b"10.4.2.1".to_vec())]);
}

#[test]
fn text_that_is_json_is_json_after() {
    let mut masker = masker(Labels::default());
    let cell = format!("{{\"acct\": {CARD}}}");
    let out = run(&mut masker, &named(&[("v", 0, 25)], false), &over_relations(), &[Some(cell.as_bytes())]);
    assert_eq!(out[0].as_deref(), Some(&b"{\"acct\": \"[masked:card]\"}"[..]));
    let mut notification = BytesMut::from(&b"A\0\0\0\0\0\0\0\x01jobs\0"[..]);
    notification.extend_from_slice(cell.as_bytes());
    notification.extend_from_slice(&[0]);
    rows::end_message(&mut notification, 0);
    let out = masker.message(notification.freeze(), &About::default(), &mut Counts::new());
    assert!(out.ends_with(b"jobs\0{\"acct\": \"[masked:card]\"}\0"), "{out:?}");
}

fn copied(masker: &mut Masker, about: &About, data: &[u8], binary: bool) -> Vec<u8> {
    let mut message = BytesMut::new();
    rows::put_copy(&mut message, data);
    let (out, count) = masker.copy(message.freeze(), binary, about, false, &mut Counts::new());
    assert_eq!(count, 1);
    rows::copy_payload(&out).to_vec()
}

#[test]
fn lines_of_copy_load_again() {
    let mut masker = masker(Labels::default());
    let about = over_relations();
    for (line, out) in [
        ("1\tada@example.com\tx", "1\t[masked:email]\tx"),
        ("4111111111111111\t81.2.69.142\t81.2.0.0/16", "\\N\t\\N\t\\N"),
        ("{\"acct\": 4111111111111111}\t\\N", "{\"acct\": \"[masked:card]\"}\t\\N"),
        ("{\"a\": \"x\\\\\"y ada@example.com\"}", "{\"a\": \"x\\\\\"y [masked:email]\"}"),
        ("{4111111111111111,5}\t[4111111111111111,4111111111111120)", "\\N\t\\N"),
        ("a\\tb ada@example.com\\n\\\\", "a\\tb [masked:email]\\n\\\\"),
        ("\\\\x616c696365406578616d706c652e636f6d\tx", "\\N\tx"),
        ("plain\t10.0.0.1", "plain\t10.0.0.1"),
    ] {
        let out = format!("{out}\n").into_bytes();
        assert_eq!(copied(&mut masker, &about, format!("{line}\n").as_bytes(), false), out, "{line}");
    }
    let mut csv = over_relations();
    csv.source.copy = Arc::new(weir_policy::sql::CopyForm::csv());
    let line = "1,\"{\"\"acct\"\": 4111111111111111}\",4111111111111111,\"x, ada@example.com\"\n";
    let out = copied(&mut masker, &csv, line.as_bytes(), false);
    assert_eq!(String::from_utf8(out).unwrap(), "1,\"{\"\"acct\"\": \"\"[masked:card]\"\"}\",,\"x, [masked:email]\"\n");
}

#[test]
fn names_say_what_copied_columns_are() {
    let mut masker = masker(Labels::default());
    let mut about = over_relations();
    about.source.topics = Arc::new(vec![Topic::of("id"), Topic::of("phone"), Topic::of("note")]);
    let line = "4111111111111111\t2125550187\t2125550187\n";
    assert_eq!(copied(&mut masker, &about, line.as_bytes(), false), b"4111111111111111\t\\N\t2125550187\n");
    let nobodys = copied(&mut masker, &About::default(), b"4111111111111111\n", false);
    assert_eq!(nobodys, b"4111111111111111\n");
}

#[test]
fn rows_of_a_binary_copy_have_no_more_in_clear() {
    let mut masker = masker(Labels::default());
    let value = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let card = CARD.parse::<i64>().unwrap().to_be_bytes();
    let row = [
        &b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x04"[..],
        &value(b"to ada@example.com"),
        &value(&card),
        &[255; 4],
        &value(&[2, 32, 0, 4, 81, 2, 69, 142]),
    ]
    .concat();
    let expected =
        [&b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0\0\x04"[..], &value(b"to [masked:email]"), &[255; 12]].concat();
    assert_eq!(copied(&mut masker, &over_relations(), &row, true), expected);
    assert_eq!(copied(&mut masker, &over_relations(), &[255, 255], true), [255, 255]);
}

#[test]
fn the_injected_credential_never_comes_back() {
    let mut masker = masker(Labels::default());
    let out = run(&mut masker, &shape(&[(1, 1, 25)], false), &About::default(), &[Some(b"it is upstream-password!")]);
    assert!(!String::from_utf8_lossy(out[0].as_ref().unwrap()).contains("upstream-password"));
    let error = Bytes::from(weir_shared::native::postgres_fatal("28000", "no upstream-password", "", ""));
    let masked = masker.message(error, &About::default(), &mut Counts::new());
    assert!(!String::from_utf8_lossy(&masked).contains("upstream-password"));
}

#[test]
fn a_credential_of_digits_hides_in_no_number() {
    let mut masker = masker_knowing("90417736", Labels::default());
    let shape = shape(&[(1, 1, 20), (1, 2, 1700)], false);
    let out = run(&mut masker, &shape, &About::default(), &[Some(b"90417736"), Some(b"90417736.5")]);
    assert_eq!(out, [None, None]);
    let out = run(&mut masker, &shape, &About::default(), &[Some(b"90417737"), Some(b"1.5")]);
    assert_eq!(out, [Some(b"90417737".to_vec()), Some(b"1.5".to_vec())]);
}

#[test]
fn columns_that_nobody_described_show_nothing_of_a_labelled_database() {
    let out = run(&mut masker(labels()), &Shape::default(), &About::default(), &[Some(b"anything")]);
    assert_eq!(out, [None]);
}

#[test]
fn values_of_secret_settings_are_masked_beside_their_names() {
    let mut masker = masker(Labels::default());
    let about = About { settings: true, ..About::default() };
    // As pg_settings has them, and as SHOW ALL does.
    let shapes = [
        shape(&[(12_500, 1, 25), (12_500, 2, 25), (12_500, 5, 25), (12_500, 13, 25), (0, 0, 23)], false),
        shape(&[(0, 0, 25), (0, 0, 25), (0, 0, 25), (0, 0, 25), (0, 0, 23)], false),
    ];
    let cells = |name: &'static [u8]| [name, b"host=db1", b"words", b"", b"8"].map(Some);
    let masked = Some(&b"[masked]"[..]);
    for (shape, description) in shapes.iter().zip([Some(&b"words"[..]), masked]) {
        let out = run(&mut masker, shape, &about, &cells(b"primary_conninfo"));
        let out: Vec<_> = out.iter().map(Option::as_deref).collect();
        assert_eq!(out, [Some(&b"primary_conninfo"[..]), masked, description, masked, None]);
        let out = run(&mut masker, shape, &about, &cells(b"port"));
        assert_eq!(out.iter().map(Option::as_deref).collect::<Vec<_>>(), cells(b"port"));
    }
    let lists = shape(&[(0, 0, 1009), (0, 0, 25)], false);
    let out =
        run(&mut masker, &lists, &about, &[Some(b"{app.jwt_secret=abcd,work_mem=1MB}"), Some(b"app.token=x\nport=1")]);
    assert_eq!(out[0].as_deref(), Some(&b"{app.jwt_secret=[masked:secret-setting],work_mem=1MB}"[..]));
    assert_eq!(out[1].as_deref(), Some(&b"app.token=[masked:secret-setting]\nport=1"[..]));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(500))]

    /// Whatever a server sends, nothing panics, and lengths are true.
    #[test]
    fn any_bytes_are_masked_in_any_form(
        parts in proptest::collection::vec(proptest::prop_oneof![
            proptest::sample::select(vec![
                &b"ada@example.com"[..], b"4111111111111111", b"\t", b"\\", b"\"", b",", b"\\N", b"{", b"}", b"[", b":",
                b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", &[0, 1], &[0, 0, 0, 8], &[0, 0, 0, 20], &[0xff; 4], &[0, 0, 0, 1],
            ]).prop_map(<[u8]>::to_vec),
            proptest::collection::vec(proptest::prelude::any::<u8>(), 0..6),
        ], 0..12),
        oid in proptest::sample::select(vec![0_u32, 17, 20, 25, 114, 869, 1009, 1700, 2249, 3802, 3926, 4536, 70_000]),
    ) {
        let data = parts.concat();
        let mut masker = masker(Labels::default());
        for binary in [false, true] {
            let shape = named(&[("v", 0, oid)], binary);
            run(&mut masker, &shape, &over_relations(), &[Some(&data)]);
            let out = copied(&mut masker, &over_relations(), &data, binary);
            let fields = |data: &[u8]| copy::binary_fields(data).map(|(begin, fields)| (begin, fields.len()));
            if binary && let Some(count) = fields(&data) {
                proptest::prop_assert_eq!(fields(&out), Some(count));
            }
            let mut csv = over_relations();
            csv.source.copy = Arc::new(weir_policy::sql::CopyForm::csv());
            copied(&mut masker, &csv, &data, binary);
        }
    }

    /// What is JSON before is JSON after, and differs in nothing but what was masked.
    #[test]
    fn any_json_is_json_after(texts in proptest::collection::vec("[ a-z\"\\\\{}:,0-9é]{0,12}", 0..6), deep in 0..4) {
        let secret = serde_json::json!({ "card": 4_111_111_111_111_111_u64, "mail": "ada@example.com" });
        let mut value = serde_json::json!({ "texts": texts, "secret": secret });
        for _ in 0..deep {
            value = serde_json::json!({ "texts": texts, "inner": value.to_string(), "more": [value] });
        }
        let mut masker = masker(Labels::default());
        let out = masker.text(value.to_string().as_bytes(), &mut Counts::new()).unwrap();
        let out: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let (mut before, mut after) = (&value, &out);
        for _ in 0..deep {
            proptest::prop_assert_eq!(&before["texts"], &after["texts"]);
            (before, after) = (&before["more"][0], &after["more"][0]);
        }
        let masked = serde_json::json!({ "card": "[masked:card]", "mail": "[masked:email]" });
        proptest::prop_assert_eq!(&after["secret"], &masked);
    }
}
