//! One story through the whole store.

use super::{
    logins::{Code, Redeemed, Refreshed},
    sessions::SessionRow,
    *,
};
use weir_shared::{
    api::ApprovalView,
    id::{ApprovalId, ResourceName, SessionId},
    keys::Thumbprint,
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
    let agent = store.agent_add(login, Thumbprint::from_bytes([5; 32]), 0, 900).await.unwrap();
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
    let request = ApprovalView {
        id: ApprovalId::generate(),
        state: "pending".into(),
        session,
        user: "alice".into(),
        resource,
        class: "sql.write".into(),
        statement: "DELETE".into(),
        parameters: vec![None],
        digest: "d".into(),
        requested_at: 1,
        expires_at: 100,
        decided_by: None,
        reason: None,
    };
    store.approval_insert(&request, agent).await.unwrap();
    let decide = async |by, now| store.approval_decide(request.id, true, by, "", now).await.unwrap();
    assert!(!decide("alice", 2).await, "not one's own");
    assert!(!decide("rita", 100).await, "too late");
    assert!(!store.approval_consume(request.id, "d", 2).await.unwrap(), "not approved");
    assert!(decide("rita", 2).await);
    assert!(!decide("rita", 2).await, "once");
    assert!(!store.approval_consume(request.id, "other", 2).await.unwrap(), "bound to its digest");
    assert!(store.approval_consume(request.id, "d", 2).await.unwrap());
    assert!(!store.approval_consume(request.id, "d", 2).await.unwrap(), "once");

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

#[tokio::test]
async fn a_damaged_file_is_said_to_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weir.db");
    std::fs::write(&file, vec![b'x'; 8192]).unwrap();
    assert!(matches!(Store::open(&file).await, Err(StoreError::Corrupt(_))));
}
