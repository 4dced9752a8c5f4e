//! One story through the whole store.

use super::{
    agents::{NewAgent, NotAdded},
    approvals::{Load, NewRequest, Verdict, Voted},
    logins::{Code, Redeemed, Refreshed},
    sessions::SessionRow,
    tickets::Taken,
    *,
};
use weir_shared::{
    api::{ApprovalRequest, Extent, Granted, Needs, Offers, RequestFacts, RequestKind, Vote},
    hop::Budget,
    id::{AgentId, ApprovalId, ResourceName, SessionId},
    keys::Thumbprint,
    scope::Scope,
};

#[tokio::test]
async fn a_user_logs_in_acts_asks_and_leaves_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.db");
    let store = Store::open(&file).await.unwrap();

    let user = store.user_add("alice", "hash", &["user".to_owned()]).await.unwrap();
    assert!(matches!(store.user_add("alice", "x", &[]).await, Err(StoreError::Exists(_))));
    for _ in 0..2 {
        store.user_tried("alice", false, 2, 500).await.unwrap();
    }
    assert_eq!(store.user("alice").await.unwrap().unwrap().locked_until, 500);

    let passkey = |id: &str| passkeys::Passkey {
        id: id.into(),
        name: "a phone".into(),
        credential: r#"{"counter":1}"#.into(),
        added: 1,
        used: None,
    };
    assert!(store.passkey_add(user, &passkey("one"), 2).await.unwrap());
    assert!(!store.passkey_add(user, &passkey("one"), 2).await.unwrap(), "known");
    assert!(store.passkey_add(user, &passkey("two"), 2).await.unwrap());
    assert!(!store.passkey_add(user, &passkey("three"), 2).await.unwrap(), "too many");
    let stored = store.passkeys(user).await.unwrap();
    assert!(store.passkey_used(&stored[0], r#"{"counter":2}"#, 7).await.unwrap());
    assert!(!store.passkey_used(&stored[0], r#"{"counter":2}"#, 7).await.unwrap(), "used by two at once");
    assert_eq!(store.passkeys(user).await.unwrap()[0].used, Some(7));
    assert!(!store.passkey_remove(weir_shared::id::UserId::generate(), "one").await.unwrap(), "another's");
    assert!(store.passkey_remove(user, "one").await.unwrap());

    let redeem = async |code: u8, fits, now| {
        store.code_redeem(&[code; 32], |_| fits, None, &[200; 32], now, 1000).await.unwrap()
    };
    for hash in 1..4 {
        let (redirect_uri, challenge) = ("http://127.0.0.1:1/callback".into(), "c".into());
        let code = Code { user, client: "weir-cli".into(), access: String::new(), redirect_uri, challenge };
        store.code_add(&[hash; 32], &code, 100).await.unwrap();
    }
    assert!(matches!(redeem(1, true, 101).await, Redeemed::Unknown), "late");
    assert!(matches!(redeem(2, false, 50).await, Redeemed::Unknown), "another's");
    assert!(matches!(redeem(2, true, 50).await, Redeemed::Unknown), "spent");
    let Redeemed::Login(first, _) = redeem(3, true, 50).await else { panic!("a good code") };
    assert!(store.login_of(&[200; 32], 60).await.unwrap().is_some_and(|login| login.id == first));
    assert!(matches!(redeem(3, true, 50).await, Redeemed::Again(login) if login == first));
    assert!(store.login_of(&[200; 32], 60).await.unwrap().is_none(), "a code that is used twice ends what it gave");

    let login = store.login_add(user, &[10; 32], 0, 1000).await.unwrap();
    let rotate = async |given, next| store.login_refresh(&[given; 32], &[next; 32], 1).await.unwrap();
    assert_eq!(rotate(10, 11).await, Refreshed::Rotated(login, 1000));
    assert_eq!(rotate(10, 12).await, Refreshed::Rotated(login, 1000), "the answer was lost");
    assert_eq!(rotate(12, 13).await, Refreshed::Rotated(login, 1000));
    let agent = store.agent_add(login, &agent_of(5, 900), 0).await.unwrap();
    assert_eq!(store.agent(Thumbprint::from_bytes([5; 32]), 1).await.unwrap().unwrap().user_name, "alice");
    assert!(store.agent(Thumbprint::from_bytes([5; 32]), 900).await.unwrap().is_none(), "expired");
    assert_eq!(store.access_of(agent).await.unwrap().as_deref(), Some(""));
    assert!(!store.login_revoke(&[13; 32], "another").await.unwrap(), "not its client");
    assert_eq!(rotate(10, 14).await, Refreshed::Reused(login));
    assert_eq!(rotate(13, 15).await, Refreshed::Unknown, "the login is over");
    assert!(store.agent(Thumbprint::from_bytes([5; 32]), 1).await.unwrap().is_none());

    let (session, resource) = (SessionId::generate(), ResourceName::new("db").unwrap());
    let (name, database) = (resource.clone(), "shop".to_owned());
    let mut row = SessionRow::begun(session, agent, "alice".into(), name, database, "weir".into(), 1);
    store.sessions_record(&[row.clone()]).await.unwrap();
    assert_eq!(store.sessions_newest().await.unwrap(), 1);
    assert_eq!(store.sessions_unfinished().await.unwrap(), [session]);
    let request = a_request(session, agent, resource);
    let id = request.id;
    store.approval_insert(&NewRequest { request: &request, likeness: "l", pattern: "p" }).await.unwrap();
    let vote = async |by, approve, now| {
        let vote = a_vote(by, approve);
        store.approval_vote(id, &vote, |_, votes| enough(votes, 2), now).await.unwrap()
    };
    let consume =
        async |bindings: &[&str]| store.approval_consume(session, bindings, 2).await.unwrap().map(|used| used.id);
    assert_eq!(vote("alice", true, 2).await, Voted::No, "not one's own");
    assert_eq!(vote("rita", true, 100).await, Voted::No, "too late");
    assert_eq!(consume(&["d"]).await, None, "not approved");
    assert_eq!(vote("rita", true, 2).await, Voted::Counted);
    assert_eq!(vote("rita", true, 2).await, Voted::Before, "two people, not one twice");
    assert_eq!(vote("rolf", true, 2).await, Voted::Decided);
    assert_eq!(vote("rudi", false, 2).await, Voted::No, "once");
    assert_eq!(consume(&["other"]).await, None, "bound to its digest");
    assert_eq!(store.approval_consume(SessionId::generate(), &["d"], 2).await.unwrap(), None, "and its session");
    assert_eq!(consume(&["other", "d"]).await, Some(id));
    assert_eq!(consume(&["d"]).await, None, "once");
    let view = store.approval(id).await.unwrap().unwrap();
    assert_eq!(
        (view.state.as_str(), view.decided_by.as_deref(), view.votes.len()),
        ("consumed", Some("rita, rolf"), 2)
    );
    assert_eq!(store.approvals_load("alice", 0, 2).await.unwrap(), Load { pending: 0, since: 1 });

    (row.view.ended_at, row.view.close_reason, row.view.masked) = (Some(9), Some("client closed".into()), 3);
    store.sessions_record(&[row.clone()]).await.unwrap();
    row.view.masked = 7;
    store.sessions_record(&[row]).await.unwrap();
    assert_eq!(store.session(session).await.unwrap().unwrap().masked, 3);
    for event in ["one", "two", "three"] {
        store.audit_append(event, "alice", serde_json::json!({}), 1).await.unwrap();
    }
    assert_eq!(store.audit_verify().await.unwrap(), (3, None));
    sqlx::query("UPDATE audit SET actor = 'bob' WHERE seq = 2").execute(&store.pool).await.unwrap();
    assert_eq!(store.audit_verify().await.unwrap(), (1, Some(2)));
}

fn agent_of(key: u8, expires: i64) -> NewAgent<'static> {
    static WHOLE: Scope = Scope::WHOLE;
    let (key, budget) = (Thumbprint::from_bytes([key; 32]), Budget::default());
    NewAgent { key, expires, max_depth: 3, scope: &WHOLE, budget, evidence: "{}" }
}

fn a_request(session: SessionId, agent: AgentId, resource: ResourceName) -> ApprovalRequest {
    ApprovalRequest {
        id: ApprovalId::generate(),
        kind: RequestKind::Statement,
        session: Some(session),
        user: "alice".into(),
        agent,
        chain: vec![agent],
        resource,
        class: "sql.write".into(),
        statement: "DELETE".into(),
        parameters: vec![None],
        because: String::new(),
        facts: RequestFacts::default(),
        digest: "d".into(),
        bundle: String::new(),
        needs: Needs::default(),
        offers: Offers::default(),
        requested_at: 1,
        expires_at: 100,
    }
}

fn a_vote(by: &str, approve: bool) -> Vote {
    let (extent, reason) = (Extent::default(), "because".to_owned());
    Vote { by: by.into(), groups: vec![], approve, reason, extent, channel: "cli".into(), at: 2 }
}

fn enough(votes: &[Vote], quorum: usize) -> Option<Verdict> {
    let granted = Granted { extent: Extent::default(), left: 1, until: 100 };
    (votes.len() >= quorum).then(|| Verdict { granted, binding: "d".into() })
}

#[tokio::test]
async fn glass_is_broken_by_who_asks_and_looked_at_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("weir.db")).await.unwrap();
    let (session, agent) = (SessionId::generate(), AgentId::generate());
    let requests = [0, 1].map(|_| a_request(session, agent, ResourceName::new("db").unwrap()));
    for request in &requests {
        store.approval_insert(&NewRequest { request, likeness: "same", pattern: "" }).await.unwrap();
    }
    let [one, other] = requests.map(|request| request.id);
    assert_eq!(store.approval(one).await.unwrap().unwrap().identical, 2);
    assert_eq!(store.approvals_like(other).await.unwrap().len(), 2);
    let broken =
        async |id, user| store.approval_break_glass(id, user, "fire", &enough(&[], 0).unwrap(), 2).await.unwrap();
    assert!(!broken(one, "bob").await, "only one's own");
    assert!(broken(one, "alice").await);
    assert!(!broken(other, "alice").await, "not while the last one was not looked at");
    assert!(!store.approval_review(one, "alice", "fine").await.unwrap());
    assert_eq!(store.approvals(Some("review"), None).await.unwrap().len(), 1);
    assert!(store.approval_review(one, "rita", "rita: fine").await.unwrap());
    assert!(!store.approval_review(one, "rita", "rita: fine").await.unwrap());
    assert!(broken(other, "alice").await);
    store.approvals_of_session_end(session).await.unwrap();
    assert_eq!(store.approval_consume(session, &["d"], 2).await.unwrap(), None, "the session is over");
}

