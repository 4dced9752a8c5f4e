//! Ids that count once, or no more.

use crate::{Store, StoreError};

impl Store {
    /// Remembers an id until `expires`; false when it is known already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn spend(&self, id: &[u8; 32], now: i64, expires: i64) -> Result<bool, StoreError> {
        sqlx::query("DELETE FROM spent_ids WHERE expires < $1").bind(now).execute(&self.pool).await?;
        let added = sqlx::query("INSERT OR IGNORE INTO spent_ids (hash, expires) VALUES ($1, $2)")
            .bind(id.as_slice())
            .bind(expires)
            .execute(&self.pool)
            .await?;
        Ok(added.rows_affected() == 1)
    }

    /// True when one of these ids was spent.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn is_spent(&self, ids: [&[u8; 32]; 2]) -> Result<bool, StoreError> {
        let [one, other] = ids.map(|id| id.as_slice());
        let row = sqlx::query("SELECT 1 FROM spent_ids WHERE hash IN ($1, $2)")
            .bind(one)
            .bind(other)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.is_some())
    }
}
