//! One policy as it was loaded: what its annotations say, whom its scope can ever apply to, and what it looks at.
//!
//! | annotation | value | says |
//! |---|---|---|
//! | `@id` | text, needed | its name in denials and recordings |
//! | `@enforce` | `shadow`, `warn` | not enforced: only noted when it matches |
//! | `@message`, `@next` | text | what a denial tells the client, and what to do next |
//! | `@quorum` | 1 to 10 | how many must approve |
//! | `@approvers` | groups, a comma between | each must be among those who approve |
//! | `@ttl`, `@window` | duration: `15m` | how long a request may wait; the longest grant |
//! | `@uses` | 1 to 1000000 | most uses of a grant |
//! | `@reason_required`, `@passkey` | none | who asks says why; who decides confirms with a passkey |

use super::{guard::Guard, needs::Needs, terms::Terms};
use cedar_policy::{ActionConstraint, Effect, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use weir_shared::config::duration_of;

/// Every annotation, with what it accepts.
const ANNOTATIONS: &[(&str, &str)] = &[
    ("id", "a name of its own"),
    ("enforce", "\"shadow\" or \"warn\"; without it the policy is enforced"),
    ("message", "a text for the client"),
    ("next", "a text for the client"),
    ("quorum", "a number from 1 to 10"),
    ("approvers", "names of groups, with a comma between"),
    ("ttl", "a duration: 90s, 15m, 8h, 2d"),
    ("window", "a duration: 90s, 15m, 8h, 2d"),
    ("uses", "a number from 1 to 1000000"),
    ("reason_required", "no value"),
    ("passkey", "no value"),
];

/// How far a policy counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Enforce {
    #[default]
    Fully,
    /// Its matches are told to the client.
    Warn,
    /// Its matches are only recorded.
    Shadow,
}

/// What the annotations of a policy say beside its name.
#[derive(Debug, Default)]
pub(super) struct Says {
    pub(super) enforce: Enforce,
    pub(super) terms: Terms,
    pub(super) message: Option<Arc<str>>,
    pub(super) next: Option<Arc<str>>,
}

/// A policy with all that is known of it.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) policy: Policy,
    pub(super) says: Says,
    pub(super) needs: Needs,
    pub(super) guard: Guard,
}

/// What is wrong with an annotation.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) annotation: String,
    pub(super) message: String,
    pub(super) hint: String,
}

impl Says {
    /// Reads the annotations of a policy.
    pub(super) fn read(policy: &Policy) -> Result<Self, Vec<Wrong>> {
        let (mut says, mut wrong) = (Self::default(), Vec::new());
        for (name, value) in policy.annotations() {
            if says.take(name, value).is_some() {
                continue;
            }
            let known = ANNOTATIONS.iter().find(|(known, _)| *known == name);
            let (message, hint) = match known {
                Some((_, accepted)) => {
                    (format!("@{name}(\"{value}\") is not accepted"), format!("it takes {accepted}"))
                }
                None => {
                    let all: Vec<String> = ANNOTATIONS.iter().map(|(known, _)| format!("@{known}")).collect();
                    (format!("there is no annotation @{name}"), format!("weir knows {}", all.join(", ")))
                }
            };
            wrong.push(Wrong { annotation: name.to_owned(), message, hint });
        }
        if wrong.is_empty() { Ok(says) } else { Err(wrong) }
    }

    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        let text = || Some(Arc::from(value)).filter(|text: &Arc<str>| !text.trim().is_empty());
        let time = || duration_of(value).filter(|time| *time >= Duration::from_secs(1));
        match name {
            "id" => {}
            "enforce" => {
                self.enforce = match value {
                    "shadow" => Enforce::Shadow,
                    "warn" => Enforce::Warn,
                    _ => return None,
                }
            }
            "message" => self.message = Some(text()?),
            "next" => self.next = Some(text()?),
            "quorum" => self.terms.quorum = value.parse().ok().filter(|number| (1..=10).contains(number))?,
            "approvers" => {
                let groups: BTreeSet<String> = value.split(',').map(|group| group.trim().to_owned()).collect();
                self.terms.approvers = Some(groups).filter(|groups| !groups.contains(""))?;
            }
            "ttl" => self.terms.ttl = Some(time()?),
            "window" => self.terms.window = Some(time()?),
            "uses" => {
                self.terms.uses = Some(value.parse().ok().filter(|number| (1..=1_000_000).contains(number))?);
            }
            // `@passkey` and `@passkey("")` are the same to the parser.
            "reason_required" if value.is_empty() => self.terms.reason_required = true,
            "passkey" if value.is_empty() => self.terms.passkey = true,
            _ => return None,
        }
        Some(())
    }
}

impl Rule {
    /// True when its scope does not rule out this question. Everything is known then, so a policy that is left out could
    /// not have applied.
    pub(super) fn applies(&self, principal: &Place, action: &EntityUid, resource: &Place) -> bool {
        let who = match self.policy.principal_constraint() {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Eq(uid) => principal.is(&uid),
            PrincipalConstraint::In(uid) => principal.is_in(&uid),
            PrincipalConstraint::Is(kind) => kind == *principal.uid.type_name(),
            PrincipalConstraint::IsIn(kind, uid) => kind == *principal.uid.type_name() && principal.is_in(&uid),
        };
        let on = || match self.policy.resource_constraint() {
            ResourceConstraint::Any => true,
            ResourceConstraint::Eq(uid) => resource.is(&uid),
            ResourceConstraint::In(uid) => resource.is_in(&uid),
            ResourceConstraint::Is(kind) => kind == *resource.uid.type_name(),
            ResourceConstraint::IsIn(kind, uid) => kind == *resource.uid.type_name() && resource.is_in(&uid),
        };
        who && self.is_about(action) && on()
    }

    fn is_about(&self, action: &EntityUid) -> bool {
        let is = |uid: &EntityUid| uid == action || (uid.id().unescaped() == "sql" && is_sql(action));
        match self.policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => uid == *action,
            ActionConstraint::In(uids) => uids.iter().any(is),
        }
    }

    pub(super) fn forbids(&self) -> bool {
        self.policy.effect() == Effect::Forbid
    }
}

/// The schema's one group of actions.
fn is_sql(action: &EntityUid) -> bool {
    action.id().unescaped().starts_with("sql.")
}

/// An entity and all that it is in.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) uid: EntityUid,
    pub(super) parents: Vec<EntityUid>,
}

impl Place {
    fn is(&self, uid: &EntityUid) -> bool {
        self.uid == *uid
    }

    fn is_in(&self, uid: &EntityUid) -> bool {
        self.is(uid) || self.parents.contains(uid)
    }
}