#[tokio::test]
async fn agents_are_a_tree() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("weir.db")).await.unwrap();
    let user = store.user_add("alice", "hash", &[]).await.unwrap();
    let login = store.login_add(user, &[1; 32], 0, 1000).await.unwrap();
    let key = |n: u8| Thumbprint::from_bytes([n; 32]);
    let child = async |parent, n, expires| store.agent_add_child(parent, &agent_of(n, expires), "hop", 2, 1).await;

    let root = store.agent_add(login, &agent_of(1, 500), 0).await.unwrap();
    assert!(matches!(child(root, 1, 100).await, Err(NotAdded::Store(StoreError::Exists(_)))), "a key has one agent");
    let middle = child(root, 2, 900).await.unwrap();
    let leaf = child(middle, 3, 300).await.unwrap();
    let found = store.agent(key(3), 1).await.unwrap().unwrap();
    assert_eq!(found.chain.iter().map(|link| link.id).collect::<Vec<_>>(), [root, middle, leaf]);
    assert_eq!(store.agent(key(2), 1).await.unwrap().unwrap().expires, 500, "not after its parent");

    let beside = child(root, 4, 400).await.unwrap();
    assert!(matches!(child(root, 5, 400).await, Err(NotAdded::Crowded)));
    assert!(store.agent_renew(leaf, 9999, 1).await.unwrap());
    assert_eq!(store.agent(key(3), 1).await.unwrap().unwrap().expires, 500, "still not after its parent");

    let below = store.agents(None, Some(middle), true, 1, 10).await.unwrap();
    assert_eq!(below.iter().map(|view| view.id).collect::<Vec<_>>(), [middle, leaf]);
    assert_eq!(store.agent_end(middle, "revoked", 2).await.unwrap().len(), 2);
    assert!(store.agent(key(3), 2).await.unwrap().is_none() && store.agent(key(2), 2).await.unwrap().is_none());
    assert!(store.agent(key(1), 2).await.unwrap().is_some() && store.agent(key(4), 2).await.unwrap().is_some());
    assert!(!store.agent_renew(leaf, 400, 2).await.unwrap(), "what has ended does not come back");
    assert!(matches!(child(leaf, 6, 400).await, Err(NotAdded::Orphan)));
    assert_eq!(store.agents(Some("alice"), None, false, 2, 10).await.unwrap().len(), 2);
    assert_eq!(store.agent_view(leaf, 2).await.unwrap().unwrap().ended_why.as_deref(), Some("revoked"));
    child(root, 7, 400).await.unwrap();

    let keeps = NewAgent { evidence: "{\"pid\":7,\"keeps_tunnel\":true}", ..agent_of(8, 100) };
    let keeps = store.agent_add(login, &keeps, 2).await.unwrap();
    assert_eq!(store.agents_keeping_tunnels(2).await.unwrap(), [keeps]);
    assert!(store.agents_keeping_tunnels(100).await.unwrap().is_empty(), "it has expired");

    store.agent_used(&[root, beside], 3, 70).await.unwrap();
    assert_eq!(store.agent_usage(root).await.unwrap(), (3, 70));

    store.ticket_add(&[1; 32], root, "hop", 60).await.unwrap();
    assert_eq!(store.ticket_take(&[2; 32], 5).await.unwrap(), Taken::Unknown);
    assert_eq!(store.ticket_take(&[1; 32], 5).await.unwrap(), Taken::First("hop".into()));
    store.ticket_redeemed(&[1; 32], beside).await.unwrap();
    assert_eq!(store.ticket_take(&[1; 32], 6).await.unwrap(), Taken::Again(Some(beside)));
    store.ticket_add(&[3; 32], root, "hop", 60).await.unwrap();
    assert_eq!(store.ticket_take(&[3; 32], 61).await.unwrap(), Taken::Unknown, "too late");
}

#[tokio::test]
async fn a_damaged_file_is_said_to_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.db");
    std::fs::write(&file, vec![b'x'; 8192]).unwrap();
    assert!(matches!(Store::open(&file).await, Err(StoreError::Corrupt(_))));
}
