//! People for whom a channel vouches: they press a button elsewhere, and a signature says who it was. The channel, its
//! signature and the mapping to a weir user are checked by [`crate::channel`], the only caller.

use super::{Principal, access::Access};
use weir_shared::{
    config::checked::Scope,
    hop::Budget,
    id::{AgentId, LoginId},
    scope,
};
use weir_store::{
    Store, StoreError,
    agents::{Agent, Link},
};

/// A user by their name, for one decision: none when there is no such user, they are disabled, or no person.
///
/// What comes back has no key and is not stored, so that nothing can connect or call as it; its right to act has ended by the
/// time that anybody could look.
///
/// # Errors
/// When the store fails.
pub(crate) async fn vouched(store: &Store, user: &str, now: i64) -> Result<Option<Principal>, StoreError> {
    let Some(user) = store.user(user).await?.filter(|user| !user.disabled) else { return Ok(None) };
    if store.user_is_workload(user.id).await? {
        return Ok(None);
    }
    let id = AgentId::generate();
    let agent = Agent {
        id,
        user: user.id,
        user_name: user.name,
        roles: user.roles,
        workload: false,
        login: LoginId::generate(),
        expires: now,
        login_expires: now,
        max_depth: 0,
        hop: String::new(),
        chain: vec![Link { id, scope: scope::Scope::WHOLE, budget: Budget::default() }],
    };
    Ok(Some(Principal { agent, access: Access::of([Scope::Approve]) }))
}
