//! Approvals: what a human's yes is bound to, how far it goes, and who may say it.
//!
//! A request is stored as it was made and never changes. Its digest (BLAKE3, each part with its length) covers the chain of agents, the
//! resource, the database, the role, the hash of the policies, the session, how often the session has changed what statements mean
//! (settings, roles, names), whether a transaction is open, the text, the values, and the protocol's bytes. The relay keeps those bytes
//! and runs them; the client sends nothing again. While a request waits, nothing else of its session goes to the resource, so that what
//! comes behind it in a pipeline waits too.
//!
//! | granted | bound to | holds |
//! |---|---|---|
//! | once | the digest | one run, at once |
//! | `--uses N` | the digest | N runs in its session |
//! | `--template` | the statement's tokens with constants left open by type (`?int`, `?text`), and all else of the digest | N runs, or `--for` a time |
//! | `--for T` | session, chain, resource, class and policies | everything of the class, for the time |
//! | of a session | the session | the session lasts no longer than `--for` |
//! | of a scope | the agent that asked, not those below it | until `--for` ends; `--scope` grants a part |
//!
//! Using a grant is one statement of the store that names the state it leaves: of two that race one wins. Before anything runs, the
//! agent must still be alive and policy is asked again, by the policies in force then; other policies make another digest, so grants
//! of before are not good any more. What a session was granted ends with it.
//!
//! Deciding needs all of these: a person acting for themselves (an agent that was delegated anything, and a workload, decides nothing); not the
//! user behind the request's chain; a group of `@approvers` where there are such; a passkey where `@passkey` asks for one; and a permit of
//! policy for `approve` over the channel that was used. `@quorum` counts people, one vote each, and the first no denies. What several
//! grant is what all of them grant.
//!
//! Requests that say the same are shown with their number and decided together, no more of them than were shown. What was denied is denied
//! again for a minute without asking (`denied_for`), and one user may neither have more than `most_pending` wait nor ask more than
//! `per_hour`. After three approvals of one template in a day, the template is offered.
//!
//! Before a statement is put to a human, the server is asked to EXPLAIN it over a connection of its own, in a second at most; never to
//! ANALYZE it. Planning can run functions, so it is asked only where everything that planning looks at is known to be the server's own
//! (`upstream/estimate.rs`): by the grammar, and by the catalog. Who decides sees rows and plan, or why there are none; the requester
//! and their agents do not, since statistics tell of masked values. It is recorded that the server was asked, and nothing is bound to
//! what it said.
//!
//! Break-glass is the requester's own, where policy permits `break_glass`: once, exactly as shown, with a reason; it is an alert in the audit
//! log, and until somebody else has reviewed it, that user breaks no more.
//!
//! | event | when |
//! |---|---|
//! | `approval.requested`, `.approved`, `.denied`, `.used` | as they say |
//! | `approval.refused` | somebody tried to decide who may not |
//! | `alert.glass_broken`, `approval.reviewed` | break-glass |
