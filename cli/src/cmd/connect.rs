//! `weir connect`: opens local ports and serves them until Ctrl-C.

use super::list;
use crate::{
    identity::{self, Asked},
    listen::{Events, Local, LocalTls},
    run::environment::Opened,
    settings::Settings,
    tunnel::{Transport, Tunnel},
    ui,
    ui::Output,
};
use futures_util::future::join_all;
use serde_json::json;
use std::{process::ExitCode, sync::Arc};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use weir_shared::{
    api::{Claims, ResourceView, WhoAmI},
    error::{Kind, UserFacing},
    id::ResourceName,
};

#[derive(clap::Args)]
pub(super) struct Args {
    /// Resources, by name.
    #[arg(required = true)]
    names: Vec<ResourceName>,
    /// The local port; with one resource only.
    #[arg(long)]
    port: Option<u16>,
    /// Print only this on standard output, once the port is open.
    #[arg(long, value_enum)]
    print: Option<Print>,
    /// Why; whoever reviews requests of its sessions reads it.
    #[arg(long)]
    reason: Option<String>,
    /// How the relay is reached.
    #[arg(long, value_enum, default_value = "auto")]
    transport: Transport,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Print {
    /// A connection string.
    Dsn,
    /// Shell exports: PGHOST, PGPORT, ...
    Env,
}

pub(super) async fn run(settings: &Settings, args: Args, output: Output) -> Result<ExitCode, UserFacing> {
    if args.port.is_some() && args.names.len() > 1 {
        return Err(UserFacing::new(
            Kind::Usage,
            "--port goes with one resource",
            "leave it out, or name one resource",
        ));
    }
    let claims = Claims { reason: args.reason.clone(), ..identity::claims("weir connect") };
    let session = identity::open(settings, &Asked { claims, hops: Some(0), ..Asked::default() }).await?;
    let who = session.who().await?;
    let resources: Vec<ResourceView> = session.get("/resources").await?;
    let mut found = Vec::new();
    for name in &args.names {
        found.push(list::find(&resources, name)?);
    }
    let tls = Arc::new(LocalTls::new(settings)?);
    let mut locals = Vec::new();
    for view in &found {
        locals.push(Local::open(settings, view.name.clone(), args.port).await?);
    }
    let (tasks, events, over) = (TaskTracker::new(), events(output), CancellationToken::new());
    tasks.spawn(Arc::clone(&session).live_on(over.clone()));
    let tunnel = Arc::new(Tunnel::new(Arc::clone(&session), args.transport, tasks.clone(), Arc::clone(&events)));
    let wait = ui::spinner("opening the tunnel");
    let transport = tunnel.connect().await;
    wait.finish_and_clear();
    let transport = transport?;
    for (local, view) in locals.iter().zip(&found) {
        announce(&args, output, local, view, who, &tls, transport);
    }
    let serve = join_all(
        locals
            .iter()
            .map(|local| local.serve(Arc::clone(&tunnel), Arc::clone(&tls), tasks.clone(), Arc::clone(&events))),
    );
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| ui::system("no signals", &error))?;
    tokio::select! {
        _ = serve => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        () = over.cancelled() => return Err(identity::orphaned()),
    }
    if output == Output::Text {
        ui::tell("closed");
    }
    Ok(ExitCode::SUCCESS)
}

fn events(output: Output) -> Events {
    Arc::new(move |event, resource, text| match output {
        Output::Json => ui::json(&json!({ "event": event, "resource": resource, "text": text })),
        Output::Text => {
            let about = resource.map(|resource| format!("{resource}: ")).unwrap_or_default();
            ui::tell(&format!("{about}{event} {}", ui::visible(text)));
        }
    })
}

fn announce(
    args: &Args,
    output: Output,
    local: &Local,
    view: &ResourceView,
    who: &WhoAmI,
    tls: &LocalTls,
    transport: &str,
) {
    let opened = Opened::new(view, who, local.port, None, &tls.ca);
    let (Opened { port, user, database, .. }, folder, dsn) = (&opened, local.folder.display(), opened.url());
    match args.print {
        Some(Print::Dsn) => return ui::say(&dsn),
        Some(Print::Env) => {
            return ui::say(&format!(
                "export PGHOST=127.0.0.1 PGPORT={port} PGUSER={user} PGDATABASE={database} DATABASE_URL={dsn}"
            ));
        }
        None => {}
    }
    if output == Output::Json {
        return ui::json(&json!({
            "event": "listening", "resource": local.resource, "host": "127.0.0.1", "port": port,
            "socket": local.has_socket().then(|| folder.to_string()), "dsn": dsn, "ca": tls.ca,
            "transport": transport, "user": user, "database": database,
        }));
    }
    let mut lines = vec![format!("{} ({}) over {transport}", local.resource, view.kind), format!("psql {dsn}")];
    if local.has_socket() {
        lines.push(format!("psql 'host={folder} port={port} user={user} dbname={database}'"));
    }
    lines.push("no password is needed; TLS clients: sslmode=verify-full with".to_owned());
    lines.push(format!("  sslrootcert={}", tls.ca.display()));
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    ui::tell(&format!("┌{}┐", "─".repeat(width + 2)));
    for line in lines {
        ui::tell(&format!("│ {line:<width$} │"));
    }
    ui::tell(&format!("└{}┘", "─".repeat(width + 2)));
}
