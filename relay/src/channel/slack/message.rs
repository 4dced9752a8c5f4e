//! A request as a Slack message (Block Kit, <https://docs.slack.dev/block-kit>).
//!
//! What the requester has written stands in preformatted blocks only: `&`, `<` and `>` are escaped, so that nothing in it is a
//! mention, a link or a channel, and backticks are replaced, so that nothing in it ends the block. Everything else that is
//! not weir's own is plain text, which Slack does not look into.

use crate::{approval::text::visible, channel::shown::Shown};
use serde_json::{Value, json};

/// Characters of a preformatted text, once escaped. Slack takes 3000 of a section.
const FENCED: usize = 2800;
/// Characters of a fact. Slack takes 2000.
const FACT: usize = 400;

/// Which buttons a message has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Buttons {
    pub(super) approve: bool,
    pub(super) deny: bool,
}

/// What the requester has written, as Slack shows it: each text, and whether anything was cut.
struct Written {
    statement: String,
    parameters: String,
    because: String,
    cut: bool,
}

/// Text inside of a preformatted block; true when it had to be cut.
fn fenced(text: &str) -> (String, bool) {
    let (mut out, mut length) = (String::new(), 0);
    for c in visible(text).chars() {
        let mut own = [0; 4];
        let piece = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '`' => "\u{2cb}",
            c => c.encode_utf8(&mut own),
        };
        length += piece.chars().count();
        if length > FENCED {
            out.push('…');
            return (out, true);
        }
        out.push_str(piece);
    }
    (out, false)
}

fn written(shown: &Shown) -> Written {
    let values = shown.parameters.iter().enumerate();
    let values: Vec<String> =
        values.map(|(index, value)| format!("${} = {}", index + 1, value.as_deref().unwrap_or("NULL"))).collect();
    let [statement, parameters, because] =
        [&shown.statement, &values.join("\n"), &shown.because].map(|text| fenced(text));
    Written {
        cut: statement.1 || parameters.1 || because.1,
        statement: statement.0,
        parameters: parameters.0,
        because: because.0,
    }
}

/// Whether all that is asked for stands in the message.
pub(super) fn is_whole(shown: &Shown) -> bool {
    shown.complete && !written(shown).cut
}

fn plain(text: &str) -> Value {
    let text = visible(text);
    let cut: String = text.chars().take(FACT).collect();
    let cut = if cut.len() < text.len() { format!("{cut}…") } else { cut };
    // Slack takes no empty text.
    json!({ "type": "plain_text", "text": if cut.is_empty() { "-".to_owned() } else { cut }, "emoji": false })
}

fn preformatted(text: &str) -> Value {
    // `verbatim`: Slack looks for no links and names in it.
    let text = json!({ "type": "mrkdwn", "text": format!("```\n{text}\n```"), "verbatim": true });
    json!({ "type": "section", "text": text })
}

fn note(text: &str) -> Value {
    json!({ "type": "context", "elements": [plain(text)] })
}

fn facts(shown: &Shown) -> Vec<Value> {
    let hops: Vec<String> = shown.chain.iter().map(|hop| hop.claims.clone()).collect();
    let mut facts = vec![
        format!("Who: {}, by {}", shown.user, hops.join(" > ")),
        format!("Where: {}, database {}, as {}", shown.resource, shown.database, shown.role),
    ];
    if !shown.what.is_empty() {
        let within = if shown.in_transaction { ", inside an open transaction" } else { "" };
        facts.push(format!("Statement: {}, {} in {} bytes{within}", shown.what, shown.statements, shown.size));
        if !shown.has_where {
            facts.push("It has no WHERE that looks at a column".to_owned());
        }
    }
    if let Some(estimate) = &shown.estimate {
        facts.push(format!("Estimate: {}\n{}", estimate.in_words(), estimate.plan.join("\n")));
    } else if !shown.no_estimate.is_empty() {
        facts.push(format!("Estimate: none: {}", shown.no_estimate));
    }
    if shown.destructive {
        facts.push("It drops or truncates something".to_owned());
    }
    if !shown.writes.is_empty() {
        facts.push(format!("Writes: {}", shown.writes.join(", ")));
    }
    let groups =
        if shown.needs.groups.is_empty() { String::new() } else { format!(" of {}", shown.needs.groups.join(" and ")) };
    facts.push(format!("Needs: {}{groups}", shown.needs.quorum));
    if shown.lasts > 0 {
        facts.push(format!("Lasts: {} min at most", shown.lasts.div_ceil(60)));
    }
    if shown.identical > 1 {
        facts.push(format!("{} requests that say the same wait: a decision is for all of them", shown.identical));
    }
    // Slack takes ten.
    facts.iter().take(10).map(|fact| plain(fact)).collect()
}

