//! Policies: how a decision comes about, and what policies may say.
//!
//! Three questions, each for every agent from the root to who asks; the strictest answer counts:
//!
//! 1. the action itself: `connect`, or what the class of the statement needs. No permit, or any forbid: denied.
//! 2. `unattended`, with the action in `context.action`. No permit, or any forbid: a human decides. A connection is asked about as a
//!    request of class `connect` with no statements.
//! 3. `unmasked`, for each labelled column, once a session for each bundle. No permit, or any forbid: masked.
//!
//! `approve` and `break_glass` are asked of who decides. A policy that fails denies, whatever the others say.
//!
//! Facts: `context.agent` (`depth`, `user`, `ci`), `context.time` (UTC: `hour`, `weekday` from Monday as 1, `minute_of_day`, `zone`) and
//! `context.sql`, in `relay/policy/src/bundle/schema.cedarschema`. They come from PostgreSQL's grammar, never from words, and from the
//! catalog of the database at hand: every name counts as what the server would run for it, on the search path that the session has.
//!
//! | a name | counts as |
//! |---|---|
//! | `f(x)`, `x.f`, `(x).f` | the worst function of that name and number of arguments on the path; `x.f` is a column where `x` certainly has one |
//! | a view, row security, a domain, a cast, an operator | the functions that it calls, however deep |
//! | a foreign table | what its server does: a file or a program of the server, reads elsewhere, or not known |
//! | a function of the server's own | harmless when it is not volatile, or listed; else a write; what reads files or runs SQL is `sql.admin` |
//! | one of a known extension | harmless when it is not volatile |
//! | any other | a write, unless the resource's `harmless_functions` has its signature, or policy permits it by `context.sql.functions` |
//! | `EXECUTE s`, `FETCH c` | everything that was prepared or declared under the name in this session |
//! | what does not exist | the server's own error; what cannot be found but may exist is `sql.admin` |
//!
//! `reads` and `writes` hold relations as written, and what they are, with their schema: what a view reads too. `weir-relay policy explain`
//! and `test` have no database at hand: there a name counts as the worst that it may mean.
//!
//! | annotation | value | says |
//! |---|---|---|
//! | `@id` | text, needed | the name in denials, recordings, metrics |
//! | `@enforce` | `shadow`, `warn` | it is not enforced; its matches are recorded and counted, with its `@message` when it warns |
//! | `@message`, `@next` | text | what a denial tells the client, and what to do next; of a forbid that denies or holds |
//! | `@quorum` | 1 to 10 | so many must approve; the highest counts |
//! | `@approvers` | groups, a comma between | each of them must be among those who approve, and nobody else counts |
//! | `@ttl`, `@window` | duration | how long a request may wait, the longest grant; the shortest counts |
//! | `@uses` | 1 to 1000000 | most uses of a grant; the smallest counts |
//! | `@reason_required`, `@passkey` | none | who decides says why; and confirms with a passkey, on the page |
//!
//! Terms are merged over the permits of the first question and the forbids of the second: over all that determined the hold.
//!
//! The relay looks at the folder each second and loads what was the same twice; SIGHUP loads at once. Another bundle has another hash
//! (over schema, guardrails, names and texts); the audit log has `policy.loaded` with both, or `policy.refused` with every problem. A
//! recording says from where on another bundle ruled. What the new bundle no longer lets connect gets no more statements permitted.
//!
//! Over the API an administrator writes or deletes one file at a time: it names the hash that it saw, all files are judged together,
//! `policy.changed` is in the audit log before the file is put in its place, and it is loaded at once.
//!
//! `weir-relay policy test` reads cases of this form; all but `expect` and one of `sql` and `action` may be left out:
//!
//! ```toml
//! [[case]]
//! name = "nobody drops anything in production"
//! user = "alice"
//! roles = ["admin"]
//! depth = 1
//! ci = false
//! resource = "shop-prod"
//! labels = { env = "prod" }
//! at = "2026-11-26T10:00:00Z"
//! sql = "DROP TABLE orders"
//! expect = "deny"
//! policies = ["guardrail-destructive"]
//! terms = []
//! ```
//!
//! `action` is `connect`, `sql.read` to `sql.admin`, `unmasked` (with `column = "public.customers.ssn"`), `approve` (with `channel`,
//! `passkey`, `class`, `requester`) or `break_glass` (with `class`).
