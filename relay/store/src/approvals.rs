//! Requests for a human's decision. Every change of state is one write that names the state it leaves, so that of two
//! that race one wins.

use crate::{Store, StoreError, parsed};
use sqlx::{Row as _, sqlite::SqliteRow};
use std::collections::HashMap;
use weir_shared::{
    api::{ApprovalRequest, ApprovalView, Granted, Vote},
    id::{ApprovalId, SessionId},
};

/// An approval that was used once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumed {
    /// Which.
    pub id: ApprovalId,
    /// Who gave it.
    pub by: String,
    /// `consumed` when that was its last use, else as before.
    pub state: String,
}

/// A request that begins to wait.
#[derive(Clone, Copy, Debug)]
pub struct NewRequest<'a> {
    /// As it was made.
    pub request: &'a ApprovalRequest,
    /// The same for requests that say the same, whichever session they come from.
    pub likeness: &'a str,
    /// The same for requests that differ in constants only; empty when there is no such thing.
    pub pattern: &'a str,
}

/// What came of a person's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voted {
    /// It is decided.
    Decided,
    /// More people are needed.
    Counted,
    /// They have said theirs before.
    Before,
    /// It is not pending any more, or it is their own.
    No,
}

/// What an approval lets run, and how often.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// How far it goes.
    pub granted: Granted,
    /// What it is bound to.
    pub binding: String,
}

/// How much somebody asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests that wait.
    pub pending: u32,
    /// Requests since a time.
    pub since: u32,
}

fn json<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Decode(what))
}

fn text(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Decode("request"))
}

fn view(row: &SqliteRow) -> Result<ApprovalView, StoreError> {
    let granted: Option<String> = row.try_get("granted")?;
    let left: u32 = row.try_get("uses")?;
    let granted = granted.map(|granted| json::<Granted>(&granted, "grant")).transpose()?;
    Ok(ApprovalView {
        request: json(row.try_get("request")?, "request")?,
        state: row.try_get("state")?,
        identical: row.try_get("identical")?,
        repeated: row.try_get("repeated")?,
        votes: Vec::new(),
        granted: granted.map(|granted| Granted { left, ..granted }),
        decided_by: row.try_get("decided_by")?,
        reason: row.try_get("reason")?,
        review: row.try_get("review")?,
        url: String::new(),
    })
}

/// Requests with how many like them wait, and how many that differ in constants only were approved in the day before.
macro_rules! views {
    ($rest:literal) => {
        concat!(
            "SELECT a.*, (SELECT count(*) FROM approvals o WHERE o.likeness = a.likeness AND o.state = 'pending') \
               AS identical, (SELECT count(*) FROM approvals o WHERE a.pattern <> '' AND o.pattern = a.pattern \
               AND o.user = a.user AND o.state IN ('approved', 'consumed') AND o.requested > a.requested - 86400000000) \
               AS repeated FROM approvals a ",
            $rest
        )
    };
}

