//! The journeys: what a user does, with real clients against a real server, over both transports.
//!
//! - [`queries`]: reads, masked values, refusals, transactions, as psql sees them
//! - [`protocol`]: what drivers do: prepared statements, pipelines, COPY, cancellation, notifications
//! - [`wire`]: what drivers seldom send, by hand
//! - [`clients`]: other languages' drivers
//! - [`property`]: whatever a client sends, it is answered as the server answers it
//! - [`admin`]: the API for administrators and auditors, and who may make which call; `weir admin`
//! - [`approvals`]: held requests
//! - [`channels`]: being told of them, and deciding them, over webhooks and Slack
//! - [`estimate`]: how many rows a held statement would touch
//! - [`lifecycle`]: clients and relays that die, large values
//! - [`labels`]: labelled columns while the database changes
//! - [`meaning`]: statements judged by what the server runs for their names
//! - [`limits`]: what a resource's configuration limits, and how much of it is recorded
//! - [`local`]: the local port: TLS, the UNIX socket, Ctrl-C in psql, a port that is taken
//! - [`floods`]: strangers that open connections and leave them unfinished, agents that open too many, clients that do not read
//! - [`hosts`]: a resource of several hosts: which of them a session is with
//! - [`injection`]: every way in which the relay logs in to a resource, and what it refuses to
//! - [`policy`]: policies that change, columns that are seen, connections that are held
//! - [`resources`]: made, changed and deleted over the API
//! - [`poolers`]: servers that have no cancel key
//! - [`mishaps`]: what goes wrong, with its exit code or SQLSTATE and the next step
//! - [`faults`]: what breaks while it is used: the server, the network, the relay, the disk
//! - [`install`]: the installer, from an archive
//! - [`people`]: logging in at a provider, a real one and one whose answers are wrong
//! - [`workloads`]: CI jobs that come with their platform's token
//! - [`network`]: networks that are in the way
//! - [`nested`]: agents of agents: what they may, how they end, what attackers try
//! - [`attacks`]: what an attacker tries with agents of agents: each refused, and in the audit log
//! - [`grace`]: agents whose tunnel is lost
//! - [`masks`]: masks that do no harm: their form, notices, writes of them, dumps
//! - [`metrics`]: what the relay counts, and `weir status --watch`
//! - [`passkeys`]: decisions that need one, and what is no proof
//! - [`oauth`]: the authorization server, by a client of others, and attacks on it
//! - [`leaks`]: planted secrets are nowhere; where the login is kept, and what nobody enforces, is said

/// Makes a test for each transport of `async fn name(transport) -> Result<()>`.
macro_rules! over_both_transports {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            use weir_tests::agent::Transport;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn over_quic() -> anyhow::Result<()> {
                super::$name(Transport::Quic).await
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn over_websocket() -> anyhow::Result<()> {
                super::$name(Transport::WebSocket).await
            }
        })*
    };
}

mod admin;
mod approvals;
mod attacks;
mod channels;
mod clients;
mod estimate;
mod faults;
mod floods;
mod grace;
mod hosts;
mod injection;
mod install;
mod labels;
mod large_objects;
mod leaks;
mod lifecycle;
mod limits;
mod local;
mod masks;
mod meaning;
mod metrics;
mod mishaps;
mod nested;
mod network;
mod oauth;
mod passkeys;
mod people;
mod policy;
mod poolers;
mod property;
mod protocol;
mod queries;
mod regress;
mod resources;
mod review;
mod wire;
mod workloads;
