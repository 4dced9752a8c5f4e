//! `[[approvals.webhook]]` and `[approvals.slack]`.

use super::{
    Reader, credential,
    identity::{is_reachable, text, texts},
    join, offset,
};
use crate::config::{
    checked::{Channels, CredentialSource, Endpoint, Slack, Webhook, WebhookEvent},
    reference::{self, Key},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};
use toml_edit::{Item, TableLike};

/// Webhooks at most: each has a queue.
const MOST: usize = 16;

impl Reader<'_> {
    pub(super) fn channels(&mut self, approvals: &dyn TableLike) -> Channels {
        let mut webhooks = Vec::new();
        if let Some(item) = approvals.get("webhook") {
            let tables = self.tables(item, "approvals.webhook");
            if tables.len() > MOST {
                self.problem(offset(item), "approvals.webhook", "are too many".to_owned(), "16 at most");
            }
            for (index, (place, table)) in tables.into_iter().enumerate() {
                webhooks.push(self.webhook(place, table, &format!("approvals.webhook.{index}")));
            }
        }
        Channels { webhooks, slack: approvals.get("slack").and_then(|item| self.slack(item)) }
    }

    fn webhook(&mut self, place: usize, table: &dyn TableLike, at: &str) -> Webhook {
        const KEYS: &[Key] = reference::WEBHOOK;
        self.unknown(table, at, KEYS);
        self.needs(place, table, at, KEYS, &["url", "secret"]);
        let folder = self.folder.to_owned();
        let events = |item: &Item| -> Option<BTreeSet<WebhookEvent>> {
            let known = |name: &String| WebhookEvent::ALL.into_iter().find(|event| event.as_str() == name);
            texts(item)?.iter().map(known).collect()
        };
        Webhook {
            endpoint: self.endpoint(table, at, KEYS, "url", ""),
            secret: self.value(table, at, KEYS, "secret", CredentialSource::None, |item| secret_of(item, &folder)),
            events: self.value(table, at, KEYS, "events", WebhookEvent::ALL.into(), events),
            users: self
                .value(table, at, KEYS, "users", BTreeSet::new(), |item| Some(texts(item)?.into_iter().collect())),
        }
    }

    fn slack(&mut self, item: &Item) -> Option<Slack> {
        const KEYS: &[Key] = reference::SLACK;
        let at = "approvals.slack";
        let Some(table) = item.as_table_like() else {
            self.problem(offset(item), at, "is not a table".to_owned(), "[approvals.slack]");
            return None;
        };
        self.unknown(table, at, KEYS);
        self.needs(offset(item), table, at, KEYS, &["token", "signing_secret", "channel"]);
        let folder = self.folder.to_owned();
        let id = |text: &str| (2..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let secret = |item: &Item| secret_of(item, &folder);
        Some(Slack {
            endpoint: self.endpoint(table, at, KEYS, "base_url", "https://slack.com/api"),
            token: self.value(table, at, KEYS, "token", CredentialSource::None, secret),
            signing_secret: self.value(table, at, KEYS, "signing_secret", CredentialSource::None, secret),
            channel: self
                .value(table, at, KEYS, "channel", String::new(), |item| text(item).filter(|channel| id(channel))),
            users: self.value(table, at, KEYS, "users", BTreeMap::new(), |item| {
                let users = item.as_table_like()?.iter();
                users.map(|(slack, user)| Some((slack.to_owned(), text(user)?)).filter(|_| id(slack))).collect()
            }),
        })
    }

    fn endpoint(&mut self, table: &dyn TableLike, at: &str, keys: &[Key], name: &str, default: &str) -> Endpoint {
        let http = self.value(table, at, keys, "http", false, Item::as_bool);
        let folder = self.folder.to_owned();
        let url = self.value(table, at, keys, name, default.to_owned(), |item| {
            let url = text(item).filter(|url| is_reachable(url, http) && !url.contains('#'))?;
            Some(url.trim_end_matches('/').to_owned()).filter(|url| name == "url" || !url.contains('?'))
        });
        if http {
            self.warn(table.get("http").map_or(0, offset), &join(at, "http"), "is for tests: nothing is encrypted");
        }
        let ca = self.value(table, at, keys, "ca", None, |item| text(item).map(|path| Some(folder.join(path))));
        Endpoint { url, ca, http }
    }
}

/// A secret there must be.
fn secret_of(item: &Item, folder: &Path) -> Option<CredentialSource> {
    credential(item, folder).filter(|source| *source != CredentialSource::None)
}

#[cfg(test)]
mod tests {
    use crate::config::{checked::WebhookEvent, parse};
    use std::path::Path;

    const GOOD: &str = r#"
[[approvals.webhook]]
url = "https://hooks.example/weir?to=ops"
secret = "file:keys/hook"
events = ["requested", "broken-glass"]
users = ["rita"]
[[approvals.webhook]]
url = "http://127.0.0.1:9/x"
http = true
secret = "env:HOOK"
[approvals.slack]
token = "file:keys/slack"
signing_secret = "file:keys/slack-signing"
channel = "C0123ABCD"
users = { U0AB = "rita" }
"#;

    #[test]
    fn webhooks_and_slack_are_read() {
        let (config, warnings) = parse(GOOD, Path::new("/etc/weir/x.toml")).unwrap();
        let [one, other] = config.channels.webhooks.as_slice() else { panic!("two") };
        assert_eq!(one.events, [WebhookEvent::Requested, WebhookEvent::BrokenGlass].into());
        assert!(one.users.contains("rita") && other.users.is_empty() && other.events.len() == 3);
        let slack = config.channels.slack.unwrap();
        assert_eq!((slack.endpoint.url.as_str(), slack.users["U0AB"].as_str()), ("https://slack.com/api", "rita"));
        assert!(warnings.iter().any(|problem| problem.key == "approvals.webhook.1.http"), "{warnings:?}");
    }

    #[test]
    fn what_would_send_in_clear_or_hold_a_secret_is_a_problem() {
        for (from, to, said) in [
            ("https://hooks.example/weir?to=ops", "http://hooks.example/", "approvals.webhook.0.url"),
            ("http = true", "http = false", "approvals.webhook.1.url"),
            ("file:keys/hook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "approvals.webhook.0.secret"),
            ("file:keys/hook", "none", "approvals.webhook.0.secret"),
            ("\"file:keys/slack\"", "\"xoxb-1\"", "approvals.slack.token"),
            ("\"broken-glass\"", "\"everything\"", "approvals.webhook.0.events"),
            ("C0123ABCD", "#ops", "approvals.slack.channel"),
            ("U0AB =", "\"<!here>\" =", "approvals.slack.users"),
            ("channel =", "base_url = \"http://127.0.0.1:9/api\"\nchannel =", "approvals.slack.base_url"),
            ("token = \"file:keys/slack\"", "", "token: is missing"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let problems = parse(&GOOD.replace(from, to), Path::new("x.toml")).unwrap_err();
            let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
            assert!(shown.iter().any(|line| line.contains(said)), "{to}: {shown:#?}");
            assert!(!shown.iter().any(|line| line.contains("whsec_") || line.contains("xoxb")), "{shown:?}");
        }
    }
}
