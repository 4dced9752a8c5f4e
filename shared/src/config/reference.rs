//! Every key of the configuration, in one table: unknown keys are found by it, and the reference is printed from it.

use std::fmt::Write as _;

/// A key's documentation.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name within its table.
    pub name: &'static str,
    /// What it accepts, with the default.
    pub accepts: &'static str,
    /// What it does.
    pub does: &'static str,
}

macro_rules! keys {
    ($($name:literal, $accepts:literal, $does:literal;)*) => {
        &[$(Key { name: $name, accepts: $accepts, does: $does }),*]
    };
}

/// At the top.
pub const TOP: &[Key] = keys! {
    "listen", "address:port; 127.0.0.1:8443", "where QUIC (UDP) and HTTPS, WebSocket (TCP) are served";
    "metrics", "address:port; none", "where /metrics is served, without authentication: a loopback address";
    "public_url", "https://host:port; from listen", "how agents reach this relay";
    "database", "path; weir.db", "the SQLite file";
    "policies", "path; policies", "folder of *.cedar files";
    "policy", "table", "the guardrails that stand in front of the policies";
    "recordings", "path; recordings", "folder of recordings";
    "sealing_key", "path; keys/sealing.key", "64 hexadecimal digits that seal recordings";
    "token_keys", "path; keys/tokens", "folder of the keys that sign access tokens; made when it is not there";
    "retention", "duration; 0 keeps for ever", "how long recordings are kept";
    "login_lifetime", "duration; 12h", "how long a login lasts";
    "agent_lifetime", "duration; 8h", "how long an agent's key lasts";
    "agent_idle", "duration of at least 10s; 30m, 0 never", "an agent whose process is gone, without a tunnel or a call, ends after this";
    "tunnel_grace", "duration of at least 1s; 60s, 0 never", "an agent of `weir run` whose tunnel is lost, and all below it, ends after this unless it comes back";
    "approval_timeout", "duration; 15m", "how long a held request waits";
    "approvals", "table", "how much people may be asked, and how much they may grant";
    "drain_timeout", "duration; 30s", "how long sessions may go on after SIGTERM";
    "threads", "number; one fewer than cores", "threads that serve tunnels";
    "tls", "table", "the relay's certificate";
    "delegation", "table", "what agents may hand on to agents of their own";
    "limits", "table", "limits of connections, and of users across all resources";
    "identity", "table", "who is let in beside local users, and through which clients";
    "credentials", "tables", "secrets that resources may name";
    "resources", "tables", "the resources by name; more are made over the admin API";
};

/// In `[approvals]`.
pub const APPROVALS: &[Key] = keys! {
    "most_pending", "number; 20", "requests of one user that may wait at a time";
    "per_hour", "number; 200", "requests that one user may make in an hour";
    "denied_for", "duration; 1m", "what was denied is denied again without asking for so long";
    "uses", "number; 20", "runs that one approval may let happen";
    "window", "duration; 1h", "how long one approval may hold";
    "estimate", "true or false; true", "the server is asked to EXPLAIN a held statement, where nothing can run by that; who decides sees how many rows";
    "webhook", "list of tables, [[approvals.webhook]]; none", "receivers that are told of requests";
    "slack", "table; none", "a Slack channel that is told of requests";
};

/// In `[[approvals.webhook]]`. What is sent, and what is accepted back at `PUBLIC_URL/approvals/webhook`, is signed as
/// Standard Webhooks says.
pub const WEBHOOK: &[Key] = keys! {
    "url", "https://...", "where messages are sent";
    "ca", "path; the platform's roots", "CA of its certificate, PEM";
    "http", "true or false; false", "it may be http on loopback: for tests";
    "secret", "as [resources.NAME] credential, not \"none\"", "where its secret comes from: whsec_ and the Base64 of 24 to 64 random bytes";
    "events", "list of \"requested\", \"decided\", \"broken-glass\"; all", "what it is told";
    "users", "list of weir users; none", "in whose name it may send decisions, where policy permits the channel \"webhook\"";
};

