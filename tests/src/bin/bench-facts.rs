//! What facts cost: statements a second on one thread, by kind, parsed each time and from a session's cache.
//! bench-facts [quick]
#![allow(clippy::print_stdout, reason = "a program that prints a table")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use weir_policy::sql::{FactsCache, facts};

fn main() {
    let quick = std::env::args().nth(1).as_deref() == Some("quick");
    let each = Duration::from_millis(if quick { 50 } else { 1_000 });
    println!("| statement | bytes | parsed, a second | cached, a second |\n|---|---|---|---|");
    for (kind, text) in statements() {
        let parsed = a_second(each, || drop(black_box(facts(black_box(&text)))));
        let mut cache = FactsCache::new();
        let cached = a_second(each, || drop(black_box(cache.facts(black_box(&text)))));
        println!("| {kind} | {} | {parsed:.0} | {cached:.0} |", text.len());
    }
}

fn statements() -> Vec<(&'static str, String)> {
    let list = |count: usize, item: fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(", ");
    vec![
        ("point select", "SELECT * FROM orders WHERE id = $1".to_owned()),
        (
            "join of three",
            "SELECT c.name, o.total, a.iban FROM customers c JOIN orders o ON o.customer_id = c.id LEFT JOIN accounts a \
             ON a.id = c.id WHERE o.status = 'open' AND o.total > 10 ORDER BY o.placed_at DESC LIMIT 20"
                .to_owned(),
        ),
        ("insert", "INSERT INTO orders (id, customer_id, total, status) VALUES ($1, $2, $3, $4) RETURNING id".to_owned()),
        ("select of 50 columns", format!("SELECT {} FROM wide WHERE id = $1", list(50, |n| format!("t.column_{n}")))),
        (
            "CTE",
            "WITH recent AS (SELECT * FROM orders WHERE placed_at > now() - interval '1 day'), sums AS (SELECT customer_id, \
             sum(total) AS total FROM recent GROUP BY customer_id) SELECT c.name, s.total FROM sums s JOIN customers c \
             ON c.id = s.customer_id WHERE s.total > 100"
                .to_owned(),
        ),
        ("IN list of 1,000", format!("SELECT * FROM orders WHERE id IN ({})", list(1_000, |n| n.to_string()))),
        (
            "insert of 1,000 rows",
            format!("INSERT INTO orders (id, total, status) VALUES {}", list(1_000, |n| format!("({n}, {n}.5, 'open')"))),
        ),
        ("unparseable", "SELECT * FORM orders WHERE id = 1".to_owned()),
    ]
}

/// How often `run` runs in a second.
fn a_second(each: Duration, mut run: impl FnMut()) -> f64 {
    let (begun, mut runs) = (Instant::now(), 0.0);
    while begun.elapsed() < each {
        run();
        runs += 1.0;
    }
    runs / begun.elapsed().as_secs_f64()
}