impl Store {
    /// A request begins to wait.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval_insert(&self, new: &NewRequest<'_>) -> Result<(), StoreError> {
        let request = new.request;
        sqlx::query(
            "INSERT INTO approvals (id, kind, session, agent, user, resource, likeness, pattern, request, state, requested, \
             expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, $11)",
        )
        .bind(request.id.to_string())
        .bind(request.kind.as_str())
        .bind(request.session.map(|session| session.to_string()))
        .bind(request.agent.to_string())
        .bind(&request.user)
        .bind(request.resource.as_str())
        .bind(new.likeness)
        .bind(new.pattern)
        .bind(text(request)?)
        .bind(request.requested_at)
        .bind(request.expires_at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How much this user asks.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approvals_load(&self, user: &str, since: i64, now: i64) -> Result<Load, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) FILTER (WHERE state = 'pending' AND expires > $3) AS pending, \
             count(*) FILTER (WHERE requested > $2) AS since FROM approvals WHERE user = $1",
        )
        .bind(user)
        .bind(since)
        .bind(now)
        .fetch_one(&self.pool)
        .await?;
        Ok(Load { pending: row.try_get("pending")?, since: row.try_get("since")? })
    }

    /// How many requests wait.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approvals_pending(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT count(*) FROM approvals WHERE state = 'pending'").fetch_one(&self.pool).await?;
        Ok(row.try_get::<i64, _>(0)?.cast_unsigned())
    }

    /// The newest request that says the same and was denied since a time: who denied it, and why.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval_denied(&self, likeness: &str, since: i64) -> Result<Option<ApprovalView>, StoreError> {
        let row = sqlx::query(views!(
            "WHERE a.likeness = $1 AND a.state = 'denied' AND a.decided > $2 ORDER BY a.decided DESC LIMIT 1"
        ));
        row.bind(likeness).bind(since).fetch_optional(&self.pool).await?.as_ref().map(view).transpose()
    }

    /// One request, with what people said of it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval(&self, id: ApprovalId) -> Result<Option<ApprovalView>, StoreError> {
        let row = sqlx::query(views!("WHERE a.id = $1")).bind(id.to_string()).fetch_optional(&self.pool).await?;
        let Some(row) = row else { return Ok(None) };
        let mut views = vec![view(&row)?];
        self.add_votes(&mut views).await?;
        Ok(views.pop())
    }

    /// Requests, newest first; of one state, of one user.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approvals(&self, state: Option<&str>, user: Option<&str>) -> Result<Vec<ApprovalView>, StoreError> {
        let rows = sqlx::query(views!(
            "WHERE ($1 IS NULL OR a.state = $1 OR ($1 = 'review' AND a.review = 'due')) AND ($2 IS NULL OR a.user = $2) \
             ORDER BY a.requested DESC LIMIT 500"
        ))
        .bind(state)
        .bind(user)
        .fetch_all(&self.pool)
        .await?;
        let mut views = rows.iter().map(view).collect::<Result<Vec<_>, _>>()?;
        self.add_votes(&mut views).await?;
        Ok(views)
    }

    /// The requests that wait and say the same, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approvals_like(&self, id: ApprovalId) -> Result<Vec<ApprovalView>, StoreError> {
        let rows = sqlx::query(views!(
            "WHERE a.state = 'pending' AND a.likeness = (SELECT likeness FROM approvals WHERE id = $1) ORDER BY a.requested"
        ));
        rows.bind(id.to_string()).fetch_all(&self.pool).await?.iter().map(view).collect()
    }

    async fn add_votes(&self, views: &mut [ApprovalView]) -> Result<(), StoreError> {
        let ids: Vec<_> = views.iter().map(|view| view.request.id).collect();
        let rows = sqlx::query(
            "SELECT approval, vote FROM approval_votes WHERE approval IN (SELECT value FROM json_each($1)) ORDER BY at",
        );
        let mut votes: HashMap<String, Vec<Vote>> = HashMap::new();
        for row in rows.bind(text(&ids)?).fetch_all(&self.pool).await? {
            votes.entry(row.try_get("approval")?).or_default().push(json(row.try_get("vote")?, "vote")?);
        }
        for view in views {
            view.votes = votes.remove(&view.request.id.to_string()).unwrap_or_default();
        }
        Ok(())
    }

    /// A person says yes or no. The first no denies. `verdict` says of all who said yes whether they are enough, and what
    /// they grant together.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval_vote(
        &self,
        id: ApprovalId,
        vote: &Vote,
        verdict: impl FnOnce(&ApprovalRequest, &[Vote]) -> Option<Verdict>,
        now: i64,
    ) -> Result<Voted, StoreError> {
        // In one write: of two last votes that come together, one sees the other.
        let mut change = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let row = sqlx::query(
            "SELECT request FROM approvals WHERE id = $1 AND state = 'pending' AND expires > $2 AND user <> $3",
        )
        .bind(id.to_string())
        .bind(now)
        .bind(&vote.by)
        .fetch_optional(&mut *change)
        .await?;
        let Some(row) = row else { return Ok(Voted::No) };
        let request: ApprovalRequest = json(row.try_get("request")?, "request")?;
        let added = sqlx::query("INSERT INTO approval_votes VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
            .bind(id.to_string())
            .bind(&vote.by)
            .bind(vote.at)
            .bind(text(vote)?)
            .execute(&mut *change)
            .await?;
        if added.rows_affected() == 0 {
            return Ok(Voted::Before);
        }
        let rows = sqlx::query("SELECT vote FROM approval_votes WHERE approval = $1 ORDER BY at").bind(id.to_string());
        let rows = rows.fetch_all(&mut *change).await?;
        let votes: Vec<Vote> =
            rows.iter().map(|row| json(row.try_get("vote")?, "vote")).collect::<Result<_, StoreError>>()?;
        let by = |votes: &[Vote]| votes.iter().map(|vote| vote.by.as_str()).collect::<Vec<_>>().join(", ");
        if !vote.approve {
            sqlx::query(
                "UPDATE approvals SET state = 'denied', decided = $2, decided_by = $3, reason = $4 WHERE id = $1",
            )
            .bind(id.to_string())
            .bind(now)
            .bind(&vote.by)
            .bind(&vote.reason)
            .execute(&mut *change)
            .await?;
        } else if let Some(verdict) = verdict(&request, &votes) {
            approve(&mut change, id, &verdict, &by(&votes), &vote.reason, None, now).await?;
        } else {
            change.commit().await?;
            return Ok(Voted::Counted);
        }
        change.commit().await?;
        Ok(Voted::Decided)
    }

    /// Whoever asks breaks the glass: it is approved, and somebody else must look at it afterwards. False when it is not
    /// pending, not theirs, or something of theirs still waits for that look.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval_break_glass(
        &self,
        id: ApprovalId,
        user: &str,
        reason: &str,
        verdict: &Verdict,
        now: i64,
    ) -> Result<bool, StoreError> {
        let mut change = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let fit = sqlx::query(
            "SELECT 1 FROM approvals WHERE id = $1 AND user = $2 AND state = 'pending' AND expires > $3 \
             AND NOT EXISTS (SELECT 1 FROM approvals o WHERE o.user = $2 AND o.review = 'due')",
        )
        .bind(id.to_string())
        .bind(user)
        .bind(now)
        .fetch_optional(&mut *change)
        .await?;
        if fit.is_some() {
            approve(&mut change, id, verdict, user, reason, Some("due"), now).await?;
        }
        change.commit().await?;
        Ok(fit.is_some())
    }

    /// Somebody looked at a broken glass. False when nothing of that sort is due, or it is their own.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval_review(&self, id: ApprovalId, by: &str, what: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("UPDATE approvals SET review = $3 WHERE id = $1 AND review = 'due' AND user <> $2")
            .bind(id.to_string())
            .bind(by)
            .bind(what)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// An approval that lets one of these run in this session is used: which, and who gave it. Each use counts once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval_consume(
        &self,
        session: SessionId,
        bindings: &[&str],
        now: i64,
    ) -> Result<Option<Consumed>, StoreError> {
        let row = sqlx::query(
            "UPDATE approvals SET uses = uses - 1, state = CASE WHEN uses <= 1 THEN 'consumed' ELSE state END \
             WHERE id = (SELECT id FROM approvals WHERE session = $1 AND state = 'approved' AND uses > 0 AND until > $3 \
               AND binding IN (SELECT value FROM json_each($2)) ORDER BY uses, requested LIMIT 1) \
             RETURNING id, decided_by, state",
        )
        .bind(session.to_string())
        .bind(text(&bindings)?)
        .bind(now)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let by = row.try_get::<Option<String>, _>("decided_by")?.unwrap_or_default();
        Ok(Some(Consumed { id: parsed(&row, "id", "approval id")?, by, state: row.try_get("state")? }))
    }

    /// What was granted of scope and still holds.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approvals_of_scope(&self, now: i64) -> Result<Vec<ApprovalView>, StoreError> {
        let rows = sqlx::query(views!("WHERE a.kind = 'scope' AND a.state = 'approved' AND a.until > $1"));
        rows.bind(now).fetch_all(&self.pool).await?.iter().map(view).collect()
    }

    /// Who asked is gone. False when it was over already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approval_withdraw(&self, id: ApprovalId) -> Result<bool, StoreError> {
        const WITHDRAW: &str =
            "UPDATE approvals SET state = 'withdrawn' WHERE id = $1 AND state IN ('pending', 'approved')";
        let done = sqlx::query(WITHDRAW).bind(id.to_string()).execute(&self.pool).await?;
        Ok(done.rows_affected() > 0)
    }

    /// A session is over: nothing that was granted for it holds any longer.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approvals_of_session_end(&self, session: SessionId) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE approvals SET state = CASE WHEN state = 'approved' THEN 'consumed' ELSE 'withdrawn' END \
             WHERE session = $1 AND state IN ('pending', 'approved')",
        )
        .bind(session.to_string())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends requests whose time is over; which those are.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approvals_expire(&self, now: i64) -> Result<Vec<ApprovalId>, StoreError> {
        let rows = sqlx::query(
            "UPDATE approvals SET state = 'expired' WHERE (state = 'pending' AND expires <= $1) \
             OR (state = 'approved' AND until <= $1) RETURNING id",
        )
        .bind(now)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| parsed(row, "id", "approval")).collect()
    }

    /// Requests whose session has ended: what was not run will not be.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn approvals_orphaned(&self) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE approvals SET state = 'withdrawn', reason = COALESCE(reason, 'the relay was restarted') \
             WHERE state IN ('pending', 'approved') AND session IS NOT NULL \
               AND session NOT IN (SELECT id FROM sessions WHERE ended IS NULL)",
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

async fn approve(
    change: &mut sqlx::SqliteConnection,
    id: ApprovalId,
    verdict: &Verdict,
    by: &str,
    reason: &str,
    review: Option<&str>,
    now: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE approvals SET state = 'approved', decided = $2, decided_by = $3, reason = $4, granted = $5, binding = $6, \
         uses = $7, until = $8, review = $9 WHERE id = $1",
    )
    .bind(id.to_string())
    .bind(now)
    .bind(by)
    .bind(reason)
    .bind(text(&verdict.granted)?)
    .bind(&verdict.binding)
    .bind(verdict.granted.left)
    .bind(verdict.granted.until)
    .bind(review)
    .execute(change)
    .await?;
    Ok(())
}