/// In `[approvals.slack]`. The app's interactivity request address is `PUBLIC_URL/slack/interactions`, its scope `chat:write`.
pub const SLACK: &[Key] = keys! {
    "token", "as [resources.NAME] credential, not \"none\"", "where the bot's token comes from";
    "signing_secret", "as [resources.NAME] credential, not \"none\"", "where the app's signing secret comes from";
    "channel", "a channel's id, such as C0123ABCD", "where messages are posted";
    "users", "table, { SLACK_USER_ID = \"WEIR_USER\" }; none", "who decides by a button, where policy permits the channel \"slack\"";
    "base_url", "https://...; https://slack.com/api", "where Slack's API is";
    "ca", "path; the platform's roots", "CA of its certificate, PEM";
    "http", "true or false; false", "it may be http on loopback: for tests";
};

/// In `[policy]`.
pub const POLICY: &[Key] = keys! {
    "guardrails", "true or false; true", "the guardrails that ship with the relay stand in front of the folder's policies";
    "disable", "list of names, \"guardrail-...\"; none", "guardrails that do not";
};

/// In `[identity]`.
pub const IDENTITY: &[Key] = keys! {
    "local_users", "true or false; true", "local users may log in with their passwords";
    "oidc", "table", "the provider by which people log in";
    "workload", "list of tables, [[identity.workload]]", "platforms whose workloads may come";
    "clients", "tables, [[identity.clients]]", "OAuth clients beside weir itself";
};

/// In `[identity.oidc]`. The provider must know the redirect address `PUBLIC_URL/oauth/callback`.
pub const OIDC: &[Key] = keys! {
    "issuer", "https://..., as in the provider's tokens", "the OpenID Connect provider";
    "ca", "path; the platform's roots", "CA of its certificate, PEM";
    "http", "true or false; false", "the issuer may be http on loopback";
    "name", "text; the issuer's host", "its name on the login page";
    "client_id", "text", "which of its clients the relay is";
    "client_secret", "as [resources.NAME] credential; \"none\" for a public client", "where the client's secret comes from";
    "scopes", "list, \"openid\" in it; openid, profile, email", "what is asked for";
    "name_claim", "text; preferred_username", "the claim that names a user at the first login";
    "groups_claim", "text; groups", "the claim that lists a user's groups";
    "roles", "list; none", "roles of everyone who may log in";
    "groups", "table, { GROUP = \"ROLE\" } or { GROUP = [\"ROLE\", ...] }", "roles of a group's members; who has no role is kept out";
    "required_groups", "list; none", "one of these must be among a user's groups";
    "domains", "list; none", "a user's verified e-mail address must be of one of these";
};

/// In `[[identity.workload]]`.
pub const WORKLOAD: &[Key] = keys! {
    "kind", "\"github\", \"gitlab\", \"kubernetes\", \"circleci\", \"buildkite\" or \"oidc\"", "the platform: what its claims mean";
    "issuer", "https://...; github, gitlab and buildkite have one", "who signs its tokens";
    "ca", "path; the platform's roots", "CA of its certificate, PEM";
    "http", "true or false; false", "the issuer may be http on loopback";
    "audience", "text; public_url", "the one audience of its tokens";
    "lifetime", "duration, at most 24h; 1h", "how long a workload's login lasts";
    "rules", "list of tables, [[identity.workload.rules]]", "the first that fits says who a workload is";
};

/// In `[[identity.workload.rules]]`.
pub const WORKLOAD_RULE: &[Key] = keys! {
    "service", "a name: a-z A-Z 0-9 . _ - @", "the service identity";
    "roles", "list, neither admin nor reviewer", "its roles";
    "claims", "table, { CLAIM = \"TEXT\", CLAIM = [\"TEXT\", ...], CLAIM = { ... } }", "what its token must say, with an id that is never given to another";
    "allow", "list of \"unprotected_ref\", \"pull_request\", \"pull_request_target\" (github), \"unprotected_ref\", \"fork_merge_request\" (gitlab); none", "what is refused otherwise";
};

/// In `[tls]`.
pub const TLS: &[Key] = keys! {
    "certificate", "path; keys/relay.pem", "certificate chain, PEM";
    "key", "path; keys/relay.key", "private key, PEM";
};

