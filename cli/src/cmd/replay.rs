//! `weir sessions replay`: statements with their result tables, in the session's time.

use crate::{api::Session, ui, ui::Output};
use std::time::Duration;
use weir_shared::{
    api::Entry,
    error::{Kind, UserFacing},
};

/// Rows of a table that are shown together.
const PAGE: usize = 200;

#[derive(Default)]
struct Player {
    at: u64,
    names: Vec<String>,
    rows: Vec<Vec<String>>,
}

pub(super) async fn run(session: &Session, id: &str, speed: f64, output: Output) -> Result<(), UserFacing> {
    if !speed.is_finite() || speed < 0.0 {
        return Err(UserFacing::new(Kind::Usage, "--speed is a number from 0", "2 is twice as fast, 0 does not wait"));
    }
    let mut player = Player::default();
    session
        .lines(&format!("/sessions/{id}/entries"), async |line| {
            if output == Output::Json {
                ui::say(line);
                return Ok(());
            }
            let unreadable = |_| {
                UserFacing::new(
                    Kind::Incompatible,
                    "the recording holds an entry this weir does not know",
                    "upgrade weir",
                )
            };
            let entry: Entry = serde_json::from_str(line).map_err(unreadable)?;
            player.wait(&entry, speed).await;
            player.show(entry);
            Ok(())
        })
        .await?;
    player.flush();
    Ok(())
}

fn time(entry: &Entry) -> u64 {
    match entry {
        Entry::Open { at, .. }
        | Entry::Chain { at, .. }
        | Entry::Statement { at, .. }
        | Entry::Approval { at, .. }
        | Entry::Policy { at, .. }
        | Entry::Notice { at, .. }
        | Entry::Estimate { at, .. }
        | Entry::Columns { at, .. }
        | Entry::Row { at, .. }
        | Entry::Copy { at, .. }
        | Entry::Omitted { at, .. }
        | Entry::Masked { at, .. }
        | Entry::Complete { at, .. }
        | Entry::Gap { at, .. }
        | Entry::Close { at, .. } => *at,
    }
}

#[allow(clippy::cast_precision_loss, reason = "microseconds shown in seconds")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

impl Player {
    async fn wait(&mut self, entry: &Entry, speed: f64) {
        let at = time(entry);
        if speed > 0.0 && at > self.at {
            let pause = seconds(at - self.at) / speed;
            tokio::time::sleep(Duration::from_secs_f64(pause.min(3600.0))).await;
        }
        self.at = self.at.max(at);
    }

    fn line(&self, text: &str) {
        ui::say(&format!("{:>9.3}  {text}", seconds(self.at)));
    }

    fn flush(&mut self) {
        if !self.rows.is_empty() {
            let head: Vec<String> = self.names.iter().map(|name| ui::visible(name)).collect();
            let head: Vec<&str> = head.iter().map(String::as_str).collect();
            ui::say(&ui::table(&head, std::mem::take(&mut self.rows)));
        }
    }

    fn show(&mut self, entry: Entry) {
        if !matches!(entry, Entry::Row { .. }) {
            self.flush();
        }
        match entry {
            Entry::Open { user, resource, database, role, .. } => {
                self.line(&format!("{user} opens {resource} / {database} as {role}"));
            }
            Entry::Chain { agents, .. } => {
                let agents: Vec<String> = agents.iter().map(ToString::to_string).collect();
                self.line(&format!("agents: {}", agents.join(" > ")));
            }
            Entry::Statement { number, text, parameters, class, outcome, policies, .. } => {
                self.line(&format!("#{number} {class} {outcome} [{}]", policies.join(", ")));
                ui::visible(&text).lines().for_each(|line| ui::say(&format!("           > {line}")));
                for (index, value) in parameters.iter().enumerate() {
                    let value = value.as_ref().map_or("NULL".to_owned(), |value| ui::visible(value));
                    ui::say(&format!("             ${} = {value}", index + 1));
                }
            }
            Entry::Approval { number, approval, state, by, .. } => {
                let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
                self.line(&format!("#{number} approval {approval}: {state}{by}"));
            }
            Entry::Policy { hash, .. } => self.line(&format!("policy is now {hash}")),
            Entry::Notice { number, kind, policy, message, .. } => {
                self.line(&format!("#{number} {kind} {policy} {}", ui::visible(&message)));
            }
            Entry::Estimate { number, .. } => {
                self.line(&format!("#{number} EXPLAIN asked of the resource, for whoever decides"));
            }
            Entry::Columns { names, .. } => self.names = names,
            Entry::Row { cells, .. } => {
                let cell = |cell: Option<String>| cell.map_or("NULL".to_owned(), |text| ui::visible(&text));
                self.rows.push(cells.into_iter().map(cell).collect());
                if self.rows.len() >= PAGE {
                    self.flush();
                }
            }
            Entry::Copy { number, direction, bytes, hash, text, .. } => {
                self.line(&format!("#{number} COPY {direction}: {bytes} bytes, BLAKE3 {hash}"));
                text.iter().flat_map(|text| text.lines()).for_each(|line| {
                    ui::say(&format!("           | {}", ui::visible(line)));
                });
            }
            Entry::Omitted { number, rows, why, .. } => {
                self.line(&format!("#{number} {rows} rows not recorded: {why}"))
            }
            Entry::Masked { number, counts, .. } => {
                let counts: Vec<String> = counts.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
                self.line(&format!("#{number} masked: {}", counts.join(", ")));
            }
            Entry::Complete { number, status, rows, micros, .. } => {
                self.line(&format!("#{number} {}, {rows} rows, {:.3} s", ui::visible(&status), seconds(micros)));
            }
            Entry::Gap { why, .. } => self.line(&format!("gap: {why}")),
            Entry::Close { reason, .. } => self.line(&format!("closed: {reason}")),
        }
    }
}
