//! `weir-relay init`: a folder that a relay can be served from. Made beside its final place and moved there whole, so
//! that a failure leaves nothing half-done.

use super::{say, system, user};
use crate::identity::oauth::signing::Keys;
use fs_err as fs;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::{
    net::SocketAddr,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};
use weir_shared::{
    error::{Kind, UserFacing},
    keys::Thumbprint,
};
use weir_store::Store;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The folder to make.
    folder: PathBuf,
    /// The first administrator's name.
    #[arg(long, default_value = "admin")]
    admin: String,
    /// Read the administrator's password from standard input.
    #[arg(long)]
    password_stdin: bool,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// A name under which agents reach the relay; may be given several times.
    #[arg(long = "host")]
    hosts: Vec<String>,
}

pub(super) async fn run(args: Args) -> Result<(), UserFacing> {
    if fs::symlink_metadata(&args.folder).is_ok() {
        let message = format!("{} exists already", args.folder.display());
        return Err(UserFacing::new(Kind::Conflict, message, "choose a folder that does not exist"));
    }
    let mut name = args.folder.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    let work = args.folder.with_file_name(name);
    let made = make(&args, &work).await;
    let moved = match made {
        Ok(pin) => fs::rename(&work, &args.folder).map(|()| pin).map_err(|error| system(&error)),
        Err(error) => Err(error),
    };
    let pin = moved.inspect_err(|_| drop(fs::remove_dir_all(&work)))?;
    let folder = args.folder.display();
    let url = url(&args);
    say(&format!(
        "made {folder}\n\
         next:\n  1. describe your resources in {folder}/weir-relay.toml, then run\n     \
         weir-relay --config {folder}/weir-relay.toml check\n  2. weir-relay --config {folder}/weir-relay.toml serve\n  \
         3. on each agent's machine: weir login --relay {url} --ca ca.pem\n     \
         (copy {folder}/ca.pem there, or use --pin {pin})"
    ))
}

fn url(args: &Args) -> String {
    match args.hosts.first() {
        Some(host) => format!("https://{host}:{}", args.listen.port()),
        None => format!("https://{}", args.listen),
    }
}

async fn make(args: &Args, work: &Path) -> Result<Thumbprint, UserFacing> {
    let io = |error: std::io::Error| system(&error);
    std::fs::DirBuilder::new().mode(0o700).create(work).map_err(|error| {
        UserFacing::new(
            Kind::System,
            format!("{}: {error}", work.display()),
            "is an earlier attempt's folder in the way?",
        )
    })?;
    for folder in ["keys", "policies", "recordings"] {
        std::fs::DirBuilder::new().mode(0o700).create(work.join(folder)).map_err(io)?;
    }
    let pin = certificates(args, work)?;
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| system(&"the system has no randomness"))?;
    // A thumbprint's text form is 32 bytes in hexadecimal.
    write(&work.join("keys/sealing.key"), &format!("{}\n", Thumbprint::from_bytes(key)), 0o600).map_err(io)?;
    Keys::open(&work.join("keys/tokens"), jiff::Timestamp::now().as_second()).map_err(io)?;
    write(&work.join("policies/default.cedar"), weir_policy::bundle::DEFAULT_POLICY, 0o600).map_err(io)?;
    write(&work.join("weir-relay.toml"), &configuration(args), 0o600).map_err(io)?;
    let store = Store::open(&work.join("weir.db")).await.map_err(|error| system(&error))?;
    let roles = ["admin".to_owned(), "reviewer".to_owned()];
    user::add(&store, &args.admin, &roles, args.password_stdin).await?;
    store.close().await;
    Ok(pin)
}

fn write(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    use std::io::Write as _;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
}

/// An own CA, and the relay's certificate by it.
fn certificates(args: &Args, work: &Path) -> Result<Thumbprint, UserFacing> {
    let failed = |error: rcgen::Error| system(&error);
    let io = |error: std::io::Error| system(&error);
    let ca_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let mut ca = CertificateParams::new(Vec::new()).map_err(failed)?;
    ca.distinguished_name.push(DnType::CommonName, "weir relay CA");
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let ca_certificate = ca.self_signed(&ca_key).map_err(failed)?;
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(args.hosts.iter().cloned());
    if !args.listen.ip().is_unspecified() {
        names.push(args.listen.ip().to_string());
    }
    names.dedup();
    let mut server = CertificateParams::new(names).map_err(failed)?;
    server.distinguished_name.push(DnType::CommonName, "weir relay");
    server.use_authority_key_identifier_extension = true;
    server.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = server.signed_by(&key, &Issuer::from_params(&ca, &ca_key)).map_err(failed)?;
    write(&work.join("ca.pem"), &ca_certificate.pem(), 0o644).map_err(io)?;
    write(&work.join("keys/ca.key"), &ca_key.serialize_pem(), 0o600).map_err(io)?;
    write(&work.join("keys/relay.pem"), &certificate.pem(), 0o644).map_err(io)?;
    write(&work.join("keys/relay.key"), &key.serialize_pem(), 0o600).map_err(io)?;
    Thumbprint::of_certificate(certificate.der()).map_err(|error| system(&error))
}

fn configuration(args: &Args) -> String {
    format!(
        r#"# weir-relay's configuration. `weir-relay check --reference` documents every key.
listen = "{}"
public_url = "{}"

# One table for each resource:
#
# [resources.postgres-prod]
# kind = "postgres"
# host = "db.internal"
# databases = ["shop"]
# role = "weir"
# credential = "file:keys/postgres-prod"   # or "env:NAME", or {{ exec = ["program", "argument"], timeout = "5s" }}
# ca = "keys/db-ca.pem"
# labels = {{ env = "prod" }}
# columns = ["customers.ssn"]              # masked whole, always
# limits = {{ connections = 100 }}
# recording = {{ rows = "all", durability = "strict" }}
#
# Administrators make more over the API (`weir admin resources put`), with credentials that stand here:
#
# [credentials.shop]
# source = "file:keys/shop"
# hosts = ["*.db.internal"]                # nobody else is shown it
# ca = "keys/db-ca.pem"
"#,
        args.listen,
        url(args)
    )
}