/// In `[[identity.clients]]`.
pub const CLIENT: &[Key] = keys! {
    "id", "1 to 64 of a-z A-Z 0-9 . _ -", "client_id";
    "redirect_uris", "list of URIs: https, http to a loopback address (any port), or a private scheme with a dot; none", "where codes are sent, exactly";
    "grants", "list of \"authorization_code\", \"refresh_token\", \"device_code\", \"token_exchange\"; the first two", "what it may ask for";
    "auth", "\"none\", \"client_secret\" or \"private_key_jwt\"; none", "how it proves who it is";
    "secret", "path", "with client_secret: file with the SHA-256, hexadecimal, of a random secret of 32 characters or more";
    "keys", "path", "with private_key_jwt: file with its public keys, a JWK set";
    "scopes", "list of \"weir:read\", \"weir:approve\", \"weir:connect\", \"weir:admin\"; weir:read", "the most it may be granted";
    "introspect", "true or false; false", "may ask about the tokens of every client (a resource server)";
};

/// In `[delegation]`.
pub const DELEGATION: &[Key] = keys! {
    "child_lifetime", "duration; 15m", "how long a child lives unless its supervisor renews it";
    "max_depth", "number; 8", "how many hops a chain may have";
    "fan_out", "number; 64", "how many children of one agent may live at a time";
    "supervised_roots", "true or false; false", "let processes under `weir run` open a session of their own from the stored login";
};

/// In `[resources.NAME]`.
pub const RESOURCE: &[Key] = keys! {
    "kind", "\"postgres\"", "the protocol";
    "host", "\"name\", \"name:port,name\" or [\"name:port\", ...]; an IPv6 address with a port stands in [ ]", "where it is; several are tried in order";
    "port", "1 to 65535; 5432", "the port of hosts without one";
    "target_session_attrs", "\"any\", \"read-write\", \"read-only\", \"primary\", \"standby\" or \"prefer-standby\"; any", "what a session's host must be, as in libpq";
    "connect_timeout", "duration; 10s", "how long connecting and logging in to one host may take";
    "databases", "list of names, and of patterns with *; one name at least", "what may be asked for; the first name is the default";
    "role", "text", "the role weir logs in as";
    "credential", "\"env:NAME\", \"file:PATH\", \"none\", { exec = [...], timeout = \"5s\" } or \"named:NAME\", of [credentials.NAME]", "where its secret comes from; a named one says TLS and what is allowed as well";
    "tls", "\"verify-full\" or \"disable\"; verify-full", "TLS towards it";
    "ca", "path; the platform's roots", "CA of its certificate, PEM";
    "client_certificate", "path", "client certificate, PEM";
    "client_key", "path", "its key, PEM";
    "allow_md5", "true or false; false", "allow md5 authentication";
    "allow_cleartext", "true or false; false", "allow a clear-text password, over TLS only";
    "labels", "table of texts", "labels, for policy";
    "columns", "list of \"[schema.]table.column\"", "columns that are masked whole";
    "harmless_settings", "list of prefixes: [\"app.\"]", "settings of the application's own that sessions may set";
    "harmless_functions", "list: [\"public.total(integer)\"]", "functions of its own that only read";
    "mask", "table", "how what detectors find is masked";
    "limits", "table", "limits";
    "recording", "table", "what is recorded";
};

/// In `[credentials.NAME]`. What is made over the admin API must use one: who makes it chooses neither a secret nor whom it is
/// shown to.
pub const CREDENTIAL: &[Key] = keys! {
    "source", "\"env:NAME\", \"file:PATH\", \"none\" or { exec = [...], timeout = \"5s\" }", "where the secret comes from";
    "hosts", "as host of [resources.NAME], its port 5432 unless it is said; \"*.domain\" is one label more", "whom it may be shown to";
    "roles", "list of names; any", "roles that may log in with it";
    "tls", "\"verify-full\" or \"disable\"; verify-full", "TLS towards them";
    "ca", "path; the platform's roots", "CA of their certificates, PEM";
    "client_certificate", "path", "client certificate, PEM";
    "client_key", "path", "its key, PEM";
    "allow_md5", "true or false; false", "allow md5 authentication";
    "allow_cleartext", "true or false; false", "allow a clear-text password, over TLS only";
};

