//! Tickets: hop statements for whoever first presents a secret. Only the secret's hash is stored.

use crate::{Store, StoreError};
use sqlx::Row as _;
use weir_shared::id::AgentId;

/// What presenting a ticket came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// The first time: the hop statement that it stands for.
    First(String),
    /// It was presented before; the agent that began by it, if it came to that.
    Again(Option<AgentId>),
    /// No such ticket, or its time is over.
    Unknown,
}

impl Store {
    /// Keeps a ticket until `expires`.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ticket_add(
        &self,
        hash: &[u8; 32],
        parent: AgentId,
        hop: &str,
        expires: i64,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO tickets (hash, parent, hop, expires) VALUES ($1, $2, $3, $4)")
            .bind(hash.as_slice())
            .bind(parent.to_string())
            .bind(hop)
            .bind(expires)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Takes a ticket: a second time finds it taken, for a day.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ticket_take(&self, hash: &[u8; 32], now: i64) -> Result<Taken, StoreError> {
        const DAY: i64 = 86_400_000_000;
        sqlx::query("DELETE FROM tickets WHERE expires < $1").bind(now - DAY).execute(&self.pool).await?;
        let first = sqlx::query(
            "UPDATE tickets SET redeemed = $2 WHERE hash = $1 AND redeemed IS NULL AND expires > $2 RETURNING hop",
        )
        .bind(hash.as_slice())
        .bind(now)
        .fetch_optional(&self.pool)
        .await?;
        if let Some(row) = first {
            return Ok(Taken::First(row.try_get("hop")?));
        }
        let again = sqlx::query("SELECT redeemed_by FROM tickets WHERE hash = $1 AND redeemed IS NOT NULL")
            .bind(hash.as_slice())
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = again else { return Ok(Taken::Unknown) };
        let by: Option<String> = row.try_get("redeemed_by")?;
        Ok(Taken::Again(by.map(|id| id.parse().map_err(|_| StoreError::Decode("agent id"))).transpose()?))
    }

    /// This agent began by the ticket. False when the ticket was presented again meanwhile.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn ticket_redeemed(&self, hash: &[u8; 32], by: AgentId) -> Result<(), StoreError> {
        sqlx::query("UPDATE tickets SET redeemed_by = $2 WHERE hash = $1")
            .bind(hash.as_slice())
            .bind(by.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
