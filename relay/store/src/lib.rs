//! weir-store: the relay's durable state in SQLite. The only crate that imports sqlx.
//!
//! - [`users`], [`logins`]: who may log in, and who has; [`foreign`]: whom others vouch for; [`agents`] the keys that act
//!   for a login, and their tree; [`tickets`] for children on other machines
//! - [`devices`]: device codes that wait for a person; [`passkeys`]: what people confirm decisions with; [`spent`]: ids that
//!   count once, or no more
//! - [`resources`]: those made over the API
//! - [`sessions`]: the index of recordings; [`approvals`]: requests for a human; [`audit`]: the hash-chained log
//!
//! Times are microseconds since 1970, given by the caller.

pub mod agents;
pub mod approvals;
pub mod audit;
pub mod devices;
pub mod foreign;
pub mod logins;
pub mod passkeys;
pub mod resources;
pub mod sessions;
pub mod spent;
pub mod tickets;
pub mod users;

use sqlx::{
    Row as _,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};
use std::{path::Path, time::Duration};
use weir_shared::keys::Thumbprint;

/// What the store could not do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is no database, or its pages are damaged.
    #[error("the database file is damaged: {0}")]
    Corrupt(String),
    /// Something of that name exists.
    #[error("{0} exists already")]
    Exists(String),
    /// A row does not decode.
    #[error("a stored {0} does not decode")]
    Decode(&'static str),
    /// Anything else.
    #[error("the database failed: {0}")]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
        match code.as_deref() {
            // SQLITE_CORRUPT and its variants, SQLITE_NOTADB
            Some("11" | "26" | "267" | "523" | "779") => Self::Corrupt(error.to_string()),
            _ => Self::Database(error),
        }
    }
}

/// A column that holds an id as text.
pub(crate) fn parsed<T: std::str::FromStr>(row: &SqliteRow, column: &str, what: &'static str) -> Result<T, StoreError> {
    row.try_get::<String, _>(column)?.parse().map_err(|_| StoreError::Decode(what))
}

/// A column that holds a key's thumbprint, or nothing.
pub(crate) fn thumbprint(row: &SqliteRow, column: &str) -> Result<Option<Thumbprint>, StoreError> {
    let bytes: Option<Vec<u8>> = row.try_get(column)?;
    let bytes = bytes.map(<[u8; 32]>::try_from).transpose().map_err(|_| StoreError::Decode("key"))?;
    Ok(bytes.map(Thumbprint::from_bytes))
}

/// The durable state.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
}

impl Store {
    /// Opens the file, makes it when it is not there, and brings its tables up to date.
    ///
    /// # Errors
    /// When it cannot be opened, is damaged, or was written by a newer relay.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        use std::os::unix::fs::OpenOptionsExt as _;
        // Made before SQLite would make it, so that it is never readable by others.
        let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true);
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await?;
        sqlx::migrate!("./migrations").run(&pool).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) => error.into(),
            other => StoreError::Database(sqlx::Error::Migrate(Box::new(other))),
        })?;
        Ok(Self { pool })
    }

    /// Closes the file, with everything in it.
    pub async fn close(self) {
        self.pool.close().await;
    }
}

#[cfg(test)]
mod story;
