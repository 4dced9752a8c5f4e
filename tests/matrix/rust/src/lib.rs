//! What the Rust programs of the matrix share: where to connect, and the line about each check.

use anyhow::{Result, ensure};
use std::{
    fmt::Debug,
    future::Future,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    time::Duration,
};

/// How many rows the large result has.
pub const ROWS: u64 = 200_000;
/// They are `row 1`, `row 2`, ...
pub const ROWS_SQL: &str = "SELECT 'row ' || n FROM generate_series(1, 200000) n";
/// One cell of two megabytes: [`large_cell`].
pub const LARGE_CELL_SQL: &str = "SELECT repeat('weir ', 400000)";

/// What [`LARGE_CELL_SQL`] answers.
pub fn large_cell() -> String {
    "weir ".repeat(400_000)
}

/// A variable that scripts/matrix.sh sets.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Whether the connection is to be over TLS with the server's name verified.
pub fn over_tls() -> bool {
    variable("PGSSLMODE") == "verify-full"
}

/// Prints `NAME ok` or `NAME fail: why`.
pub async fn check(name: &str, run: impl Future<Output = Result<()>>) {
    match tokio::time::timeout(Duration::from_secs(60), run).await {
        Ok(Ok(())) => println!("{name} ok"),
        Ok(Err(error)) => println!("{name} fail: {}", format!("{error:#}").replace('\n', " ")),
        Err(_) => println!("{name} fail: does not end"),
    }
}

/// Prints that the driver has no such feature.
pub fn not_available(name: &str, why: &str) {
    println!("{name} n/a: {why}");
}

/// Compares; the error shows both.
pub fn same<T: PartialEq + Debug>(expected: &T, actual: &T) -> Result<()> {
    let short = |value: &T| format!("{value:?}").chars().take(200).collect::<String>();
    ensure!(expected == actual, "expected {}, got {}", short(expected), short(actual));
    Ok(())
}

/// What COPY carries: everything that its text format escapes.
pub fn copied() -> Vec<(i32, Option<String>)> {
    let word = |n| (n % 3 != 0).then(|| format!("tab\there, line\nbreak, backslash \\, grüße {n}"));
    (1..=1000).map(|n| (n, word(n))).collect()
}

/// The same in the text format.
pub fn copied_as_text() -> String {
    let escape = |word: String| word.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n");
    let line = |(n, word): (i32, Option<String>)| format!("{n}\t{}\n", word.map_or("\\N".to_owned(), escape));
    copied().into_iter().map(line).collect()
}

/// One hash of many words, so that what streams past need not be held.
#[derive(Default)]
pub struct Digest {
    hasher: DefaultHasher,
    words: u64,
}

impl Digest {
    /// Takes the next word.
    pub fn add(&mut self, word: &str) {
        word.hash(&mut self.hasher);
        self.words += 1;
    }

    /// Compares with what [`ROWS_SQL`] answers.
    pub fn is_rows(self) -> Result<()> {
        let mut expected = Self::default();
        (1..=ROWS).for_each(|n| expected.add(&format!("row {n}")));
        same(&(expected.words, expected.hasher.finish()), &(self.words, self.hasher.finish()))
    }
}

/// A driver's version, as the lock file has it.
pub fn version(package: &str) -> &'static str {
    let name = format!("name = \"{package}\"\n");
    let after = include_str!("../Cargo.lock").split_once(&name).map_or("", |(_, after)| after);
    after.split('"').nth(1).unwrap_or("?")
}
