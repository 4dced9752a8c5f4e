//! Rows and errors as the masker leaves them.

use super::*;
use crate::upstream::{Labels, catalog::Place};
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
    let shape = shape(&[(100, 3, 25), (100, 2, 25), (0, 0, 25), (100, 0, 2249)], false);
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
    let text = shape(&[(1, 1, 25), (1, 2, 17), (1, 3, 3802)], false);
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
    let binary = shape(&[(1, 1, 20)], true);
    let card = 4_111_111_111_111_111_i64.to_be_bytes();
    assert_eq!(run(&mut masker, &binary, &About::default(), &[Some(&card)]), [None]);
    let small = 41_i64.to_be_bytes();
    assert_eq!(run(&mut masker, &binary, &About::default(), &[Some(&small)]), [Some(small.to_vec())]);
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
