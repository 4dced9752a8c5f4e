//! Resources that were made over the API, beside those of the configuration file.

use crate::{Store, StoreError, audit, parsed};
use sqlx::Row as _;
use weir_shared::id::ResourceName;

/// A change of one resource's definition, with the event that tells of it.
#[derive(Clone, Debug)]
pub struct ResourceChange<'a> {
    /// Which.
    pub name: &'a ResourceName,
    /// What is there now, as whoever changes it has seen it; none when nothing is.
    pub before: Option<&'a str>,
    /// What will be; none is nothing.
    pub after: Option<&'a str>,
    /// The audit log's event.
    pub event: &'a str,
    /// Who does it.
    pub actor: &'a str,
    /// More of the event.
    pub body: serde_json::Value,
}

impl Store {
    /// Every definition, by name.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resources(&self) -> Result<Vec<(ResourceName, String)>, StoreError> {
        let rows = sqlx::query("SELECT name, definition FROM resources ORDER BY name").fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((parsed(row, "name", "resource")?, row.try_get("definition")?))).collect()
    }

    /// Changes a definition and tells of it, or neither. False when something else than `before` is there.
    ///
    /// # Errors
    /// When the store fails: then nothing has changed.
    pub async fn resource_change(&self, change: &ResourceChange<'_>, now: i64) -> Result<bool, StoreError> {
        let ResourceChange { name, before, after, event, actor, body } = change;
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let known = sqlx::query_scalar::<_, String>("SELECT definition FROM resources WHERE name = $1")
            .bind(name.as_str())
            .fetch_optional(&mut *transaction)
            .await?;
        if known.as_deref() != *before {
            return Ok(false);
        }
        match after {
            Some(after) => {
                sqlx::query(
                    "INSERT INTO resources (name, definition, changed, actor) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (name) DO UPDATE SET definition = $2, changed = $3, actor = $4",
                )
                .bind(name.as_str())
                .bind(*after)
                .bind(now)
                .bind(*actor)
                .execute(&mut *transaction)
                .await?;
            }
            None => {
                sqlx::query("DELETE FROM resources WHERE name = $1")
                    .bind(name.as_str())
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        audit::append(&mut transaction, event, actor, body, now).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_definition_changes_with_its_event_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("weir.db")).await.unwrap();
        let shop = ResourceName::new("shop").unwrap();
        let change = async |before, after| {
            let body = serde_json::json!({});
            let change = ResourceChange { name: &shop, before, after, event: "resource.changed", actor: "adam", body };
            store.resource_change(&change, 7).await.unwrap()
        };
        assert!(!change(Some("a"), Some("b")).await && !change(Some("a"), None).await, "it is not there");
        assert!(change(None, Some("a")).await && !change(None, Some("b")).await, "it is there");
        assert!(change(Some("a"), Some("b")).await && !change(Some("a"), None).await, "it is another now");
        assert_eq!(store.resources().await.unwrap(), [(shop.clone(), "b".to_owned())]);
        assert!(change(Some("b"), None).await);
        assert!(store.resources().await.unwrap().is_empty());
        assert_eq!(store.audit("resource.", 9).await.unwrap().len(), 3);
        assert_eq!(store.audit_verify().await.unwrap(), (3, None));
    }
}
