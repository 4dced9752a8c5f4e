//! The metrics and their reference agree, and a session counts what it should.

use super::{
    Described, Telemetry,
    session::{Judged, SessionMetrics, Traffic},
    tally::{Cell, Census, Tally},
};
use crate::mask::Counts;
use prometheus_client::encoding;
use std::{path::Path, sync::Arc, time::Duration};
use weir_policy::sql::Class;
use weir_shared::{
    api::Counters,
    config::{self, checked::Resource},
    id::SessionId,
};

const MANUAL: &str = include_str!("../manual/metrics.rs");

fn resources() -> Vec<Arc<Resource>> {
    let text = "[resources.shop]\nkind = \"postgres\"\nhost = \"h\"\ndatabases = [\"d\"]\nrole = \"r\"\ncredential = \"none\"\n";
    config::parse(text, Path::new("weir-relay.toml")).unwrap().0.resources.into_values().collect()
}

fn shown(telemetry: &Telemetry) -> String {
    let mut text = String::new();
    encoding::prometheus_text::encode(&mut text, &telemetry.registry).unwrap();
    text
}

fn row(metric: &Described) -> String {
    let labels = metric.labels.join(", ");
    let labels = if labels.is_empty() { String::new() } else { format!(" {labels}") };
    format!("//! | `{}` | {} |{labels} | {} |", metric.name, metric.kind, metric.help)
}

#[test]
fn the_manual_has_every_metric_and_no_other() {
    let telemetry = Telemetry::new(&resources());
    let mut rows: Vec<&str> = MANUAL.lines().filter(|line| line.starts_with("//! | `")).collect();
    let mut metrics: Vec<String> = telemetry.described().iter().map(row).collect();
    rows.sort_unstable();
    metrics.sort_unstable();
    assert_eq!(rows, metrics, "relay/src/manual/metrics.rs differs from relay/src/telemetry/mod.rs");
}

#[test]
fn what_is_exposed_is_what_is_described() {
    let telemetry = Telemetry::new(&resources());
    for line in shown(&telemetry).lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').unwrap();
        let described = telemetry.described().iter().find(|metric| metric.name == name);
        assert_eq!(described.map(|metric| metric.kind), Some(kind), "{name}");
    }
    let mut open = String::new();
    encoding::text::encode(&mut open, &telemetry.registry).unwrap();
    assert!(open.ends_with("# EOF\n"));
}

#[test]
fn a_session_adds_to_its_resource() {
    let resources = resources();
    let telemetry = Telemetry::new(&resources);
    let resource = &resources[0];
    let tally = Arc::<Tally>::default();
    let mut session = SessionMetrics::new(&telemetry, resource, SessionId::generate(), Arc::clone(&tally));
    for _ in 0..34 {
        session.begin();
        session.judged();
        session.statement(Class::Read, Judged::Allow);
        let _ = session.permitted();
        let writing = session.writing();
        session.written(writing);
    }
    session.statement(Class::Admin, Judged::Deny);
    [true, false, true].into_iter().for_each(|known| session.looked_up(known));
    session.delivered(7, None);
    let mut counts = Counts::new();
    for rule in ["email", "label", "email"] {
        counts.add(rule);
    }
    session.completed(Duration::from_millis(3), &counts);
    session.completed(Duration::from_millis(3), &counts);
    session.publish(Traffic { client_sent: 90, to_client: 20, ..Traffic::default() }, 4);
    session.publish(Traffic { client_sent: 10, to_client: 30, ..Traffic::default() }, 3);
    let mut census = Census::default();
    census.add(&tally);
    assert_eq!((census.sessions, census.to_client, census.in_flight), (1, 30, 3));
    assert_eq!(census.sums.counters(), Counters { statements: 35, denied: 1, rows: 7, masked: 6 });
    assert_eq!([Cell::FactsKnown, Cell::FactsMade].map(|cell| census.sums.of(cell)), [2, 1]);
    let series = telemetry.resource(resource);
    series.set(&census);
    // What was counted stays when the session goes, and is not told twice.
    series.leave(&tally);
    assert_eq!(series.ended(), census.sums);
    series.set(&Census { sums: series.ended(), ..Census::default() });
    let text = shown(&telemetry);
    for line in [
        "weir_statements_total{resource=\"shop\",class=\"sql.read\",outcome=\"allow\"} 34",
        "weir_statements_total{resource=\"shop\",class=\"sql.admin\",outcome=\"deny\"} 1",
        "weir_statements_total{resource=\"shop\",class=\"sql.write\",outcome=\"hold\"} 0",
        "weir_masked_values_total{resource=\"shop\",rule=\"email\"} 4",
        "weir_masked_values_total{resource=\"shop\",rule=\"label\"} 2",
        "weir_rows_total{resource=\"shop\"} 7",
        "weir_session_bytes_total{resource=\"shop\",side=\"client\",direction=\"sent\"} 100",
        "weir_sessions_open{resource=\"shop\"} 0",
        "weir_statement_seconds_count{resource=\"shop\"} 2",
        // One in 17, wherever it began.
        "weir_stage_seconds_count{stage=\"judge\"} 2",
        "weir_stage_seconds_count{stage=\"record\"} 2",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}