/// In `[limits]`.
pub const USERS: &[Key] = keys! {
    "strangers", "number; 1024", "connections that have not proven yet whose they are; what is beyond is turned away";
    "address", "number; 256", "of these from one address, or one /64 of IPv6";
    "agent", "number; 256", "connections and streams of one agent; one more is refused with 53300";
    "user", "table, as [resources.NAME.limits]; connections 100, nothing else", "limits of each user";
    "users", "tables by user, as [resources.NAME.limits]; what is left out is from [limits.user]", "limits of one user";
};

/// In `[resources.NAME.limits]`, `[limits.user]` and `[limits.users.NAME]`: the smaller of the resource's and the user's
/// limit holds; counts and rates are kept for each. By default only that is limited which guards the relay and the resource
/// against floods: a limit that cuts off work which is right is the administrator's to set.
pub const LIMITS: &[Key] = keys! {
    "connections", "number; 100", "sessions at a time; one more is refused with 53300";
    "statement_bytes", "number; 1048576", "largest statement; a larger one is refused with 54000";
    "rows", "number; 0 no limit", "most rows of one statement (a FETCH is one); its answer breaks off with 54000";
    "result_bytes", "number; 0 no limit", "most bytes of rows of one statement; its answer breaks off with 54000";
    "statement_time", "duration; 0 no limit", "how long a statement may run, its answer's reader included; it is cancelled with 57014";
    "session_time", "duration; 0 no limit", "how long a session may last; it ends with 57P01";
    "idle", "duration; 0 no limit", "a session in which nothing runs ends with 57P05 after this; a statement that runs or waits for approval is not idle";
    "rate", "statements a second; 0 no limit", "all sessions together; what is too fast is refused with 53400";
    "burst", "number; as rate", "how many of them may come at once";
};

/// In `[resources.NAME.mask]`. A strategy is "redact" (`[masked:RULE]`), "partial" (the last four characters too), "null" (the whole
/// cell) or "off".
pub const MASK: &[Key] = keys! {
    "notices", "true or false; true", "an answer in which something was masked says so, with counts by rule";
    "rules", "table, { RULE = \"STRATEGY\" }; \"*\" is every other rule", "what becomes of what a detector finds";
    "columns", "table, { \"[schema.]table.column\" = \"STRATEGY\" } or { \"...\" = { RULE = \"STRATEGY\" } }", "the same for a column of a table or view, where the answer names it as that";
};

/// In `[resources.NAME.recording]`.
pub const RECORDING: &[Key] = keys! {
    "rows", "\"all\", \"first:N\" or \"counts\"; all", "how much of the rows is recorded";
    "quota_bytes", "number; 0 none", "most bytes of rows a statement records";
    "durability", "\"sync\", \"strict\" or \"best_effort\"; strict", "how safe the intent is before a statement goes out";
};

/// The reference as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from("# weir-relay.toml\n");
    let tables = [
        ("top", TOP),
        ("[tls]", TLS),
        ("[policy]", POLICY),
        ("[identity]", IDENTITY),
        ("[[identity.clients]]", CLIENT),
        ("[identity.oidc]", OIDC),
        ("[[identity.workload]]", WORKLOAD),
        ("[[identity.workload.rules]]", WORKLOAD_RULE),
        ("[approvals]", APPROVALS),
        ("[[approvals.webhook]]", WEBHOOK),
        ("[approvals.slack]", SLACK),
        ("[delegation]", DELEGATION),
        ("[limits]", USERS),
        ("[credentials.NAME]", CREDENTIAL),
        ("[resources.NAME]", RESOURCE),
        ("[resources.NAME.limits], [limits.user], [limits.users.NAME]", LIMITS),
        ("[resources.NAME.mask]", MASK),
        ("[resources.NAME.recording]", RECORDING),
    ];
    for (title, keys) in tables {
        let _ = write!(out, "\n## {title}\n\n| key | accepts; default | does |\n|---|---|---|\n");
        for Key { name, accepts, does } in keys {
            let _ = writeln!(out, "| `{name}` | {accepts} | {does} |");
        }
    }
    out
}