/// One line of how it stands.
fn standing(shown: &Shown) -> String {
    let by = shown.decided_by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
    let why = shown.reason.as_deref().filter(|why| !why.is_empty()).map(|why| format!(": {why}")).unwrap_or_default();
    match (shown.state.as_str(), shown.review.as_deref()) {
        ("pending", _) => {
            let until = jiff::Timestamp::from_microsecond(shown.expires_at).map(|time| format!("{time:.0}"));
            // The first no decides, so that whoever has said something has said yes.
            let said: Vec<&str> = shown.votes.iter().map(|said| said.by.as_str()).collect();
            let said =
                if said.is_empty() { String::new() } else { format!("; approved so far by {}", said.join(", ")) };
            format!("waits until {}{said}", until.unwrap_or_default())
        }
        (_, Some("due")) => format!("{} broke the glass{why}. Somebody else must review it.", shown.user),
        (_, Some(review)) => format!("the glass was broken{by}{why}; reviewed: {review}"),
        ("approved" | "consumed", None) => format!("approved{by}{why}"),
        (state, None) => format!("{state}{by}{why}"),
    }
}

fn button(action: &str, label: &str, style: &str, value: &str) -> Value {
    json!({
        "type": "button", "action_id": action, "style": style, "value": value, "text": plain(label),
        "confirm": {
            "title": plain(label), "text": plain("Exactly what the message shows."), "confirm": plain(label),
            "deny": plain("Cancel"),
        },
    })
}

/// What `chat.postMessage` and `chat.update` take, but for where.
pub(super) fn message(shown: &Shown, buttons: Buttons) -> Value {
    let title = format!("{} asks: {} on {}", shown.user, shown.class, shown.resource);
    let standing = standing(shown);
    let written = written(shown);
    let mut blocks = vec![
        json!({ "type": "section", "text": plain(&title) }),
        json!({ "type": "section", "text": plain(&standing) }),
        json!({ "type": "section", "fields": facts(shown) }),
        note("Written by the requester, not by weir. Do not follow instructions in it:"),
        preformatted(&written.statement),
    ];
    if !written.parameters.is_empty() {
        blocks.push(preformatted(&written.parameters));
    }
    if !written.because.is_empty() {
        blocks.extend([note("Their reason:"), preformatted(&written.because)]);
    }
    if !shown.complete || written.cut {
        blocks
            .push(note("Some of it is masked or cut here. Who wants to approve it reads and approves it on its page."));
    }
    let link = json!({ "type": "mrkdwn", "text": format!("<{}|Its page>", link(&shown.url)), "verbatim": true });
    blocks.push(json!({ "type": "context", "elements": [link] }));
    let value = format!("{} {} {}", shown.id, shown.digest, shown.identical.max(1));
    let approve = buttons.approve.then(|| button("approve", "Approve", "primary", &value));
    let deny = buttons.deny.then(|| button("deny", "Deny", "danger", &value));
    let elements: Vec<Value> = approve.into_iter().chain(deny).collect();
    if !elements.is_empty() {
        blocks.push(json!({ "type": "actions", "block_id": "decision", "elements": elements }));
    }
    json!({
        "text": escaped(&format!("{title}: {standing}")), "blocks": blocks, "mrkdwn": false, "parse": "none",
        "link_names": false, "unfurl_links": false, "unfurl_media": false,
    })
}

/// What notifications show: Slack may look into it.
pub(super) fn escaped(text: &str) -> String {
    let text: String = visible(text).chars().take(FACT).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn link(url: &str) -> String {
    url.chars().filter(|c| !matches!(c, '<' | '>' | '|') && !c.is_whitespace() && !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_ends_a_block_or_mentions_anybody() {
        let (text, cut) = fenced("x```\n<!channel> *ok* <https://evil|Approve> & `\u{202e}` &lt;");
        assert_eq!(
            text,
            "x\u{2cb}\u{2cb}\u{2cb}\n&lt;!channel&gt; *ok* &lt;https://evil|Approve&gt; &amp; \u{2cb}\\u{202e}\u{2cb} &amp;lt;"
        );
        assert!(!cut);
        let (text, cut) = fenced(&"&".repeat(FENCED));
        assert!(cut && text.chars().count() <= FENCED + 1 && text.ends_with("&amp;…"), "{text}");
        assert_eq!(escaped("<!here>"), "&lt;!here&gt;");
        assert_eq!(plain("")["text"], "-");
    }
}
