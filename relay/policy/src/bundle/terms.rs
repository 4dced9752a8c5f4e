//! What an approval must satisfy: [`Terms`], merged to the strictest over the policies that led to the hold.

use std::{collections::BTreeSet, time::Duration};

/// Who must decide a held request, and what they may grant. The default asks for one approval of anybody who may approve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// So many distinct people must approve: 1 to 10. `@quorum`.
    pub quorum: u8,
    /// Groups whose approval is needed; empty: anybody's. Who decides must be in one of them, and each of them must be
    /// among those who approved; one person may stand for several. `@approvers`.
    pub approvers: BTreeSet<String>,
    /// How long the request may wait; none: as the relay is configured. `@ttl`.
    pub ttl: Option<Duration>,
    /// Who decides must say why. `@reason_required`.
    pub reason_required: bool,
    /// Who decides must confirm it with a passkey. `@passkey`.
    pub passkey: bool,
    /// Most uses that an approver may grant; none: as the relay is configured. `@uses`.
    pub uses: Option<u32>,
    /// The longest time for which an approver may grant it; none: as the relay is configured. `@window`.
    pub window: Option<Duration>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            quorum: 1,
            approvers: BTreeSet::new(),
            ttl: None,
            reason_required: false,
            passkey: false,
            uses: None,
            window: None,
        }
    }
}

/// The smaller one; none is no bound.
fn smaller<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl Terms {
    /// Both at once: the strictest of each.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.approvers.extend(other.approvers.iter().cloned());
        Self {
            quorum: self.quorum.max(other.quorum),
            approvers: self.approvers,
            ttl: smaller(self.ttl, other.ttl),
            reason_required: self.reason_required || other.reason_required,
            passkey: self.passkey || other.passkey,
            uses: smaller(self.uses, other.uses),
            window: smaller(self.window, other.window),
        }
    }

    /// What is asked for, as the annotations that ask for it; empty for the default.
    #[must_use]
    pub fn shown(&self) -> Vec<String> {
        let mut out = Vec::new();
        let mut add = |wanted: bool, name: &str, value: String| {
            if wanted {
                out.push(if value.is_empty() { format!("@{name}") } else { format!("@{name}(\"{value}\")") });
            }
        };
        let seconds = |time: Option<Duration>| format!("{}s", time.unwrap_or_default().as_secs());
        add(self.quorum > 1, "quorum", self.quorum.to_string());
        let groups: Vec<&str> = self.approvers.iter().map(String::as_str).collect();
        add(!groups.is_empty(), "approvers", groups.join(","));
        add(self.ttl.is_some(), "ttl", seconds(self.ttl));
        add(self.window.is_some(), "window", seconds(self.window));
        add(self.uses.is_some(), "uses", self.uses.unwrap_or_default().to_string());
        add(self.reason_required, "reason_required", String::new());
        add(self.passkey, "passkey", String::new());
        out
    }

    /// True when somebody in these groups may decide.
    #[must_use]
    pub fn may_decide(&self, groups: &[String]) -> bool {
        self.approvers.is_empty() || groups.iter().any(|group| self.approvers.contains(group))
    }

    /// True when the approvals of these people, each with their groups, are enough. They must be distinct: whose they are is
    /// the caller's to know.
    #[must_use]
    pub fn are_met(&self, approved: &[&[String]]) -> bool {
        let counted: Vec<_> = approved.iter().filter(|groups| self.may_decide(groups)).collect();
        counted.len() >= usize::from(self.quorum)
            && self.approvers.iter().all(|group| counted.iter().any(|groups| groups.contains(group)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_of_each_counts() {
        let one = Terms {
            quorum: 2,
            approvers: ["a".to_owned()].into(),
            ttl: Some(Duration::from_secs(60)),
            uses: Some(5),
            ..Terms::default()
        };
        let other = Terms {
            approvers: ["b".to_owned()].into(),
            ttl: Some(Duration::from_secs(30)),
            passkey: true,
            window: Some(Duration::from_secs(9)),
            ..Terms::default()
        };
        let both = Terms {
            quorum: 2,
            approvers: ["a".to_owned(), "b".to_owned()].into(),
            ttl: Some(Duration::from_secs(30)),
            reason_required: false,
            passkey: true,
            uses: Some(5),
            window: Some(Duration::from_secs(9)),
        };
        assert_eq!(one.clone().and(&other), both);
        assert_eq!(other.and(&one), both);
        assert_eq!(Terms::default().and(&one), one);
    }

    #[test]
    fn each_named_group_must_approve() {
        let groups = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (a, b, both, none) = (groups(&["a"]), groups(&["b", "x"]), groups(&["a", "b"]), groups(&["x"]));
        let terms = Terms { quorum: 2, approvers: ["a".to_owned(), "b".to_owned()].into(), ..Terms::default() };
        assert!(terms.may_decide(&a) && terms.may_decide(&b) && !terms.may_decide(&none));
        assert!(!terms.are_met(&[&a]));
        assert!(!terms.are_met(&[&both]), "one person is no quorum of two");
        assert!(!terms.are_met(&[&a, &a]), "nobody of b");
        assert!(!terms.are_met(&[&a, &none]), "who is of no named group does not count");
        assert!(terms.are_met(&[&a, &b]));
        assert!(terms.are_met(&[&both, &a]));
        assert!(Terms::default().may_decide(&none) && Terms::default().are_met(&[&none]));
    }
}
